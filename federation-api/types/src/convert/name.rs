//! Names inside specs: clusters, objects, kinds, hosts.

use std::collections::BTreeSet;

use koinon_machinery::validate::{FieldError, format};
use koinon_model::name::ClusterName;
use koinon_model::served_name::Host;

/// Adds what machinery's format checks complain about.
pub(super) fn complain(complaints: Vec<String>, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    errors.extend(complaints.into_iter().map(|complaint| FieldError::invalid(path, text, complaint)));
}

/// The cluster of this name, or a finding.
pub(super) fn cluster(name: &str, path: &str, errors: &mut Vec<FieldError>) -> Option<ClusterName> {
    match ClusterName::try_from(name) {
        Ok(name) => Some(name),
        Err(error) => {
            errors.push(FieldError::invalid(path, name, format!("must name a Cluster: {error}")));
            None
        }
    }
}

/// The clusters of these names; findings for those that cannot be.
pub(super) fn clusters(names: &[String], path: &str, errors: &mut Vec<FieldError>) -> BTreeSet<ClusterName> {
    let checked = |(index, name): (usize, &String)| cluster(name, &format!("{path}[{index}]"), errors);
    names.iter().enumerate().filter_map(checked).collect()
}

/// The host of this name, or a finding.
pub(super) fn host(name: &str, path: &str, errors: &mut Vec<FieldError>) -> Option<Host> {
    match Host::try_from(name) {
        Ok(host) => Some(host),
        Err(_) => {
            let accepted =
                "must be a domain name: labels of 1 to 63 letters, digits, '-' or '_', at most 253 in all";
            errors.push(FieldError::invalid(path, name, accepted));
            None
        }
    }
}

/// Finds a text that cannot name an object.
pub(super) fn object(name: &str, path: &str, errors: &mut Vec<FieldError>) {
    if name.is_empty() {
        errors.push(FieldError::required(path, "the name of an object"));
    } else {
        complain(format::dns_subdomain(name), name, path, errors);
    }
}

/// Finds an `apiVersion` and kind that cannot name a kind.
pub(super) fn kind(api_version: &str, kind: &str, path: &str, errors: &mut Vec<FieldError>) {
    let (group, version) = api_version.split_once('/').unwrap_or(("v1", api_version));
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !word(version) || !format::dns_subdomain(group).is_empty() {
        let accepted = "must be a version such as v1, or group and version such as apps/v1";
        errors.push(FieldError::invalid(format!("{path}.apiVersion"), api_version, accepted));
    }
    if !word(kind) || !kind.starts_with(|first: char| first.is_ascii_uppercase()) {
        let accepted = "must be a kind such as Deployment";
        errors.push(FieldError::invalid(format!("{path}.kind"), kind, accepted));
    }
}
