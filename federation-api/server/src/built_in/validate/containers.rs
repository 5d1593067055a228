//! Containers of pods.

use std::collections::BTreeSet;

use koinon_machinery::Value;
use koinon_machinery::quantity::Quantity;
use koinon_machinery::validate::{FieldError, format};

use super::services::{PROTOCOLS, number, port_or_name};
use super::{Errors, all, at, entries, items, one_of, text};

/// Complaints about a list of containers.
pub(super) fn containers<'a>(
    errors: &mut Errors,
    path: &str,
    containers: &'a [Value],
    volumes: &BTreeSet<&str>,
    names: &mut BTreeSet<&'a str>,
) {
    for (index, container) in containers.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let name = text(container, "name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else {
            all(errors, &format!("{path}.name"), name, format::dns_label(name));
        }
        let image = text(container, "image");
        if image.is_empty() {
            errors.push(FieldError::required(format!("{path}.image"), ""));
        } else if image.trim() != image {
            let detail = "must not have leading or trailing whitespace";
            errors.push(FieldError::invalid(format!("{path}.image"), image, detail));
        }
        ports(errors, &path, container);
        environment(errors, &path, container);
        mounts(errors, &path, container, volumes);
        let policies = ["Always", "IfNotPresent", "Never"];
        one_of(errors, &format!("{path}.imagePullPolicy"), at(container, "imagePullPolicy"), &policies);
        resources(errors, &path, at(container, "resources"));
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if let Some(value) = container.get(probe).filter(|value| value.is_object()) {
                check_probe(errors, &format!("{path}.{probe}"), value);
            }
        }
        if !name.is_empty() && !names.insert(name) {
            errors.push(FieldError::duplicate(format!("{path}.name"), name));
        }
    }
}

fn ports(errors: &mut Errors, path: &str, container: &Value) {
    let mut names = BTreeSet::new();
    for (index, port) in items(container, "ports").iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let name = text(port, "name");
        if !name.is_empty() {
            all(errors, &format!("{path}.name"), name, format::port_name(name));
            if !names.insert(name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), name));
            }
        }
        match at(port, "containerPort").as_i64().unwrap_or_default() {
            0 => errors.push(FieldError::required(format!("{path}.containerPort"), "")),
            value => number(errors, &format!("{path}.containerPort"), value),
        }
        if let Some(value) = at(port, "hostPort").as_i64().filter(|value| *value != 0) {
            number(errors, &format!("{path}.hostPort"), value);
        }
        one_of(errors, &format!("{path}.protocol"), at(port, "protocol"), &PROTOCOLS);
    }
}

fn environment(errors: &mut Errors, path: &str, container: &Value) {
    for (index, variable) in items(container, "env").iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        let name = text(variable, "name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else {
            all(errors, &format!("{path}.name"), name, format::env_name(name));
        }
        let source = at(variable, "valueFrom");
        if source.is_object() && !text(variable, "value").is_empty() {
            let detail = "may not be specified when `value` is not empty";
            errors.push(FieldError::invalid(format!("{path}.valueFrom"), "", detail));
        }
    }
}

fn mounts(errors: &mut Errors, path: &str, container: &Value, volumes: &BTreeSet<&str>) {
    let mut paths = BTreeSet::new();
    for (index, mount) in items(container, "volumeMounts").iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        let (name, target) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if !volumes.contains(name) {
            errors.push(FieldError::not_found(format!("{path}.name"), name));
        }
        if target.is_empty() {
            errors.push(FieldError::required(format!("{path}.mountPath"), ""));
        } else if !paths.insert(target) {
            errors.push(FieldError::invalid(format!("{path}.mountPath"), target, "must be unique"));
        }
    }
}

fn resources(errors: &mut Errors, path: &str, resources: &Value) {
    let path = format!("{path}.resources");
    for part in ["limits", "requests"] {
        for (name, value) in entries(resources, part) {
            if Quantity::from_value(value).is_ok_and(|quantity| quantity.is_negative()) {
                let shown = value.as_str().unwrap_or_default();
                let detail = "must be greater than or equal to 0";
                errors.push(FieldError::invalid(format!("{path}.{part}[{name}]"), shown, detail));
            }
        }
    }
    for (name, request) in entries(resources, "requests") {
        let Some(limit) = at(resources, "limits").get(name) else { continue };
        let (Ok(wanted), Ok(most)) = (Quantity::from_value(request), Quantity::from_value(limit)) else {
            continue;
        };
        if most.checked_sub(&wanted).is_some_and(|rest| rest.is_negative()) {
            let shown = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
            let detail = format!("must be less than or equal to {name} limit of {shown}");
            let request = request.as_str().map_or_else(|| request.to_string(), str::to_owned);
            errors.push(FieldError::invalid(format!("{path}.requests"), request, detail));
        }
    }
}

fn check_probe(errors: &mut Errors, path: &str, probe: &Value) {
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc"];
    match kinds.iter().filter(|kind| at(probe, kind).is_object()).count() {
        0 => errors.push(FieldError::required(path, "must specify a handler type")),
        1 => {}
        _ => errors.push(FieldError::forbidden(path, "may not specify more than 1 handler type")),
    }
    for kind in ["httpGet", "tcpSocket"] {
        if let Some(handler) = probe.get(kind).filter(|handler| handler.is_object()) {
            port_or_name(errors, &format!("{path}.{kind}.port"), at(handler, "port"));
        }
    }
    for key in
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
    {
        super::not_negative(errors, &format!("{path}.{key}"), at(probe, key));
    }
}
