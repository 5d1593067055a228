//! What the built-in kinds forbid, with the paths and the words that people and tools know from upstream.
//!
//! Rules that users meet: names, labels, required fields, enums, references inside one object, what may not change.
//! Rules that only nodes or storage care about are left to the members, which judge again when they get the object.
//! Source: `pkg/apis/*/validation` of Kubernetes 1.36.

mod config;
mod containers;
mod meta;
mod networking;
mod pods;
mod rights;
mod services;
mod volumes;
mod workloads;

use koinon_machinery::Value;
use koinon_machinery::selector::LabelSelector;
use koinon_machinery::validate::FieldError;
use serde_json::Map;

pub(crate) use config::{config_map, persistent_volume_claim, secret};
pub(crate) use meta::{Finalizers, NameRule, check as metadata};
pub(crate) use networking::{horizontal_pod_autoscaler, ingress, network_policy};
pub(crate) use pods::pod;
pub(crate) use rights::{binding, role};
pub(crate) use services::service;
pub(crate) use workloads::{cron_job, daemon_set, deployment, job, replica_set, stateful_set};

/// What is found.
type Errors = Vec<FieldError>;

/// A member of an object; null when there is none.
fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

/// A text, empty when absent.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    at(value, key).as_str().unwrap_or_default()
}

/// The items of a list, none when absent.
fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    at(value, key).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The entries of a map, none when absent.
fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    at(value, key).as_object().into_iter().flat_map(Map::iter)
}

/// Complains when a number is below zero.
fn not_negative(errors: &mut Errors, path: &str, value: &Value) {
    if let Some(number) = value.as_i64().filter(|number| *number < 0) {
        errors.push(FieldError::invalid(path, number, "must be greater than or equal to 0"));
    }
}

/// Complains when a text is not among the known ones; an absent one is fine.
fn one_of(errors: &mut Errors, path: &str, value: &Value, known: &[&str]) {
    if let Some(text) = value.as_str().filter(|text| !known.contains(text)) {
        errors.push(FieldError::not_supported(path, text, known));
    }
}

/// Adds complaints about one value.
fn all(errors: &mut Errors, path: &str, value: &str, complaints: Vec<String>) {
    errors.extend(complaints.into_iter().map(|complaint| FieldError::invalid(path, value, complaint)));
}

/// Complains when what may not change did.
fn unchanged(errors: &mut Errors, path: &str, new: &Value, old: &Value) {
    if new != old {
        errors.push(FieldError::invalid(path, new.clone(), "field is immutable"));
    }
}

/// Complains about a label selector; answers it when it can be used.
fn selector(errors: &mut Errors, path: &str, value: &Value) -> Option<LabelSelector> {
    let before = errors.len();
    for (key, value) in entries(value, "matchLabels") {
        let value = value.as_str().unwrap_or_default();
        meta::label(errors, &format!("{path}.matchLabels"), key, value);
    }
    for (index, expression) in items(value, "matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let count = items(expression, "values").len();
        match text(expression, "operator") {
            "In" | "NotIn" if count == 0 => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{path}.values"), detail));
            }
            "Exists" | "DoesNotExist" if count > 0 => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{path}.values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                let detail = "not a valid selector operator";
                errors.push(FieldError::invalid(format!("{path}.operator"), other, detail));
            }
        }
        let key = text(expression, "key");
        all(errors, &format!("{path}.key"), key, koinon_machinery::validate::format::label_key(key));
    }
    match LabelSelector::from_value(value) {
        Ok(selector) => Some(selector),
        Err(_) => {
            if errors.len() > before {
                errors.push(FieldError::invalid(path, value.clone(), "invalid label selector"));
            }
            None
        }
    }
}

#[cfg(test)]
mod tests;
