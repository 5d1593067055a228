//! The kinds of the host: Kubernetes' own, as far as a control plane without nodes can serve them, and koinon.io's.

use anyhow::Context as _;
use koinon_api_server::registry::Registry;
use koinon_controllers::kinds;
use koinon_machinery::schema::Schema;
use koinon_machinery::schema::catalog;

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
        .with_api(kinds::group())
        .context("register the kinds of koinon.io")
}

fn is_served(resource: &catalog::Resource) -> bool {
    !OF_NODES.contains(&(resource.kind.group.as_str(), resource.plural.as_str()))
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
