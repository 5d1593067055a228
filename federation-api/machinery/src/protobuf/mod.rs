//! Kubernetes' protobuf bodies, to and from JSON trees.
//!
//! Go clients send built-in kinds in an envelope: four bytes of magic, then a message with the kind and the
//! object's own message. [`decode`] answers the tree that Go would write as JSON after reading the same bytes:
//! what Go always sends but JSON leaves out is left out, what a client set by pointer is kept even when it is
//! zero. Field numbers and those facts come from the schema table; a message that the table does not describe is
//! an error, never an empty object. Fields with unknown numbers, from newer clients, are dropped, as Go does.
//! [`encode`] is the way back. Kinds known only at run time have no protobuf form.

mod decode;
mod encode;
mod wire;

use crate::Value;
use crate::gvk::GroupVersionKind;
use crate::schema::{Schema, TypeId};

/// What every envelope begins with.
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// The media type of envelopes.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Why a body cannot be decoded, or an object cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The body does not begin with the magic bytes.
    #[error("the body is not a Kubernetes protobuf envelope")]
    NoEnvelope,
    /// The envelope says that its content is not plain protobuf.
    #[error("the protobuf envelope holds {content}, which is not accepted")]
    Content {
        /// The content type or encoding it names.
        content: String,
    },
    /// The kind has no protobuf form, or is not known.
    #[error("{gvk} has no protobuf form here")]
    UnknownKind {
        /// The kind as the envelope names it.
        gvk: GroupVersionKind,
    },
    /// A field holds a message that the schema does not describe.
    #[error("the protobuf message of field {field} is not described")]
    Undescribed {
        /// The path of the field.
        field: String,
    },
    /// The bytes break off or contradict the field's type.
    #[error("malformed protobuf at field {field}: {reason}")]
    Malformed {
        /// The path of the field; empty for the envelope.
        field: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The object has more values than are accepted.
    #[error("the object has more than {} values", decode::VALUES_MAX)]
    TooLarge,
    /// Messages nest deeper than is accepted.
    #[error("the object nests deeper than {} levels", decode::DEPTH_MAX)]
    TooDeep,
}

/// Whether a body is an envelope, judged by its first bytes.
pub fn is_envelope(body: &[u8]) -> bool {
    body.starts_with(&MAGIC)
}

/// Decodes an envelope into the JSON tree of its object, with `apiVersion` and `kind` set.
///
/// # Errors
/// When the body is not an envelope of a kind that `schema` describes, or is malformed.
pub fn decode(body: &[u8], schema: &Schema) -> Result<Value, Error> {
    let envelope = decode::envelope(body)?;
    let id = type_of(schema, &envelope.gvk)?;
    let mut object = decode::object(schema, id, envelope.raw)?;
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), envelope.gvk.api_version().into());
        fields.insert("kind".to_owned(), envelope.gvk.kind.into());
    }
    Ok(object)
}

/// Encodes an object into an envelope, as a Go server would.
///
/// # Errors
/// When `schema` has no protobuf form for the object's kind, or a value contradicts its type.
pub fn encode(object: &Value, schema: &Schema) -> Result<Vec<u8>, Error> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let gvk = GroupVersionKind::from_api_version(text("apiVersion"), text("kind"));
    let gvk =
        gvk.map_err(|_| Error::Malformed { field: "apiVersion".into(), reason: "not a group and version" })?;
    let id = type_of(schema, &gvk)?;
    encode::envelope(schema, id, object)
}

/// The type of a kind. DeleteOptions are sent in the group of what is deleted, whichever that is.
fn type_of(schema: &Schema, gvk: &GroupVersionKind) -> Result<TypeId, Error> {
    let any_group = (gvk.kind == "DeleteOptions").then(|| GroupVersionKind::new("", "v1", "DeleteOptions"));
    let found = schema.type_of(gvk).or_else(|| schema.type_of(&any_group?));
    found.ok_or_else(|| Error::UnknownKind { gvk: gvk.clone() })
}

#[cfg(test)]
mod tests;
