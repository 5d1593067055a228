//! The single changes that override policies make to a manifest.

use json_patch::jsonptr::PointerBuf;
use koinon_model::json::Json;
use koinon_model::overriding::{Containers, EnvEdit, ListEdit, MapEdit, PatchOperation};
use serde_json::{Map, Value};

use crate::interpret::Kind;

/// Changes the containers that are meant; kinds without pods have none, and a name that is not there changes nothing.
///
/// # Errors
/// As the change says.
pub(super) fn containers(
    kind: Kind,
    manifest: &mut Value,
    meant: &Containers,
    mut change: impl FnMut(&mut Value) -> Result<(), String>,
) -> Result<(), String> {
    let Some(template) = kind.pod_template().and_then(|pointer| manifest.pointer_mut(pointer)) else {
        return Ok(());
    };
    for list in ["initContainers", "containers"] {
        let Some(found) = template["spec"].get_mut(list).and_then(Value::as_array_mut) else { continue };
        for container in found {
            let is_meant = match meant {
                Containers::All => true,
                Containers::Named(name) => container["name"] == name.as_str(),
            };
            if is_meant {
                change(container)?;
            }
        }
    }
    Ok(())
}

/// Changes the map of texts under `field`, creating it if need be.
pub(super) fn map(holder: &mut Value, field: &str, change: &MapEdit) {
    if holder[field].is_null() {
        holder[field] = Value::Object(Map::new());
    }
    let Some(entries) = holder[field].as_object_mut() else { return };
    entries.retain(|key, _| !change.remove.contains(key));
    for (key, value) in &change.replace {
        if let Some(entry) = entries.get_mut(key) {
            *entry = value.as_str().into();
        }
    }
    for (key, value) in &change.set {
        entries.insert(key.clone(), value.as_str().into());
    }
    if entries.is_empty()
        && let Some(holder) = holder.as_object_mut()
    {
        holder.remove(field);
    }
}

/// Changes the environment of a container. A variable that is set again keeps its place, because later ones may refer to it.
pub(super) fn env(container: &mut Value, change: &EnvEdit) {
    if container["env"].is_null() {
        container["env"] = Value::Array(Vec::new());
    }
    let Some(variables) = container["env"].as_array_mut() else { return };
    let name_of = |variable: &Value| variable["name"].as_str().unwrap_or_default().to_owned();
    variables.retain(|variable| !change.remove.contains(&name_of(variable)));
    for (name, value) in change.replace.iter().chain(&change.set) {
        let wanted = serde_json::json!({"name": name, "value": value});
        if let Some(variable) = variables.iter_mut().find(|variable| name_of(variable) == *name) {
            *variable = wanted;
        } else if change.set.contains_key(name) {
            variables.push(wanted);
        }
    }
}

/// Changes a list of words under `field`.
pub(super) fn words(container: &mut Value, field: &str, change: &ListEdit) {
    let mut words: Vec<Value> = container[field].as_array().cloned().unwrap_or_default();
    match change {
        ListEdit::Add(more) => words.extend(more.iter().map(|word| word.as_str().into())),
        ListEdit::Remove(gone) => {
            words.retain(|word| word.as_str().is_none_or(|word| !gone.contains(word)));
        }
        ListEdit::Replace(new) => words = new.iter().map(|word| word.as_str().into()).collect(),
    }
    container[field] = words.into();
}

/// Applies a JSON patch, all of it or nothing.
///
/// # Errors
/// When an operation cannot be carried out; the text names it by its number and path.
pub(super) fn patch(manifest: &mut Value, operations: &[PatchOperation]) -> Result<(), String> {
    let wire: Vec<json_patch::PatchOperation> = operations
        .iter()
        .enumerate()
        .map(|(index, operation)| wire(operation).map_err(|problem| format!("plaintext[{index}]: {problem}")))
        .collect::<Result<_, String>>()?;
    json_patch::patch(manifest, &wire)
        .map_err(|error| format!("plaintext[{}]: {}: {}", error.operation, error.path, error.kind))
}

fn wire(operation: &PatchOperation) -> Result<json_patch::PatchOperation, String> {
    use json_patch::{
        AddOperation, CopyOperation, MoveOperation, PatchOperation as Wire, RemoveOperation,
        ReplaceOperation, TestOperation,
    };
    Ok(match operation {
        PatchOperation::Add { path, value } => {
            Wire::Add(AddOperation { path: pointer(path)?, value: plain(value) })
        }
        PatchOperation::Remove { path } => Wire::Remove(RemoveOperation { path: pointer(path)? }),
        PatchOperation::Replace { path, value } => {
            Wire::Replace(ReplaceOperation { path: pointer(path)?, value: plain(value) })
        }
        PatchOperation::Move { from, path } => {
            Wire::Move(MoveOperation { from: pointer(from)?, path: pointer(path)? })
        }
        PatchOperation::Copy { from, path } => {
            Wire::Copy(CopyOperation { from: pointer(from)?, path: pointer(path)? })
        }
        PatchOperation::Test { path, value } => {
            Wire::Test(TestOperation { path: pointer(path)?, value: plain(value) })
        }
    })
}

fn pointer(text: &str) -> Result<PointerBuf, String> {
    PointerBuf::parse(text).map_err(|_| format!("{text:?} is not a JSON pointer"))
}

/// The tree of a model's value.
fn plain(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Integer(number) => Value::from(*number),
        Json::Unsigned(number) => Value::from(*number),
        // Only numbers that were read from JSON become decimals, so reading them again cannot fail.
        Json::Decimal(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(members) => members.iter().map(|(key, json)| (key.clone(), plain(json))).collect(),
    }
}
