//! The kinds of the host: Kubernetes' own, as far as a control plane without nodes can serve them, and koinon.io's.

use std::sync::Arc;

use anyhow::Context as _;
use koinon_api_server::admission::{Admission, Operation, Request};
use koinon_api_server::registry::{ApiGroup, ApiResource, Column, Endpoint, Registry, Scope};
use koinon_machinery::schema::Schema;
use koinon_machinery::schema::catalog;
use koinon_machinery::validate::FieldError;
use koinon_types::convert::Door;
use koinon_types::v1alpha1;

/// Kinds that describe nodes and what is attached to them: the host has none, its members do.
const OF_NODES: [(&str, &str); 6] = [
    ("", "nodes"),
    ("certificates.k8s.io", "podcertificaterequests"),
    ("resource.k8s.io", "resourceslices"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "csistoragecapacities"),
    ("storage.k8s.io", "volumeattachments"),
];

/// Every kind that the host serves.
///
/// # Errors
/// When a published schema cannot be used, which the tests of the types exclude.
pub(super) fn registry() -> anyhow::Result<Registry> {
    Registry::new(Schema::built_in())
        .with_built_in(is_served)
        .with_api(koinon_group())
        .context("register the kinds of koinon.io")
}

/// What every write to a koinon.io kind must pass.
pub(super) fn admission() -> Arc<dyn Admission> {
    Arc::new(KoinonDoor(Door::new()))
}

fn is_served(resource: &catalog::Resource) -> bool {
    !OF_NODES.contains(&(resource.kind.group.as_str(), resource.plural.as_str()))
}

fn koinon_group() -> ApiGroup {
    let resources = koinon_types::api::api().into_iter().map(resource).collect();
    ApiGroup { group: v1alpha1::GROUP.to_owned(), version: v1alpha1::VERSION.to_owned(), resources }
}

fn resource(source: koinon_types::api::Resource) -> ApiResource {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ApiResource {
        plural: source.plural.to_owned(),
        singular: source.singular.to_owned(),
        kind: source.kind.to_owned(),
        short_names: owned(source.short_names),
        categories: owned(source.categories),
        scope: if source.namespaced { Scope::Namespaced } else { Scope::Cluster },
        status: Endpoint::Served,
        scale: None,
        columns: source.columns.iter().map(column).collect(),
        schema: source.schema,
    }
}

fn column(source: &koinon_types::api::Column) -> Column {
    Column {
        name: source.name.to_owned(),
        kind: source.kind.to_owned(),
        format: String::new(),
        description: source.description.to_owned(),
        priority: u32::try_from(source.priority).unwrap_or_default(),
        json_path: source.path.to_owned(),
    }
}

/// Shape and sense of koinon.io objects, checked at the door.
struct KoinonDoor(Door);

impl Admission for KoinonDoor {
    fn admit(&self, request: &Request<'_>) -> Result<(), Vec<FieldError>> {
        if *request.resource.group != *v1alpha1::GROUP || request.operation == Operation::Delete {
            return Ok(());
        }
        let errors = self.0.admit(&request.resource.kind, request.new, request.old);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_serves_its_own_kinds_and_no_nodes() {
        let registry = registry().expect("the published schemas can be used");
        let served: Vec<String> = registry.stored().iter().map(ToString::to_string).collect();
        for wanted in ["deployments.apps", "configmaps", "clusters.koinon.io", "globalrecords.koinon.io"] {
            assert!(served.iter().any(|name| name == wanted), "{wanted} is missing");
        }
        assert!(!served.iter().any(|name| name == "nodes"), "the host has no nodes");
    }
}
