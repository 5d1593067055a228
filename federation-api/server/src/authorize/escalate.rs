//! Nobody gives away rights that they do not have.
//!
//! Who writes a role must hold every right in it, or the verb `escalate` on it; who binds a role must hold its rights,
//! or the verb `bind` on it. Without this, the right to write roles would be the right to everything.
//! Source: `pkg/registry/rbac` of Kubernetes.

use koinon_machinery::Value;
use koinon_machinery::status::Status;
use serde::Deserialize as _;

use super::policy::Rule;
use super::{Action, allow};
use crate::api::Api;
use crate::authenticate::{MASTERS, User};
use crate::registry::Resource;
use crate::rest::metadata;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Refuses a role or a binding that gives `user`, or whom they choose, rights that `user` does not hold.
///
/// # Errors
/// 403 with the rights that are missing.
pub(crate) fn check(
    api: &Api,
    user: &User,
    resource: &Resource,
    new: &Value,
    old: Option<&Value>,
) -> Result<(), Status> {
    if resource.gvk.group != GROUP || user.is_in(MASTERS) {
        return Ok(());
    }
    let namespace = metadata::text(new, "namespace");
    match resource.catalog.plural.as_str() {
        "roles" | "clusterroles" => {
            if old.is_some_and(|old| {
                old["rules"] == new["rules"] && old["aggregationRule"] == new["aggregationRule"]
            }) {
                return Ok(());
            }
            if may(api, user, "escalate", &resource.catalog.plural, namespace, metadata::text(new, "name")) {
                return Ok(());
            }
            let mut wanted = rules(new);
            if new["aggregationRule"].is_object() {
                // What it gathers is not known yet, so it may be anything.
                wanted.push(everything());
            }
            held(api, user, resource, new, &wanted)
        }
        "rolebindings" | "clusterrolebindings" => {
            if old.is_some_and(|old| old["subjects"] == new["subjects"]) {
                return Ok(());
            }
            let role = &new["roleRef"];
            let (plural, namespace) =
                if role["kind"] == "Role" { ("roles", namespace) } else { ("clusterroles", "") };
            let name = role["name"].as_str().unwrap_or_default();
            if may(api, user, "bind", plural, metadata::text(new, "namespace"), name) {
                return Ok(());
            }
            let stored = api
                .registry
                .resource(GROUP, "v1", plural)
                .and_then(|resource| api.storage.get(resource, namespace, name))
                .ok_or_else(|| Status::not_found(GROUP, plural, name))?;
            held(api, user, resource, new, &rules(&stored.value()))
        }
        _ => Ok(()),
    }
}

fn may(api: &Api, user: &User, verb: &str, plural: &str, namespace: &str, name: &str) -> bool {
    let action = Action::Resource { verb, group: GROUP, resource: plural, namespace, name };
    allow(&api.policy.load(), user, action).is_some()
}

fn rules(role: &Value) -> Vec<Rule> {
    role["rules"].as_array().into_iter().flatten().filter_map(|rule| Rule::deserialize(rule).ok()).collect()
}

fn everything() -> Rule {
    let all = || vec!["*".to_owned()];
    Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() }
}

fn held(api: &Api, user: &User, resource: &Resource, new: &Value, wanted: &[Rule]) -> Result<(), Status> {
    let own = api.policy.load().rules_of(user, metadata::text(new, "namespace"));
    let missing: Vec<String> = wanted.iter().filter(|rule| !covers(&own, rule)).map(shown).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (group, plural) = resource.names();
    let why = format!(
        "user {:?} (groups={:?}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        user.groups,
        missing.join("\n")
    );
    Err(Status::forbidden(group, plural, metadata::text(new, "name"), &why))
}

/// Whether `own` grants everything that `wanted` does, right by right.
fn covers(own: &[Rule], wanted: &Rule) -> bool {
    let paths = wanted.non_resource_urls.iter();
    let paths = paths.flat_map(|path| wanted.verbs.iter().map(move |verb| Action::Path { verb, path }));
    let any = [String::new()];
    let names: &[String] = if wanted.resource_names.is_empty() { &any } else { &wanted.resource_names };
    let resources = wanted.api_groups.iter().flat_map(|group| {
        wanted.resources.iter().flat_map(move |resource| {
            wanted.verbs.iter().flat_map(move |verb| {
                names.iter().map(move |name| Action::Resource { verb, group, resource, namespace: "", name })
            })
        })
    });
    paths.chain(resources).all(|right| own.iter().any(|rule| rule.covers(right)))
}

fn shown(rule: &Rule) -> String {
    let parts = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("ResourceNames", &rule.resource_names),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("Verbs", &rule.verbs),
    ];
    let parts = parts.iter().filter(|(name, values)| !values.is_empty() || *name == "Verbs");
    let parts: Vec<String> = parts
        .map(|(name, values)| {
            let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            format!("{name}:[{}]", values.join(" "))
        })
        .collect();
    format!("{{{}}}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]) -> Rule {
        let value =
            json!({"apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names});
        Rule::deserialize(&value).unwrap()
    }

    #[test]
    fn a_right_covers_what_is_within_it() {
        let own = [
            rule(&[""], &["pods", "configmaps"], &["get", "list"], &[]),
            rule(&["apps"], &["*"], &["*"], &[]),
        ];
        for (wanted, want) in [
            (rule(&[""], &["pods"], &["get"], &[]), true),
            (rule(&[""], &["pods"], &["get"], &["a"]), true),
            (rule(&[""], &["pods"], &["delete"], &[]), false),
            (rule(&[""], &["*"], &["get"], &[]), false),
            (rule(&["apps"], &["deployments"], &["*"], &[]), true),
            (rule(&["", "apps"], &["pods"], &["list"], &[]), true),
            (rule(&["*"], &["pods"], &["get"], &[]), false),
        ] {
            assert_eq!(covers(&own, &wanted), want, "{}", shown(&wanted));
        }
        let named = [rule(&[""], &["pods"], &["get"], &["a"])];
        assert!(!covers(&named, &rule(&[""], &["pods"], &["get"], &[])), "one name is not all names");
    }
}
