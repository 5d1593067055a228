//! The reasons of a placement as a binding states them. Pure.

use koinon_model::name::ClusterName;
use koinon_model::weight::Weight;
use koinon_policies::placement::{Chosen, Decision, Reason, Refused};
use koinon_types::v1alpha1::Finding;

use super::returning::Returning;

/// Refusals written into one binding. There is one binding per object, and a fleet of a thousand clusters that refuse would make
/// each of them a hundred times its size; the first ones tell the pattern.
const REFUSALS_MAX: usize = 32;

/// One finding per cluster, in name order.
pub(super) fn of(decision: &Decision, returning: &Returning) -> Vec<Finding> {
    let weights = weights(decision);
    let mut n_refused = 0;
    let mut findings = Vec::with_capacity(decision.reasons.len());
    for (cluster, reason) in &decision.reasons {
        let chosen = matches!(reason, Reason::Chosen(_));
        if !chosen {
            n_refused += 1;
            if n_refused > REFUSALS_MAX {
                continue;
            }
        }
        let weight = weights.iter().find(|(name, _)| *name == cluster).map(|(_, weight)| weight.get().into());
        let message = match returning.remarks.get(cluster) {
            Some(remark) => format!("{reason}; {remark}"),
            None => reason.to_string(),
        };
        findings.push(Finding { cluster: cluster.as_str().to_owned(), chosen, weight, message });
    }
    findings
}

/// The weight of each cluster that took part in a division. The division names the weights in the order of their clusters.
fn weights(decision: &Decision) -> Vec<(&ClusterName, Weight)> {
    let mut shared = None;
    let mut takers = Vec::new();
    for (cluster, reason) in &decision.reasons {
        match reason {
            Reason::Chosen(Chosen::Share { weights, .. })
            | Reason::Refused(Refused::NoShare { weights, .. }) => {
                shared = Some(weights);
                takers.push(cluster);
            }
            Reason::Refused(Refused::Limited(_)) => takers.push(cluster),
            Reason::Chosen(Chosen::Whole | Chosen::Copy { .. })
            | Reason::Refused(
                Refused::NotAMember
                | Refused::Leaving
                | Refused::Excluded
                | Refused::NotNamed
                | Refused::Label(_)
                | Refused::Field(_)
                | Refused::Api { .. }
                | Refused::Taint(_)
                | Refused::Released { .. }
                | Refused::Frozen
                | Refused::Weightless,
            ) => {}
        }
    }
    let Some(shared) = shared.filter(|weights| weights.len() == takers.len()) else { return Vec::new() };
    takers.into_iter().zip(shared.iter().copied()).collect()
}
