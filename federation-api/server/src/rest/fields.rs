//! What an object holds that its kind does not: fields nobody knows, values of the wrong type.
//!
//! Unknown fields are reported, never removed: a member of a newer version may know them.

use koinon_machinery::Value;
use koinon_machinery::quantity::Quantity;
use koinon_machinery::schema::{Scalar, Schema, Struct, Type, TypeId};
use koinon_machinery::time;
use koinon_machinery::validate::FieldError;

/// Enough to repair a manifest, little enough to answer with.
const FINDINGS_MAX: usize = 100;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The unknown fields.
    pub(super) unknown: Vec<Unknown>,
    /// The values of wrong types.
    pub(super) mismatched: Vec<Mismatch>,
    /// The path of the first text that its type cannot be read from, and why not.
    pub(super) malformed: Option<(String, String)>,
}

/// A field that its type does not have.
#[derive(Debug)]
pub(super) struct Unknown {
    path: String,
    /// The known field that was probably meant.
    meant: Option<String>,
}

/// A value of the wrong type.
#[derive(Debug)]
pub(super) struct Mismatch {
    path: String,
    /// The type whose field it is, as Go names it.
    parent: String,
    wanted: &'static str,
    value: Value,
}

/// Compares an object with the type of its kind.
pub(super) fn find(schema: &Schema, id: TypeId, object: &Value) -> Findings {
    let mut walk = Walk { schema, path: Vec::new(), parent: "", findings: Findings::default() };
    walk.value(id, object);
    walk.findings
}

/// One step from the object to a field.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

struct Walk<'a> {
    schema: &'a Schema,
    path: Vec<Step<'a>>,
    parent: &'a str,
    findings: Findings,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    fn value(&mut self, id: TypeId, value: &'a Value) {
        if value.is_null() {
            return;
        }
        match (self.schema.get(id), value) {
            (Type::Struct(structure), Value::Object(members)) => {
                let parent = std::mem::replace(&mut self.parent, &structure.name);
                for (key, value) in members {
                    self.path.push(Step::Key(key));
                    match structure.field(key) {
                        Some(field) => self.value(field.ty, value),
                        None if structure.preserve_unknown => {}
                        None => self.unknown(structure, key),
                    }
                    self.path.pop();
                }
                self.parent = parent;
            }
            (Type::Map(map), Value::Object(entries)) => {
                for (key, value) in entries {
                    self.path.push(Step::Key(key));
                    self.value(map.values, value);
                    self.path.pop();
                }
            }
            (Type::List(list), Value::Array(items)) => {
                for (index, value) in items.iter().enumerate() {
                    self.path.push(Step::Index(index));
                    self.value(list.items, value);
                    self.path.pop();
                }
            }
            (Type::Struct(_) | Type::Map(_), _) => self.mismatch("object", value),
            (Type::List(_), _) => self.mismatch("array", value),
            (Type::Scalar(scalar), value) => {
                if let Some(wanted) = wanted(*scalar, value) {
                    self.mismatch(wanted, value);
                } else if let Some(complaint) = malformed(*scalar, value)
                    && self.findings.malformed.is_none()
                {
                    self.findings.malformed = Some((self.path(), complaint));
                }
            }
            (Type::Any | Type::Atom, _) => {}
        }
    }

    fn unknown(&mut self, structure: &Struct, key: &str) {
        if self.findings.unknown.len() < FINDINGS_MAX {
            let (path, meant) = (self.path(), nearest(structure, key));
            self.findings.unknown.push(Unknown { path, meant });
        }
    }

    fn mismatch(&mut self, wanted: &'static str, value: &Value) {
        if self.findings.mismatched.len() < FINDINGS_MAX {
            let parent = self.parent.rsplit('.').next().unwrap_or_default().to_owned();
            let (path, value) = (self.path(), value.clone());
            self.findings.mismatched.push(Mismatch { path, parent, wanted, value });
        }
    }

    fn path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if text.is_empty() => text.push_str(key),
                Step::Key(key) => {
                    text.push('.');
                    text.push_str(key);
                }
                Step::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }
}

/// The JSON type that a leaf must have, unless `value` has it.
fn wanted(scalar: Scalar, value: &Value) -> Option<&'static str> {
    let (wanted, fits) = match scalar {
        Scalar::String | Scalar::Bytes | Scalar::Time | Scalar::MicroTime => ("string", value.is_string()),
        Scalar::Bool => ("boolean", value.is_boolean()),
        Scalar::Int32 | Scalar::Int64 => ("integer", value.is_i64() || value.is_u64()),
        Scalar::Number => ("number", value.is_number()),
        Scalar::Quantity | Scalar::IntOrString => ("string", value.is_string() || value.is_number()),
    };
    (!fits).then_some(wanted)
}

