//! Which endpoints of a name may be answered, and with which share?
//!
//! The host's word on a name's endpoints: a cluster that is lost is out at once, one whose replicas are not ready serves
//! nobody, and the others share by what the owner chose. Probes have their own word, where answers are made.

use koinon_model::name::ClusterName;
use koinon_model::served_name::WeightSource;

/// One cluster behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// What is believed of it.
    pub standing: Standing,
    /// Replicas behind the name there; none where nothing counts them.
    pub replicas: Option<Replicas>,
    /// Whole CPUs that its pods may use; none while nobody counted.
    pub cpus: Option<u32>,
}

/// What is believed of a cluster, as far as names depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its word is live.
    Followed,
    /// It may serve, and its word is old: what it said last counts.
    Unheard,
    /// API and data plane are gone.
    Lost,
    /// It was lost, is back, and has not yet said what it runs now.
    Returning,
    /// It is leaving the fleet, or being drained.
    Leaving,
}

/// Replicas of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// Ready, as the member said last.
    pub ready: u32,
    /// Decided.
    pub placed: u32,
}

/// What the host says of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steered {
    /// Its share among the endpoints of its family.
    pub weight: u32,
    /// Why it is not to be answered; none when it is.
    pub withdrawn: Option<Withdrawn>,
}

/// Why an endpoint is not to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// Its cluster is lost.
    ClusterUnreachable,
    /// No replica behind it is ready.
    NotReady,
    /// Its cluster is leaving, or being drained.
    Draining,
    /// A quorum of vantages finds it down.
    ProbesFailing,
    /// It falls too often.
    Flapping,
}

/// Steers one cluster's endpoints; without a source of weights all are equal.
#[must_use]
pub fn steer(candidate: &Candidate<'_>, source: Option<&WeightSource>) -> Steered {
    let replicas = candidate.replicas;
    let weight = match source {
        None => 1,
        Some(WeightSource::ReadyReplicas) => replicas.map_or(1, |replicas| replicas.ready),
        Some(WeightSource::Placement) => replicas.map_or(1, |replicas| replicas.placed),
        // Unknown is not nothing.
        Some(WeightSource::Capacity) => candidate.cpus.map_or(1, |cpus| cpus.max(1)),
        Some(WeightSource::Static(weights)) => {
            weights.get(candidate.cluster).map_or(0, |weight| weight.get())
        }
    };
    let nothing_ready = replicas.is_some_and(|replicas| replicas.ready == 0);
    let withdrawn = match candidate.standing {
        Standing::Lost => Some(Withdrawn::ClusterUnreachable),
        Standing::Leaving => Some(Withdrawn::Draining),
        Standing::Returning => Some(Withdrawn::NotReady),
        Standing::Followed if nothing_ready => Some(Withdrawn::NotReady),
        Standing::Followed | Standing::Unheard => None,
    };
    Steered { weight, withdrawn }
}

/// The largest factor by which weights are multiplied, so that they stay numbers that a person can read. 2,520 is divisible by
/// every number up to 10; beyond that, shares are right to within a thousandth.
const FACTOR_MAX: u32 = 2_520;

/// By what the weight of each cluster's addresses is multiplied, so that a cluster has its share however many it has.
///
/// Shape: in the order of `n_addresses`, which counts the addresses of each cluster in one family; all ones when each has one.
#[must_use]
pub fn factors(n_addresses: &[u32]) -> Vec<u32> {
    let common = n_addresses.iter().filter(|n| **n > 0).try_fold(1_u32, |common, n| {
        let multiple = u64::from(common) / divisor(u64::from(common), u64::from(*n)) * u64::from(*n);
        u32::try_from(multiple).ok().filter(|multiple| *multiple <= FACTOR_MAX)
    });
    let common = common.unwrap_or(FACTOR_MAX);
    n_addresses.iter().map(|n| (common / (*n).max(1)).max(1)).collect()
}

