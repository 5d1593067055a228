//! How endpoints are probed, as the table carries it: checked, and with nothing left to look up.

use serde::{Deserialize, Serialize};

/// How to probe an endpoint.
///
/// Units: milliseconds. `timeout_ms` ≤ `interval_ms`; thresholds are at least 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What to do.
    pub probe: Probe,
    /// The port probed.
    pub port: u16,
    /// From one probe to the next.
    pub interval_ms: u64,
    /// How long to wait for one.
    pub timeout_ms: u64,
    /// Failures in a row until an endpoint is down.
    pub failure_threshold: u32,
    /// Successes in a row until it is up again.
    pub success_threshold: u32,
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Probe {
    /// Connects.
    Tcp,
    /// Asks over HTTP/1.1.
    Http(HttpProbe),
    /// Asks the gRPC health service.
    Grpc(GrpcProbe),
    /// Asks a name server.
    Dns(DnsProbe),
}

/// An HTTP request and what is wanted of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpProbe {
    /// How it asks.
    pub method: HttpMethod,
    /// The request target, beginning with `/`.
    pub path: String,
    /// The Host header; the record's own name when absent.
    pub host: Option<String>,
    /// More headers, valid as HTTP has them.
    pub headers: Vec<(String, String)>,
    /// The statuses wanted. Shape: not empty; each range has its first and its last.
    pub statuses: Vec<(u16, u16)>,
    /// What the body must hold, if it matters.
    pub body: Option<BodyMatch>,
    /// Over TLS, if so.
    pub tls: Option<ProbeTls>,
}

/// The methods of an HTTP probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpMethod {
    /// With a body in the answer.
    Get,
    /// Without.
    Head,
}

/// What the first [`BODY_BYTES_MAX`] bytes of a body must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyMatch {
    /// This text.
    Contains(String),
    /// Something that this regular expression matches.
    Matches(String),
}

/// Bytes of a body that are looked at: status pages are small, and 512 of these fit in memory beside the names.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// Bytes that a compiled regular expression may take. It is compiled once per endpoint, and matching takes time that is linear
/// in the body.
pub const PATTERN_BYTES_MAX: usize = 256 << 10;

/// How TLS is spoken with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeTls {
    /// The name asked for (SNI) and verified; the record's own name when absent.
    pub server_name: Option<String>,
    /// What certificates are believed.
    pub trust: Trust,
}

/// What certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// Those of the authorities that the DNS node's system trusts.
    System,
    /// Those of these authorities, in PEM.
    Authorities(String),
    /// Any: only that there is somebody is asked.
    Anybody,
}

/// A `grpc.health.v1.Health/Check` call; wanted is `SERVING`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcProbe {
    /// The service asked about; empty asks about the server.
    pub service: String,
    /// Over TLS, if so.
    pub tls: Option<ProbeTls>,
}

/// A question to a name server and what is wanted of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsProbe {
    /// The name asked for, without the final dot.
    pub name: String,
    /// The type asked for.
    pub kind: u16,
    /// How it is asked.
    pub transport: DnsTransport,
    /// The response code wanted.
    pub rcode: u16,
    /// The data, on the wire, of a record that the answer must hold, if it matters.
    pub answer: Option<Vec<u8>>,
}

/// How a name server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsTransport {
    /// In datagrams.
    Udp,
    /// Over a connection.
    Tcp,
}
