//! `PropagationPolicy` and `ClusterPropagationPolicy`: which objects go to which clusters, in what shares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::meta::{Condition, Expression, LabelSelector};

/// Which objects go to which clusters, in what shares, and what happens when a cluster dies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PropagationPolicySpec {
    /// The objects; an object is meant when any of these matches it.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub resource_selectors: Vec<ResourceSelector>,
    /// Whether ConfigMaps, Secrets, ServiceAccounts and PersistentVolumeClaims that a pod template names go
    /// where the workload goes. Default true.
    #[serde(default = "yes")]
    pub propagate_dependencies: bool,
    /// The higher wins when several policies match an object. Default 0.
    #[serde(default)]
    #[schemars(range(min = -2147483648_i64, max = 2147483647_i64))]
    pub priority: i64,
    /// Where the objects go. Default: to every cluster, each with all replicas.
    #[serde(default)]
    pub placement: Placement,
    /// What to do in a cluster that has an object of the same name which is not ours. Default Abort.
    #[serde(default)]
    pub conflict_resolution: ConflictResolution,
    /// When workloads leave a cluster that is lost.
    #[serde(default)]
    pub failover: Failover,
    /// How workloads return to a cluster that is back.
    #[serde(default)]
    pub failback: Failback,
    /// Stops changes from reaching clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// Whether objects keep running in the clusters when they are deleted here. Default false.
    #[serde(default)]
    pub preserve_resources_on_deletion: bool,
}

fn yes() -> bool {
    true
}

/// Selects objects by kind and, where given, by name or labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSelector {
    /// The API version, such as apps/v1.
    pub api_version: String,
    /// The kind, such as Deployment.
    pub kind: String,
    /// The namespace. A PropagationPolicy selects in its own namespace only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name; every name when absent. A name excludes a label selector.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The labels; any labels when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
}

/// Where objects go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// The clusters that may be used. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_affinity: Option<ClusterAffinity>,
    /// The taints that do not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub cluster_tolerations: Vec<Toleration>,
    /// How replicas are shared out. Default: every cluster runs all of them.
    pub replica_scheduling: ReplicaScheduling,
}

/// Selects clusters; all given parts must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterAffinity {
    /// By labels of the Cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// By provider, region or zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_selector: Option<FieldSelector>,
    /// By name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub cluster_names: Vec<String>,
    /// Names that are left out although the rest matches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub exclude: Vec<String>,
}

/// Selects clusters by where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldSelector {
    /// Conditions on provider, region and zone; the operators are In and NotIn.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<Expression>,
}

/// Names taints that do not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The taint's key; every key when empty, with operator Exists.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Equal compares the value, Exists does not. Default Equal.
    pub operator: TolerationOperator,
    /// The taint's value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The effect; every effect when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<super::TaintEffect>,
    /// How long a NoExecute taint is tolerated; for ever when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub toleration_seconds: Option<i64>,
}

/// How a toleration compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// Key and value are the same.
    #[default]
    Equal,
    /// The key is the same.
    Exists,
}

/// How replicas are shared out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaScheduling {
    /// Duplicated gives every cluster all replicas, Divided shares them out. Default Duplicated.
    #[serde(rename = "type")]
    pub kind: SchedulingType,
    /// The clusters' shares when Divided. Default: equal shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// Whether a cluster never gets more than it has room for. Default false.
    pub respect_capacity: bool,
    /// Whether replicas move to follow the weights, when Divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub movement: Option<Movement>,
}

/// Whether replicas move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Movement {
    /// Replicas stay where they run although the weights would have them elsewhere; growth goes where it is owed
    /// most. Default false.
    pub sticky: bool,
}

/// Whether replicas are shared out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SchedulingType {
    /// Every cluster runs all replicas.
    #[default]
    Duplicated,
    /// The clusters run all replicas together.
    Divided,
}

/// The clusters' shares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Weights {
    /// Fixed shares. A cluster that several entries match takes the largest weight; one that none matches
    /// gets nothing.
    #[serde(rename = "static")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub fixed: Vec<StaticWeight>,
}

/// The share of the clusters it matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaticWeight {
    /// The clusters.
    pub target_cluster: ClusterAffinity,
    /// Their share, each.
    #[schemars(range(min = 0, max = 1000000))]
    pub weight: i64,
    /// Replicas that each gets first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_replicas: Option<i64>,
    /// Replicas that each gets at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_replicas: Option<i64>,
}

/// What to do with an object of the same name that is not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConflictResolution {
    /// Leave it and report.
    #[default]
    Abort,
    /// Take it over and change it.
    Overwrite,
    /// Take it over when it already says the same.
    AdoptIfEqual,
}

/// When workloads leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Failover {
    /// When a cluster is lost.
    pub cluster: ClusterFailover,
}

/// When workloads leave a lost cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterFailover {
    /// How long after the verdict they wait for it to return, in seconds. Default 0.
    #[schemars(range(min = 0, max = 604800))]
    pub toleration_seconds: i64,
}

/// How workloads return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Failback {
    /// Automatic returns them, Manual waits for a person, Never leaves them. Default Automatic.
    pub mode: FailbackMode,
    /// How long the cluster must have been well, in seconds. Default 300.
    #[schemars(range(min = 0, max = 604800))]
    pub stabilization_seconds: i64,
    /// How many at a time.
    pub pace: Pace,
}

impl Default for Failback {
    fn default() -> Self {
        Self { mode: FailbackMode::default(), stabilization_seconds: 300, pace: Pace::default() }
    }
}

/// Whether workloads return by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailbackMode {
    /// By themselves.
    #[default]
    Automatic,
    /// When a person says so.
    Manual,
    /// Not at all.
    Never,
}

/// How many replicas return at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pace {
    /// Percent of the cluster's share per step. Default 25.
    #[schemars(range(min = 1, max = 100))]
    pub percent: i64,
    /// Seconds between steps. Default 60.
    #[schemars(range(min = 0, max = 86400))]
    pub interval_seconds: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { percent: 25, interval_seconds: 60 }
    }
}

/// Stops changes from reaching clusters. What runs keeps running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Suspension {
    /// No changes to any cluster.
    pub dispatching: bool,
    /// No changes to these clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub clusters: Vec<String>,
}

/// What a policy does now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyStatus {
    /// The generation of the spec that was acted on.
    pub observed_generation: i64,
    /// Whether it is in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Objects that it decides about.
    pub matched: i64,
}
