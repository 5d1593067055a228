//! The group as a server is told of it: kinds, names, subresources, columns and schemas, as plain data.
//!
//! Whoever composes the host turns this into its server's registry; this crate knows no server.

mod schema;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde_json::Value;

use crate::v1alpha1;

pub use schema::structural;

/// One kind of the group.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The kind.
    pub kind: &'static str,
    /// Its name in URLs.
    pub plural: &'static str,
    /// One of them.
    pub singular: &'static str,
    /// What people type instead.
    pub short_names: &'static [&'static str],
    /// Categories that it is listed under.
    pub categories: &'static [&'static str],
    /// Whether it lives in namespaces.
    pub namespaced: bool,
    /// The columns that `kubectl get` prints between the name and the age.
    pub columns: Vec<Column>,
    /// What an object looks like: a structural OpenAPI v3 schema with `x-kubernetes-*` list types and defaults,
    /// without references.
    pub schema: Value,
}

/// One printed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: &'static str,
    /// What it says.
    pub description: &'static str,
    /// 0 is always printed, 1 with `-o wide`.
    pub priority: i32,
    /// Where the value is: a JSONPath as CustomResourceDefinitions write it.
    pub path: &'static str,
}

/// Every kind of koinon.io/v1alpha1, in the order a newcomer meets them. All of them have `/status`.
pub fn api() -> Vec<Resource> {
    let kinds = [cluster(), propagation_policy(), cluster_propagation_policy(), override_policy()];
    let more = [cluster_override_policy(), resource_binding(), cluster_resource_binding()];
    kinds.into_iter().chain(more).chain([dns_zone(), global_record()]).collect()
}

/// The kind's entry in [`api`]; none when it is not of this group.
pub fn resource(kind: &str) -> Option<Resource> {
    api().into_iter().find(|resource| resource.kind == kind)
}

fn cluster() -> Resource {
    Resource {
        kind: "Cluster",
        plural: "clusters",
        singular: "cluster",
        short_names: &["cl"],
        categories: &["koinon"],
        namespaced: false,
        columns: vec![
            column("Ready", "string", "Whether workloads run there.", 0, READY),
            column("State", "string", "The verdict on its health.", 0, ".status.state"),
            column("Region", "string", "The region it is in.", 0, ".spec.region"),
            column("Version", "string", "Its Kubernetes version.", 0, ".status.kubernetesVersion"),
            column("Nodes", "integer", "Its nodes that are ready.", 0, ".status.capacity.readyNodes"),
            column("Lag", "number", "Seconds from decision to presence.", 0, ".status.sync.lagSeconds"),
            column("Zone", "string", "The zone it is in.", 1, ".spec.zone"),
            column("Provider", "string", "Who runs it.", 1, ".spec.provider"),
            column("Objects", "integer", "Objects that are as they should be.", 1, ".status.sync.applied"),
            column("Endpoint", "string", "Its API.", 1, ".spec.connection.apiEndpoint"),
        ],
        schema: schema_of::<v1alpha1::ClusterSpec, v1alpha1::ClusterStatus>(
            "A member of the fleet: how it is reached, where it is, and what is known about it.",
        ),
    }
}

fn propagation_policy() -> Resource {
    Resource {
        kind: "PropagationPolicy",
        plural: "propagationpolicies",
        singular: "propagationpolicy",
        short_names: &["pp"],
        categories: &["koinon"],
        namespaced: true,
        columns: policy_columns(),
        schema: schema_of::<v1alpha1::PropagationPolicySpec, v1alpha1::PolicyStatus>(
            "Which objects of this namespace go to which clusters, in what shares.",
        ),
    }
}

fn cluster_propagation_policy() -> Resource {
    Resource {
        kind: "ClusterPropagationPolicy",
        plural: "clusterpropagationpolicies",
        singular: "clusterpropagationpolicy",
        short_names: &["cpp"],
        categories: &["koinon"],
        namespaced: false,
        columns: policy_columns(),
        schema: schema_of::<v1alpha1::PropagationPolicySpec, v1alpha1::PolicyStatus>(
            "Which objects of any namespace, or of none, go to which clusters, in what shares.",
        ),
    }
}

fn policy_columns() -> Vec<Column> {
    vec![
        column("Type", "string", "How replicas are shared out.", 0, ".spec.placement.replicaScheduling.type"),
        column("Matched", "integer", "Objects that it decides about.", 0, ".status.matched"),
        column("Priority", "integer", "The higher wins.", 1, ".spec.priority"),
        column("Failback", "string", "How workloads return.", 1, ".spec.failback.mode"),
    ]
}

fn override_policy() -> Resource {
    Resource {
        kind: "OverridePolicy",
        plural: "overridepolicies",
        singular: "overridepolicy",
        short_names: &["op"],
        categories: &["koinon"],
        namespaced: true,
        columns: Vec::new(),
        schema: schema_of::<v1alpha1::OverridePolicySpec, v1alpha1::PolicyStatus>(
            "How objects of this namespace differ in some clusters.",
        ),
    }
}

