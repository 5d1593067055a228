//! Answers which clusters hold a workload, and how many replicas each.
//!
//! ```text
//! fleet ─► filter ─► score ─► select ─► divide ─► placement
//!          refused   weight,  refused   shares,
//!          or frozen bounds   (weight 0) unplaced
//! ```
//!
//! Every cluster of the fleet gets a reason, the refused as well as the chosen; *not placeable* is an answer and not an
//! error. What a taint means follows from what a cluster holds: `NoSchedule` lets it hold what it has and no more;
//! `NoExecute` does the same until `failover::evacuate` releases it, so that no taint moves anything by itself.
//! While a cluster that holds replicas is frozen in this way, the others keep what they have, too: a fleet in doubt is
//! not the time to rebalance.
//!
//! It does not say in which steps the members get there; that is `movement::step`.

pub mod divide;
mod filter;
mod reason;
mod score;
mod select;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koinon_model::cluster::{Cluster, Fleet, Resources};
use koinon_model::name::ClusterName;
use koinon_model::placement::Placement;
use koinon_model::policy::{CapacityRule, PlacementIntent, Scheduling, Stickiness};
use koinon_model::weight::Weight;

pub use reason::{Chosen, Limit, Reason, Refused};

use filter::Standing;
use score::Scored;

/// Everything a placement depends on.
#[derive(Copy, Clone, Debug)]
pub struct Request<'a> {
    /// What the policy asks for.
    pub intent: &'a PlacementIntent,
    /// The members.
    pub fleet: &'a Fleet,
    /// The API that a cluster must serve.
    pub api: ApiResource<'a>,
    /// What there is to place.
    pub demand: Demand<'a>,
    /// What the last decision placed; empty for a new object.
    pub current: &'a Placement,
    /// The clusters whose verdict forbids every change now (`Suspect`, `ControlPlaneOnly`).
    pub frozen: &'a BTreeSet<ClusterName>,
    /// The clusters that this object may leave now, as `failover::evacuate` answered.
    pub released: &'a BTreeSet<ClusterName>,
    /// How many replicas returned clusters may hold for now, as `failback::restore` answered.
    pub caps: &'a BTreeMap<ClusterName, u32>,
}

/// Names what a cluster's API must serve.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ApiResource<'a> {
    /// Group and version as written in manifests.
    pub api_version: &'a str,
    /// Plural resource name.
    pub plural: &'a str,
}

/// What there is to place.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Demand<'a> {
    /// An object without replicas: every cluster gets it whole, however the policy divides.
    Whole,
    /// Replicas.
    Replicas {
        /// How many.
        count: u32,
        /// What one of them requests; empty where nothing is known.
        each: &'a Resources,
    },
}

/// Where a workload goes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The clusters that hold it. With 0 replicas asked for, each chosen cluster holds 0; otherwise each holds some.
    pub placement: Placement,
    /// Shape: every cluster of the fleet and every cluster that held the workload, in name order.
    pub reasons: BTreeMap<ClusterName, Reason>,
    /// Replicas that no cluster could take. For duplicated workloads: what all clusters together lack.
    pub unplaced: u32,
}

impl Decision {
    /// The reasons of the clusters that hold the workload.
    pub fn chosen(&self) -> impl Iterator<Item = (&ClusterName, &Chosen)> {
        self.reasons.iter().filter_map(|(cluster, reason)| match reason {
            Reason::Chosen(chosen) => Some((cluster, chosen)),
            Reason::Refused(_) => None,
        })
    }

    /// The reasons of the clusters that do not.
    pub fn refused(&self) -> impl Iterator<Item = (&ClusterName, &Refused)> {
        self.reasons.iter().filter_map(|(cluster, reason)| match reason {
            Reason::Chosen(_) => None,
            Reason::Refused(refused) => Some((cluster, refused)),
        })
    }
}

/// Places a workload on the clusters that may hold it, replicas where they are owed.
#[must_use]
pub fn place(request: &Request<'_>) -> Decision {
    // Lists, and maps only at the end: building a map from a sorted list compares each name once.
    let mut reasons = Vec::with_capacity(request.fleet.len());
    for (cluster, _) in request.current.iter().filter(|(cluster, _)| !request.fleet.contains_key(*cluster)) {
        reasons.push((cluster.clone(), Reason::Refused(Refused::NotAMember)));
    }
    let mut standing = Vec::with_capacity(request.fleet.len());
    for cluster in request.fleet.values() {
        match filter::stand(request, cluster) {
            Ok(stand) => standing.push((cluster, stand)),
            Err(refused) => reasons.push((cluster.name.clone(), Reason::Refused(refused))),
        }
    }
    let (outcomes, unplaced) = match (request.demand, &request.intent.scheduling) {
        (Demand::Whole, Scheduling::Duplicated { .. } | Scheduling::Divided { .. }) => (whole(&standing), 0),
        (Demand::Replicas { count, each }, Scheduling::Duplicated { capacity }) => {
            duplicated(count, &score::duplicated(request, standing, room_rule(*capacity, each)))
        }
        (Demand::Replicas { count, each }, Scheduling::Divided { weights, capacity, stickiness }) => {
            let frozen = standing.iter().any(|(_, stand)| matches!(stand, Standing::Frozen { .. }));
            let stickiness = settle_stickiness(request, *stickiness, frozen);
            let scored = score::divided(request, standing, weights, room_rule(*capacity, each));
            let (selected, unwanted) = select::select(scored, stickiness);
            let refused = |(cluster, refused): (&ClusterName, _)| (cluster.clone(), Reason::Refused(refused));
            reasons.extend(unwanted.into_iter().map(refused));
            divided(count, &selected, stickiness)
        }
    };
    let placement = outcomes.iter().filter_map(holds).collect();
    reasons.extend(outcomes);
    Decision { placement, reasons: reasons.into_iter().collect(), unplaced }
}

