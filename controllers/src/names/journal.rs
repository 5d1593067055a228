//! What names answered, since when and why: an append-only record of every change.
//!
//! ```text
//! table before, table after, what was touched ─► changes ─► log (a thread, a file) ─► koinon dns history
//! what nodes answer by their probes ─────────────┘
//! ```
//!
//! Names never wait for it: a table is published first and its changes are written down after, within milliseconds. What is written
//! survives the process; what is synced survives the machine. When the disk does not keep up, changes are counted as lost.

mod cause;
mod changes;
mod log;
mod nodes;

use koinon_types::names::{EndpointState, Record};
use serde::{Deserialize, Serialize};

pub(super) use cause::{Causes, Touched};
pub(super) use changes::{Published, changes};
pub use log::{History, Journal, Query, open};
pub(super) use nodes::Nodes;

/// One change of what one name answers.
///
/// Shape: `before` is absent for a name that is new, `after` for one that is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// The generation of the table of names.
    pub generation: u64,
    /// The apex of the zone.
    pub zone: String,
    /// The name; the apex for a change of many names at once.
    pub name: String,
    /// The DNS node that answers so, where its own probes changed the answer; else every node does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why.
    pub cause: Cause,
    /// How many names changed, where they are not told one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names_count: Option<u64>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Said>,
    /// What is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Said>,
}

/// Why a name answers something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Cause {
    /// Somebody wrote an object.
    Object {
        /// What became of it.
        act: Act,
        /// Kind, namespace and name, as in `GlobalRecord shop/web`.
        object: String,
        /// Its resource version after that; empty when the write was not seen.
        resource_version: String,
        /// Who wrote it; absent when that was before the host's start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// A cluster is believed to be something else.
    Verdict {
        /// The cluster.
        cluster: String,
        /// What that rests on.
        evidence: String,
    },
    /// A member says something else of its addresses or replicas.
    Member {
        /// The cluster.
        cluster: String,
        /// What it says.
        evidence: String,
    },
    /// A DNS node's probes see something else.
    Probes {
        /// What they meet.
        evidence: String,
    },
    /// Somebody let pass what was held back.
    Acknowledged {
        /// What passed.
        digest: String,
        /// Who let it pass.
        by: String,
    },
    /// It changed while the host was away.
    Start,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// It was created or changed.
    Written,
    /// It was deleted.
    Deleted,
}

/// What a name answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// The records that do not depend on clusters: TTL, type and data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// Seconds that answers with endpoints may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// The endpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<SaidEndpoint>,
}

/// One endpoint as it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidEndpoint {
    /// Its cluster.
    pub cluster: String,
    /// Its address or alias.
    pub target: String,
    /// Its share among the others.
    pub weight: u32,
    /// Why it is not answered while others can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

// === impl Said ===

impl Said {
    /// What a record answers.
    fn of(record: &Record) -> Self {
        let ttl = if record.unstable { record.ttl.unstable } else { record.ttl.stable };
        let endpoint = |endpoint: &koinon_types::names::Endpoint| SaidEndpoint {
            cluster: endpoint.cluster.clone(),
            target: endpoint.target.to_string(),
            weight: endpoint.weight,
            withdrawn: match endpoint.state {
                EndpointState::Serving => None,
                EndpointState::Withdrawn(why) => Some(why.as_str().to_owned()),
            },
        };
        Self {
            records: Vec::new(),
            ttl: Some(ttl),
            endpoints: record.endpoints.iter().map(endpoint).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
