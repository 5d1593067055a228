//! The roles and bindings that every cluster starts with.
//!
//! The rules of `admin`, `edit` and `view` are made from what the server serves, so that kinds that a composer brings
//! are covered like built-in ones.
//! Source: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy` of Kubernetes 1.36, reduced to what is served here.

use std::collections::BTreeMap;

use koinon_machinery::Value;
use serde_json::json;

use crate::registry::{Registry, ResourceRef, Scope};
use crate::server::Grant;

/// Roles that are given to ServiceAccounts and people by name.
const PATHS_FOR_EVERYONE: [&str; 5] = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
/// Where clients find out what is served.
const PATHS_OF_DISCOVERY: [&str; 6] = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"];

/// ClusterRoles.
pub fn cluster_roles() -> ResourceRef {
    ResourceRef::new("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", Scope::Cluster)
}

/// ClusterRoleBindings.
pub fn cluster_role_bindings() -> ResourceRef {
    ResourceRef::new(
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        Scope::Cluster,
    )
}

/// How much of a namespace a role opens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    View,
    Edit,
    Admin,
}

/// The objects that every cluster starts with, each with the resource it belongs to.
pub fn objects(registry: &Registry, grants: &[Grant]) -> Vec<(ResourceRef, Value)> {
    let everything = json!([
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ]);
    let public: Vec<&str> =
        PATHS_FOR_EVERYONE.into_iter().chain(["/healthz/*", "/livez/*", "/readyz/*"]).collect();
    let discovery: Vec<&str> = PATHS_FOR_EVERYONE.into_iter().chain(PATHS_OF_DISCOVERY).collect();
    let basic = json!([
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
         "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
    ]);
    let roles = [
        ("cluster-admin", everything),
        ("system:discovery", json!([{"verbs": ["get"], "nonResourceURLs": discovery}])),
        ("system:public-info-viewer", json!([{"verbs": ["get"], "nonResourceURLs": public}])),
        ("system:basic-user", basic),
        ("admin", rules(registry, Level::Admin)),
        ("edit", rules(registry, Level::Edit)),
        ("view", rules(registry, Level::View)),
    ];
    let bindings = [
        ("cluster-admin", vec!["system:masters"]),
        ("system:discovery", vec!["system:authenticated"]),
        ("system:basic-user", vec!["system:authenticated"]),
        ("system:public-info-viewer", vec!["system:authenticated", "system:unauthenticated"]),
    ];
    let roles = roles.into_iter().map(|(name, rules)| (cluster_roles(), role(name, &rules)));
    let bindings =
        bindings.into_iter().map(|(name, groups)| (cluster_role_bindings(), binding(name, &groups)));
    let granted = grants.iter().flat_map(|grant| {
        let rule = |(verb, path): &(&str, &str)| json!({"verbs": [verb], "nonResourceURLs": [path]});
        let rules = Value::Array(grant.paths.iter().map(rule).collect());
        let role = (cluster_roles(), role(grant.role, &rules));
        [role, (cluster_role_bindings(), binding(grant.role, &[grant.group]))]
    });
    roles.chain(bindings).chain(granted).collect()
}

fn role(name: &str, rules: &Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata(name), "rules": rules})
}

fn binding(role: &str, groups: &[&str]) -> Value {
    let subjects: Vec<Value> = groups
        .iter()
        .map(|group| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}))
        .collect();
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata(role),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}, "subjects": subjects})
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}})
}

/// The rules of a role that opens namespaces to people: one per group and set of verbs.
fn rules(registry: &Registry, level: Level) -> Value {
    const READ: &[&str] = &["get", "list", "watch"];
    const WRITE: &[&str] =
        &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let mut rules: BTreeMap<(String, &[&str]), Vec<String>> = BTreeMap::new();
    for resource in registry.resources() {
        let (group, plural) = resource.names();
        let Some(writes) = opened(group, plural, resource.catalog.namespaced, level) else { continue };
        let verbs = if writes { WRITE } else { READ };
        let into = rules.entry((group.to_owned(), verbs)).or_default();
        into.push(plural.to_owned());
        for subresource in &resource.catalog.subresources {
            match subresource.name.as_str() {
                "status" => {
                    rules.entry((group.to_owned(), READ)).or_default().push(format!("{plural}/status"));
                }
                "scale" => {
                    rules.entry((group.to_owned(), verbs)).or_default().push(format!("{plural}/scale"));
                }
                _ => {}
            }
        }
    }
    rules
        .into_iter()
        .map(|((group, verbs), resources)| json!({"verbs": verbs, "apiGroups": [group], "resources": resources}))
        .collect()
}

/// Whether a role of `level` opens a resource, and if so whether for writing.
fn opened(group: &str, plural: &str, namespaced: bool, level: Level) -> Option<bool> {
    match (group, plural) {
        ("", "namespaces") => Some(false),
        ("authorization.k8s.io", "localsubjectaccessreviews") => (level == Level::Admin).then_some(true),
        ("authentication.k8s.io" | "authorization.k8s.io", _) => None,
        _ if !namespaced => None,
        ("rbac.authorization.k8s.io", _) => (level == Level::Admin).then_some(true),
        // What a secret opens is more than looking.
        ("", "secrets") => (level >= Level::Edit).then_some(true),
        // Those who are limited do not set the limits.
        ("", "resourcequotas" | "limitranges") => Some(false),
        _ => Some(level >= Level::Edit),
    }
}
