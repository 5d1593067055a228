//! `ResourceBinding` and `ClusterResourceBinding`: one decision about one object, with its reasons.
//!
//! Koinon writes these. The spec is the decision (one writer: placement), the status is what the members say
//! (one writer: status). Texts are short on purpose, because there is one of these per object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::meta::Condition;
use super::propagation_policy::ConflictResolution;

/// Where one object goes, decided by Koinon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingSpec {
    /// The object.
    pub resource: ResourceRef,
    /// The policy that decides about it; absent for one that only follows others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// The bindings whose objects need this one where they go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub required_by: Vec<String>,
    /// The generation of the object that was decided about.
    pub observed_generation: i64,
    /// Replicas wanted over all clusters; absent for kinds without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Where it goes.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub clusters: Vec<BindingCluster>,
    /// Replicas for which no cluster has room.
    #[serde(skip_serializing_if = "is_zero")]
    pub unplaced: i64,
    /// Clusters it leaves, until each has confirmed that it is gone there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub removing: Vec<String>,
    /// Clusters it left because they were lost; kept until its replicas have returned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["cluster"]))]
    pub evicted: Vec<Eviction>,
    /// Why each cluster was chosen or refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["cluster"]))]
    pub reasons: Vec<Finding>,
    /// What to do with an object of the same name that is not ours.
    #[serde(skip_serializing_if = "is_abort")]
    pub conflict_resolution: ConflictResolution,
    /// Clusters that get no changes for now; `*` is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub suspended: Vec<String>,
    /// The object keeps running in the clusters when it is deleted here.
    #[serde(skip_serializing_if = "is_false")]
    pub preserve_resources_on_deletion: bool,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_abort(resolution: &ConflictResolution) -> bool {
    *resolution == ConflictResolution::Abort
}

/// Names one object of the host at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRef {
    /// Its API version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, absent for cluster-scoped kinds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity; absent once it was deleted here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// Names the policy that decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRef {
    /// PropagationPolicy or ClusterPropagationPolicy.
    pub kind: String,
    /// Its namespace, absent for a ClusterPropagationPolicy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its generation when it decided.
    pub generation: i64,
}

/// A cluster and its part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingCluster {
    /// The cluster.
    pub name: String,
    /// Its replicas; absent for kinds without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
}

/// A cluster that a workload left because it was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Eviction {
    /// The cluster.
    pub cluster: String,
    /// When the workload left it.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Replicas that may be there again; grows in steps while it returns.
    pub replicas_allowed: i64,
    /// When the latest step of its return began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub stepped_at: Option<String>,
}

/// Why a cluster was chosen or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Finding {
    /// The cluster.
    pub cluster: String,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Its weight, where shares were divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// Why, for people.
    pub message: String,
}

/// What the members say about one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingStatus {
    /// The generation of this binding's spec that the status is about.
    pub observed_generation: i64,
    /// Whether it is placed, applied and healthy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Replicas that are ready over all clusters; absent for kinds without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i64>,
    /// Each cluster's word.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub clusters: Vec<BindingClusterStatus>,
}

/// What one member says about one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingClusterStatus {
    /// The cluster.
    pub name: String,
    /// Pending, Applied, Conflict, Failed, Unreachable, Suspended or Removing.
    pub state: String,
    /// Replicas ordered there now, on the way to the decision; absent for kinds without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Replicas that are ready there; absent for kinds without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i64>,
    /// Healthy, Progressing, Degraded or Unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub health: String,
    /// The generation of the object that is there.
    #[serde(skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// What is wrong, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}
