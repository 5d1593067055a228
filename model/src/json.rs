//! JSON values that intents carry into JSON patches. The model has no serializer; this is the tree alone.

use std::collections::BTreeMap;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits 64 bits with a sign.
    Integer(i64),
    /// A whole number above `i64::MAX`.
    Unsigned(u64),
    /// Any other number, as written.
    Decimal(String),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object; keys are unique.
    Object(BTreeMap<String, Json>),
}
