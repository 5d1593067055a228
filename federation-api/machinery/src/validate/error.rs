//! One finding about one field of an object, worded and classified as Kubernetes clients expect.
//!
//! Source: `metav1.CauseType` and the field errors of upstream's apimachinery.

use std::fmt;

use crate::Value;
use crate::quote::quoted;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldErrorKind {
    /// A value that must be given is missing or empty.
    Required,
    /// A value is malformed or out of bounds.
    Invalid,
    /// A value has the wrong JSON type.
    TypeInvalid,
    /// A value is not among the accepted ones.
    NotSupported,
    /// A value that must be unique appears twice.
    Duplicate,
    /// A well-formed value is not allowed in these circumstances.
    Forbidden,
    /// A referenced value does not exist.
    NotFound,
    /// Text is too long; the value is not repeated.
    TooLong,
    /// A list has too many items; the value is their number.
    TooMany,
    /// Something failed that the user did not cause.
    Internal,
}

impl FieldErrorKind {
    /// The machine-readable cause type on the wire.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
        }
    }

    /// The words that open the message.
    pub fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }

    fn shows_value(self) -> bool {
        match self {
            Self::Invalid
            | Self::TypeInvalid
            | Self::NotSupported
            | Self::Duplicate
            | Self::NotFound
            | Self::TooMany => true,
            Self::Required | Self::Forbidden | Self::TooLong | Self::Internal => false,
        }
    }
}

/// One finding about one field.
///
/// `Display` is the whole message (`spec.replicas: Invalid value: -1: must be …`), [`FieldError::body`] the part after the path.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// The path, such as `spec.template.spec.containers[0].image`.
    pub field: String,
    /// What is wrong.
    pub kind: FieldErrorKind,
    /// What would be accepted, or why not; may be empty.
    pub detail: String,
    /// The offending value where the kind shows one.
    pub value: Option<Value>,
}

impl FieldError {
    /// A missing value.
    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(field, FieldErrorKind::Required, detail, None)
    }

    /// A malformed value.
    pub fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(field, FieldErrorKind::Invalid, detail, Some(value.into()))
    }

    /// A value of the wrong JSON type.
    pub fn type_invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(field, FieldErrorKind::TypeInvalid, detail, Some(value.into()))
    }

    /// A value that is none of `supported`.
    pub fn not_supported(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> Self {
        let detail = if supported.is_empty() {
            String::new()
        } else {
            let choices: Vec<String> = supported.iter().map(|choice| quoted(choice)).collect();
            format!("supported values: {}", choices.join(", "))
        };
        Self::new(field, FieldErrorKind::NotSupported, detail, Some(value.into()))
    }

    /// A value that appears twice.
    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(field, FieldErrorKind::Duplicate, "", Some(value.into()))
    }

    /// A value that is not allowed here.
    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(field, FieldErrorKind::Forbidden, detail, None)
    }

    /// A reference to nothing.
    pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(field, FieldErrorKind::NotFound, "", Some(value.into()))
    }

    /// Text longer than `bytes_max`.
    pub fn too_long(field: impl Into<String>, bytes_max: usize) -> Self {
        let unit = if bytes_max == 1 { "byte" } else { "bytes" };
        Self::new(field, FieldErrorKind::TooLong, format!("may not be more than {bytes_max} {unit}"), None)
    }

    /// A list of `n_items` items where `n_items_max` are allowed.
    pub fn too_many(field: impl Into<String>, n_items: usize, n_items_max: usize) -> Self {
        let unit = if n_items_max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {n_items_max} {unit}");
        Self::new(field, FieldErrorKind::TooMany, detail, Some(Value::from(n_items)))
    }

    /// The message without the path.
    pub fn body(&self) -> String {
        let mut text = self.kind.words().to_owned();
        if self.kind.shows_value()
            && let Some(value) = &self.value
        {
            text.push_str(": ");
            match value {
                Value::String(string) => text.push_str(&quoted(string)),
                other @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_)) => {
                    text.push_str(&other.to_string());
                }
            }
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    fn new(
        field: impl Into<String>,
        kind: FieldErrorKind,
        detail: impl Into<String>,
        value: Option<Value>,
    ) -> Self {
        Self { field: field.into(), kind, detail: detail.into(), value }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_each_kind_as_upstream_does() {
        for (error, expected) in [
            (FieldError::required("spec.selector", ""), "spec.selector: Required value"),
            (FieldError::required("name", "give one"), "name: Required value: give one"),
            (
                FieldError::invalid("spec.replicas", -1, "must not be negative"),
                "spec.replicas: Invalid value: -1: must not be negative",
            ),
            (FieldError::invalid("name", "A", "lower case"), "name: Invalid value: \"A\": lower case"),
            (FieldError::invalid("x", serde_json::json!({"a": 1}), ""), "x: Invalid value: {\"a\":1}"),
            (FieldError::duplicate("ports[1].name", "web"), "ports[1].name: Duplicate value: \"web\""),
            (
                FieldError::not_supported("type", "X", &["A", "B"]),
                "type: Unsupported value: \"X\": supported values: \"A\", \"B\"",
            ),
            (FieldError::forbidden("data", "is immutable"), "data: Forbidden: is immutable"),
            (FieldError::not_found("mounts[0].name", "tmp"), "mounts[0].name: Not found: \"tmp\""),
            (FieldError::too_long("data", 1), "data: Too long: may not be more than 1 byte"),
            (FieldError::too_many("ports", 3, 2), "ports: Too many: 3: must have at most 2 items"),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
