//! The stream between the host and the DNS nodes: the whole table of names down, what they see back.
//!
//! A table is complete and immutable; a node replaces the one it has when the generation is greater and
//! ignores it otherwise. Endpoints that must not be answered now are *in* the table, marked, because what to
//! answer when nothing is healthy ([`OnAllDown`]) is settled where the answer is built, and because a node keeps
//! probing them. Which endpoints are down is the host's decision joined with the node's own probes.
//!
//! A node keeps the last table in a file, so the shapes can be written and read; that file is the node's own and no
//! contract. Keys, of transfers and of signatures, are in the table, and therefore in that file, which nobody else may read.
//!
//! ```text
//! controllers/names ── watch<Arc<NameTable>> ─► global-dns
//! controllers       ◄── ProbeReport, AnswerReport ── global-dns
//! ```

mod change;
mod probe;
mod returning;
mod routing;
mod signing;
mod transfer;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use change::{Foreign, TableChange, ZoneChange};
pub use probe::{
    BODY_BYTES_MAX, BodyMatch, Check, DnsProbe, DnsTransport, GrpcProbe, HttpMethod, HttpProbe,
    PATTERN_BYTES_MAX, Probe, ProbeTls, Trust,
};
pub use returning::{Forced, ForcedState, Ramp};
pub use routing::{Coordinates, Geo, GeoRule, Place, Step};
pub use signing::{ParentWish, Signing, SigningKey, Signs};
pub use transfer::{
    Asker, Grant, InvalidNetwork, Network, Notified, Secret, Transfer, TsigAlgorithm, TsigKey,
};
pub use update::{
    Update, UpdateCode, UpdateGrant, UpdateMessage, UpdateNames, UpdateOutcome, UpdateRecord, UpdateRequest,
    Updates,
};

/// Every zone and name served, at one generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NameTable {
    /// Grows with every change, also across restarts of the host.
    pub generation: u64,
    /// Zones by apex. Shape: sorted, apexes are unique; one may lie below another.
    pub zones: Vec<Zone>,
    /// Global names. Shape: sorted by host, hosts are unique, each lies in one of `zones`.
    pub records: Vec<Record>,
}

/// One zone we are authoritative for.
///
/// Names here and below are absolute, lower case and without the final dot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// The apex.
    pub apex: String,
    /// Start of authority; its serial is the DNS node's, which gives it a new one when the zone's content changes.
    pub soa: Soa,
    /// The zone's own name servers.
    pub name_servers: Vec<NameServer>,
    /// Static records, in the order written.
    pub records: Vec<StaticRecord>,
    /// Who may copy it and who is told of changes.
    #[serde(default)]
    pub transfer: Transfer,
    /// Who may change its records by DNS messages.
    #[serde(default)]
    pub updates: Updates,
    /// How it is signed, if it is.
    #[serde(default)]
    pub signing: Option<Signing>,
}

/// The parts of the SOA that a zone's owner chooses.
///
/// Units: seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Soa {
    /// Primary name server.
    pub mname: String,
    /// Mailbox of the person responsible, in domain form.
    pub rname: String,
    /// How often a secondary asks.
    pub refresh: u32,
    /// How soon it asks again after a failure.
    pub retry: u32,
    /// When it stops answering without news.
    pub expire: u32,
    /// Negative-answer TTL (RFC 2308).
    pub minimum: u32,
    /// TTL of the apex's SOA and NS.
    pub ttl: u32,
}

/// One name server of a zone, with glue when it lies inside the zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NameServer {
    /// Its name.
    pub name: String,
    /// Its addresses; empty when the name is outside the zone.
    pub addresses: Vec<IpAddr>,
}

/// One static record in master-file notation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StaticRecord {
    /// Owner, absolute; may begin with `*.`.
    pub name: String,
    /// Mnemonic of the type, or `TYPE` and its number where it has none here.
    pub kind: String,
    /// Time to live, seconds.
    pub ttl: u32,
    /// RDATA as a master file writes it (RFC 1035 §5), names absolute with the final dot.
    pub data: String,
}

/// One global name with its endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The GlobalRecord it comes from.
    pub source: RecordRef,
    /// The name served.
    pub host: String,
    /// Apex of the zone it lies in.
    pub zone: String,
    /// Every endpoint, served or withdrawn. Shape: sorted by cluster, then target; may be empty.
    pub endpoints: Vec<Endpoint>,
    /// How they are narrowed for a client before weights count.
    #[serde(default)]
    pub routing: Vec<Step>,
    /// Addresses per answer, at least 1.
    pub addresses_max: u8,
    /// Time to live.
    pub ttl: Ttl,
    /// A change is plausible now, so answers carry `ttl.unstable`.
    pub unstable: bool,
    /// What to answer when no endpoint is healthy.
    pub on_all_down: OnAllDown,
    /// Below this share of healthy endpoints, health is presumed wrong and everything is answered (a panic
    /// threshold, in percent); 0 switches it off.
    pub healthy_share_min_percent: u8,
    /// How to probe each endpoint; none when only the clusters' verdicts count.
    pub check: Option<Check>,
}