/// Why a leaf of the right JSON type cannot be read.
fn malformed(scalar: Scalar, value: &Value) -> Option<String> {
    match (scalar, value) {
        (Scalar::Quantity, value) => Quantity::from_value(value).is_err().then(|| QUANTITY.to_owned()),
        (Scalar::Bytes, Value::String(text)) => {
            illegal_base64(text).map(|at| format!("illegal base64 data at input byte {at}"))
        }
        (Scalar::Time | Scalar::MicroTime, Value::String(text)) => {
            time::read(text).is_none().then(|| format!("parsing time {text:?}: cannot be read as RFC 3339"))
        }
        _ => None,
    }
}

/// Where a text stops to be base64.
fn illegal_base64(text: &str) -> Option<usize> {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = text.trim_end_matches('=').len();
    let illegal =
        text.bytes().take(digits).position(|byte| !is_digit(byte) && !matches!(byte, b'\n' | b'\r'));
    let plain = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).count();
    illegal.or_else(|| (plain % 4 != 0 || text.len() - digits > 2).then_some(text.len()))
}

/// What upstream says about quantities that are none.
const QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

// === impl Mismatch ===

impl Mismatch {
    /// The complaint about a built-in kind, as Go's decoder words it.
    pub(super) fn as_go_says(&self) -> String {
        let wanted = match self.wanted {
            "boolean" => "bool",
            "integer" => "int32",
            "number" => "float64",
            "array" => "[]interface {}",
            "object" => "map[string]interface {}",
            other => other,
        };
        let found = match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(number) => {
                let path = &self.path;
                let parent = &self.parent;
                return format!(
                    "json: cannot unmarshal number {number} into Go struct field {parent}.{path} of type {wanted}"
                );
            }
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        format!(
            "json: cannot unmarshal {found} into Go struct field {}.{} of type {wanted}",
            self.parent, self.path
        )
    }

    /// The complaint about a custom kind: what was found, and what would be accepted.
    pub(super) fn as_schema_says(&self) -> FieldError {
        let wanted = match self.wanted {
            "boolean" => "true or false",
            "integer" => "a whole number",
            "number" => "a number",
            "array" => "a list",
            "object" => "an object",
            _ => "a text",
        };
        let shown = match &self.value {
            Value::Array(_) => "array".into(),
            Value::Object(_) => "object".into(),
            leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf.clone(),
        };
        FieldError::type_invalid(self.path.clone(), shown, format!("must be {wanted}"))
    }
}

// === impl Unknown ===

impl Unknown {
    /// The complaint in the words of upstream.
    pub(super) fn plain(&self) -> String {
        format!("unknown field \"{}\"", self.path)
    }

    /// The same, with the field that was probably meant.
    pub(super) fn with_suggestion(&self) -> String {
        match &self.meant {
            Some(meant) => format!("{} (did you mean \"{meant}\"?)", self.plain()),
            None => self.plain(),
        }
    }
}

/// A typing error gets at most one letter of so many wrong.
const LETTERS_PER_TYPO: usize = 3;

/// The known field that differs least from `found`, if it is close.
fn nearest(structure: &Struct, found: &str) -> Option<String> {
    let distances = structure.fields.iter().map(|field| (distance(&field.name, found), &field.name));
    let (distance, name) = distances.min()?;
    (distance * LETTERS_PER_TYPO <= name.len()).then(|| name.clone())
}

/// How many letters must be put in, left out or replaced to make one text of the other (Levenshtein), case aside.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<u8> = other.to_ascii_lowercase().into_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.to_ascii_lowercase().bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (at, known) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *known);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use koinon_machinery::gvk::GroupVersionKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_unknown_fields_and_wrong_types() {
        let schema = Schema::built_in();
        let id = schema.type_of(&GroupVersionKind::new("apps", "v1", "Deployment")).unwrap();
        let findings = find(
            &schema,
            id,
            &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "nope": 1},
                "spec": {"replicas": "3", "template": {"spec": {"containers": [{"name": "a", "imagee": "b"}]}}}}),
        );
        let unknown: Vec<String> = findings.unknown.iter().map(Unknown::with_suggestion).collect();
        assert_eq!(
            unknown,
            [
                "unknown field \"metadata.nope\"",
                "unknown field \"spec.template.spec.containers[0].imagee\" (did you mean \"image\"?)"
            ]
        );
        assert_eq!(
            findings.mismatched[0].as_go_says(),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
    }
}
