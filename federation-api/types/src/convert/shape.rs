//! Checks a tree against its published schema, so that every finding names its field before anything is read.
//!
//! It answers what the schema can say: known fields, types, enums, ranges, required fields, duplicates. Whether the
//! values make sense together is asked by the converters, which run only on trees that pass here.

use std::collections::BTreeMap;

use koinon_machinery::validate::FieldError;
use serde_json::Value;

/// Items in one list of a spec. A policy with more selectors or weights than this was made by mistake, and matching
/// an object costs time in proportion.
const ITEMS_MAX: usize = 1_024;

/// What a value may look like.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Any,
    Bool,
    Integer { min: Option<i64>, max: Option<i64> },
    Number,
    Text { choices: Vec<String> },
    Map { values: Box<Shape> },
    List { items: Box<Shape>, unique: Unique },
    Object { fields: BTreeMap<String, Shape>, required: Vec<String> },
}

/// What may not appear twice in a list.
#[derive(Clone, Debug)]
pub(super) enum Unique {
    Nothing,
    Items,
    Keys(Vec<String>),
}

impl Shape {
    /// Reads a structural schema. What it does not understand is accepted as anything.
    pub(super) fn of(schema: &Value) -> Self {
        let number = |key: &str| schema.get(key).and_then(as_whole);
        match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => Self::Bool,
            Some("integer") => Self::Integer { min: number("minimum"), max: number("maximum") },
            Some("number") => Self::Number,
            Some("string") => Self::Text { choices: strings(schema, "enum") },
            Some("array") => Self::List {
                items: Box::new(schema.get("items").map_or(Self::Any, Self::of)),
                unique: match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
                    Some("set") => Unique::Items,
                    Some("map") => Unique::Keys(strings(schema, "x-kubernetes-list-map-keys")),
                    Some(_) | None => Unique::Nothing,
                },
            },
            Some("object") => {
                match (schema.get("properties").and_then(Value::as_object), values_of(schema)) {
                    (Some(properties), _) => Self::Object {
                        fields: properties
                            .iter()
                            .map(|(name, inner)| (name.clone(), Self::of(inner)))
                            .collect(),
                        required: strings(schema, "required"),
                    },
                    (None, Some(values)) => Self::Map { values: Box::new(Self::of(values)) },
                    (None, None) => Self::Any,
                }
            }
            Some(_) | None => Self::Any,
        }
    }

    /// Finds everything in `value` that this shape does not allow. A null counts as absent.
    pub(super) fn check(&self, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let mut expected = |what: &str| {
            errors.push(FieldError::type_invalid(path, value.clone(), format!("must be {what}")));
        };
        match (self, value) {
            (Self::Any, _)
            | (_, Value::Null)
            | (Self::Bool, Value::Bool(_))
            | (Self::Number, Value::Number(_)) => {}
            (Self::Bool, _) => expected("true or false"),
            (Self::Number, _) => expected("a number"),
            (Self::Integer { min, max }, _) => match value.as_i64() {
                Some(number) => check_range(number, *min, *max, path, errors),
                None => expected("a whole number"),
            },
            (Self::Text { choices }, Value::String(text)) => {
                if !choices.is_empty() && !choices.contains(text) {
                    let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
                    errors.push(FieldError::not_supported(path, text.as_str(), &choices));
                }
            }
            (Self::Text { .. }, _) => expected("a text"),
            (Self::Map { values }, Value::Object(members)) => {
                for (key, inner) in members {
                    values.check(inner, &format!("{path}[{key}]"), errors);
                }
            }
            (Self::Map { .. }, _) => expected("an object with keys of your choice"),
            (Self::List { items, unique }, Value::Array(list)) => {
                check_list(items, unique, list, path, errors);
            }
            (Self::List { .. }, _) => expected("a list"),
            (Self::Object { fields, required }, Value::Object(members)) => {
                check_object(fields, required, members, path, errors);
            }
            (Self::Object { .. }, _) => expected("an object"),
        }
    }
}

fn check_range(number: i64, min: Option<i64>, max: Option<i64>, path: &str, errors: &mut Vec<FieldError>) {
    let low = min.is_some_and(|min| number < min);
    let high = max.is_some_and(|max| number > max);
    if low || high {
        let accepted = match (min, max) {
            (Some(min), Some(max)) => format!("must be between {min} and {max}"),
            (Some(min), None) => format!("must be {min} or more"),
            (None, Some(max)) => format!("must be {max} or less"),
            (None, None) => return,
        };
        errors.push(FieldError::invalid(path, number, accepted));
    }
}

fn check_list(items: &Shape, unique: &Unique, list: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    if list.len() > ITEMS_MAX {
        errors.push(FieldError::too_many(path, list.len(), ITEMS_MAX));
        return;
    }
    for (index, item) in list.iter().enumerate() {
        if item.is_null() {
            errors.push(FieldError::required(format!("{path}[{index}]"), "an item may not be null"));
        }
        items.check(item, &format!("{path}[{index}]"), errors);
    }
    let identity = |item: &Value| match unique {
        Unique::Nothing => None,
        Unique::Items => Some(vec![item.clone()]),
        Unique::Keys(keys) => {
            Some(keys.iter().map(|key| item.get(key).cloned().unwrap_or_default()).collect::<Vec<_>>())
        }
    };
    let identities: Vec<_> = list.iter().filter_map(identity).collect();
    for (index, one) in identities.iter().enumerate() {
        if identities[..index].contains(one) {
            let shown = if let [only] = one.as_slice() { only.clone() } else { Value::Array(one.clone()) };
            errors.push(FieldError::duplicate(format!("{path}[{index}]"), shown));
        }
    }
}

fn check_object(
    fields: &BTreeMap<String, Shape>,
    required: &[String],
    members: &serde_json::Map<String, Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    for (name, value) in members {
        let inner = format!("{path}.{name}");
        match fields.get(name) {
            Some(shape) => shape.check(value, &inner, errors),
            None => {
                let known = fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                errors.push(FieldError::forbidden(inner, format!("unknown field; known here: {known}")));
            }
        }
    }
    for name in required {
        if members.get(name).is_none_or(Value::is_null) {
            errors.push(FieldError::required(format!("{path}.{name}"), accepted(fields.get(name))));
        }
    }
}

/// What could stand where something is missing.
fn accepted(shape: Option<&Shape>) -> String {
    match shape {
        Some(Shape::Bool) => "true or false".to_owned(),
        Some(Shape::Integer { min: Some(min), max: Some(max) }) => {
            format!("a whole number from {min} to {max}")
        }
        Some(Shape::Integer { .. }) => "a whole number".to_owned(),
        Some(Shape::Number) => "a number".to_owned(),
        Some(Shape::Text { choices }) if !choices.is_empty() => format!("one of {}", choices.join(", ")),
        Some(Shape::Text { .. }) => "a text".to_owned(),
        Some(Shape::List { .. }) => "a list".to_owned(),
        Some(Shape::Object { fields, .. }) => {
            format!("an object with {}", fields.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Some(Shape::Map { .. }) => "an object with keys of your choice".to_owned(),
        Some(Shape::Any) | None => String::new(),
    }
}

fn values_of(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|values| values.is_object())
}

/// Derived schemas write bounds as floating-point numbers.
#[expect(clippy::cast_possible_truncation, reason = "bounds are whole numbers far inside 2^53")]
fn as_whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|number| number as i64))
}

fn strings(schema: &Value, key: &str) -> Vec<String> {
    let listed = schema.get(key).and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(Value::as_str).map(str::to_owned).collect()
}
