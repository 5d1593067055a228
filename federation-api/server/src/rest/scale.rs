//! `/scale`: the wanted number of replicas of any scalable kind, in one shape for all.

use std::sync::Arc;

use http::StatusCode;
use koinon_machinery::Value;
use koinon_machinery::patch;
use koinon_machinery::schema::catalog::Verb;
use koinon_machinery::selector::LabelSelector;
use koinon_machinery::status::{Reason, Status};
use koinon_machinery::validate::FieldError;
use serde_json::json;

use crate::api::Api;
use crate::handle::{Answer, Call};
use crate::object::Stored;
use crate::registry::{Resource, ScalePaths};

use super::decode::Raw;
use super::dispatch::{edit, not_found};
use super::door::Door;
use super::metadata;
use super::options::WriteOptions;
use super::respond;
use super::write::{ATTEMPTS_MAX, Edit, Object, Patch, Write};

/// Reads or changes the scale of an object.
pub(super) async fn answer(api: &Api, call: &Call, raw: &Raw) -> Result<Answer, Status> {
    let paths = call.resource.scale.as_ref().ok_or_else(Status::unknown_resource)?;
    if call.verb == Verb::Get {
        let stored = current(api, call)?;
        return respond::object(
            api,
            call,
            StatusCode::OK,
            &Arc::new(scale_of(&stored, &call.resource, paths)),
        );
    }
    let mut options = WriteOptions::parse(&call.query)?;
    options.manager = call.manager(&options.manager);
    let (namespace, name) = (&call.path.namespace, &call.path.name);
    let mut write = Write::new(api, &call.resource, Door::Scale, &call.user, namespace, name, options);
    let wanted = match call.verb {
        Verb::Update => Edit::Replace(raw.decode(api.registry.schema())?.value),
        _ => edit(call, raw, &mut write)?,
    };
    for _ in 0..ATTEMPTS_MAX {
        let stored = current(api, call)?;
        let old = scale_of(&stored, &call.resource, paths);
        let new = result(api, &wanted, &old)?;
        metadata::check_pins(&new, &old, &call.resource)?;
        let replicas = replicas(call, &new)?;
        let path = paths.spec.clone();
        let version = stored.resource_version().to_string();
        let set = Edit::With(Box::new(move |object| {
            place(object, &path, replicas.into());
            metadata::of(object).insert("resourceVersion".to_owned(), version.as_str().into());
        }));
        match write.change(&set).await {
            // Somebody changed the object in between; the wish still stands.
            Err(status) if status.reason == Reason::Conflict => {}
            Err(status) => return Err(status),
            Ok(outcome) => {
                let tree = match &outcome.object {
                    Object::Stored(stored) => stored.value(),
                    Object::Tree(tree) => Arc::clone(tree),
                };
                let scale = Arc::new(of_tree(&tree, &call.resource, paths));
                return respond::object(api, call, StatusCode::OK, &scale);
            }
        }
    }
    Err(write.conflict(metadata::MODIFIED))
}

fn current(api: &Api, call: &Call) -> Result<Arc<Stored>, Status> {
    let stored = api.storage.get(&call.resource, &call.path.namespace, &call.path.name);
    stored.ok_or_else(|| not_found(call))
}

fn result(api: &Api, edit: &Edit, old: &Value) -> Result<Value, Status> {
    let mut new = old.clone();
    match edit {
        Edit::Replace(scale) => new = scale.clone(),
        // One field with one meaning: applying it is setting it.
        Edit::Apply(scale) | Edit::Patch(Patch::Merge(scale)) => patch::merge::apply(&mut new, scale),
        Edit::Patch(Patch::Json(patch)) => patch.apply(&mut new)?,
        Edit::Patch(Patch::Strategic(members)) => {
            let schema = api.registry.schema();
            let gvk = koinon_machinery::gvk::GroupVersionKind::new("autoscaling", "v1", "Scale");
            if let (Some(ty), Some(object)) = (schema.type_of(&gvk), new.as_object_mut()) {
                patch::strategic::apply(schema, ty, object, members.clone())
                    .map_err(|error| Status::from(&error))?;
            }
        }
        Edit::With(change) => change(&mut new),
    }
    Ok(new)
}

/// The replicas that a scale asks for.
fn replicas(call: &Call, scale: &Value) -> Result<i64, Status> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
    if replicas >= 0 {
        return Ok(replicas);
    }
    let error = FieldError::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
    Err(Status::invalid("autoscaling", "Scale", &call.path.name, &[error]))
}

fn scale_of(stored: &Stored, resource: &Resource, paths: &ScalePaths) -> Value {
    of_tree(&stored.value(), resource, paths)
}

fn of_tree(object: &Value, resource: &Resource, paths: &ScalePaths) -> Value {
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(key) {
            metadata[key] = value.clone();
        }
    }
    let number = |path: &str| find(object, path).and_then(Value::as_i64).unwrap_or_default();
    let mut status = json!({"replicas": number(&paths.status)});
    let selector = find(object, &paths.selector).map(|selector| selector_text(selector, resource));
    if let Some(selector) = selector.filter(|text| !text.is_empty()) {
        status["selector"] = selector.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": number(&paths.spec)}, "status": status})
}

/// A selector as text, from any of its three shapes.
fn selector_text(selector: &Value, resource: &Resource) -> String {
    match selector {
        Value::String(text) => text.clone(),
        Value::Object(set) if resource.names() == ("", "replicationcontrollers") => {
            LabelSelector::from_set(set).to_string()
        }
        other => LabelSelector::from_value(other).map(|selector| selector.to_string()).unwrap_or_default(),
    }
}

fn keys(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|key| !key.is_empty())
}

fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return None;
    }
    keys(path).try_fold(object, |value, key| value.get(key))
}

fn place(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for key in keys(path) {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[key];
    }
    *at = value;
}
