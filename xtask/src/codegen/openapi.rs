//! Reads the component schemas of Kubernetes' OpenAPI v3 documents: all named types, once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

/// Every named schema, without descriptions.
pub(super) type Documents = BTreeMap<String, Value>;

/// Reads every document of a folder.
pub(super) fn read(folder: &Path) -> anyhow::Result<Documents> {
    let mut documents = Documents::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let document: Value =
            serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))?;
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        for (name, schema) in schemas.into_iter().flatten() {
            let mut schema = schema.clone();
            without_descriptions(&mut schema);
            if let Some(other) = documents.get(name)
                && !alike(other, &schema)
            {
                bail!("two documents describe {name} differently");
            }
            documents.insert(name.clone(), schema);
        }
    }
    Ok(documents)
}

/// Whether two schemas are the same, apart from the kinds they list: each document lists those of its own group.
fn alike(one: &Value, other: &Value) -> bool {
    let without_kinds = |schema: &Value| {
        let mut schema = schema.clone();
        if let Some(object) = schema.as_object_mut() {
            object.remove("x-kubernetes-group-version-kind");
        }
        schema
    };
    without_kinds(one) == without_kinds(other)
}

/// Drops upstream's prose; a property of that name is an object and stays.
fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("description").is_some_and(Value::is_string) {
                object.remove("description");
            }
            object.values_mut().for_each(without_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
