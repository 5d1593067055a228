//! Deployments and what else keeps pods running.

use koinon_machinery::Value;
use koinon_machinery::validate::{FieldError, format};

use super::{Errors, at, items, not_negative, one_of, pods, selector, text, unchanged};

/// Complaints about a Deployment.
pub(crate) fn deployment(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    not_negative(&mut errors, "spec.replicas", at(spec, "replicas"));
    selected_template(&mut errors, spec, "deployment");
    strategy(&mut errors, at(spec, "strategy"));
    for key in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        not_negative(&mut errors, &format!("spec.{key}"), at(spec, key));
    }
    let (deadline, ready) = (at(spec, "progressDeadlineSeconds"), at(spec, "minReadySeconds"));
    if let Some(deadline) =
        deadline.as_i64().filter(|deadline| *deadline <= ready.as_i64().unwrap_or_default())
    {
        let detail = "must be greater than minReadySeconds";
        errors.push(FieldError::invalid("spec.progressDeadlineSeconds", deadline, detail));
    }
    keep_selector(&mut errors, new, old);
    errors
}

/// Complaints about a ReplicaSet.
pub(crate) fn replica_set(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    not_negative(&mut errors, "spec.replicas", at(spec, "replicas"));
    selected_template(&mut errors, spec, "deployment");
    keep_selector(&mut errors, new, old);
    errors
}

/// Complaints about a DaemonSet.
pub(crate) fn daemon_set(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    selected_template(&mut errors, at(new, "spec"), "daemonset");
    keep_selector(&mut errors, new, old);
    errors
}

/// What may change of a StatefulSet.
const STATEFUL_MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

/// Complaints about a StatefulSet.
pub(crate) fn stateful_set(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    not_negative(&mut errors, "spec.replicas", at(spec, "replicas"));
    selected_template(&mut errors, spec, "statefulset");
    for (index, claim) in items(spec, "volumeClaimTemplates").iter().enumerate() {
        let path = format!("spec.volumeClaimTemplates[{index}].spec");
        super::config::claim_spec(&mut errors, &path, at(claim, "spec"));
    }
    if let Some(old) = old.map(|old| at(old, "spec")) {
        let fixed = |spec: &Value| {
            let mut fixed = spec.clone();
            if let Some(members) = fixed.as_object_mut() {
                members.retain(|key, _| !STATEFUL_MUTABLE.contains(&key.as_str()));
            }
            fixed
        };
        if fixed(spec) != fixed(old) {
            errors.push(FieldError::forbidden(
                "spec",
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                 'minReadySeconds' are forbidden",
            ));
        }
    }
    errors
}

/// Complaints about a Job.
pub(crate) fn job(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    job_spec(&mut errors, "spec", spec);
    if let Some(old) = old.map(|old| at(old, "spec")) {
        for key in ["completionMode", "selector", "template"] {
            // A suspended job may be given another template before it runs.
            if key == "template" && at(old, "suspend") == true {
                continue;
            }
            if at(spec, key) != at(old, key) {
                unchanged(&mut errors, &format!("spec.{key}"), at(spec, key), at(old, key));
            }
        }
    }
    errors
}

/// Complaints about a CronJob.
pub(crate) fn cron_job(new: &Value, _old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    job_spec(&mut errors, "spec.jobTemplate.spec", at(at(spec, "jobTemplate"), "spec"));
    match text(spec, "schedule") {
        "" => errors.push(FieldError::required("spec.schedule", "")),
        schedule if schedule.starts_with('@') => {}
        schedule => {
            let fields: Vec<&str> = schedule.split_whitespace().collect();
            if fields.len() != 5 {
                let found = format!("found {}: [{}]", fields.len(), fields.join(" "));
                let detail = format!("expected exactly 5 fields, {found}");
                errors.push(FieldError::invalid("spec.schedule", schedule, detail));
            }
        }
    }
    one_of(
        &mut errors,
        "spec.concurrencyPolicy",
        at(spec, "concurrencyPolicy"),
        &["Allow", "Forbid", "Replace"],
    );
    errors
}

fn job_spec(errors: &mut Errors, path: &str, spec: &Value) {
    for key in
        ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"]
    {
        not_negative(errors, &format!("{path}.{key}"), at(spec, key));
    }
    let template = at(spec, "template");
    pods::template(errors, &format!("{path}.template"), template);
    let path = format!("{path}.template.spec.restartPolicy");
    match text(at(template, "spec"), "restartPolicy") {
        "OnFailure" | "Never" => {}
        "" | "Always" => {
            errors.push(FieldError::required(path, "valid values: \"OnFailure\", \"Never\""));
        }
        other => errors.push(FieldError::not_supported(path, other, &["OnFailure", "Never"])),
    }
}

/// Complaints about a selector, the template it selects, and whether it does.
fn selected_template(errors: &mut Errors, spec: &Value, kind: &str) {
    let (wanted, template) = (at(spec, "selector"), at(spec, "template"));
    let metadata = at(template, "metadata");
    let mut parsed = None;
    if wanted.is_null() {
        if kind != "daemonset" {
            errors.push(FieldError::required("spec.selector", ""));
        }
        parsed = Some(koinon_machinery::selector::LabelSelector::nothing());
    } else if let Some(found) = selector(errors, "spec.selector", wanted) {
        if found.is_everything() {
            let detail = format!("empty selector is invalid for {kind}");
            errors.push(FieldError::invalid("spec.selector", serde_json::json!({}), detail));
        }
        parsed = Some(found);
    }
    if let Some(parsed) = parsed {
        let labels = at(metadata, "labels");
        if !parsed.matches(labels.as_object()) {
            let detail = "`selector` does not match template `labels`";
            errors.push(FieldError::invalid("spec.template.metadata.labels", labels.clone(), detail));
        }
        pods::template(errors, "spec.template", template);
        let policy = at(at(template, "spec"), "restartPolicy");
        one_of(errors, "spec.template.spec.restartPolicy", policy, &["Always"]);
    }
}

fn keep_selector(errors: &mut Errors, new: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        let selector = |object| at(at(object, "spec"), "selector");
        unchanged(errors, "spec.selector", selector(new), selector(old));
    }
}

fn strategy(errors: &mut Errors, strategy: &Value) {
    let rolling = at(strategy, "rollingUpdate");
    match text(strategy, "type") {
        "" => {}
        "Recreate" if rolling.is_object() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
        }
        "Recreate" => {}
        "RollingUpdate" => {
            let (surge, down) = (at(rolling, "maxSurge"), at(rolling, "maxUnavailable"));
            share(errors, "spec.strategy.rollingUpdate.maxUnavailable", down);
            share(errors, "spec.strategy.rollingUpdate.maxSurge", surge);
            let is_zero = |value: &Value| matches!(value.as_str(), Some("0%")) || *value == 0;
            if is_zero(surge) && is_zero(down) {
                let path = "spec.strategy.rollingUpdate.maxUnavailable";
                errors.push(FieldError::invalid(path, down.clone(), "may not be 0 when `maxSurge` is 0"));
            }
        }
        _ => {
            let known = ["Recreate", "RollingUpdate"];
            errors.push(FieldError::not_supported("spec.strategy", strategy.clone(), &known));
        }
    }
}

/// Complaints about a number of pods or a share of them.
fn share(errors: &mut Errors, path: &str, value: &Value) {
    match value {
        Value::String(text) => super::all(errors, path, text, format::percent(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            not_negative(errors, path, value);
        }
    }
}