/// What a cluster's reason says that it holds.
fn holds((cluster, reason): &(ClusterName, Reason)) -> Option<(ClusterName, u32)> {
    match reason {
        Reason::Chosen(Chosen::Whole) => Some((cluster.clone(), 0)),
        Reason::Chosen(Chosen::Copy { replicas, .. } | Chosen::Share { replicas, .. }) => {
            Some((cluster.clone(), *replicas))
        }
        Reason::Refused(_) => None,
    }
}

/// What one replica requests, where capacity counts.
fn room_rule(rule: CapacityRule, each: &Resources) -> Option<&Resources> {
    match rule {
        CapacityRule::Respect => Some(each),
        CapacityRule::Ignore => None,
    }
}

/// Whether this decision keeps what runs where it runs.
///
/// A frozen cluster makes every decision sticky. A cluster that is coming back makes it follow the weights, because
/// failback is the wish that the others give up what they took over.
fn settle_stickiness(request: &Request<'_>, asked: Stickiness, frozen: bool) -> Stickiness {
    let returning =
        |(cluster, &cap): (&ClusterName, &u32)| cap > request.current.replicas(cluster).unwrap_or(0);
    if frozen {
        Stickiness::Sticky
    } else if request.caps.iter().any(returning) {
        Stickiness::Rebalance
    } else {
        asked
    }
}

/// The reasons of the clusters that took part, and what none of them could take.
type Outcomes = (Vec<(ClusterName, Reason)>, u32);

/// Gives the object to every cluster that may have it.
fn whole(standing: &[(&Cluster, Standing<'_>)]) -> Vec<(ClusterName, Reason)> {
    standing.iter().map(|(cluster, _)| (cluster.name.clone(), Reason::Chosen(Chosen::Whole))).collect()
}

/// Gives every cluster all replicas, as far as each can hold them.
fn duplicated(count: u32, scored: &[Scored<'_>]) -> Outcomes {
    let mut unplaced = 0_u32;
    let mut outcomes = Vec::with_capacity(scored.len());
    for candidate in scored {
        let replicas = count.min(candidate.ceiling());
        let limit = if replicas < count { candidate.limit_at(replicas) } else { None };
        unplaced = unplaced.saturating_add(count - replicas);
        let reason = match limit {
            Some(limit) if replicas == 0 => Reason::Refused(Refused::Limited(limit)),
            limit => Reason::Chosen(Chosen::Copy { replicas, limit }),
        };
        outcomes.push((candidate.claim.cluster.clone(), reason));
    }
    (outcomes, unplaced)
}

/// Divides the replicas among the selected clusters.
fn divided(count: u32, selected: &[Scored<'_>], stickiness: Stickiness) -> Outcomes {
    let claims: Vec<_> = selected.iter().map(|candidate| candidate.claim.clone()).collect();
    let division = divide::divide(count, &claims, stickiness);
    let owed = owed_by_weight(count, &claims, &division.shares, stickiness);
    let weights: Arc<[Weight]> = effective_weights(&claims).into();
    let mut outcomes = Vec::with_capacity(selected.len());
    for (position, candidate) in selected.iter().enumerate() {
        let share = division.shares[position];
        let limit = owed.as_ref().and_then(|owed| candidate.limit_of(share, owed[position], stickiness));
        let reason = match (share, limit) {
            (0, Some(limit)) if count > 0 => Reason::Refused(Refused::Limited(limit)),
            (0, None) if count > 0 => {
                Reason::Refused(Refused::NoShare { of: count, weights: weights.clone() })
            }
            (replicas, limit) => {
                Reason::Chosen(Chosen::Share { replicas, of: count, weights: weights.clone(), limit })
            }
        };
        outcomes.push((candidate.claim.cluster.clone(), reason));
    }
    (outcomes, division.unplaced)
}

/// What the weights alone would give, where a bound or what runs had a say; it tells which of them was felt.
fn owed_by_weight(
    count: u32,
    claims: &[divide::Claim<'_>],
    shares: &[u32],
    stickiness: Stickiness,
) -> Option<Vec<u32>> {
    let felt = |(claim, &share): (&divide::Claim<'_>, &u32)| {
        let ceiling = claim.max.min(claim.capacity.unwrap_or(u32::MAX));
        let kept = stickiness == Stickiness::Sticky && claim.running > 0;
        share == ceiling || (claim.min > 0 && share <= claim.min) || kept
    };
    if !claims.iter().zip(shares).any(felt) {
        return None;
    }
    let mut freed = claims.to_vec();
    for claim in &mut freed {
        (claim.min, claim.max, claim.capacity) = (0, u32::MAX, None);
    }
    Some(divide::divide(count, &freed, Stickiness::Rebalance).shares)
}

/// The weights as the division used them: all 1 when all are 0.
fn effective_weights(claims: &[divide::Claim<'_>]) -> Vec<Weight> {
    let nobody_weighs = claims.iter().all(|claim| claim.weight.is_zero());
    claims.iter().map(|claim| if nobody_weighs { Weight::ONE } else { claim.weight }).collect()
}

#[cfg(test)]
mod tests;
