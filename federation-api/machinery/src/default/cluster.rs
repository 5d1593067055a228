//! Rules of the kinds that describe the cluster itself: namespaces, nodes, limits, access, definitions, devices.

use serde_json::json;

use super::constants::RBAC;
use super::{Object, has_items, inside, inside_or_new, is_absent, set, text};
use crate::Value;

/// The label by which selectors find a namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A namespace carries its name as a label; one whose name is still to be generated gets it later.
pub(super) fn namespace(namespace: &mut Object) {
    let Some(metadata) = inside(namespace, "metadata") else { return };
    let name = text(metadata, "name").to_owned();
    if !name.is_empty()
        && let Some(labels) = inside_or_new(metadata, "labels")
    {
        labels.insert(NAME_LABEL.to_owned(), name.into());
    }
}

/// A node can give all it has.
pub(super) fn node_status(status: &mut Object) {
    if let Some(capacity @ Value::Object(_)) = status.get("capacity").cloned() {
        set(status, "allocatable", capacity);
    }
}

/// A container's default limit is the maximum, its default request the limit, and without one the minimum.
pub(super) fn limit_range_item(item: &mut Object) {
    if text(item, "type") != "Container" {
        return;
    }
    for (to, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
        let Some(Value::Object(source)) = item.get(from).cloned() else { continue };
        if source.is_empty() {
            continue;
        }
        if let Some(target) = inside_or_new(item, to) {
            for (resource, quantity) in source {
                target.entry(resource).or_insert(quantity);
            }
        }
    }
}

/// Users and groups are of the access-control group; service accounts are of the core group.
pub(super) fn subject(subject: &mut Object) {
    if text(subject, "apiGroup").is_empty() && matches!(text(subject, "kind"), "User" | "Group") {
        subject.insert("apiGroup".to_owned(), RBAC.into());
    }
}

/// Someone who asks for a device without saying how many means one.
pub(super) fn device_request(request: &mut Object) {
    set(request, "allocationMode", "ExactCount");
    if text(request, "allocationMode") == "ExactCount" {
        set(request, "count", 1);
    }
}

/// A storage driver serves persistent volumes.
pub(super) fn csi_driver(spec: &mut Object) {
    if !has_items(spec, "volumeLifecycleModes") {
        spec.insert("volumeLifecycleModes".to_owned(), json!(["Persistent"]));
    }
}

/// The names of a definition follow from its kind; objects are stored in the version that says so.
pub(super) fn custom_resource_definition(definition: &mut Object) {
    let mut stored = None;
    if let Some(spec) = inside(definition, "spec") {
        if let Some(names) = inside(spec, "names") {
            let kind = text(names, "kind").to_owned();
            if !kind.is_empty() {
                set(names, "singular", kind.to_lowercase());
                set(names, "listKind", format!("{kind}List"));
            }
        }
        if is_absent(spec, "conversion") {
            set(spec, "conversion", json!({"strategy": "None"}));
        }
        let versions = spec.get("versions").and_then(Value::as_array);
        let storage = |version: &&Value| version.get("storage") == Some(&Value::Bool(true));
        stored =
            versions.into_iter().flatten().find(storage).and_then(|version| version.get("name")).cloned();
    }
    if let (Some(stored), Some(status)) = (stored, inside_or_new(definition, "status"))
        && !has_items(status, "storedVersions")
    {
        status.insert("storedVersions".to_owned(), json!([stored]));
    }
}
