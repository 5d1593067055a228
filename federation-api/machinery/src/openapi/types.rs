//! Types of the schema table as OpenAPI schemas.

use serde_json::{Map, json};

use super::{Components, SCHEMAS};
use crate::Value;
use crate::schema::{Field, List, Scalar, Struct, Topology, Type, TypeId};

/// An object with known fields.
pub(super) fn structure(components: &mut Components<'_>, fields: &Struct) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &fields.fields {
        if field.required {
            required.push(field.name.clone());
        }
        properties.insert(field.name.clone(), property(components, field));
    }
    let mut written = json!({"type": "object"});
    if !properties.is_empty() {
        written["properties"] = Value::Object(properties);
    }
    if !required.is_empty() {
        written["required"] = json!(required);
    }
    if fields.atomic {
        written["x-kubernetes-map-type"] = json!("atomic");
    }
    if fields.preserve_unknown {
        written["x-kubernetes-preserve-unknown-fields"] = json!(true);
    }
    written
}

fn property(components: &mut Components<'_>, field: &Field) -> Value {
    let mut written = of(components, field.ty);
    if let Some(default) = &field.default {
        // A reference stands alone in OpenAPI 3.0, so whatever is said beside it needs `allOf`.
        if written.get("$ref").is_some() {
            written = json!({"allOf": [written]});
        }
        written["default"] = default.clone();
    }
    let patch = &field.patch;
    let strategies = [("merge", patch.merge), ("replace", patch.replace), ("retainKeys", patch.retain_keys)];
    let strategies: Vec<&str> =
        strategies.into_iter().filter(|(_, used)| *used).map(|(name, _)| name).collect();
    if !strategies.is_empty() {
        written["x-kubernetes-patch-strategy"] = json!(strategies.join(","));
    }
    if let Some(key) = &patch.merge_key {
        written["x-kubernetes-patch-merge-key"] = json!(key);
    }
    written
}

/// Any type; named structs by reference.
fn of(components: &mut Components<'_>, id: TypeId) -> Value {
    match components.schema.get(id) {
        Type::Scalar(scalar) => self::scalar(*scalar),
        Type::Struct(fields) if fields.name.is_empty() => structure(components, fields),
        Type::Struct(fields) => {
            let reference = json!({"$ref": format!("{SCHEMAS}{}", fields.name)});
            components.open(id);
            reference
        }
        Type::Map(map) => {
            let values = of(components, map.values);
            let mut written = json!({"type": "object", "additionalProperties": values});
            if map.atomic {
                written["x-kubernetes-map-type"] = json!("atomic");
            }
            written
        }
        Type::List(list) => self::list(components, list),
        Type::Any => json!({"type": "object"}),
        Type::Atom => json!({}),
    }
}

fn list(components: &mut Components<'_>, list: &List) -> Value {
    let items = of(components, list.items);
    let mut written = json!({"type": "array", "items": items});
    match &list.topology {
        Topology::Atomic => written["x-kubernetes-list-type"] = json!("atomic"),
        Topology::Set => written["x-kubernetes-list-type"] = json!("set"),
        Topology::Map { keys } => {
            written["x-kubernetes-list-type"] = json!("map");
            written["x-kubernetes-list-map-keys"] = json!(keys);
        }
    }
    written
}

fn scalar(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String => json!({"type": "string"}),
        Scalar::Bytes => json!({"type": "string", "format": "byte"}),
        Scalar::Bool => json!({"type": "boolean"}),
        Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
        Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
        Scalar::Number => json!({"type": "number", "format": "double"}),
        Scalar::Time | Scalar::MicroTime => json!({"type": "string", "format": "date-time"}),
        Scalar::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Scalar::IntOrString => {
            json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"})
        }
    }
}
