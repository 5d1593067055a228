//! Reads what the Go generator found: how each field of each Go type is encoded.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;

/// All that the generator found.
#[derive(Deserialize)]
pub(super) struct Facts {
    pub(super) kinds: Vec<Kind>,
    pub(super) types: BTreeMap<String, Type>,
}

/// A kind and the OpenAPI name of its type.
#[derive(Deserialize)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    #[serde(rename = "type")]
    pub(super) ty: String,
}

/// A Go struct.
#[derive(Deserialize)]
pub(super) struct Type {
    pub(super) fields: Vec<Field>,
}

/// A field, as JSON shows it.
#[derive(Deserialize)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) tag: u16,
    #[serde(default)]
    pub(super) outer: Vec<u16>,
    #[serde(default)]
    pub(super) pointer: bool,
    pub(super) empty: String,
    #[serde(rename = "type")]
    pub(super) ty: String,
    #[serde(default)]
    pub(super) form: String,
}

impl Type {
    /// Finds a field by its JSON name.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Reads the generator's output.
pub(super) fn read(text: &str) -> anyhow::Result<Facts> {
    serde_json::from_str(text).context("read what the Go generator found")
}
