//! Answers what a cluster is owed and between which bounds: weight, minimum, maximum, room.

use koinon_model::cluster::{Capacity, Cluster, Resources};
use koinon_model::policy::{StaticWeight, Stickiness};
use koinon_model::quantity::Quantity;
use koinon_model::weight::Weight;

use super::Request;
use super::divide::Claim;
use super::filter::Standing;
use super::reason::Limit;
use crate::affinity;

/// The resource that every pod takes one of, whatever it requests.
const PODS: &str = "pods";

/// A cluster that may hold the workload, with what it is owed.
#[derive(Clone, Debug)]
pub(super) struct Scored<'a> {
    /// What the division works with; its bounds include what holds the cluster back now.
    pub(super) claim: Claim<'a>,
    /// The policy's maximum.
    policy_max: u32,
    /// What a failback lets it hold.
    cap: Option<u32>,
    /// How it takes part.
    standing: Standing<'a>,
}

impl Scored<'_> {
    /// At most so many.
    pub(super) fn ceiling(&self) -> u32 {
        self.claim.max.min(self.claim.capacity.unwrap_or(u32::MAX))
    }

    /// Which ceiling held the cluster at this count; the strongest where several are equal.
    pub(super) fn limit_at(&self, replicas: u32) -> Option<Limit> {
        if replicas < self.ceiling() {
            return None;
        }
        match self.standing {
            Standing::Closed { taint } if self.claim.running <= replicas => {
                return Some(Limit::Closed { taint: taint.clone().into() });
            }
            Standing::Frozen { taint } if self.claim.running <= replicas => {
                return Some(Limit::Frozen { taint: taint.cloned().map(Box::new) });
            }
            Standing::Open | Standing::Closed { .. } | Standing::Frozen { .. } => {}
        }
        if self.claim.capacity == Some(replicas) {
            Some(Limit::Capacity(replicas))
        } else if self.cap == Some(replicas) {
            Some(Limit::Failback(replicas))
        } else if self.policy_max == replicas {
            Some(Limit::Max(replicas))
        } else {
            None
        }
    }

    /// What made a share differ from what the weights alone would give.
    pub(super) fn limit_of(&self, share: u32, owed: u32, stickiness: Stickiness) -> Option<Limit> {
        if share < owed {
            return self.limit_at(share);
        }
        if share == owed {
            return None;
        }
        let kept = stickiness == Stickiness::Sticky && share <= self.claim.running;
        if share == self.claim.min { Some(Limit::Min(share)) } else { kept.then_some(Limit::Sticky) }
    }
}

/// Scores clusters that each get every replica.
pub(super) fn duplicated<'a>(
    request: &Request<'a>,
    standing: Vec<(&'a Cluster, Standing<'a>)>,
    each: Option<&Resources>,
) -> Vec<Scored<'a>> {
    let unbounded = Rule { weight: Weight::ONE, min: 0, max: u32::MAX };
    standing.into_iter().map(|(cluster, stand)| scored(request, cluster, stand, &unbounded, each)).collect()
}

/// Scores clusters that share the replicas by static weights.
pub(super) fn divided<'a>(
    request: &Request<'a>,
    standing: Vec<(&'a Cluster, Standing<'a>)>,
    weights: &[StaticWeight],
    each: Option<&Resources>,
) -> Vec<Scored<'a>> {
    let score = |(cluster, stand)| scored(request, cluster, stand, &rule(weights, cluster), each);
    standing.into_iter().map(score).collect()
}

/// What the matching weight rules say together.
struct Rule {
    weight: Weight,
    min: u32,
    max: u32,
}

/// Joins the rules that match a cluster: the largest weight, the larger minimum, the smaller maximum.
fn rule(weights: &[StaticWeight], cluster: &Cluster) -> Rule {
    let mut joined = Rule { weight: Weight::ZERO, min: 0, max: u32::MAX };
    for rule in weights.iter().filter(|rule| affinity::matches(&rule.target, cluster)) {
        joined.weight = joined.weight.max(rule.weight);
        joined.min = joined.min.max(rule.min.unwrap_or(0));
        joined.max = joined.max.min(rule.max.unwrap_or(u32::MAX));
    }
    joined
}

fn scored<'a>(
    request: &Request<'a>,
    cluster: &'a Cluster,
    standing: Standing<'a>,
    rule: &Rule,
    each: Option<&Resources>,
) -> Scored<'a> {
    let running = request.current.replicas(&cluster.name).unwrap_or(0);
    let cap = request.caps.get(&cluster.name).copied();
    let bound = rule.max.min(cap.unwrap_or(u32::MAX));
    let fits = each.and_then(|each| room(&cluster.capacity, each, running));
    let (max, capacity) = match standing {
        Standing::Open => (bound, fits),
        Standing::Closed { .. } => (bound.min(running), fits),
        // What a frozen cluster holds is there, whether it fits and whether a rule would have it or not.
        Standing::Frozen { .. } => (running, None),
    };
    let claim = Claim { cluster: &cluster.name, weight: rule.weight, min: rule.min, max, capacity, running };
    Scored { claim, policy_max: rule.max, cap, standing }
}

/// How many replicas a cluster can hold: what it holds already and what still fits beside everything else there.
///
/// `None` where nobody counted. A requested resource that the cluster does not have leaves no room.
fn room(capacity: &Capacity, each: &Resources, running: u32) -> Option<u32> {
    let Capacity::Known { allocatable, allocated } = capacity else { return None };
    let fits = |resource: &str, request: Quantity| {
        let free = allocatable.get(resource).map_or(Quantity::ZERO, |&all| {
            all.saturating_sub(allocated.get(resource).copied().unwrap_or_default())
        });
        free.times(request)
    };
    let requested = each.iter().filter_map(|(resource, &request)| fits(resource, request)).min();
    let pods = allocatable.contains_key(PODS).then(|| fits(PODS, Quantity::from_units(1))).flatten();
    let more = requested.into_iter().chain(pods).min()?;
    Some(running.saturating_add(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(pairs: &[(&str, &str)]) -> Resources {
        pairs.iter().map(|&(name, amount)| (name.to_owned(), amount.parse().unwrap())).collect()
    }

    #[test]
    fn room_is_what_runs_and_what_still_fits() {
        let capacity = Capacity::Known {
            allocatable: resources(&[("cpu", "4"), ("memory", "8Gi"), ("pods", "10")]),
            allocated: resources(&[("cpu", "1500m"), ("memory", "1Gi"), ("pods", "4")]),
        };
        let cases = [
            (vec![("cpu", "1")], Some(3 + 2)),
            (vec![("cpu", "250m"), ("memory", "4Gi")], Some(3 + 1)),
            (vec![("cpu", "1m")], Some(3 + 6)),
            (vec![], Some(3 + 6)),
            (vec![("nvidia.com/gpu", "1")], Some(3)),
        ];
        for (each, expected) in cases {
            assert_eq!(room(&capacity, &resources(&each), 3), expected, "{each:?}");
        }
        assert_eq!(room(&Capacity::Unknown, &resources(&[("cpu", "1")]), 3), None);
    }
}
