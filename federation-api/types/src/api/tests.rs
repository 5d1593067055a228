//! What the kinds look like in the API: names, schemas, columns.

use serde_json::Value;

use super::*;

/// Calls `visit` with every schema inside `schema` and its path.
fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            walk(inner, &format!("{path}[]"), visit);
        }
    }
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        walk(inner, &format!("{path}.{name}"), visit);
    }
}

#[test]
fn every_schema_is_structural() {
    for resource in api() {
        walk(&resource.schema, resource.kind, &mut |path, schema| {
            for banned in ["$ref", "anyOf", "oneOf", "allOf", "nullable", "$schema", "definitions", "$defs"] {
                assert!(schema.get(banned).is_none(), "{path} has {banned}: {schema}");
            }
            let any = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
            assert!(any || schema.get("type").is_some_and(Value::is_string), "{path} has no type: {schema}");
            if schema.get("type").is_some_and(|kind| kind == "array") {
                assert!(schema.get("x-kubernetes-list-type").is_some(), "{path} does not say how it merges");
            }
        });
    }
}

#[test]
fn every_field_has_a_description() {
    for resource in api() {
        walk(&resource.schema, resource.kind, &mut |path, schema| {
            let named = path.rsplit('.').next().unwrap_or_default();
            let standard =
                ["apiVersion", "kind", "metadata"].contains(&named) && path.matches('.').count() == 1;
            if !standard && !path.ends_with("[]") {
                assert!(schema.get("description").is_some(), "{path} is not described");
            }
        });
    }
}

#[test]
fn list_map_keys_are_required_or_defaulted_strings() {
    for resource in api() {
        walk(&resource.schema, resource.kind, &mut |path, schema| {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            for key in keys.into_iter().flatten().filter_map(Value::as_str) {
                assert!(schema["items"]["properties"].get(key).is_some(), "{path} has no key {key}");
            }
        });
    }
}

#[test]
fn defaults_that_users_rely_on_are_published() {
    let schema = |kind: &str| resource(kind).expect("a kind of the group").schema;
    let spec = schema("PropagationPolicy")["properties"]["spec"]["properties"].clone();
    assert_eq!(spec["propagateDependencies"]["default"], true);
    assert_eq!(spec["conflictResolution"]["default"], "Abort");
    assert_eq!(spec["failback"]["properties"]["stabilizationSeconds"]["default"], 300);
    let scheduling = &spec["placement"]["properties"]["replicaScheduling"]["properties"];
    assert_eq!(scheduling["type"]["default"], "Duplicated");
    assert_eq!(scheduling["type"]["enum"], serde_json::json!(["Duplicated", "Divided"]));
}

#[test]
fn names_are_unique_within_the_group() {
    let mut seen = std::collections::BTreeSet::new();
    for resource in api() {
        let names = [resource.kind, resource.plural, resource.singular];
        for name in names.iter().chain(resource.short_names) {
            assert!(seen.insert(*name), "{name} is taken");
        }
    }
}
