//! Rules of the kinds that run pods.

use serde_json::json;

use super::{Object, has_items, inside, inside_or_new, is_absent, set, text};
use crate::Value;

/// A deployment rolls a quarter at a time.
pub(super) fn deployment(deployment: &mut Object) {
    let Some(strategy) = inside(deployment, "spec").and_then(|spec| inside_or_new(spec, "strategy")) else {
        return;
    };
    set(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate"
        && let Some(rolling) = inside_or_new(strategy, "rollingUpdate")
    {
        set(rolling, "maxUnavailable", "25%");
        set(rolling, "maxSurge", "25%");
    }
}

/// A daemon set replaces one pod after the other.
pub(super) fn daemon_set(daemon_set: &mut Object) {
    let Some(strategy) = inside(daemon_set, "spec").and_then(|spec| inside_or_new(spec, "updateStrategy"))
    else {
        return;
    };
    set(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate"
        && let Some(rolling) = inside_or_new(strategy, "rollingUpdate")
    {
        set(rolling, "maxUnavailable", 1);
        set(rolling, "maxSurge", 0);
    }
}

/// A stateful set that does not say how it updates rolls through all its pods.
pub(super) fn stateful_set(stateful_set: &mut Object) {
    let Some(strategy) = inside(stateful_set, "spec").and_then(|spec| inside_or_new(spec, "updateStrategy"))
    else {
        return;
    };
    if is_absent(strategy, "type") {
        set(strategy, "type", "RollingUpdate");
        set(strategy, "rollingUpdate", json!({}));
    }
    if text(strategy, "type") == "RollingUpdate"
        && let Some(rolling) = inside(strategy, "rollingUpdate")
    {
        set(rolling, "partition", 0);
    }
}

/// A job runs one pod to completion, unless it is a work queue, and tries again a few times.
pub(super) fn job(job: &mut Object) {
    let template_labels = labels_of(job);
    if let Some(spec) = inside(job, "spec") {
        if is_absent(spec, "completions") && is_absent(spec, "parallelism") {
            set(spec, "completions", 1);
        }
        set(spec, "parallelism", 1);
        let retries = if is_absent(spec, "backoffLimitPerIndex") { 6 } else { i32::MAX };
        set(spec, "backoffLimit", retries);
        let replace = if is_absent(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
        set(spec, "podReplacementPolicy", replace);
    }
    label(job, template_labels);
}

/// A replication controller selects, and is labelled as, what it makes.
pub(super) fn replication_controller(controller: &mut Object) {
    let template_labels = labels_of(controller);
    if let (Some(labels), Some(spec)) = (&template_labels, inside(controller, "spec"))
        && !has_items(spec, "selector")
    {
        spec.insert("selector".to_owned(), labels.clone());
    }
    label(controller, template_labels);
}

/// The labels of the pods a workload makes.
fn labels_of(workload: &Object) -> Option<Value> {
    let labels = workload.get("spec")?.pointer("/template/metadata/labels")?;
    labels.as_object().filter(|labels| !labels.is_empty())?;
    Some(labels.clone())
}

/// Labels an object that has no labels of its own.
fn label(object: &mut Object, labels: Option<Value>) {
    if let (Some(labels), Some(metadata)) = (labels, inside_or_new(object, "metadata"))
        && !has_items(metadata, "labels")
    {
        metadata.insert("labels".to_owned(), labels);
    }
}
