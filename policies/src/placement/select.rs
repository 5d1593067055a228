//! Answers which of the clusters that may hold a workload take part in sharing it.

use koinon_model::name::ClusterName;
use koinon_model::policy::Stickiness;

use super::reason::Refused;
use super::score::Scored;

/// Keeps the clusters that are owed something and refuses the others.
///
/// A cluster that weighs nothing takes part when nobody weighs anything, when it has a minimum, or when a sticky
/// decision leaves it what it runs.
pub(super) fn select<'a>(
    scored: Vec<Scored<'a>>,
    stickiness: Stickiness,
) -> (Vec<Scored<'a>>, Vec<(&'a ClusterName, Refused)>) {
    let nobody_weighs = scored.iter().all(|candidate| candidate.claim.weight.is_zero());
    let takes_part = |candidate: &Scored<'_>| {
        let claim = &candidate.claim;
        let stays = stickiness == Stickiness::Sticky && claim.running > 0;
        nobody_weighs || !claim.weight.is_zero() || claim.min > 0 || stays
    };
    let (selected, others): (Vec<_>, Vec<_>) = scored.into_iter().partition(takes_part);
    (selected, others.into_iter().map(|candidate| (candidate.claim.cluster, Refused::Weightless)).collect())
}
