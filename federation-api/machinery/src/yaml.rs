//! Reads YAML into a [`Value`] as Kubernetes' own tools do, and writes one as YAML.
//!
//! Kubernetes reads YAML 1.1: a plain `yes` is a boolean, `010` is eight, `<<` merges. Whether a scalar was quoted
//! decides, and strict validation names the line of a repeated key, so this works on the parser's events rather than
//! through serde. Nesting, anchors and the size of what aliases unfold to are bounded.

mod emit;
mod scalar;

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Map;

use crate::Value;
use crate::json::{self, Parsed};
use crate::quote::quoted;

pub use emit::to_string;

/// Deepest nesting, the same as for JSON.
const DEPTH_MAX: usize = 128;

/// How many nodes aliases may add to all documents of a text. A manifest of the largest accepted body has about that
/// many nodes itself; a "billion laughs" text passes it at once.
const ALIASED_NODES_MAX: usize = 100_000;

/// How many repeated keys are reported.
const DUPLICATES_MAX: usize = 100;

/// Why a text cannot be read as YAML.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The text is not UTF-8.
    #[error("yaml: invalid UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// The text breaks the grammar.
    #[error("yaml: {0}")]
    Syntax(Box<ScanError>),
    /// The text is YAML but not a JSON tree.
    #[error("yaml: line {line}: {what}")]
    Unfit {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads the first document; a text without any is null.
///
/// A body that is JSON is read as JSON, which is much faster and means the same.
///
/// # Errors
/// When the text is not YAML or has no JSON form.
pub fn parse(text: &[u8]) -> Result<Parsed, Malformed> {
    if text.trim_ascii_start().first() == Some(&b'{')
        && let Ok(parsed) = json::parse(text)
        && parsed.duplicates.is_empty()
    {
        return Ok(parsed);
    }
    let mut reader = Reader::new(text)?;
    Ok(reader.document()?.unwrap_or_default())
}

/// Reads every document of a text; empty documents are left out.
///
/// # Errors
/// When any of them is not YAML or has no JSON form.
pub fn parse_documents(text: &[u8]) -> Result<Vec<Parsed>, Malformed> {
    let mut reader = Reader::new(text)?;
    let mut documents = Vec::new();
    while let Some(document) = reader.document()? {
        if !document.value.is_null() {
            documents.push(document);
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, Anchor>,
    n_nodes: usize,
    n_aliased: usize,
    duplicates: Vec<String>,
}

struct Anchor {
    value: Value,
    n_nodes: usize,
}

/// A mapping's key: its text, or the merge indicator.
enum Key {
    Text(String),
    Merge,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(text).map_err(Malformed::NotUtf8)?;
        let options = granit_parser::options! {
            emit_comments: false,
            block_scalar_eof_without_line_feed: true,
            flow_nesting_limit: DEPTH_MAX,
            block_nesting_limit: DEPTH_MAX,
        };
        Ok(Self {
            events: Parser::new_from_str_with_options(text, options),
            anchors: BTreeMap::new(),
            n_nodes: 0,
            n_aliased: 0,
            duplicates: Vec::new(),
        })
    }

    fn document(&mut self) -> Result<Option<Parsed>, Malformed> {
        loop {
            match self.next()? {
                Some((Event::DocumentStart(..), _)) => break,
                Some((Event::StreamEnd, _)) | None => return Ok(None),
                Some(_) => {}
            }
        }
        self.anchors.clear();
        let value = match self.expect_next()? {
            (Event::DocumentEnd, _) => Value::Null,
            (event, span) => self.node(event, &span, 0)?,
        };
        let duplicates = match std::mem::take(&mut self.duplicates) {
            lines if lines.is_empty() => Vec::new(),
            lines => vec![format!("yaml: unmarshal errors:\n  {}", lines.join("\n  "))],
        };
        Ok(Some(Parsed { value, duplicates }))
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Malformed> {
        self.events.next_event().transpose().map_err(|error| Malformed::Syntax(Box::new(error)))
    }

    fn expect_next(&mut self) -> Result<(Event<'a>, Span), Malformed> {
        let at_end = Malformed::Unfit { line: 0, what: "unexpected end of the text".to_owned() };
        self.next()?.ok_or(at_end)
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Value, Malformed> {
        if depth > DEPTH_MAX {
            return Err(unfit(span, "exceeded max depth"));
        }
        let before = self.n_nodes;
        self.n_nodes += 1;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, scalar_node(&text, style, tag.as_deref(), span)?)
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.sequence(depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(depth)?),
            Event::Alias(anchor) => (0, self.alias(anchor, span)?),
            _ => return Err(unfit(span, "unexpected structure")),
        };
        if anchor != 0 {
            let n_nodes = self.n_nodes - before;
            self.anchors.insert(anchor, Anchor { value: value.clone(), n_nodes });
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<Value, Malformed> {
        // An anchor is only known once its node is complete, so an alias inside its own node is not found.
        let Some(Anchor { value, n_nodes }) = self.anchors.get(&anchor) else {
            return Err(unfit(span, "anchor value contains itself"));
        };
        self.n_nodes += n_nodes;
        self.n_aliased += n_nodes;
        if self.n_aliased > ALIASED_NODES_MAX {
            return Err(unfit(span, "document contains excessive aliasing"));
        }
        Ok(value.clone())
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Malformed> {
        let mut items = Vec::new();
        loop {
            match self.expect_next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Malformed> {
        let mut map = Map::new();
        let mut merged = Map::new();
        loop {
            let (event, span) = self.expect_next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.key(event, &span)?;
            let (event, value_span) = self.expect_next()?;
            let value = self.node(event, &value_span, depth + 1)?;
            match key {
                Key::Merge => merge(value, &value_span, &mut merged)?,
                Key::Text(key) => {
                    if map.contains_key(&key) && self.duplicates.len() < DUPLICATES_MAX {
                        let line = span.start.line();
                        self.duplicates.push(format!("line {line}: key {} already set in map", quoted(&key)));
                    }
                    map.insert(key, value);
                }
            }
        }
        for (key, value) in merged {
            map.entry(key).or_insert(value);
        }
        Ok(Value::Object(map))
    }

    fn key(&mut self, event: Event<'a>, span: &Span) -> Result<Key, Malformed> {
        let value = match event {
            Event::Scalar(ref text, ScalarStyle::Plain, _, None) if text == "<<" => return Ok(Key::Merge),
            Event::Scalar(..) | Event::Alias(_) => self.node(event, span, 0)?,
            _ => return Err(unfit(span, "a map key must be a scalar")),
        };
        match value {
            Value::String(text) => Ok(Key::Text(text)),
            Value::Bool(_) | Value::Number(_) => Ok(Key::Text(value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(unfit(span, &format!("unsupported map key: {value}")))
            }
        }
    }
}

/// Adds the entries of `source` that `into` does not have yet; of a sequence, earlier mappings win.
fn merge(source: Value, span: &Span, into: &mut Map<String, Value>) -> Result<(), Malformed> {
    let sources = match source {
        Value::Array(items) => items,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            vec![other]
        }
    };
    for source in sources {
        let Value::Object(entries) = source else {
            return Err(unfit(span, "map merge requires map or sequence of maps as the value"));
        };
        for (key, value) in entries {
            into.entry(key).or_insert(value);
        }
    }
    Ok(())
}

fn scalar_node(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<Value, Malformed> {
    let core_tag = tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
    scalar::resolve(text, style == ScalarStyle::Plain, core_tag.as_deref()).map_err(|what| unfit(span, &what))
}

fn unfit(span: &Span, what: &str) -> Malformed {
    Malformed::Unfit { line: span.start.line(), what: what.to_owned() }
}

#[cfg(test)]
mod tests;
