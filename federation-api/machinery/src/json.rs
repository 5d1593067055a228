//! Reads JSON into a [`Value`] and reports the fields that were given twice.
//!
//! A plain parse silently keeps the last of two equal keys, and then strict field validation cannot be done any more.
//! So the report is made here, while the text is still at hand. The last value wins, as it does for every client.
//! Nesting is limited to 128 levels by `serde_json`; no kind comes near it, and it keeps the stack bounded.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number};

use crate::Value;
use crate::quote::quoted;

/// How many duplicates are reported: enough to repair a manifest, little enough to answer with.
const DUPLICATES_MAX: usize = 100;

/// A tree and what was ambiguous about its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The tree; of equal keys the last.
    pub value: Value,
    /// One sentence per field that was given twice, worded for strict validation; at most 100, in the order met.
    pub duplicates: Vec<String>,
}

/// Text that is not JSON.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(#[from] serde_json::Error);

/// Reads one JSON value; anything but white space after it is an error.
///
/// # Errors
/// When the text is not JSON or nests deeper than 128 levels.
pub fn parse(text: &[u8]) -> Result<Parsed, Malformed> {
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Tree { path: &Path::Root, duplicates: &mut duplicates }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Parsed { value, duplicates })
}

/// Where in the tree the parser is; linked through the stack so that it costs nothing until a duplicate is met.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn render(&self, out: &mut String) {
        match self {
            Path::Root => {}
            Path::Key(parent, key) => {
                parent.render(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Path::Index(parent, index) => {
                parent.render(out);
                out.push_str(&format!("[{index}]"));
            }
        }
    }
}

struct Tree<'a> {
    path: &'a Path<'a>,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = Path::Index(self.path, list.len());
            let seed = Tree { path: &path, duplicates: &mut *self.duplicates };
            match items.next_element_seed(seed)? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key.len() > KEY_BYTES_MAX {
                return Err(A::Error::custom("field name is too long"));
            }
            let path = Path::Key(self.path, &key);
            if map.contains_key(&key) {
                report(&path, self.duplicates);
            }
            let value = entries.next_value_seed(Tree { path: &path, duplicates: &mut *self.duplicates })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// No field or map key of any kind is longer than a ConfigMap key (253) or a label (317); paths of keys are rendered
/// into messages, so a key of megabytes would multiply.
const KEY_BYTES_MAX: usize = 64 * 1024;

fn report(path: &Path<'_>, duplicates: &mut Vec<String>) {
    if duplicates.len() >= DUPLICATES_MAX {
        return;
    }
    let mut text = String::new();
    path.render(&mut text);
    let sentence = format!("duplicate field {}", quoted(&text));
    if !duplicates.contains(&sentence) {
        duplicates.push(sentence);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#"{"b":[1,-2,3.5,null,true,"x"],"a":{"c":18446744073709551615,"d":{}}}"#;
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(parsed.duplicates, Vec::<String>::new());
    }

    #[test]
    fn reports_every_field_given_twice_and_keeps_the_last() {
        let text = r#"{"kind":"A","spec":{"replicas":1,"replicas":2,"list":[{"a":1},{"a":1,"a":2}],"list":[{"a":1},{"a":1,"a":3}]},"kind":"B","kind":"C"}"#;
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.value, json!({"kind": "C", "spec": {"replicas": 2, "list": [{"a": 1}, {"a": 3}]}}));
        assert_eq!(
            parsed.duplicates,
            [
                r#"duplicate field "spec.replicas""#,
                r#"duplicate field "spec.list[1].a""#,
                r#"duplicate field "spec.list""#,
                r#"duplicate field "kind""#,
            ]
        );
    }

    #[test]
    fn limits_the_report() {
        let text: String = (0..200).map(|n| format!(r#""k{n}":1,"k{n}":2,"#)).collect();
        let parsed = parse(format!("{{{text}\"z\":0}}").as_bytes()).unwrap();
        assert_eq!(parsed.duplicates.len(), DUPLICATES_MAX);
    }

    #[test]
    fn refuses_what_is_not_one_json_value() {
        let long_key = format!("{{\"{}\":1}}", "k".repeat(KEY_BYTES_MAX + 1));
        for text in ["", "{", "{} {}", "{\"a\"}", "1e999", "\u{feff}{}", &"[".repeat(200), &long_key] {
            assert!(parse(text.as_bytes()).is_err(), "{text:.20}");
        }
    }
}
