//! The weights of a name's clusters now: those wanted, or what pacing lets through of the way there.

use std::collections::BTreeMap;

use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;
use koinon_policies::pacing::{Shares, pace};
use koinon_policies::steering::Steered;
use koinon_types::v1alpha1::EndpointStatus;

/// What a record is answered with.
pub(super) struct Now {
    /// The weight of every cluster.
    pub(super) weights: BTreeMap<ClusterName, u32>,
    /// Where to go on from; none where nothing is paced.
    pub(super) shares: Option<Shares>,
    pub(super) is_moving: bool,
}

/// Paces the weights of the clusters that serve. The others have the weight they want, which counts when nothing serves.
pub(super) fn weights(
    steered: &BTreeMap<&ClusterName, Steered>,
    percent_per_minute: Option<u8>,
    before: Option<&Shares>,
    now: Timestamp,
) -> Now {
    let all = |wanted: &dyn Fn(&Steered) -> bool| -> BTreeMap<ClusterName, u32> {
        let some = steered.iter().filter(|(_, steered)| wanted(steered));
        some.map(|(cluster, steered)| ((*cluster).clone(), steered.weight)).collect()
    };
    let mut weights = all(&|_| true);
    let Some(percent) = percent_per_minute else {
        return Now { weights, shares: None, is_moving: false };
    };
    let serving = all(&|steered| steered.withdrawn.is_none());
    if serving.is_empty() {
        return Now { weights, shares: before.cloned(), is_moving: false };
    }
    let paced = pace(&serving, before, percent, now);
    weights.extend(paced.weights);
    Now { weights, shares: Some(paced.shares), is_moving: paced.is_moving }
}

/// The shares that a record's status says it was answered with: a host that starts goes on from there.
pub(super) fn remembered(told: &[EndpointStatus], now: Timestamp) -> Option<Shares> {
    let mut parts: BTreeMap<ClusterName, u32> = BTreeMap::new();
    for is_v6 in [false, true] {
        let mut family: BTreeMap<ClusterName, u32> = BTreeMap::new();
        let own = told.iter().filter(|it| it.address.contains(':') == is_v6 && it.verdict == "Serving");
        for endpoint in own {
            let Ok(cluster) = ClusterName::try_from(endpoint.cluster.as_str()) else { continue };
            let weight = family.entry(cluster).or_default();
            *weight = weight.saturating_add(u32::try_from(endpoint.weight).unwrap_or(0));
        }
        // A cluster has its share in each of its families.
        for (cluster, weight) in family {
            parts.entry(cluster).or_insert(weight);
        }
    }
    (!parts.is_empty()).then_some(Shares { parts, at: now })
}
