//! The discovery documents: what a server serves, for clients that ask before they act.
//!
//! Two generations of the same facts: one document per group version (`APIResourceList` and what leads to it), and
//! the aggregated document of all groups (`APIGroupDiscoveryList`), which current clients ask for.
//! Source: `meta.k8s.io/v1` and `apidiscovery.k8s.io/v2`, Kubernetes 1.36.

use serde_json::json;

use crate::Value;
use crate::gvk::GroupVersionKind;
use crate::schema::catalog::{Catalog, Group, Resource, Subresource, Verb};

/// A version of the aggregated document; their content is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregated {
    /// `apidiscovery.k8s.io/v2`
    V2,
    /// `apidiscovery.k8s.io/v2beta1`
    V2Beta1,
}

impl Aggregated {
    /// Its name in media types and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Beta1 => "v2beta1",
        }
    }
}

/// `/api`: the versions of the core group.
pub fn core_versions(catalog: &Catalog) -> Value {
    let core = catalog.groups.iter().find(|group| group.name.is_empty());
    json!({
        "kind": "APIVersions",
        "versions": core.map(|group| group.versions.clone()).unwrap_or_default(),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
    })
}

/// `/apis`: every named group.
pub fn group_list(catalog: &Catalog) -> Value {
    let groups: Vec<Value> = named(catalog).map(|group| describe_group(group, &json!({}))).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`; none for a group that is not served.
pub fn group(catalog: &Catalog, name: &str) -> Option<Value> {
    let own_type = json!({"kind": "APIGroup", "apiVersion": "v1"});
    named(catalog).find(|group| group.name == name).map(|group| describe_group(group, &own_type))
}

/// `/api/VERSION` and `/apis/GROUP/VERSION`; none for what is not served.
pub fn resource_list(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let is_served =
        catalog.groups.iter().any(|known| known.name == group && known.versions.iter().any(|v| v == version));
    if !is_served {
        return None;
    }
    let mut resources = Vec::new();
    for resource in of_version(catalog, group, version) {
        resources.push(plain_resource(resource));
        resources
            .extend(resource.subresources.iter().map(|subresource| plain_subresource(resource, subresource)));
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}),
    )
}

/// The aggregated document of the core group (`/api`) or of all named ones (`/apis`).
pub fn aggregated(catalog: &Catalog, of: Of, version: Aggregated) -> Value {
    let wanted = |group: &&Group| group.name.is_empty() == (of == Of::Core);
    let items: Vec<Value> =
        catalog.groups.iter().filter(wanted).map(|group| aggregated_group(catalog, group)).collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{}", version.as_str()),
        "metadata": {},
        "items": items,
    })
}

/// Which groups an aggregated document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The core group.
    Core,
    /// All groups with a name.
    Named,
}

fn named(catalog: &Catalog) -> impl Iterator<Item = &Group> {
    catalog.groups.iter().filter(|group| !group.name.is_empty())
}

fn of_version<'a>(
    catalog: &'a Catalog,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Resource> {
    catalog
        .resources
        .iter()
        .filter(move |resource| resource.kind.group == group && resource.kind.version == version)
}

fn describe_group(group: &Group, own_type: &Value) -> Value {
    let version =
        |version: &String| json!({"groupVersion": format!("{}/{version}", group.name), "version": version});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    let mut value = json!({
        "name": group.name,
        "preferredVersion": versions.first().cloned().unwrap_or_default(),
        "versions": versions,
    });
    for (key, text) in own_type.as_object().into_iter().flatten() {
        value[key] = text.clone();
    }
    value
}

fn plain_resource(resource: &Resource) -> Value {
    let mut value = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind.kind,
        "verbs": verbs(&resource.verbs),
    });
    for (key, names) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !names.is_empty() {
            value[key] = json!(names);
        }
    }
    if !resource.storage_version_hash.is_empty() {
        value["storageVersionHash"] = json!(resource.storage_version_hash);
    }
    value
}

fn plain_subresource(resource: &Resource, subresource: &Subresource) -> Value {
    let mut value = json!({
        "name": format!("{}/{}", resource.plural, subresource.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": subresource.kind.kind,
        "verbs": verbs(&subresource.verbs),
    });
    // Said only where it is not the resource's own.
    if subresource.kind.group_version() != resource.group_version() {
        value["group"] = json!(subresource.kind.group);
        value["version"] = json!(subresource.kind.version);
    }
    value
}

fn aggregated_group(catalog: &Catalog, group: &Group) -> Value {
    let versions = group.versions.iter().map(|version| {
        let resources: Vec<Value> =
            of_version(catalog, &group.name, version).map(aggregated_resource).collect();
        json!({"version": version, "freshness": "Current", "resources": resources})
    });
    json!({"metadata": {"name": group.name, "creationTimestamp": null}, "versions": versions.collect::<Vec<_>>()})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let mut value = json!({
        "resource": resource.plural,
        "responseKind": response_kind(&resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": verbs(&resource.verbs),
    });
    for (key, names) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !names.is_empty() {
            value[key] = json!(names);
        }
    }
    let subresources = resource.subresources.iter().map(|subresource| {
        json!({
            "subresource": subresource.name,
            "responseKind": response_kind(&subresource.kind),
            "verbs": verbs(&subresource.verbs),
        })
    });
    let subresources: Vec<Value> = subresources.collect();
    if !subresources.is_empty() {
        value["subresources"] = json!(subresources);
    }
    value
}

fn response_kind(kind: &GroupVersionKind) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
}

fn verbs(verbs: &[Verb]) -> Vec<&'static str> {
    verbs.iter().map(|verb| verb.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_same_in_both_generations() {
        let catalog = Catalog::built_in();
        let list = resource_list(&catalog, "apps", "v1").unwrap();
        let names: Vec<&str> =
            list["resources"].as_array().unwrap().iter().filter_map(|r| r["name"].as_str()).collect();
        assert!(names.contains(&"deployments") && names.contains(&"deployments/scale"), "{names:?}");
        let scale =
            list["resources"].as_array().unwrap().iter().find(|r| r["name"] == "deployments/scale").unwrap();
        assert_eq!(
            (&scale["group"], &scale["version"], &scale["kind"]),
            (&json!("autoscaling"), &json!("v1"), &json!("Scale"))
        );
        let all = aggregated(&catalog, Of::Named, Aggregated::V2);
        let apps =
            all["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "apps").unwrap();
        let resources = apps["versions"][0]["resources"].as_array().unwrap();
        let deployments = resources.iter().find(|resource| resource["resource"] == "deployments").unwrap();
        assert_eq!(deployments["shortNames"], json!(["deploy"]));
        assert_eq!(deployments["scope"], "Namespaced");
    }

    #[test]
    fn keeps_the_core_group_apart() {
        let catalog = Catalog::built_in();
        assert_eq!(core_versions(&catalog)["versions"], json!(["v1"]));
        assert_eq!(aggregated(&catalog, Of::Core, Aggregated::V2)["items"].as_array().unwrap().len(), 1);
        assert!(group(&catalog, "apps").is_some());
        assert!(group(&catalog, "").is_none() && group(&catalog, "nowhere").is_none());
        assert!(resource_list(&catalog, "apps", "v9").is_none());
        let core = resource_list(&catalog, "", "v1").unwrap();
        assert_eq!(core["groupVersion"], "v1");
    }
}
