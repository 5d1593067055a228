//! How one endpoint of a global name is chosen for a client.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One step of choosing an endpoint: exactly one of these. Each keeps some of the clusters that the step before left,
/// and never none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Route {
    /// By where the client is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo: Option<Geo>,
    /// By an order of preference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// Clusters are answered in proportion to a weight. It is the last step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted: Option<Weighted>,
}

/// Chooses clusters by where the client is: rules, or nearest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Geo {
    /// The first rule that matches the client decides; one whose clusters are all down is passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<GeoRule>,
    /// The clusters for clients that no rule matches. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub default: Vec<String>,
    /// The cluster closest to the client, by the coordinates of both; all when the client's are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
}

/// The closest cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Nearest {}

/// Clients and the clusters that answer them. It matches when one of its criteria does. All but cidrs need a
/// location database on the DNS node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GeoRule {
    /// Countries, by ISO 3166-1: DE.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub countries: Vec<String>,
    /// Parts of countries, by ISO 3166-2: US-CA.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub regions: Vec<String>,
    /// Continents: AF, AN, AS, EU, NA, OC or SA.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub continents: Vec<String>,
    /// Numbers of autonomous systems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub asns: Vec<i64>,
    /// Ranges of addresses: 192.0.2.0/24.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub cidrs: Vec<String>,
    /// The clusters that answer these clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub clusters: Vec<String>,
}

/// Chooses the first group that has a healthy endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Failover {
    /// The groups, the first choice first. Clusters of no group come last, together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub groups: Vec<FailoverGroup>,
}

/// Clusters that are preferred alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FailoverGroup {
    /// The clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub clusters: Vec<String>,
}

/// Where weights come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Weighted {
    /// Replicas takes ready replicas, Placement the replicas decided, Capacity the CPUs of the clusters, Static the weights
    /// written here.
    pub from: WeightSource,
    /// Cluster to weight, for Static; clusters not named weigh 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-kubernetes-map-type" = "granular"))]
    pub weights: BTreeMap<String, i64>,
    /// By how much the share of a cluster may change in a minute, in percentage points: 10%. What goes down leaves at once,
    /// and comes back from nothing. Default: as much as it wants.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub max_change_per_minute: String,
}

/// Where weights come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WeightSource {
    /// Ready replicas of the workloads that the Service selects.
    #[default]
    Replicas,
    /// Replicas as decided.
    Placement,
    /// CPUs that pods may use, summed over the ready nodes of a cluster.
    Capacity,
    /// As written.
    Static,
}
