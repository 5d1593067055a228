//! Ingresses, network policies and autoscalers.

use koinon_machinery::Value;
use koinon_machinery::validate::{FieldError, format};

use super::{Errors, all, at, items, one_of, selector, text};

/// Complaints about an Ingress.
pub(crate) fn ingress(new: &Value, _old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    let (default, rules) = (at(spec, "defaultBackend"), items(spec, "rules"));
    if default.is_null() && rules.is_empty() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid("spec", Value::Null, detail));
    }
    if default.is_object() {
        backend(&mut errors, "spec.defaultBackend", default);
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        let host = text(rule, "host");
        if host.contains('*') {
            all(&mut errors, &format!("{path}.host"), host, format::wildcard_dns_subdomain(host));
        } else if !host.is_empty() {
            all(&mut errors, &format!("{path}.host"), host, format::dns_subdomain(host));
        }
        let http = at(rule, "http");
        if http.is_object() && items(http, "paths").is_empty() {
            errors.push(FieldError::required(format!("{path}.http.paths"), ""));
        }
        for (index, rule) in items(http, "paths").iter().enumerate() {
            ingress_path(&mut errors, &format!("{path}.http.paths[{index}]"), rule);
        }
    }
    errors
}

fn ingress_path(errors: &mut Errors, path: &str, rule: &Value) {
    match text(rule, "pathType") {
        "" => errors.push(FieldError::required(format!("{path}.pathType"), "pathType must be specified")),
        "Exact" | "Prefix" if !text(rule, "path").starts_with('/') => {
            let detail = "must be an absolute path";
            errors.push(FieldError::invalid(format!("{path}.path"), text(rule, "path"), detail));
        }
        "Exact" | "Prefix" | "ImplementationSpecific" => {}
        other => {
            let known = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.push(FieldError::not_supported(format!("{path}.pathType"), other, &known));
        }
    }
    backend(errors, &format!("{path}.backend"), at(rule, "backend"));
}

fn backend(errors: &mut Errors, path: &str, backend: &Value) {
    let service = at(backend, "service");
    if service.is_null() {
        if at(backend, "resource").is_null() {
            errors.push(FieldError::required(path, "cannot set both resource and service backends"));
        }
        return;
    }
    let name = text(service, "name");
    if name.is_empty() {
        errors.push(FieldError::required(format!("{path}.service.name"), ""));
    }
    let port = at(service, "port");
    if text(port, "name").is_empty() && at(port, "number").is_null() {
        errors.push(FieldError::required(format!("{path}.service"), "port name or number is required"));
    }
}

/// Complaints about a NetworkPolicy.
pub(crate) fn network_policy(new: &Value, _old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    let wanted = at(spec, "podSelector");
    if wanted.is_object() {
        selector(&mut errors, "spec.podSelector", wanted);
    }
    for (index, kind) in items(spec, "policyTypes").iter().enumerate() {
        one_of(&mut errors, &format!("spec.policyTypes[{index}]"), kind, &["Egress", "Ingress"]);
    }
    errors
}

/// Complaints about a HorizontalPodAutoscaler.
pub(crate) fn horizontal_pod_autoscaler(new: &Value, _old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    let target = at(spec, "scaleTargetRef");
    for key in ["kind", "name"] {
        if text(target, key).is_empty() {
            errors.push(FieldError::required(format!("spec.scaleTargetRef.{key}"), ""));
        }
    }
    let lowest = at(spec, "minReplicas").as_i64();
    let highest = at(spec, "maxReplicas").as_i64().unwrap_or_default();
    if let Some(lowest) = lowest.filter(|lowest| *lowest < 1) {
        let detail = "must be greater than or equal to 1";
        errors.push(FieldError::invalid("spec.minReplicas", lowest, detail));
    }
    if highest < 1 {
        errors.push(FieldError::required("spec.maxReplicas", "must be set and greater than 0"));
    }
    if lowest.is_some_and(|lowest| highest < lowest) {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid("spec.maxReplicas", highest, detail));
    }
    errors
}
