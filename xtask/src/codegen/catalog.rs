//! Reads Kubernetes' published discovery documents: the groups in their order, and every served resource.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// What a server with everything enabled serves.
pub(super) struct Catalog {
    /// The groups in the order discovery lists them, each with its versions, the preferred one first.
    pub(super) groups: Vec<Group>,
    /// The resources and subresources of each group and version, in discovery's order.
    pub(super) resources: Vec<(String, Resource)>,
}

/// A group and its versions.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) versions: Vec<String>,
}

/// A resource, as the legacy discovery documents say it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) singular_name: String,
    pub(super) namespaced: bool,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) group: String,
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) short_names: Vec<String>,
    #[serde(default)]
    pub(super) categories: Vec<String>,
    pub(super) verbs: Vec<String>,
    #[serde(default)]
    pub(super) storage_version_hash: String,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<WireGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireGroup {
    name: String,
    preferred_version: WireVersion,
    versions: Vec<WireVersion>,
}

#[derive(Deserialize)]
struct WireVersion {
    version: String,
}

#[derive(Deserialize)]
struct Resources {
    resources: Vec<Resource>,
}

/// Reads the documents of a folder.
pub(super) fn read(folder: &Path) -> anyhow::Result<Catalog> {
    let mut catalog = Catalog { groups: Vec::new(), resources: Vec::new() };
    catalog.groups.push(Group { name: String::new(), versions: vec!["v1".to_owned()] });
    let listed: Groups = document(&folder.join("apis.json"))?;
    for group in listed.groups {
        let preferred = group.preferred_version.version;
        let mut versions = vec![preferred.clone()];
        versions.extend(group.versions.into_iter().map(|v| v.version).filter(|v| *v != preferred));
        catalog.groups.push(Group { name: group.name, versions });
    }
    for group in &catalog.groups {
        for version in &group.versions {
            let (file, group_version) = if group.name.is_empty() {
                (format!("api__{version}.json"), version.clone())
            } else {
                (format!("apis__{}__{version}.json", group.name), format!("{}/{version}", group.name))
            };
            let resources: Resources = document(&folder.join(file))?;
            let resources = resources.resources.into_iter();
            catalog.resources.extend(resources.map(|resource| (group_version.clone(), resource)));
        }
    }
    Ok(catalog)
}

fn document<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))
}
