//! Roles and bindings.

use koinon_machinery::Value;
use koinon_machinery::validate::FieldError;

use super::{Errors, at, items, text};

/// Complaints about a Role or ClusterRole.
pub(crate) fn role(new: &Value, _old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let cluster = new["kind"] == "ClusterRole";
    for (index, rule) in items(new, "rules").iter().enumerate() {
        let path = format!("rules[{index}]");
        let mut need = |key: &str, detail: &str| {
            if items(rule, key).is_empty() {
                errors.push(FieldError::required(format!("{path}.{key}"), detail));
            }
        };
        need("verbs", "verbs must contain at least one value");
        let paths = items(rule, "nonResourceURLs");
        if paths.is_empty() {
            need("apiGroups", "resource rules must supply at least one api group");
            need("resources", "resource rules must supply at least one resource");
        } else if !cluster {
            let detail = "namespaced rules cannot apply to non-resource URLs";
            errors.push(FieldError::invalid(format!("{path}.nonResourceURLs"), paths.to_vec(), detail));
        } else if !items(rule, "apiGroups").is_empty() || !items(rule, "resources").is_empty() {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(FieldError::invalid(format!("{path}.nonResourceURLs"), paths.to_vec(), detail));
        }
    }
    errors
}

/// Complaints about a RoleBinding or ClusterRoleBinding.
pub(crate) fn binding(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    let role = at(new, "roleRef");
    let group = text(role, "apiGroup");
    if group != "rbac.authorization.k8s.io" {
        let known = ["rbac.authorization.k8s.io"];
        errors.push(FieldError::not_supported("roleRef.apiGroup", group, &known));
    }
    let known: &[&str] =
        if new["kind"] == "RoleBinding" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !known.contains(&text(role, "kind")) {
        errors.push(FieldError::not_supported("roleRef.kind", text(role, "kind"), known));
    }
    if text(role, "name").is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
    for (index, subject) in items(new, "subjects").iter().enumerate() {
        check_subject(&mut errors, &format!("subjects[{index}]"), subject);
    }
    if old.is_some_and(|old| at(old, "roleRef") != role) {
        errors.push(FieldError::invalid("roleRef", role.clone(), "cannot change roleRef"));
    }
    errors
}

fn check_subject(errors: &mut Errors, path: &str, subject: &Value) {
    if text(subject, "name").is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    }
    match text(subject, "kind") {
        "ServiceAccount" if text(subject, "namespace").is_empty() => {
            errors.push(FieldError::required(format!("{path}.namespace"), ""));
        }
        "ServiceAccount" | "User" | "Group" => {}
        other => {
            let known = ["Group", "ServiceAccount", "User"];
            errors.push(FieldError::not_supported(format!("{path}.kind"), other, &known));
        }
    }
}