/// The weights of endpoints of which some have only a part of theirs, in numbers as small as their proportions allow.
///
/// Shape: in the order of `parts`, which are weights with percentages; as they were when each has its whole weight. A weight that is not 0 stays above 0.
#[must_use]
pub fn ramped(parts: &[(u32, u8)]) -> Vec<u32> {
    if parts.iter().all(|(_, percent)| *percent >= 100) {
        return parts.iter().map(|(weight, _)| *weight).collect();
    }
    let hundredths: Vec<u64> =
        parts.iter().map(|(weight, percent)| u64::from(*weight) * u64::from((*percent).min(100))).collect();
    let common = hundredths.iter().copied().fold(0, divisor).max(1);
    let largest = hundredths.iter().copied().max().unwrap_or(0) / common;
    // What does not fit 32 bits is made smaller, all by the same factor.
    let shrink = largest.div_ceil(u64::from(u32::MAX)).max(1);
    let each = |hundredths: &u64| {
        let weight = (hundredths / common / shrink).max(u64::from(*hundredths > 0));
        u32::try_from(weight).unwrap_or(u32::MAX)
    };
    hundredths.iter().map(each).collect()
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use koinon_model::weight::Weight;

    use super::*;

    fn steered(standing: Standing, ready: u32, source: Option<&WeightSource>) -> (u32, Option<Withdrawn>) {
        let cluster = ClusterName::try_from("a").unwrap();
        let replicas = Some(Replicas { ready, placed: 6 });
        let Steered { weight, withdrawn } =
            steer(&Candidate { cluster: &cluster, standing, replicas, cpus: Some(24) }, source);
        (weight, withdrawn)
    }

    #[test]
    fn weights_come_from_where_the_owner_says() {
        let fixed = WeightSource::Static(BTreeMap::from([(
            ClusterName::try_from("a").unwrap(),
            Weight::saturating(7),
        )]));
        let other = WeightSource::Static(BTreeMap::new());
        let rows = [
            (None, 1),
            (Some(&WeightSource::ReadyReplicas), 4),
            (Some(&WeightSource::Placement), 6),
            (Some(&WeightSource::Capacity), 24),
            (Some(&fixed), 7),
            (Some(&other), 0),
        ];
        for (source, weight) in rows {
            assert_eq!(steered(Standing::Followed, 4, source), (weight, None), "{source:?}");
        }
    }

    #[test]
    fn what_cannot_serve_is_withdrawn_and_doubt_is_not_enough() {
        let rows = [
            (Standing::Followed, 0, Some(Withdrawn::NotReady)),
            (Standing::Unheard, 0, None),
            (Standing::Unheard, 4, None),
            (Standing::Lost, 4, Some(Withdrawn::ClusterUnreachable)),
            (Standing::Returning, 4, Some(Withdrawn::NotReady)),
            (Standing::Leaving, 4, Some(Withdrawn::Draining)),
        ];
        for (standing, ready, withdrawn) in rows {
            assert_eq!(steered(standing, ready, None).1, withdrawn, "{standing:?} with {ready} ready");
        }
    }

    #[test]
    fn a_part_of_a_weight_keeps_its_proportion_to_the_others() {
        type Row = (&'static [(u32, u8)], &'static [u32]);
        let rows: [Row; 6] = [
            (&[(6, 100), (2, 100)], &[6, 2]),
            (&[(1, 10), (1, 100)], &[1, 10]),
            (&[(6, 25), (2, 100)], &[3, 4]),
            (&[(0, 10), (5, 100)], &[0, 1]),
            (&[], &[]),
            (&[(u32::MAX, 100), (1, 1)], &[u32::MAX, 1]),
        ];
        for (parts, wanted) in rows {
            assert_eq!(ramped(parts), wanted, "{parts:?}");
        }
    }

    #[test]
    fn a_cluster_has_its_share_however_many_addresses_it_has() {
        let rows: [(&[u32], &[u32]); 6] = [
            (&[], &[]),
            (&[1, 1, 1], &[1, 1, 1]),
            (&[1, 2], &[2, 1]),
            (&[2, 3, 0], &[3, 2, 6]),
            (&[4, 6], &[3, 2]),
            (&[997, 991, 1], &[2, 2, 2_520]),
        ];
        for (n_addresses, wanted) in rows {
            assert_eq!(factors(n_addresses), wanted, "{n_addresses:?}");
        }
    }
}
