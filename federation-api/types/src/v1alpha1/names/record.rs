//! `GlobalRecord`: one global name and what stands behind it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::health::{DampingStatus, ForcedEndpoint, ForcedState, ForcedStatus, RampStatus, RecordHealth};
use super::routing::Route;
use crate::v1alpha1::meta::Condition;

/// One global name and what stands behind it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalRecordSpec {
    /// The name served; it lies in a DnsZone.
    pub host: String,
    /// What stands behind it: exactly one of the fields.
    pub endpoints: Endpoints,
    /// How one is chosen: steps that narrow the clusters in order, weights last. Default: weighted by ready replicas,
    /// or equally for addresses.
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
    /// Endpoints that are taken for up or down, whatever is seen of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub forced: Vec<ForcedEndpoint>,
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
    /// Serving, or why it is not: ClusterUnreachable, ProbesFailing, NotReady, Draining or Flapping. What is seen of it, whatever
    /// an operator decided.
    pub verdict: String,
    /// Its share among the endpoints of its family.
    pub weight: i64,
    /// Since when.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// What that rests on, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// What an operator decided about it: it counts before the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced: Option<ForcedStatus>,
    /// How far it is back, while it is returning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<RampStatus>,
    /// What its falls have cost it lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<DampingStatus>,
}

impl EndpointStatus {
    /// The verdict on an endpoint that nothing speaks against.
    pub const SERVING: &str = "Serving";

    /// Whether the host lets it be answered: an operator's decision, or else the verdict.
    #[must_use]
    pub fn serves(&self) -> bool {
        match &self.forced {
            Some(forced) => forced.state == ForcedState::Up,
            None => self.verdict == Self::SERVING,
        }
    }

    /// The verdict and what stands beside it, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = self.verdict.clone();
        if let Some(forced) = &self.forced {
            words.push_str(&format!(", forced {:?}", forced.state));
        }
        if let Some(ramp) = &self.ramp {
            words.push_str(&format!(", {} % of its weight", ramp.percent));
        }
        words
    }
}
