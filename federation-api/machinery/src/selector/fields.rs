//! Field selectors: conjunctions of `field=value` and `field!=value`.

use std::fmt;
use std::str::FromStr;

use super::Malformed;

/// A conjunction of requirements about fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// Sorted as upstream sorts the terms' texts.
    pub requirements: Vec<FieldRequirement>,
}

/// One requirement about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// The field's path, such as `status.phase`.
    pub field: String,
    /// How the field relates to the value.
    pub operator: FieldOperator,
    /// The value; an absent field counts as empty.
    pub value: String,
}

/// How a field relates to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOperator {
    /// `=` or `==`.
    Equals,
    /// `!=`.
    NotEquals,
}

impl FieldSelector {
    /// Whether an object is selected whose fields `field_of` answers; an absent field counts as empty.
    pub fn matches_with<'a>(&self, field_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let is_equal = field_of(&requirement.field).unwrap_or_default() == requirement.value;
            match requirement.operator {
                FieldOperator::Equals => is_equal,
                FieldOperator::NotEquals => !is_equal,
            }
        })
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The only value of `field` that objects may have, if the selector says so: the way to a single object or an index.
    pub fn required(&self, field: &str) -> Option<&str> {
        self.requirements
            .iter()
            .find(|requirement| requirement.field == field && requirement.operator == FieldOperator::Equals)
            .map(|requirement| requirement.value.as_str())
    }
}

impl FromStr for FieldSelector {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut terms = split_terms(text);
        terms.sort_unstable();
        let requirements =
            terms.into_iter().filter(|term| !term.is_empty()).map(|term| requirement(term, text));
        Ok(Self { requirements: requirements.collect::<Result<_, _>>()? })
    }
}

fn requirement(term: &str, selector: &str) -> Result<FieldRequirement, Malformed> {
    let unclear = || Malformed::Grammar(format!("invalid selector: '{selector}'; can't understand '{term}'"));
    let position = term.find(['=', '!']).ok_or_else(unclear)?;
    let (operator, position, n_symbols) = match &term[position..] {
        rest if rest.starts_with("!=") => (FieldOperator::NotEquals, position, 2),
        rest if rest.starts_with("==") => (FieldOperator::Equals, position, 2),
        rest if rest.starts_with('=') => (FieldOperator::Equals, position, 1),
        // A lone exclamation mark belongs to the field's name.
        rest => {
            let further = position + rest.find('=').ok_or_else(unclear)?;
            let n_symbols = if term[further..].starts_with("==") { 2 } else { 1 };
            (FieldOperator::Equals, further, n_symbols)
        }
    };
    let value = unescape(&term[position + n_symbols..])?;
    Ok(FieldRequirement { field: term[..position].to_owned(), operator, value })
}

/// Splits at commas that are not escaped.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (position, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn unescape(text: &str) -> Result<String, Malformed> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => out.push(escaped),
                other => {
                    let sequence: String = std::iter::once('\\').chain(other).collect();
                    let message = format!("invalid field selector: invalid escape sequence: {sequence}");
                    return Err(Malformed::Grammar(message));
                }
            },
            ',' | '=' => {
                let message =
                    format!("invalid field selector: unescaped character in value: {}", u32::from(character));
                return Err(Malformed::Grammar(message));
            }
            plain => out.push(plain),
        }
    }
    Ok(out)
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            FieldOperator::Equals => "=",
            FieldOperator::NotEquals => "!=",
        };
        let value = self.value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
        write!(f, "{}{operator}{value}", self.field)
    }
}
