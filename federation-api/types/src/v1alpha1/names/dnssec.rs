//! How a zone is signed, as its owner asks for it, and what is told of its keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signs a zone. Keys are made and replaced by Koinon; the parent zone has to be given the DS records of the status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Dnssec {
    /// Which keys there are. Default Combined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeyLayout>,
    /// Days until the key that signs the zone is replaced, of keys that are Split; 0 for never. Default 90.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3650))]
    pub zone_key_lifetime_days: Option<i64>,
    /// Days until the key that the parent trusts is replaced; 0 for never. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3650))]
    pub entry_key_lifetime_days: Option<i64>,
    /// Days that a signature is good for. Default 14.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 90))]
    pub signature_validity_days: Option<i64>,
    /// Seconds within which every server of the zone, secondaries included, has a change. Default 3600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1209600))]
    pub propagation_seconds: Option<i64>,
}

/// Which keys a zone has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyLayout {
    /// One that signs everything.
    #[default]
    Combined,
    /// One that the parent trusts and that signs the keys, and one that signs the zone.
    Split,
}

/// What is known about a zone's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DnssecStatus {
    /// Its keys, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub keys: Vec<KeyStatus>,
    /// The DS records that the parent must have, as a zone file writes their data. None while it must have none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub ds: Vec<String>,
    /// What the next step waits for; empty when nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub waiting_for: String,
    /// When that is over, where it is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub waiting_until: String,
}

/// One key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyStatus {
    /// Its tag, by which DS and RRSIG records name it.
    pub tag: i64,
    /// Combined, Entry or Zone.
    pub role: String,
    /// Incoming, Active, Retiring or Removed.
    pub state: String,
    /// When it was made, or for one that goes, when that was decided.
    pub since: String,
}
