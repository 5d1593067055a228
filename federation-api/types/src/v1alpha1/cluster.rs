//! `Cluster`: a member of the fleet, how it is reached and what is known about it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::meta::Condition;

/// How a member is reached, where it is, and what may run there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSpec {
    /// How the member is reached.
    pub connection: Connection,
    /// Who runs it: aws, gcp, azure, on-prem or any other word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// The region it is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// The zone it is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Where on the earth it is, for names that are answered by the nearest cluster. Default: where its region is, if it is
    /// one of a large cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// What keeps workloads away from it unless they tolerate it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key", "effect"]))]
    pub taints: Vec<Taint>,
    /// When it counts as lost.
    pub health: HealthSettings,
    /// What becomes of our objects in it when this Cluster is deleted.
    pub on_unjoin: OnUnjoin,
}

/// A point on the earth, in decimal degrees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// North of the equator: "50.11".
    pub latitude: String,
    /// East of Greenwich: "8.68".
    pub longitude: String,
}

/// How a member is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Connection {
    /// Who dials: Push means that the host dials the member.
    pub mode: ConnectionMode,
    /// The member's API as people know it. What is dialled stands in the kubeconfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_endpoint: Option<String>,
    /// The Secret whose key `kubeconfig` holds the credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// The context of that kubeconfig; its current context when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// Who dials whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConnectionMode {
    /// The host dials the member.
    #[default]
    Push,
}

/// Names a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Keeps workloads away unless they tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Taint {
    /// What it is about.
    pub key: String,
    /// A value that tolerations may ask for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What it does to workloads that do not tolerate it.
    pub effect: TaintEffect,
    /// Since when; set by Koinon on the taints it adds itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub time_added: Option<String>,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// Nothing new comes.
    NoSchedule,
    /// Nothing new comes and what is there leaves.
    NoExecute,
}

/// When a member counts as lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthSettings {
    /// Failed API probes in a row, one a second, until the API counts as gone. Default 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 600))]
    pub failure_threshold: Option<i64>,
    /// How long the API must be gone until the member counts as unreachable when nothing but the API was ever
    /// heard of it, in seconds. Default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub api_only_seconds: Option<i64>,
}

/// What becomes of our objects in a member that leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnUnjoin {
    /// They keep running and lose our ownership marks.
    #[default]
    Preserve,
    /// They are deleted.
    Prune,
}

/// What is known about a member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// The generation of the spec that was looked at.
    pub observed_generation: i64,
    /// The verdict in one word: Ready, ControlPlaneOnly, Unreachable, DataPlaneOnly, Suspect or Unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Since when, and on what evidence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Taints that follow from its health. Placement joins them with those of the spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key", "effect"]))]
    pub taints: Vec<Taint>,
    /// When it came back from being unreachable; absent while it is, and when it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub returned_at: Option<String>,
    /// Its Kubernetes version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kubernetes_version: String,
    /// What it serves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["groupVersion"]))]
    pub api_enablements: Vec<EnabledGroupVersion>,
    /// What its nodes can run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<NodeCapacity>,
    /// How far it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStatus>,
}

/// One group version and its resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EnabledGroupVersion {
    /// The group version.
    pub group_version: String,
    /// Its resources, by their plural.
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub resources: Vec<String>,
}

/// What a member's nodes can run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeCapacity {
    /// Nodes.
    pub nodes: i64,
    /// Nodes that are ready.
    pub ready_nodes: i64,
    /// What the ready nodes offer, by resource.
    pub allocatable: BTreeMap<String, String>,
    /// What running pods request, by resource.
    pub allocated: BTreeMap<String, String>,
}

/// How far a member is behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStatus {
    /// Objects that should be there.
    pub desired: i64,
    /// Objects that are there as they should be.
    pub applied: i64,
    /// From decision to presence of the latest change, in seconds.
    pub lag_seconds: f64,
    /// Since when the oldest change waits; absent when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub oldest_pending: Option<String>,
}
