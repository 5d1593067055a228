//! Services.

use std::collections::BTreeSet;

use koinon_machinery::Value;
use koinon_machinery::validate::{FieldError, format};

use super::{Errors, all, at, items, meta, one_of, text};

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
/// What ports may speak.
pub(super) const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// Complaints about a Service.
pub(crate) fn service(new: &Value, _old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let spec = at(new, "spec");
    let kind = text(spec, "type");
    let ports = items(spec, "ports");
    if ports.is_empty() && kind != "ExternalName" && text(spec, "clusterIP") != "None" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    one_of(&mut errors, "spec.sessionAffinity", at(spec, "sessionAffinity"), &["ClientIP", "None"]);
    one_of(&mut errors, "spec.type", at(spec, "type"), &TYPES);
    if kind == "ExternalName" {
        let name = text(spec, "externalName");
        if name.is_empty() {
            errors.push(FieldError::required("spec.externalName", ""));
        } else {
            let name = name.strip_suffix('.').unwrap_or(name);
            all(&mut errors, "spec.externalName", name, format::dns_subdomain(name));
        }
    }
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        service_port(&mut errors, &path, port, ports.len() > 1);
        let name = text(port, "name");
        if !name.is_empty() && !names.insert(name) {
            errors.push(FieldError::duplicate(format!("{path}.name"), name));
        }
        let number = at(port, "port").as_i64().unwrap_or_default();
        if !numbers.insert((text(port, "protocol"), number)) {
            errors.push(FieldError::duplicate(path, port.clone()));
        }
    }
    let selector = serde_json::json!({"labels": at(spec, "selector")});
    meta::labels(&mut errors, "spec.selector", &selector);
    errors
}

fn service_port(errors: &mut Errors, path: &str, port: &Value, named: bool) {
    let name = text(port, "name");
    if name.is_empty() && named {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    } else if !name.is_empty() {
        all(errors, &format!("{path}.name"), name, format::dns_label(name));
    }
    number(errors, &format!("{path}.port"), at(port, "port").as_i64().unwrap_or_default());
    one_of(errors, &format!("{path}.protocol"), at(port, "protocol"), &PROTOCOLS);
    port_or_name(errors, &format!("{path}.targetPort"), at(port, "targetPort"));
}

/// Complaints about the number of a port.
pub(super) fn number(errors: &mut Errors, path: &str, port: i64) {
    let complaints = format::port_number(port).into_iter();
    errors.extend(complaints.map(|complaint| FieldError::invalid(path, port, complaint)));
}

/// Complaints about a port that is given by number or by name.
pub(super) fn port_or_name(errors: &mut Errors, path: &str, port: &Value) {
    match port {
        Value::Number(value) => number(errors, path, value.as_i64().unwrap_or_default()),
        Value::String(name) => all(errors, path, name, format::port_name(name)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
    }
}
