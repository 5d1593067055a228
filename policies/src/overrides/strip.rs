//! Takes off a template what the host added to it: what is left is what its owner meant.
//!
//! Whether the owner or the host set a field that the host may allocate (a cluster IP, a node port) is told by the managed
//! fields: what nobody manages was allocated.

use serde_json::{Map, Value};

/// Annotations that belong to one copy of an object and mean nothing in another cluster.
const ANNOTATIONS: [&str; 8] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
    "batch.kubernetes.io/job-tracking",
];

/// Labels that the host's Job strategy puts on pods, so that the selector that it makes finds them.
const JOB_LABELS: [&str; 4] =
    ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];

/// The template without what the host added.
pub(super) fn strip(template: &Value) -> Value {
    let mut manifest = Map::new();
    for (field, value) in template.as_object().into_iter().flatten() {
        match field.as_str() {
            "status" => {}
            "metadata" => {
                manifest.insert(field.clone(), metadata(value));
            }
            _ => {
                manifest.insert(field.clone(), value.clone());
            }
        }
    }
    let mut manifest = Value::Object(manifest);
    let group = template["apiVersion"].as_str().and_then(|text| text.split_once('/')).map_or("", |(g, _)| g);
    match (group, template["kind"].as_str().unwrap_or_default()) {
        ("", "Service") => service(&mut manifest, template),
        ("", "PersistentVolumeClaim") => drop_unowned(&mut manifest, template, "volumeName"),
        ("", "PersistentVolume") => remove_of_spec(&mut manifest, &["claimRef"]),
        ("", "ServiceAccount") => remove(&mut manifest, &["secrets"]),
        ("", "Namespace") => remove(&mut manifest, &["spec"]),
        ("", "Pod") => remove_of_spec(&mut manifest, &["nodeName"]),
        ("batch", "Job") => job(&mut manifest),
        (_, _) => {}
    }
    manifest
}

/// The parts of metadata that an owner writes.
fn metadata(wire: &Value) -> Value {
    let mut kept = Map::new();
    for field in ["name", "namespace", "labels", "annotations"] {
        if let Some(value) = wire.get(field).filter(|value| !value.is_null()) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    for field in ["labels", "annotations"] {
        let Some(entries) = kept.get_mut(field).and_then(Value::as_object_mut) else { continue };
        entries.retain(|key, _| {
            !key.starts_with("koinon.io/")
                && !ANNOTATIONS.contains(&key.as_str())
                && key != "kubernetes.io/metadata.name"
        });
        if entries.is_empty() {
            kept.remove(field);
        }
    }
    Value::Object(kept)
}

fn service(manifest: &mut Value, template: &Value) {
    let is_headless = template["spec"]["clusterIP"] == "None";
    if !is_headless {
        for field in ["clusterIP", "clusterIPs"] {
            drop_unowned(manifest, template, field);
        }
    }
    for field in ["ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
        drop_unowned(manifest, template, field);
    }
    let ports = manifest.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        if !owns_node_port(template, port) {
            remove(port, &["nodePort"]);
        }
    }
}

fn job(manifest: &mut Value) {
    if manifest["spec"]["manualSelector"] == true {
        return;
    }
    remove_of_spec(manifest, &["selector"]);
    for pointer in ["/metadata/labels", "/spec/template/metadata/labels"] {
        if let Some(labels) = manifest.pointer_mut(pointer) {
            remove(labels, &JOB_LABELS);
        }
    }
}

fn remove_of_spec(manifest: &mut Value, fields: &[&str]) {
    if let Some(spec) = manifest.get_mut("spec") {
        remove(spec, fields);
    }
}

fn remove(holder: &mut Value, fields: &[&str]) {
    if let Some(members) = holder.as_object_mut() {
        for field in fields {
            members.remove(*field);
        }
    }
}

/// Drops a field of the spec unless somebody manages it.
fn drop_unowned(manifest: &mut Value, template: &Value, field: &str) {
    if !managed_specs(template).any(|spec| spec.get(format!("f:{field}")).is_some()) {
        remove_of_spec(manifest, &[field]);
    }
}

/// Whether somebody manages the node port of this port. Its key in managed fields is its port and protocol.
fn owns_node_port(template: &Value, port: &Value) -> bool {
    managed_specs(template).any(|spec| {
        let ports = spec["f:ports"].as_object().into_iter().flatten();
        ports.filter(|(_, fields)| fields.get("f:nodePort").is_some()).any(|(key, _)| {
            let key = key.strip_prefix("k:").and_then(|key| serde_json::from_str::<Value>(key).ok());
            key.is_some_and(|key| key["port"] == port["port"] && same_protocol(&key, port))
        })
    })
}

fn same_protocol(one: &Value, other: &Value) -> bool {
    let protocol = |value: &Value| value["protocol"].as_str().unwrap_or("TCP").to_owned();
    protocol(one) == protocol(other)
}

/// What each manager manages of the spec.
fn managed_specs(template: &Value) -> impl Iterator<Item = &Value> {
    let entries = template["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["fieldsV1"].get("f:spec"))
}
