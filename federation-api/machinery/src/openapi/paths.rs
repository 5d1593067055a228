//! The paths of a resource: which kind stands behind each operation, and what its query may say.

use serde_json::{Map, json};

use super::{KIND, Place};
use crate::Value;
use crate::schema::catalog::{Resource, Subresource, Verb};

/// Adds the paths of `resource` and of its subresources.
pub(super) fn write(paths: &mut Map<String, Value>, place: Place<'_>, resource: &Resource) {
    let root = place.path();
    let collection = if resource.namespaced {
        paths.insert(format!("/{root}/{}", resource.plural), item(resource, None, &[Verb::List]));
        format!("/{root}/namespaces/{{namespace}}/{}", resource.plural)
    } else {
        format!("/{root}/{}", resource.plural)
    };
    paths.insert(
        collection.clone(),
        item(resource, None, &[Verb::List, Verb::Create, Verb::DeleteCollection]),
    );
    let one = format!("{collection}/{{name}}");
    paths.insert(one.clone(), item(resource, None, &[Verb::Get, Verb::Update, Verb::Patch, Verb::Delete]));
    for subresource in &resource.subresources {
        let verbs = [Verb::Get, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];
        paths.insert(format!("{one}/{}", subresource.name), item(resource, Some(subresource), &verbs));
    }
}

fn item(resource: &Resource, subresource: Option<&Subresource>, verbs: &[Verb]) -> Value {
    let (kind, allowed) = subresource
        .map_or((&resource.kind, &resource.verbs), |subresource| (&subresource.kind, &subresource.verbs));
    let mut item = json!({});
    for verb in verbs.iter().filter(|verb| allowed.contains(verb)) {
        item[method(*verb)] = json!({
            KIND: {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "x-kubernetes-action": action(*verb),
            "parameters": parameters(*verb),
            "responses": {"200": {"description": "OK"}},
        });
    }
    item
}

fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get | Verb::List | Verb::Watch => "get",
        Verb::Create => "post",
        Verb::Update => "put",
        Verb::Patch => "patch",
        Verb::Delete | Verb::DeleteCollection => "delete",
    }
}

fn action(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "post",
        Verb::Update => "put",
        other => other.as_str(),
    }
}

fn parameters(verb: Verb) -> Value {
    let names: &[&str] = match verb {
        Verb::Get => &["pretty"],
        Verb::List | Verb::Watch => &[
            "allowWatchBookmarks",
            "continue",
            "fieldSelector",
            "labelSelector",
            "limit",
            "resourceVersion",
            "watch",
        ],
        Verb::Create | Verb::Update => &["dryRun", "fieldManager", "fieldValidation"],
        Verb::Patch => &["dryRun", "fieldManager", "fieldValidation", "force"],
        Verb::Delete | Verb::DeleteCollection => &["dryRun", "gracePeriodSeconds", "propagationPolicy"],
    };
    let parameter =
        |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    names.iter().map(parameter).collect()
}
