//! Kubernetes object machinery, pure: schemas, wire formats, patches, apply, selectors, tables.

pub mod apply;
pub mod default;
pub mod discovery;
pub mod gvk;
pub mod json;
pub mod openapi;
pub mod patch;
pub mod print;
pub mod protobuf;
pub mod quantity;
pub mod quote;
pub mod schema;
pub mod selector;
pub mod status;
pub mod time;
pub mod validate;
pub mod yaml;

/// An object, or a part of one: an untyped JSON tree with sorted keys.
pub type Value = serde_json::Value;
