//! One step from a value to a part of it: a field, an item by its keys, an item by its value.

use std::collections::BTreeMap;
use std::fmt;

use crate::Value;
use crate::quote::quoted;

/// One step of a path. The order is that of field sets on the wire: fields, then keys, then values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of an object.
    Field(String),
    /// An item of a list, by the values of its key fields as JSON texts.
    Keys(BTreeMap<String, String>),
    /// An item of a set, by its value as a JSON text.
    Value(String),
    /// An item of a list that is neither, by its place.
    Index(usize),
}

// === impl Element ===

impl Element {
    /// The step to an item with these key fields.
    pub fn keys<'a>(keys: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        Self::Keys(keys.into_iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect())
    }

    /// The step to an item of a set.
    pub fn value(value: &Value) -> Self {
        Self::Value(value.to_string())
    }

    /// Reads a member name of `FieldsV1`.
    pub fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let keys: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Keys(keys.into_iter().map(|(key, value)| (key, value.to_string())).collect()))
            }
            "v" => Some(Self::Value(serde_json::from_str::<Value>(rest).ok()?.to_string())),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    /// Writes a member name of `FieldsV1`.
    pub fn write(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Keys(keys) => {
                let pairs: Vec<String> = keys
                    .iter()
                    .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
                    .collect();
                format!("k:{{{}}}", pairs.join(","))
            }
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

impl fmt::Display for Element {
    /// As conflicts name a field: `.spec`, `[name="web"]`, `[="a"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Keys(keys) => {
                let shown = |text: &str| match serde_json::from_str::<Value>(text) {
                    Ok(Value::String(text)) => quoted(&text),
                    _ => text.to_owned(),
                };
                let pairs: Vec<String> =
                    keys.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
                write!(f, "[{}]", pairs.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}
