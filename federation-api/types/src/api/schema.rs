//! From a derived JSON schema to what Kubernetes calls structural: no references, no null, one type per value.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The structural schema of one part of a kind.
pub fn structural<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    if let Some(part) = schema.as_object_mut() {
        part.remove("title");
        part.remove("components");
    }
    schema
}

/// The schema of an object with these parts.
pub(super) fn object(description: &str, spec: &Value, status: &Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    })
}

/// Rewrites one schema, and those inside it, into the structural form.
fn simplify(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    hoist_option(members);
    hoist_enum(members);
    members.remove("nullable");
    members.remove("title");
    if members.get("format").and_then(Value::as_str).is_some_and(|format| format == "double") {
        members.remove("format");
    }
    // An absent value and an empty one mean the same, so neither is written into stored objects.
    if members.get("default").is_some_and(is_empty) {
        members.remove("default");
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(key) {
            simplify(inner);
        }
    }
    let properties = members.get_mut("properties").and_then(Value::as_object_mut);
    for inner in properties.into_iter().flat_map(Map::values_mut) {
        simplify(inner);
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Turns `anyOf: [A, null]` into A; what is said beside it wins over what A says of itself.
fn hoist_option(members: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = members.remove("anyOf") else { return };
    let named = branches.into_iter().find(|branch| branch.get("enum") != Some(&json!([null])));
    for (key, value) in named.as_ref().and_then(Value::as_object).into_iter().flatten() {
        members.entry(key).or_insert_with(|| value.clone());
    }
}

/// Turns `oneOf: [{enum: [A]}, {const: B}]`, which carries a description per variant, into `enum: [A, B]`.
fn hoist_enum(members: &mut Map<String, Value>) {
    let Some(branches) = members.get("oneOf").and_then(Value::as_array) else { return };
    let mut values = Vec::new();
    for branch in branches {
        let listed = branch.get("enum").and_then(Value::as_array).into_iter().flatten();
        values.extend(listed.chain(branch.get("const")).cloned());
    }
    members.remove("oneOf");
    members.insert("type".into(), json!("string"));
    members.insert("enum".into(), Value::Array(values));
}
