//! The resources of the host that controllers read and write, named once.

use koinon_api_server::{ResourceRef, Scope};
use koinon_machinery::Value;
use koinon_types::v1alpha1;

fn ours(plural: &str, kind: &str, scope: Scope) -> ResourceRef {
    ResourceRef::new(v1alpha1::GROUP, v1alpha1::VERSION, plural, kind, scope)
}

/// `Cluster`.
pub(crate) fn clusters() -> ResourceRef {
    ours("clusters", "Cluster", Scope::Cluster)
}

/// `ResourceBinding`.
pub(crate) fn bindings() -> ResourceRef {
    ours("resourcebindings", "ResourceBinding", Scope::Namespaced)
}

/// `ClusterResourceBinding`.
pub(crate) fn cluster_bindings() -> ResourceRef {
    ours("clusterresourcebindings", "ClusterResourceBinding", Scope::Cluster)
}

/// `PropagationPolicy` and `ClusterPropagationPolicy`.
pub(crate) fn propagation_policies() -> [ResourceRef; 2] {
    [
        ours("propagationpolicies", "PropagationPolicy", Scope::Namespaced),
        ours("clusterpropagationpolicies", "ClusterPropagationPolicy", Scope::Cluster),
    ]
}

/// `OverridePolicy` and `ClusterOverridePolicy`.
pub(crate) fn override_policies() -> [ResourceRef; 2] {
    [
        ours("overridepolicies", "OverridePolicy", Scope::Namespaced),
        ours("clusteroverridepolicies", "ClusterOverridePolicy", Scope::Cluster),
    ]
}

/// `DnsZone`.
pub(crate) fn zones() -> ResourceRef {
    ours("dnszones", "DnsZone", Scope::Cluster)
}

/// `GlobalRecord`.
pub(crate) fn records() -> ResourceRef {
    ours("globalrecords", "GlobalRecord", Scope::Namespaced)
}

/// `Secret`.
pub(crate) fn secrets() -> ResourceRef {
    ResourceRef::new("", "v1", "secrets", "Secret", Scope::Namespaced)
}

/// `Namespace`.
pub(crate) fn namespaces() -> ResourceRef {
    ResourceRef::new("", "v1", "namespaces", "Namespace", Scope::Cluster)
}

/// `Service`.
pub(crate) fn services() -> ResourceRef {
    ResourceRef::new("", "v1", "services", "Service", Scope::Namespaced)
}

/// `Ingress`.
pub(crate) fn ingresses() -> ResourceRef {
    ResourceRef::new("networking.k8s.io", "v1", "ingresses", "Ingress", Scope::Namespaced)
}

/// The kinds whose pods a Service may select and whose status counts ready replicas.
pub(crate) fn workloads() -> [ResourceRef; 4] {
    let kinds = [
        ("deployments", "Deployment"),
        ("statefulsets", "StatefulSet"),
        ("replicasets", "ReplicaSet"),
        ("daemonsets", "DaemonSet"),
    ];
    kinds.map(|(plural, kind)| ResourceRef::new("apps", "v1", plural, kind, Scope::Namespaced))
}

/// An object with another status.
pub(crate) fn with_status(object: &Value, status: &impl serde::Serialize) -> Value {
    let mut object = object.clone();
    object["status"] = serde_json::to_value(status).expect("a status is made of texts and numbers");
    object
}
