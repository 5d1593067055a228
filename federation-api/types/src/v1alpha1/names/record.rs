//! `GlobalRecord`: one global name and what stands behind it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::v1alpha1::meta::Condition;

/// One global name and what stands behind it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalRecordSpec {
    /// The name served; it lies in a DnsZone.
    pub host: String,
    /// What stands behind it: exactly one of the fields.
    pub endpoints: Endpoints,
    /// How one is chosen. Default: weighted by ready replicas, or equally for addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub routing: Vec<Route>,
    /// What an answer holds.
    #[serde(default)]
    pub answer: Answer,
    /// How long an answer may be remembered.
    #[serde(default)]
    pub ttl_seconds: TtlSeconds,
    /// How endpoints are probed, and what happens when none is healthy.
    #[serde(default)]
    pub health: RecordHealth,
}

/// What stands behind a name: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// The load balancers of a Service in every cluster that it is placed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ObjectEndpoint>,
    /// The load balancers of an Ingress in every cluster that it is placed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<ObjectEndpoint>,
    /// Addresses written here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["cluster"]))]
    pub addresses: Vec<AddressEndpoint>,
}

/// Names an object in the record's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectEndpoint {
    /// Its name.
    pub name: String,
}

/// Addresses of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressEndpoint {
    /// The cluster whose health they share.
    pub cluster: String,
    /// IP addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub ips: Vec<String>,
    /// A name that is answered as an alias, instead of addresses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hostname: String,
}

/// One step of choosing an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Clusters are answered in proportion to a weight.
    pub weighted: Weighted,
}

/// Where weights come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Weighted {
    /// Replicas takes ready replicas, Placement the replicas decided, Static the weights written here.
    pub from: WeightSource,
    /// Cluster to weight, for Static; clusters not named weigh 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-kubernetes-map-type" = "granular"))]
    pub weights: BTreeMap<String, i64>,
}

/// Where weights come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WeightSource {
    /// Ready replicas of the workloads that the Service selects.
    #[default]
    Replicas,
    /// Replicas as decided.
    Placement,
    /// As written.
    Static,
}

/// What an answer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Answer {
    /// Addresses in one answer. Default 1.
    #[schemars(range(min = 1, max = 16))]
    pub max_addresses: i64,
}

impl Default for Answer {
    fn default() -> Self {
        Self { max_addresses: 1 }
    }
}

/// How long an answer may be remembered, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TtlSeconds {
    /// While nothing is expected to change. Default 30.
    #[schemars(range(min = 0, max = 604800))]
    pub stable: i64,
    /// While a change is plausible. Default 5.
    #[schemars(range(min = 0, max = 604800))]
    pub unstable: i64,
}

impl Default for TtlSeconds {
    fn default() -> Self {
        Self { stable: 30, unstable: 5 }
    }
}

/// How endpoints are probed, and what happens when none is healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordHealth {
    /// Probes with HTTP GET; healthy is any status from 200 to 399.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Probes by connecting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    /// From one probe to the next, in seconds. Default 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub interval_seconds: Option<i64>,
    /// How long to wait for one, in seconds; at most the interval. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: Option<i64>,
    /// Failures in a row until an endpoint is down. Default 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: Option<i64>,
    /// Successes in a row until it is up again. Default 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub success_threshold: Option<i64>,
    /// Below this share of healthy endpoints, such as 50%, health is not believed and everything is answered.
    /// Default: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_healthy_share: String,
    /// What is answered when nothing is healthy: LastKnownGood, All or NoData. Default LastKnownGood.
    pub on_all_down: OnAllDown,
}

/// An HTTP probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
    /// The path, with a query where wanted. Default /.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The Host header. Default: the record's host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
}

/// A TCP probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpProbe {
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
}

/// What is answered when nothing is healthy. Never that the name does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnAllDown {
    /// What was healthy last.
    #[default]
    LastKnownGood,
    /// Every endpoint.
    All,
    /// No address.
    NoData,
}

/// What a name answers now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GlobalRecordStatus {
    /// The generation of the spec that was looked at.
    pub observed_generation: i64,
    /// The generation of the name table in which this name changed last.
    pub generation: i64,
    /// Whether it is served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Every endpoint, answered or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["cluster", "address"]))]
    pub endpoints: Vec<EndpointStatus>,
}

/// One endpoint of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointStatus {
    /// The cluster it belongs to.
    pub cluster: String,
    /// Its address or alias.
    pub address: String,
    /// Serving, or why it is not answered: ClusterUnreachable, ProbesFailing, NotReady or Draining.
    pub verdict: String,
    /// Its share among the endpoints of its family.
    pub weight: i64,
    /// Since when.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// What that rests on, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub evidence: String,
}
