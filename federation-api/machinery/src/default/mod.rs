//! Fills in what a user may leave out: an object as upstream's server would hold it.
//!
//! Defaults come from three places: the `default`s of the schema (OpenAPI, and those of run-time kinds), the
//! constants that upstream sets in code ([`constants`]), and the rules that look at other fields (the siblings of
//! this module). All apply wherever the type occurs, as upstream's do. Before them, the object is rewritten as Go
//! writes it ([`as_go_writes`]), because upstream's defaults see Go values: an empty string is an absent one there.
//! What upstream's registries set from the state of the cluster (cluster IPs, node ports, names) is not here.

mod autoscaling;
mod cluster;
mod constants;
mod pods;
mod services;
mod workloads;
mod written;

use serde_json::Map;

use crate::Value;
use crate::gvk::GroupVersionKind;
use crate::schema::{Field, Schema, Struct, Type, TypeId};

pub use written::as_go_writes;

/// The fields of an object.
type Object = Map<String, Value>;

/// What every name of a built-in type begins with.
const PREFIX: &str = "io.k8s.";

/// Rewrites an object as Go would write it, and fills in its defaults.
///
/// Nothing happens to kinds that `schema` does not describe, and to values that contradict their type.
pub fn apply(schema: &Schema, gvk: &GroupVersionKind, object: &mut Value) {
    if let Some(id) = schema.type_of(gvk) {
        as_go_writes(schema, id, object);
        fill(schema, id, object);
    }
}

/// Fills in the defaults of a value of type `id`, without rewriting anything: parents before children, so that the
/// defaults of what a default adds are filled in as well.
pub fn fill(schema: &Schema, id: TypeId, value: &mut Value) {
    match (schema.get(id), value) {
        (Type::Struct(structure), Value::Object(object)) => fill_struct(schema, structure, object),
        (Type::List(list), Value::Array(items)) => {
            items.iter_mut().for_each(|item| fill(schema, list.items, item));
        }
        (Type::Map(map), Value::Object(entries)) => {
            entries.values_mut().for_each(|value| fill(schema, map.values, value));
        }
        (Type::Scalar(_) | Type::Struct(_) | Type::List(_) | Type::Map(_) | Type::Any | Type::Atom, _) => {}
    }
}

fn fill_struct(schema: &Schema, structure: &Struct, object: &mut Object) {
    if let Some(name) = structure.name.strip_prefix(PREFIX) {
        for (path, constant) in constants::of(name) {
            set_path(schema, structure, object, path, *constant);
        }
        apply_rules(name, object);
    }
    for field in &structure.fields {
        if let Some(default) = default_of(field) {
            set(object, &field.name, default.clone());
        }
        if let Some(value) = object.get_mut(&field.name) {
            fill(schema, field.ty, value);
        }
    }
}

/// The rules of a type that look at its other fields.
fn apply_rules(name: &str, object: &mut Object) {
    match name {
        "api.apps.v1.DaemonSet" => workloads::daemon_set(object),
        "api.apps.v1.Deployment" => workloads::deployment(object),
        "api.apps.v1.StatefulSet" => workloads::stateful_set(object),
        "api.autoscaling.v2.HorizontalPodAutoscalerSpec" => autoscaling::horizontal_pod_autoscaler(object),
        "api.batch.v1.Job" => workloads::job(object),
        "api.core.v1.Container" | "api.core.v1.EphemeralContainer" => pods::container(object),
        "api.core.v1.LimitRangeItem" => cluster::limit_range_item(object),
        "api.core.v1.Namespace" => cluster::namespace(object),
        "api.core.v1.NodeStatus" => cluster::node_status(object),
        "api.core.v1.Pod" => pods::pod(object),
        "api.core.v1.ReplicationController" => workloads::replication_controller(object),
        "api.core.v1.Service" => services::service(object),
        "api.core.v1.Volume" => pods::volume(object),
        "api.networking.v1.NetworkPolicySpec" => services::network_policy(object),
        "api.rbac.v1.Subject" => cluster::subject(object),
        "api.resource.v1.DeviceSubRequest" | "api.resource.v1.ExactDeviceRequest" => {
            cluster::device_request(object);
        }
        "api.storage.v1.CSIDriverSpec" => cluster::csi_driver(object),
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition" => {
            cluster::custom_resource_definition(object);
        }
        _ => {}
    }
}

/// The default that the schema gives a field. The zero of a Go field that is not a pointer says only that it is not
/// one: whether it is written when empty was decided by [`as_go_writes`].
fn default_of(field: &Field) -> Option<&Value> {
    let default = field.default.as_ref()?;
    let plain = field.proto.is_some_and(|proto| !proto.pointer);
    let is_zero = match default {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    (!(plain && is_zero)).then_some(default)
}

// === what the rules are written with ===

/// Whether a field is not there, or null.
fn is_absent(object: &Object, name: &str) -> bool {
    object.get(name).is_none_or(Value::is_null)
}

/// Sets a field that is absent. A text of a built-in kind that is empty is one Go writes although it is absent.
fn set(object: &mut Object, name: &str, value: impl Into<Value>) {
    let place = object.entry(name.to_owned()).or_insert(Value::Null);
    if place.is_null() {
        *place = value.into();
    }
}

/// Sets the field at the end of a dotted path, when it is absent and its parents are objects.
///
/// Zero and empty text are absent where Go holds the value itself; behind a pointer they are somebody's wish.
fn set_path(
    schema: &Schema,
    structure: &Struct,
    object: &mut Object,
    path: &str,
    constant: constants::Constant,
) {
    let (mut structure, mut object, mut path) = (structure, object, path);
    while let Some((parent, rest)) = path.split_once('.') {
        let Some(Value::Object(inner)) = object.get_mut(parent) else { return };
        let Some(field) = field_of(structure, parent) else { return };
        let Type::Struct(below) = schema.get(field.ty) else { return };
        (structure, object, path) = (below, inner, rest);
    }
    let is_pointer =
        field_of(structure, path).and_then(|field| field.proto).is_some_and(|proto| proto.pointer);
    let is_zero = |value: &Value| value == "" || value == 0;
    if !is_pointer && object.get(path).is_some_and(is_zero) {
        object.remove(path);
    }
    set(object, path, constant);
}

fn field_of<'a>(structure: &'a Struct, name: &str) -> Option<&'a Field> {
    structure.fields.iter().find(|field| field.name == name)
}

/// The object at a field, when there is one.
fn inside<'a>(object: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    object.get_mut(name)?.as_object_mut()
}

/// The object at a field, made when the field is absent; nothing when something else is there.
fn inside_or_new<'a>(object: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    set(object, name, Object::new());
    inside(object, name)
}

/// The objects in the list at a field.
fn each<'a>(object: &'a mut Object, name: &str) -> impl Iterator<Item = &'a mut Object> {
    let items = object.get_mut(name).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The text at a field; empty when there is none.
fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a list or a map has something in it.
fn has_items(object: &Object, name: &str) -> bool {
    match object.get(name) {
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(entries)) => !entries.is_empty(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => false,
    }
}

#[cfg(test)]
mod tests;
