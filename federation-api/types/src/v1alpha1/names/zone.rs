//! `DnsZone`: what Koinon is authoritative for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::v1alpha1::cluster::SecretRef;
use crate::v1alpha1::meta::{Condition, LabelSelector};
use crate::v1alpha1::names::Catalog;
use crate::v1alpha1::names::Updates;
use crate::v1alpha1::names::dnssec::{Dnssec, DnssecStatus};

/// A zone that Koinon is authoritative for. Its apex is the object's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsZoneSpec {
    /// Start of authority.
    pub soa: Soa,
    /// The zone's name servers, at least one.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub name_servers: Vec<NameServer>,
    /// Records that do not depend on clusters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub records: Vec<StaticRecord>,
    /// The namespaces whose GlobalRecords may lie in the zone. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// Who may copy the zone as a whole, and who is told when it changes. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// Who may change `records` by DNS updates (RFC 2136). Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<Updates>,
    /// Makes the zone a catalog, which lists other zones for secondaries. Default: it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<Catalog>,
    /// How the zone is signed. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnssec: Option<Dnssec>,
}

/// Transfers to secondary name servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Transfer {
    /// Who may copy the zone, by AXFR and IXFR: whoever fits one entry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub allow: Vec<TransferPeer>,
    /// Who is told by NOTIFY when the zone changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub notify: Vec<NotifyTarget>,
}

/// Who may copy a zone: an address range, a key, or both, which then both have to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TransferPeer {
    /// The addresses it asks from, such as 192.0.2.0/24.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cidr: String,
    /// The TSIG key it signs with: a Secret of type koinon.io/tsig with algorithm (default hmac-sha256), name and secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_ref: Option<SecretRef>,
    /// Whether it has to ask over an encrypted connection (RFC 9103). Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
}

/// A secondary that is told when a zone changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotifyTarget {
    /// Its IP address.
    pub address: String,
    /// Its port. Default 53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
    /// The TSIG key that the notice is signed with: a Secret of type koinon.io/tsig. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_ref: Option<SecretRef>,
}

/// Selects namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AllowedNamespaces {
    /// By labels of the Namespace.
    pub label_selector: LabelSelector,
}

/// The parts of the SOA record that are yours to choose. The serial is Koinon's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Soa {
    /// Primary name server.
    pub mname: String,
    /// Mailbox of the person responsible, with a dot for the at sign.
    pub rname: String,
    /// How often a secondary asks, in seconds. Default 7200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub refresh_seconds: Option<i64>,
    /// How soon it asks again after a failure, in seconds. Default 900.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub retry_seconds: Option<i64>,
    /// When it stops answering without news, in seconds. Default 1209600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub expire_seconds: Option<i64>,
    /// How long "no such name" may be remembered, in seconds. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub negative_ttl_seconds: Option<i64>,
    /// Time to live of the apex's SOA and NS records, in seconds. Default 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604800))]
    pub ttl_seconds: Option<i64>,
}

/// A name server of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameServer {
    /// Its name.
    pub name: String,
    /// Its addresses, needed when the name lies in the zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub addresses: Vec<String>,
}

/// A record that does not depend on clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaticRecord {
    /// Its name: `@` for the apex, relative to the zone, or absolute with a final dot; may begin with `*`.
    pub name: String,
    /// A, AAAA, CAA, CNAME, DNAME, HTTPS, MX, NS, SRV, SVCB, TLSA, TXT and others by their mnemonic, or TYPE<number>.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says, as in a zone file.
    pub data: String,
    /// Time to live, in seconds. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604800))]
    pub ttl_seconds: Option<i64>,
}

/// What is known about a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsZoneStatus {
    /// The generation of the spec that was looked at.
    pub observed_generation: i64,
    /// Whether it is served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// GlobalRecords that lie in it.
    pub names: i64,
    /// Its keys, when it is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnssec: Option<DnssecStatus>,
}
