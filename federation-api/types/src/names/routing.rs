//! How the endpoints of a name are narrowed for a client, step by step. Weights come last and are in the endpoints.

use serde::{Deserialize, Serialize};

use super::Network;

/// One step of a routing chain: it keeps some of the clusters that the step before left.
///
/// A step never empties a name: where none of its choices has an endpoint that can be answered, it keeps what it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// By where the client is.
    Geo(Geo),
    /// The cluster that is closest to the client.
    Nearest {
        /// Where clusters are. Shape: sorted by cluster; those whose place nobody knows are missing.
        places: Vec<Place>,
    },
    /// The first group that has an endpoint; clusters of no group come last, together.
    Failover {
        /// Groups of clusters, the first choice first.
        groups: Vec<Vec<String>>,
    },
}

/// Rules about clients. The first that matches and has an endpoint decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geo {
    /// The rules in order.
    pub rules: Vec<GeoRule>,
    /// The clusters for everybody else; empty means all.
    pub default: Vec<String>,
}

/// Clients, and the clusters that answer them. One criterion that holds is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeoRule {
    /// ISO 3166-1 codes of two upper-case letters.
    pub countries: Vec<String>,
    /// ISO 3166-2 codes, upper-case: `US-CA`.
    pub regions: Vec<String>,
    /// Codes as location databases have them: AF, AN, AS, EU, NA, OC, SA.
    pub continents: Vec<String>,
    /// Numbers of autonomous systems.
    pub asns: Vec<u32>,
    /// Ranges of addresses.
    pub networks: Vec<Network>,
    /// The clusters.
    pub clusters: Vec<String>,
}

/// Where a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The cluster.
    pub cluster: String,
    /// Its coordinates.
    pub at: Coordinates,
}

/// A point on the earth.
///
/// Units: millionths of a degree; latitude from -90 to 90 degrees, longitude from -180 to 180.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinates {
    /// North of the equator.
    pub latitude: i32,
    /// East of Greenwich.
    pub longitude: i32,
}

impl GeoRule {
    /// Whether only a location database can say whom it matches.
    pub fn needs_location(&self) -> bool {
        let lists = [&self.countries, &self.regions, &self.continents];
        lists.iter().any(|list| !list.is_empty()) || !self.asns.is_empty()
    }
}

impl Step {
    /// Whether what it keeps depends on where the client is, beyond its address.
    pub fn needs_location(&self) -> bool {
        match self {
            Self::Geo(geo) => geo.rules.iter().any(GeoRule::needs_location),
            Self::Nearest { .. } => true,
            Self::Failover { .. } => false,
        }
    }
}
