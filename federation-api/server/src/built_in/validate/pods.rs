//! Pods, and the templates that they are made from.

use std::collections::BTreeSet;

use koinon_machinery::Value;
use koinon_machinery::validate::FieldError;

use super::containers::containers;
use super::volumes::volumes;
use super::{Errors, at, items, meta, one_of, text};

/// Complaints about a Pod.
pub(crate) fn pod(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    match old {
        None => spec(&mut errors, "spec", at(new, "spec")),
        Some(old) => changes(&mut errors, at(new, "spec"), at(old, "spec")),
    }
    errors
}

/// Complaints about a template, filed under `path`.
pub(super) fn template(errors: &mut Errors, path: &str, template: &Value) {
    let metadata = at(template, "metadata");
    meta::labels(errors, &format!("{path}.labels"), metadata);
    meta::annotations(errors, &format!("{path}.annotations"), metadata);
    spec(errors, &format!("{path}.spec"), at(template, "spec"));
}

/// Complaints about the spec of a pod.
fn spec(errors: &mut Errors, path: &str, spec: &Value) {
    let known = volumes(errors, &format!("{path}.volumes"), items(spec, "volumes"));
    let mut names = BTreeSet::new();
    let path_of = |list: &str| format!("{path}.{list}");
    if items(spec, "containers").is_empty() {
        errors.push(FieldError::required(path_of("containers"), ""));
    }
    for list in ["containers", "initContainers"] {
        containers(errors, &path_of(list), items(spec, list), &known, &mut names);
    }
    one_of(errors, &path_of("restartPolicy"), at(spec, "restartPolicy"), &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(errors, &path_of("dnsPolicy"), at(spec, "dnsPolicy"), &policies);
    let selector = serde_json::json!({"labels": at(spec, "nodeSelector")});
    meta::labels(errors, &path_of("nodeSelector"), &selector);
    for (index, secret) in items(spec, "imagePullSecrets").iter().enumerate() {
        if text(secret, "name").is_empty() {
            errors.push(FieldError::required(format!("{path}.imagePullSecrets[{index}].name"), ""));
        }
    }
    super::not_negative(
        errors,
        &path_of("terminationGracePeriodSeconds"),
        at(spec, "terminationGracePeriodSeconds"),
    );
}

/// What may change of a pod once it is there.
const MUTABLE: [&str; 4] =
    ["activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates"];

/// What a scheduler fills in.
const ASSIGNED: [&str; 1] = ["nodeName"];

fn changes(errors: &mut Errors, new: &Value, old: &Value) {
    let mut same = new.clone();
    let (Some(members), Some(before)) = (same.as_object_mut(), old.as_object()) else { return };
    let assigned = ASSIGNED.iter().filter(|key| text(old, key).is_empty());
    for key in MUTABLE.iter().chain(assigned) {
        match before.get(*key) {
            Some(value) => members.insert((*key).to_owned(), value.clone()),
            None => members.remove(*key),
        };
    }
    for list in ["containers", "initContainers"] {
        let befores = items(old, list);
        for (container, before) in
            members.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().zip(befores)
        {
            container["image"] = at(before, "image").clone();
        }
    }
    if same != *old {
        errors.push(FieldError::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
             `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
             `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ));
    }
}
