//! Compiled RBAC: who is granted which rules where.
//!
//! A binding joins subjects to the rules of a role. Cluster bindings hold everywhere, bindings of a namespace hold
//! there. A rule grants when verb, group, resource and name (or path) all match; `*` matches anything.
//! Source: rbac.authorization.k8s.io/v1.

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_machinery::Value;
use serde::Deserialize;

use super::Action;
use crate::authenticate::User;

/// Every grant, compiled.
#[derive(Debug, Default)]
pub struct Policy {
    /// Shape: keyed by namespace; `""` holds those of cluster bindings.
    grants: BTreeMap<String, Vec<Grant>>,
}

#[derive(Debug)]
struct Grant {
    /// What people read when asking why.
    reason: String,
    namespace: String,
    subjects: Vec<Subject>,
    rules: Arc<[Rule]>,
}

/// One rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// Verbs, or `*`.
    pub verbs: Vec<String>,
    /// Groups, or `*`.
    pub api_groups: Vec<String>,
    /// Plurals, `plural/subresource`, `*/subresource`, or `*`.
    pub resources: Vec<String>,
    /// Names; empty for any.
    pub resource_names: Vec<String>,
    /// Paths, or prefixes ending in `*`.
    #[serde(rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Binding {
    metadata: Metadata,
    subjects: Vec<Subject>,
    role_ref: RoleRef,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RoleRef {
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Role {
    metadata: Metadata,
    rules: Option<Vec<Rule>>,
    aggregation_rule: Option<Aggregation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Aggregation {
    cluster_role_selectors: Vec<Selector>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

/// The stored objects that RBAC is made of.
#[derive(Debug, Default)]
pub struct Objects {
    /// Roles and ClusterRoles.
    pub roles: Vec<Arc<Value>>,
    /// RoleBindings and ClusterRoleBindings.
    pub bindings: Vec<Arc<Value>>,
}

// === impl Policy ===

impl Policy {
    /// Compiles stored roles and bindings; a binding to a role that does not exist grants nothing.
    ///
    /// Shape: an object that cannot be read as what it claims to be is left out, which can only withhold rights.
    pub fn compile(objects: &Objects) -> Self {
        let roles: Vec<Role> =
            objects.roles.iter().filter_map(|role| Role::deserialize(role.as_ref()).ok()).collect();
        let roles = compile_roles(&roles);
        let mut grants: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
        for binding in objects.bindings.iter().filter_map(|value| Binding::deserialize(value.as_ref()).ok()) {
            let namespace = binding.metadata.namespace;
            let scope = if binding.role_ref.kind == "Role" { namespace.clone() } else { String::new() };
            let Some(rules) = roles.get(&(scope, binding.role_ref.name.clone())) else { continue };
            let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
            let slash = if namespace.is_empty() { String::new() } else { format!("/{namespace}") };
            let reason = format!(
                "RBAC: allowed by {kind} \"{}{slash}\" of {} \"{}\"",
                binding.metadata.name, binding.role_ref.kind, binding.role_ref.name
            );
            let grant = Grant {
                reason,
                namespace: namespace.clone(),
                subjects: binding.subjects,
                rules: Arc::clone(rules),
            };
            grants.entry(namespace).or_default().push(grant);
        }
        Self { grants }
    }

    /// Answers which binding lets `user` do `action`, in words.
    pub fn grant(&self, user: &User, action: Action<'_>) -> Option<String> {
        let namespace = match action {
            Action::Resource { namespace, .. } => namespace,
            Action::Path { .. } => "",
        };
        let grant = self
            .grants_of(user, namespace)
            .find(|grant| grant.rules.iter().any(|rule| rule.covers(action)))?;
        let subject = grant.subjects.iter().find(|subject| subject.is(user, &grant.namespace))?;
        Some(format!("{} to {} \"{}\"", grant.reason, subject.kind, subject.name))
    }

    /// Every rule that holds for `user` in `namespace`, those of cluster bindings included.
    pub fn rules_of(&self, user: &User, namespace: &str) -> Vec<Rule> {
        self.grants_of(user, namespace).flat_map(|grant| grant.rules.iter().cloned()).collect()
    }

    fn grants_of<'a>(&'a self, user: &'a User, namespace: &str) -> impl Iterator<Item = &'a Grant> {
        let everywhere = self.grants.get("").into_iter().flatten();
        let here = self.grants.get(namespace).filter(|_| !namespace.is_empty()).into_iter().flatten();
        everywhere
            .chain(here)
            .filter(|grant| grant.subjects.iter().any(|subject| subject.is(user, &grant.namespace)))
    }
}

/// The rules of every role, those of aggregated cluster roles joined.
///
/// Shape: keyed by (namespace, name), namespace empty for cluster roles.
fn compile_roles(roles: &[Role]) -> BTreeMap<(String, String), Arc<[Rule]>> {
    let mut compiled = BTreeMap::new();
    for role in roles {
        let mut rules = role.rules.clone().unwrap_or_default();
        for selector in role.aggregation_rule.iter().flat_map(|rule| &rule.cluster_role_selectors) {
            let chosen = roles.iter().filter(|other| {
                other.metadata.namespace.is_empty()
                    && other.metadata.name != role.metadata.name
                    && selector.selects(&other.metadata.labels)
            });
            rules.extend(chosen.flat_map(|other| other.rules.clone().unwrap_or_default()));
        }
        compiled.insert((role.metadata.namespace.clone(), role.metadata.name.clone()), rules.into());
    }
    compiled
}

impl Selector {
    /// An empty selector would select everything; aggregation means the roles that say they belong.
    fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.match_labels.is_empty()
            && self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl Subject {
    fn is(&self, user: &User, binding_namespace: &str) -> bool {
        match self.kind.as_str() {
            "User" => self.name == user.name,
            "Group" => user.is_in(&self.name),
            "ServiceAccount" => {
                let namespace = if self.namespace.is_empty() { binding_namespace } else { &self.namespace };
                user.name
                    .strip_prefix("system:serviceaccount:")
                    .and_then(|rest| rest.split_once(':'))
                    .is_some_and(|(ns, name)| ns == namespace && name == self.name)
            }
            _ => false,
        }
    }
}

// === impl Rule ===

impl Rule {
    /// Whether the rule grants `action`.
    pub fn covers(&self, action: Action<'_>) -> bool {
        match action {
            Action::Resource { verb, group, resource, name, .. } => {
                holds(&self.verbs, verb)
                    && holds(&self.api_groups, group)
                    && self.resources.iter().any(|pattern| covers_resource(pattern, resource))
                    && (self.resource_names.is_empty() || self.resource_names.iter().any(|own| own == name))
            }
            Action::Path { verb, path } => {
                holds(&self.verbs, verb)
                    && self.non_resource_urls.iter().any(|pattern| covers_path(pattern, path))
            }
        }
    }
}

fn holds(patterns: &[String], word: &str) -> bool {
    patterns.iter().any(|pattern| pattern == "*" || pattern == word)
}

fn covers_resource(pattern: &str, resource: &str) -> bool {
    if pattern == "*" || pattern == resource {
        return true;
    }
    let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
    subresource.is_some_and(|subresource| pattern.strip_prefix("*/") == Some(subresource))
}

fn covers_path(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy() -> Policy {
        let role = |value: Value| Arc::new(value);
        Policy::compile(&Objects {
            roles: vec![
                role(json!({"metadata": {"name": "reader", "namespace": "shop"},
                    "rules": [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps", "*/status"]}]})),
                role(json!({"metadata": {"name": "all"}, "aggregationRule":
                    {"clusterRoleSelectors": [{"matchLabels": {"to": "all"}}]}})),
                role(json!({"metadata": {"name": "part", "labels": {"to": "all"}},
                    "rules": [{"verbs": ["*"], "apiGroups": ["apps"], "resources": ["*"], "resourceNames": ["web"]},
                        {"verbs": ["get"], "nonResourceURLs": ["/livez", "/apis/*"]}]})),
            ],
            bindings: vec![
                role(
                    json!({"metadata": {"name": "b", "namespace": "shop"}, "roleRef": {"kind": "Role", "name": "reader"},
                    "subjects": [{"kind": "User", "name": "ann"}, {"kind": "ServiceAccount", "name": "robot"}]}),
                ),
                role(json!({"metadata": {"name": "c"}, "roleRef": {"kind": "ClusterRole", "name": "all"},
                    "subjects": [{"kind": "Group", "name": "ops"}]})),
                role(json!({"metadata": {"name": "d"}, "roleRef": {"kind": "ClusterRole", "name": "gone"},
                    "subjects": [{"kind": "User", "name": "ann"}]})),
            ],
        })
    }

    fn check(user: &User, words: [&str; 5], want: bool) {
        let [verb, group, resource, namespace, name] = words;
        let action = Action::Resource { verb, group, resource, namespace, name };
        assert_eq!(policy().grant(user, action).is_some(), want, "{} {words:?}", user.name);
    }

    #[test]
    fn grants_what_a_rule_says_and_nothing_more() {
        let ann = User::authenticated("ann", []);
        check(&ann, ["get", "", "configmaps", "shop", "a"], true);
        check(&ann, ["get", "", "configmaps/status", "shop", "a"], true);
        check(&ann, ["get", "", "configmaps/other", "shop", "a"], false);
        check(&ann, ["delete", "", "configmaps", "shop", "a"], false);
        check(&ann, ["get", "", "configmaps", "other", "a"], false);
        check(&ann, ["list", "", "configmaps", "", ""], false);
        check(
            &User::authenticated("system:serviceaccount:shop:robot", []),
            ["get", "", "configmaps", "shop", "a"],
            true,
        );
        check(
            &User::authenticated("system:serviceaccount:b:robot", []),
            ["get", "", "configmaps", "shop", "a"],
            false,
        );
    }

    #[test]
    fn joins_aggregated_roles() {
        let ops = User::authenticated("bob", ["ops".to_owned()]);
        check(&ops, ["delete", "apps", "deployments", "any", "web"], true);
        check(&ops, ["delete", "apps", "deployments", "any", "other"], false);
        let policy = policy();
        assert!(policy.grant(&ops, Action::Path { verb: "get", path: "/apis/apps" }).is_some());
        assert!(policy.grant(&ops, Action::Path { verb: "get", path: "/metrics" }).is_none());
    }
}
