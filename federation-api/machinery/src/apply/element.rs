//! One step from a value to a part of it: a field, an item by its keys, an item by its value.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use crate::Value;
use crate::quote::quoted;

/// One step of a path. The order is that of field sets on the wire: fields, then keys, then values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of an object.
    Field(String),
    /// An item of a list, by the values of its key fields.
    Keys(BTreeMap<String, Leaf>),
    /// An item of a set, by its value.
    Value(Leaf),
    /// An item of a list that is neither, by its place.
    Index(usize),
}

/// A value that names an item, as a JSON text. Numbers come first and by their size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf(String);

// === impl Leaf ===

impl Leaf {
    fn of(value: &Value) -> Self {
        Self(value.to_string())
    }

    fn number(&self) -> Option<f64> {
        self.0.parse().ok()
    }
}

impl PartialOrd for Leaf {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Leaf {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_kind = match (self.number(), other.number()) {
            (Some(one), Some(two)) => one.total_cmp(&two),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        by_kind.then_with(|| self.0.cmp(&other.0))
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::from_str::<Value>(&self.0) {
            Ok(Value::String(text)) => f.write_str(&quoted(&text)),
            Ok(_) | Err(_) => f.write_str(&self.0),
        }
    }
}

// === impl Element ===

impl Element {
    /// The step to an item with these key fields.
    pub fn keys<'a>(keys: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        Self::Keys(keys.into_iter().map(|(key, value)| (key.to_owned(), Leaf::of(value))).collect())
    }

    /// The step to an item of a set.
    pub fn value(value: &Value) -> Self {
        Self::Value(Leaf::of(value))
    }

    /// Reads a member name of `FieldsV1`.
    pub fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let keys: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Keys(keys.into_iter().map(|(key, value)| (key, Leaf::of(&value))).collect()))
            }
            "v" => Some(Self::value(&serde_json::from_str(rest).ok()?)),
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
                    .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), value.0))
                    .collect();
                format!("k:{{{}}}", pairs.join(","))
            }
            Self::Value(value) => format!("v:{}", value.0),
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
                let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "[{}]", pairs.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}
