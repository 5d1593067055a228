//! A member cluster as decisions see it: where it is, what it serves, what it can still run, what keeps it away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::labels::Labels;
use crate::location::Coordinates;
use crate::name::ClusterName;
use crate::quantity::Quantity;
use crate::taint::Taint;

/// One member cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name, unique in the fleet.
    pub name: ClusterName,
    /// Its labels.
    pub labels: Labels,
    /// Who runs it, where given.
    pub provider: Option<String>,
    /// Its region, where given.
    pub region: Option<String>,
    /// Its zone, where given.
    pub zone: Option<String>,
    /// Where on the earth it is, where given.
    pub coordinates: Option<Coordinates>,
    /// What keeps workloads away.
    pub taints: Vec<Taint>,
    /// What its API serves.
    pub apis: Apis,
    /// What it can run.
    pub capacity: Capacity,
    /// Whether it stays.
    pub state: State,
}

/// Every member cluster by name.
pub type Fleet = BTreeMap<ClusterName, Cluster>;

impl Cluster {
    /// A joined cluster about which nothing but its name is known.
    #[must_use]
    pub fn named(name: ClusterName) -> Self {
        Self {
            name,
            labels: Labels::default(),
            provider: None,
            region: None,
            zone: None,
            coordinates: None,
            taints: Vec::new(),
            apis: Apis::Unknown,
            capacity: Capacity::Unknown,
            state: State::Joined,
        }
    }

    /// What the cluster says about itself under one of the fields that affinities may select by.
    #[must_use]
    pub fn field(&self, field: Field) -> Option<&str> {
        match field {
            Field::Provider => self.provider.as_deref(),
            Field::Region => self.region.as_deref(),
            Field::Zone => self.zone.as_deref(),
        }
    }
}

/// The fields of a cluster that affinities may select by.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Who runs it.
    Provider,
    /// Its region.
    Region,
    /// Its zone.
    Zone,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "provider",
            Self::Region => "region",
            Self::Zone => "zone",
        })
    }
}

/// Whether a cluster stays in the fleet.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is a member.
    Joined,
    /// It is being taken out: it gets nothing new and gives up what it has.
    Leaving,
}

/// What a cluster's API serves.
///
/// Shape: group and version as written in manifests (`apps/v1`) → plural resource names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apis {
    /// Discovery has not answered yet. Unknown is not missing.
    Unknown,
    /// What discovery answered last.
    Known(BTreeMap<String, BTreeSet<String>>),
}

impl Apis {
    /// Whether the cluster is known not to serve this resource.
    #[must_use]
    pub fn lacks(&self, api_version: &str, plural: &str) -> bool {
        match self {
            Self::Unknown => false,
            Self::Known(served) => !served.get(api_version).is_some_and(|plurals| plurals.contains(plural)),
        }
    }
}

/// Amounts by resource name (`cpu`, `memory`, `pods`, …).
pub type Resources = BTreeMap<String, Quantity>;

/// What a cluster can run, and what of it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// Nobody counted yet. Unknown is not full.
    Unknown,
    /// Summed over the ready nodes.
    Known {
        /// What pods may use.
        allocatable: Resources,
        /// What the pods that are there request.
        allocated: Resources,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_api_is_not_a_missing_one() {
        assert!(!Apis::Unknown.lacks("apps/v1", "deployments"));
        let served = BTreeMap::from([("apps/v1".to_owned(), BTreeSet::from(["deployments".to_owned()]))]);
        let known = Apis::Known(served);
        assert!(!known.lacks("apps/v1", "deployments"));
        assert!(known.lacks("apps/v1", "statefulsets"));
        assert!(known.lacks("batch/v1", "jobs"));
    }
}
