//! From which clusters may one workload's replicas leave now?
//!
//! A verdict alone moves nothing. The workload's own patience must be over, something must be left to go to, and the fleet as a
//! whole must look sane: when most of it seems dead at once, the fault is presumed ours, and nothing is evicted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use koinon_model::failover::Failover;
use koinon_model::health::Verdict;
use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;

use crate::health::Standing;

/// The share of unhealthy clusters at which nothing is evicted any more, in percent.
/// Source: the node lifecycle controller of Kubernetes, which calls a zone disrupted at 55 %.
pub const BRAKE_PERCENT: usize = 55;

/// How one cluster of the fleet is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterHealth {
    /// What is believed of it.
    pub standing: Standing,
    /// Whether it shows signs of failure that do not suffice for a verdict. Clusters that die together are not condemned in the
    /// same instant; the brake must count them all the same.
    pub doubtful: bool,
}

/// What to decide on.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Every cluster of the fleet.
    pub fleet: &'a BTreeMap<ClusterName, ClusterHealth>,
    /// The clusters that hold the workload.
    pub holders: &'a BTreeSet<ClusterName>,
    /// The clusters that could take it, by its policy, whether they hold some of it or not.
    pub eligible: &'a BTreeSet<ClusterName>,
    /// The workload's patience.
    pub failover: Failover,
    /// Now.
    pub now: Timestamp,
}

/// Which clusters are left, which are not although they are dead, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Replicas leave these.
    pub leave: BTreeSet<ClusterName>,
    /// Dead, and yet nothing leaves them.
    pub held: BTreeMap<ClusterName, Held>,
    /// When the decision may change without anything happening.
    pub again: Option<Timestamp>,
}

/// Why replicas stay in a dead cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Too much of the fleet looks dead at once.
    Brake {
        /// How many clusters look unhealthy.
        unhealthy: usize,
        /// Of how many.
        total: usize,
    },
    /// The workload's patience is not over.
    Patience {
        /// When it is.
        until: Timestamp,
    },
    /// The policy never moves it.
    Never,
    /// There is no healthy cluster to go to.
    LastCopy,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brake { unhealthy, total } => write!(
                f,
                "brake: {unhealthy} of {total} clusters look unhealthy at once ({BRAKE_PERCENT} % or more), so nothing is moved"
            ),
            Self::Patience { until } => write!(f, "tolerated until {until}"),
            Self::Never => f.write_str("its policy does not move it"),
            Self::LastCopy => f.write_str("last copy: no healthy cluster could take it"),
        }
    }
}

/// Whether the brake is on, and by how many of how many clusters.
pub fn brake(fleet: &BTreeMap<ClusterName, ClusterHealth>) -> Option<Held> {
    let total = fleet.len();
    let unhealthy = fleet.values().filter(|cluster| looks_dead(cluster)).count();
    (unhealthy > 0 && unhealthy * 100 >= total * BRAKE_PERCENT).then_some(Held::Brake { unhealthy, total })
}

/// Decides which clusters one workload leaves.
pub fn evacuate(request: &Request<'_>) -> Decision {
    let mut decision = Decision::default();
    let brake = brake(request.fleet);
    let someone_is_well = request.eligible.iter().any(|name| {
        request.fleet.get(name).is_some_and(|c| c.standing.verdict == Verdict::Ready && !c.doubtful)
    });
    for name in request.holders {
        let Some(cluster) = request.fleet.get(name) else { continue };
        if cluster.standing.verdict != Verdict::Unreachable {
            continue;
        }
        let patience = request
            .failover
            .cluster_toleration_seconds
            .map(|seconds| cluster.standing.since + Duration::from_secs(seconds.into()));
        let held = match (patience, &brake) {
            (None, _) => Some(Held::Never),
            (Some(until), _) if until > request.now => {
                decision.again = Some(decision.again.map_or(until, |again| again.min(until)));
                Some(Held::Patience { until })
            }
            (Some(_), Some(brake)) => Some(brake.clone()),
            (Some(_), None) if !someone_is_well => Some(Held::LastCopy),
            (Some(_), None) => None,
        };
        match held {
            Some(held) => {
                decision.held.insert(name.clone(), held);
            }
            None => {
                decision.leave.insert(name.clone());
            }
        }
    }
    decision
}

fn looks_dead(cluster: &ClusterHealth) -> bool {
    match cluster.standing.verdict {
        Verdict::Unreachable => true,
        // Its workloads are known to be alive.
        Verdict::ControlPlaneOnly => false,
        Verdict::Ready | Verdict::DataPlaneOnly | Verdict::Suspect => cluster.doubtful,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn name(text: &str) -> ClusterName {
        ClusterName::try_from(text).unwrap()
    }

    /// One letter per cluster: `R`eady, `D`oubtful, `U`nreachable for 10 s, `C`ontrol plane only.
    fn decide(states: &str, toleration: Option<u32>) -> Decision {
        let mut fleet = BTreeMap::new();
        for (index, state) in states.chars().enumerate() {
            let verdict = match state {
                'U' => Verdict::Unreachable,
                'C' => Verdict::ControlPlaneOnly,
                _ => Verdict::Ready,
            };
            let standing = Standing { verdict, since: Timestamp::from_seconds(990) };
            fleet.insert(name(&format!("c{index}")), ClusterHealth { standing, doubtful: state == 'D' });
        }
        let all: BTreeSet<ClusterName> = fleet.keys().cloned().collect();
        let failover =
            Failover { cluster_toleration_seconds: toleration, application_toleration_seconds: None };
        evacuate(&Request { fleet: &fleet, holders: &all, eligible: &all, failover, now: NOW })
    }

    #[test]
    fn one_dead_cluster_of_three_is_left() {
        let decision = decide("URR", Some(0));
        assert_eq!(decision.leave, [name("c0")].into());
        assert!(decision.held.is_empty());
    }

    #[test]
    fn the_brake_holds_when_most_of_the_fleet_looks_dead() {
        for (states, braked) in [
            ("UUR", true),
            ("UDR", true),
            ("UR", false),
            ("U", true),
            ("UUUUURRRRR", false),
            ("UUUUUURRRR", true),
        ] {
            let decision = decide(states, Some(0));
            assert_eq!(decision.leave.is_empty(), braked, "{states}");
            let says_so = decision.held.values().any(|held| matches!(held, Held::Brake { .. }));
            assert_eq!(says_so, braked, "{states}");
        }
    }

    #[test]
    fn a_lost_control_plane_counts_neither_as_dead_nor_as_a_refuge() {
        assert!(decide("CCR", Some(0)).leave.is_empty());
        assert_eq!(decide("UCR", Some(0)).leave, [name("c0")].into());
        assert_eq!(decide("UCC", Some(0)).held[&name("c0")], Held::LastCopy);
    }

    #[test]
    fn patience_is_kept_and_the_next_look_named() {
        let decision = decide("URR", Some(30));
        let until = Timestamp::from_seconds(1_020);
        assert_eq!(decision.held[&name("c0")], Held::Patience { until });
        assert_eq!(decision.again, Some(until));
        assert_eq!(decide("URR", None).held[&name("c0")], Held::Never);
    }
}
