//! JSON merge patch (RFC 7386): an object that overlays another; null removes.

use serde_json::Map;

use crate::Value;
use crate::json::{self, Parsed};
use crate::status::Status;

/// Reads a merge patch.
///
/// # Errors
/// A bad request when it is not a JSON object.
pub fn parse(text: &[u8]) -> Result<Parsed, Status> {
    let parsed =
        json::parse(text).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    if !parsed.value.is_object() {
        return Err(Status::bad_request("error decoding patch: a merge patch is an object"));
    }
    Ok(parsed)
}

/// Overlays `object` with `patch`.
///
/// Lists and scalars are replaced, objects are merged, null removes. Nulls inside of what is added vanish too.
pub fn apply(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *object = without_nulls(patch);
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(target) = object else { return };
    for (name, value) in fields {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(_) => match target.get_mut(name) {
                Some(current) => apply(current, value),
                None => {
                    target.insert(name.clone(), without_nulls(value));
                }
            },
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                target.insert(name.clone(), without_nulls(value));
            }
        }
    }
}

/// A copy without the fields that are null; nulls that are items of a list stay.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn overlays_as_the_rfc_says() {
        for (object, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({"a": "foo"}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({}), json!({"a": [{"b": null, "c": 1}, null]}), json!({"a": [{"c": 1}, null]})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        ] {
            let mut merged = object.clone();
            apply(&mut merged, &patch);
            assert_eq!(merged, expected, "{object} + {patch}");
        }
    }

    #[test]
    fn refuses_patches_that_are_no_objects() {
        for text in ["[]", "null", "1", "{", ""] {
            assert_eq!(parse(text.as_bytes()).map_err(|status| status.code), Err(400), "{text}");
        }
        assert_eq!(parse(br#"{"a":1,"a":2}"#).unwrap().duplicates, [r#"duplicate field "a""#]);
    }
}