/// Names a GlobalRecord.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// One address (or alias) of one cluster behind a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The cluster it belongs to.
    pub cluster: String,
    /// Where it points.
    pub target: Target,
    /// Its share among the endpoints of the same family; 0 is answered only when nothing else can be.
    pub weight: u32,
    /// Whether the host lets it be answered.
    pub state: EndpointState,
    /// Since when it is in this state, Unix milliseconds.
    pub since_ms: i64,
    /// What that rests on, for `resolve` and status; one line.
    pub evidence: String,
    /// What an operator decided about it, if so.
    #[serde(default)]
    pub forced: Option<Forced>,
    /// How far it is back, while it is returning.
    #[serde(default)]
    pub ramp: Option<Ramp>,
}

/// Where an endpoint points.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// Answered as A or AAAA.
    Ip(IpAddr),
    /// A load balancer that has only a name: answered as CNAME.
    Hostname(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Hostname(name) => f.write_str(name),
        }
    }
}

/// The host's word on an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointState {
    /// May be answered.
    Serving,
    /// Must not be answered while anything else can be.
    Withdrawn(Withdrawal),
}

/// Why an endpoint is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Withdrawal {
    /// Its cluster is unreachable by API and data plane.
    ClusterUnreachable,
    /// A quorum of vantages finds it down.
    ProbesFailing,
    /// It falls so often that it is left out while it is up.
    Flapping,
    /// Its cluster is back but its replicas are not yet ready.
    NotReady,
    /// Its cluster is being drained.
    Draining,
}

impl Withdrawal {
    /// The word that statuses and explanations use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterUnreachable => "ClusterUnreachable",
            Self::ProbesFailing => "ProbesFailing",
            Self::Flapping => "Flapping",
            Self::NotReady => "NotReady",
            Self::Draining => "Draining",
        }
    }
}

/// What a name answers when none of its endpoints is healthy. Never NXDOMAIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnAllDown {
    /// What was answered last while something was healthy.
    LastKnownGood,
    /// Every endpoint.
    All,
    /// NODATA, because the owner asked for it.
    NoData,
}

/// Time to live of an answer.
///
/// Units: seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ttl {
    /// While nothing is expected to change.
    pub stable: u32,
    /// While a change is plausible.
    pub unstable: u32,
}

/// What one vantage's probes of one name say, sent on every change and at least every few seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Who probed: a DNS node's name.
    pub vantage: String,
    /// The name.
    pub record: RecordRef,
    /// When the report was made, Unix milliseconds.
    pub at_ms: i64,
    /// One entry per endpoint probed.
    pub endpoints: Vec<EndpointProbe>,
}

/// What one vantage's probes of one endpoint say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointProbe {
    /// The cluster.
    pub cluster: String,
    /// The endpoint.
    pub target: Target,
    /// The verdict after thresholds.
    pub outcome: ProbeOutcome,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// When the endpoint was probed last, Unix milliseconds.
    pub last_ms: i64,
    /// When it last answered well, Unix milliseconds; none when it never did.
    pub answered_ms: Option<i64>,
    /// The latest probes disagree with the outcome.
    #[serde(default)]
    pub wavers: bool,
}

/// One endpoint after the check's thresholds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeOutcome {
    /// Not probed often enough to say.
    Unknown,
    /// Answers.
    Passing,
    /// Does not answer.
    Failing {
        /// What the latest probe met: refused, timeout, status 503.
        reason: String,
    },
}

/// What one DNS node serves now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerReport {
    /// The DNS node.
    pub vantage: String,
    /// Generation of the table behind its answers.
    pub generation: u64,
    /// When its answers changed last, Unix milliseconds.
    pub at_ms: i64,
    /// The targets each name can be answered with now.
    ///
    /// On the wire, a list of pairs: the keys of JSON's maps are texts.
    #[serde(with = "pairs")]
    pub answers: BTreeMap<RecordRef, Vec<Target>>,
    /// What it could not serve of the table, by name or apex, with the reason.
    pub refused: BTreeMap<String, String>,
    /// The names whose routing asks where clients are, which it cannot know: it has no location database.
    #[serde(default)]
    pub blind: BTreeSet<RecordRef>,
}

/// A map whose keys are no texts, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{RecordRef, Target};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<RecordRef, Vec<Target>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<RecordRef, Vec<Target>>, D::Error> {
        Vec::deserialize(deserializer).map(|pairs| pairs.into_iter().collect())
    }
}

/// The writing end of the table's stream: one owner, in the host.
pub type NameTableSender = tokio::sync::watch::Sender<Arc<NameTable>>;

/// The reading end of the table's stream: every DNS node of the process.
pub type NameTableReceiver = tokio::sync::watch::Receiver<Arc<NameTable>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_answers_is_read_as_it_was_written() {
        let record = RecordRef { namespace: "shop".into(), name: "shop".into() };
        let report = AnswerReport {
            vantage: "dns-1".into(),
            generation: 7,
            at_ms: 5,
            answers: [(record, vec![Target::Hostname("lb.example".into())])].into(),
            refused: [("a.example".to_owned(), "why".to_owned())].into(),
            blind: [RecordRef { namespace: "shop".into(), name: "near".into() }].into(),
        };
        let text = serde_json::to_string(&report).expect("it can be written");
        assert_eq!(serde_json::from_str::<AnswerReport>(&text).expect("it can be read"), report);
    }
}