fn cluster_override_policy() -> Resource {
    Resource {
        kind: "ClusterOverridePolicy",
        plural: "clusteroverridepolicies",
        singular: "clusteroverridepolicy",
        short_names: &["cop"],
        categories: &["koinon"],
        namespaced: false,
        columns: Vec::new(),
        schema: schema_of::<v1alpha1::OverridePolicySpec, v1alpha1::PolicyStatus>(
            "How objects of any namespace, or of none, differ in some clusters.",
        ),
    }
}

fn resource_binding() -> Resource {
    Resource {
        kind: "ResourceBinding",
        plural: "resourcebindings",
        singular: "resourcebinding",
        short_names: &["rb"],
        categories: &["koinon"],
        namespaced: true,
        columns: binding_columns(),
        schema: schema_of::<v1alpha1::BindingSpec, v1alpha1::BindingStatus>(
            "Where one object goes and why, and what the clusters say about it. Written by Koinon.",
        ),
    }
}

fn cluster_resource_binding() -> Resource {
    Resource {
        kind: "ClusterResourceBinding",
        plural: "clusterresourcebindings",
        singular: "clusterresourcebinding",
        short_names: &["crb"],
        categories: &["koinon"],
        namespaced: false,
        columns: binding_columns(),
        schema: schema_of::<v1alpha1::BindingSpec, v1alpha1::BindingStatus>(
            "Where one cluster-scoped object goes and why, and what the clusters say about it. Written by Koinon.",
        ),
    }
}

fn binding_columns() -> Vec<Column> {
    vec![
        column("Kind", "string", "The kind of the object.", 0, ".spec.resource.kind"),
        column("Clusters", "string", "Where it goes.", 0, ".spec.clusters[*].name"),
        column("Replicas", "integer", "Replicas wanted over all clusters.", 0, ".spec.replicas"),
        column("Ready", "integer", "Replicas that are ready.", 0, ".status.readyReplicas"),
        column("Applied", "string", "Whether every cluster has it.", 0, APPLIED),
        column("Policy", "string", "What decided.", 1, ".spec.policy.name"),
    ]
}

fn dns_zone() -> Resource {
    Resource {
        kind: "DnsZone",
        plural: "dnszones",
        singular: "dnszone",
        short_names: &["zone"],
        categories: &["koinon"],
        namespaced: false,
        columns: vec![
            column("Served", "string", "Whether it is answered.", 0, SERVED),
            column("Names", "integer", "Global names in it.", 0, ".status.names"),
            column("Signed", "string", "Whether its answers are signed.", 1, SIGNED),
            column("Secure", "string", "Whether its parent trusts its keys.", 1, SECURE),
            column("Primary", "string", "Its primary name server.", 1, ".spec.soa.mname"),
        ],
        schema: schema_of::<v1alpha1::DnsZoneSpec, v1alpha1::DnsZoneStatus>(
            "A DNS zone that Koinon is authoritative for; its apex is the object's name.",
        ),
    }
}

fn global_record() -> Resource {
    Resource {
        kind: "GlobalRecord",
        plural: "globalrecords",
        singular: "globalrecord",
        short_names: &["gr"],
        categories: &["koinon"],
        namespaced: true,
        columns: vec![
            column("Host", "string", "The name served.", 0, ".spec.host"),
            column("Served", "string", "Whether it is answered.", 0, SERVED),
            column("Endpoints", "string", "What stands behind it.", 0, ".status.endpoints[*].address"),
            column("Generation", "integer", "The name table it changed in last.", 1, ".status.generation"),
        ],
        schema: schema_of::<v1alpha1::GlobalRecordSpec, v1alpha1::GlobalRecordStatus>(
            "One global name and what stands behind it in the clusters.",
        ),
    }
}

const READY: &str = r#".status.conditions[?(@.type=="Ready")].status"#;
const APPLIED: &str = r#".status.conditions[?(@.type=="Applied")].status"#;
const SIGNED: &str = r#".status.conditions[?(@.type=="Signed")].status"#;
const SECURE: &str = r#".status.conditions[?(@.type=="DelegationSecure")].status"#;
const SERVED: &str = r#".status.conditions[?(@.type=="Served")].status"#;

fn column(
    name: &'static str,
    kind: &'static str,
    description: &'static str,
    priority: i32,
    path: &'static str,
) -> Column {
    Column { name, kind, description, priority, path }
}

/// The schema of a kind with this spec and status.
fn schema_of<Spec: JsonSchema, Status: JsonSchema>(description: &str) -> Value {
    schema::object(description, &structural::<Spec>(), &structural::<Status>())
}
