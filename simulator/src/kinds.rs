//! The resources that behaviour reads and writes, named once.

use koinon_api_server::{ResourceRef, Scope};

pub(crate) fn nodes() -> ResourceRef {
    ResourceRef::new("", "v1", "nodes", "Node", Scope::Cluster)
}

pub(crate) fn pods() -> ResourceRef {
    ResourceRef::new("", "v1", "pods", "Pod", Scope::Namespaced)
}

pub(crate) fn services() -> ResourceRef {
    ResourceRef::new("", "v1", "services", "Service", Scope::Namespaced)
}

pub(crate) fn replica_sets() -> ResourceRef {
    ResourceRef::new("apps", "v1", "replicasets", "ReplicaSet", Scope::Namespaced)
}

pub(crate) fn deployments() -> ResourceRef {
    ResourceRef::new("apps", "v1", "deployments", "Deployment", Scope::Namespaced)
}

pub(crate) fn stateful_sets() -> ResourceRef {
    ResourceRef::new("apps", "v1", "statefulsets", "StatefulSet", Scope::Namespaced)
}

pub(crate) fn daemon_sets() -> ResourceRef {
    ResourceRef::new("apps", "v1", "daemonsets", "DaemonSet", Scope::Namespaced)
}

pub(crate) fn jobs() -> ResourceRef {
    ResourceRef::new("batch", "v1", "jobs", "Job", Scope::Namespaced)
}

/// Everything that behaviour follows.
pub(crate) fn followed() -> [ResourceRef; 8] {
    [nodes(), pods(), services(), replica_sets(), deployments(), stateful_sets(), daemon_sets(), jobs()]
}
