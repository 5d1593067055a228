//! `GlobalRecord.spec.health` and `spec.forced`: how endpoints are probed and judged, and what operators decide.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How endpoints are probed, and what happens when none is healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordHealth {
    /// Probes over HTTP or HTTPS. At most one of http, tcp, grpc and dns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Probes by connecting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    /// Probes with grpc.health.v1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcProbe>,
    /// Probes by asking for a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsProbe>,
    /// From one probe to the next, in seconds. Default 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub interval_seconds: Option<i64>,
    /// The same in milliseconds, instead of seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 3600000))]
    pub interval_milliseconds: Option<i64>,
    /// How long to wait for one, in seconds; at most the interval. Default 1, or the interval where that is shorter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: Option<i64>,
    /// The same in milliseconds, instead of seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 60000))]
    pub timeout_milliseconds: Option<i64>,
    /// Failures in a row until an endpoint is down. Default 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: Option<i64>,
    /// Successes in a row until it is up again. Default 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub success_threshold: Option<i64>,
    /// How many of the DNS nodes that can tell must find an endpoint down until it is withdrawn everywhere: Any, Majority or All.
    /// Each node leaves out at once what it finds down itself. Default Majority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Quorum>,
    /// Gives an endpoint that returns its weight in steps. Default: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<ReturnRamp>,
    /// Leaves an endpoint out that falls too often, until it has been steady for a while. Default: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<FlapDamping>,
    /// Below this share of healthy endpoints, such as 50%, health is not believed and everything is answered.
    /// Default: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_healthy_share: String,
    /// What is answered when nothing is healthy: LastKnownGood, All or NoData. Default LastKnownGood.
    pub on_all_down: OnAllDown,
}

/// An HTTP or HTTPS probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
    /// HTTP or HTTPS. Default HTTP.
    #[serde(default)]
    pub scheme: Scheme,
    /// GET or HEAD. Default GET.
    #[serde(default)]
    pub method: HttpMethod,
    /// The path, with a query where wanted. Default /.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The Host header. Default: the record's host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// More headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub http_headers: Vec<HttpHeader>,
    /// Statuses of a healthy endpoint: numbers such as 200, or ranges such as 200-299. Default 200-399.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "set"))]
    pub expected_statuses: Vec<String>,
    /// What the first 64 KiB of the body must hold: exactly one of the fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyMatch>,
    /// How TLS is spoken, for HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

/// How HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scheme {
    /// In the clear.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// Over TLS.
    #[serde(rename = "HTTPS")]
    Https,
}

/// How HTTP asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpMethod {
    /// With a body in the answer.
    #[default]
    #[serde(rename = "GET")]
    Get,
    /// Without.
    #[serde(rename = "HEAD")]
    Head,
}

/// One header of an HTTP probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// What a body must hold: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BodyMatch {
    /// A text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub contains: String,
    /// Something that this regular expression matches; like RE2, without look-around and back-references.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub matches: String,
}

/// How TLS is spoken with an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeTls {
    /// The name asked for (SNI) and verified. Default: the record's host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_name: String,
    /// The authorities whose certificates are believed, in PEM. Default: those that the DNS node's system trusts.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 65536))]
    pub ca_bundle: String,
    /// Takes any certificate. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

/// A probe with grpc.health.v1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcProbe {
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i64,
    /// The service asked about. Default: the server as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub service: String,
    /// Speaks TLS, and how. Default: in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

/// A probe that asks the endpoint for a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsProbe {
    /// The port. Default 53.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
    /// UDP or TCP. Default UDP.
    #[serde(default)]
    pub protocol: ProbeProtocol,
    /// The name asked for.
    pub name: String,
    /// The type asked for. Default A.
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The response code of a healthy endpoint. Default NOERROR.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected_rcode: String,
    /// The data of a record that the answer must hold, as master files write it. Default: any answer will do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected_answer: String,
}

/// How a name server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProbeProtocol {
    /// In datagrams.
    #[default]
    #[serde(rename = "UDP")]
    Udp,
    /// Over a connection.
    #[serde(rename = "TCP")]
    Tcp,
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

/// How many must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Quorum {
    /// One is enough.
    Any,
    /// More than half.
    #[default]
    Majority,
    /// Every one.
    All,
}

/// The steps in which an endpoint that returns gets its weight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReturnRamp {
    /// Percentages of its weight, rising. Default 10, 25, 50, 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub steps: Vec<i64>,
    /// How long each step lasts. Default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub hold_seconds: Option<i64>,
}

/// How flapping is damped. Each fall adds 1000 points, which decay (RFC 2439).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FlapDamping {
    /// In which time points halve. Default 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub half_life_seconds: Option<i64>,
    /// From how many points on an endpoint is left out. Default 2500: the third fall in quick succession.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub suppress_threshold: Option<i64>,
    /// Below how many points it is used again. Default 750.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub reuse_threshold: Option<i64>,
}

/// An operator's decision about endpoints of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForcedEndpoint {
    /// The cluster.
    pub cluster: String,
    /// One address or alias of it. Default: all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Up or Down.
    pub state: ForcedState,
    /// Why, for whoever finds it later.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Until when it holds, such as 2026-11-24T18:00:00Z. Default: until it is removed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("format" = "date-time"))]
    pub until: String,
}

/// What an endpoint is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ForcedState {
    /// Well, whatever is seen of it.
    Up,
    /// Down, also when nothing else is well; when all are forced down, onAllDown applies.
    #[default]
    Down,
}

/// What an operator decided about an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ForcedStatus {
    /// Up or Down.
    pub state: ForcedState,
    /// Why.
    pub reason: String,
    /// Until when.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("format" = "date-time"))]
    pub until: String,
}

/// How far an endpoint is back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RampStatus {
    /// The part of its weight that it has.
    pub percent: i64,
    /// Since when it has that.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
}

/// What an endpoint's falls have cost it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DampingStatus {
    /// Points at its last fall; they halve with every half-life.
    pub penalty: i64,
    /// Its last fall.
    #[schemars(extend("format" = "date-time"))]
    pub fell: String,
    /// Whether it is left out.
    pub suppressed: bool,
}
