//! The clusters that a workload has to leave, may not leave yet, or is on its way back to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use koinon_model::cluster::State;
use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;
use koinon_policies::affinity;
use koinon_policies::failback;
use koinon_policies::failover;
use koinon_types::convert;
use koinon_types::v1alpha1::Eviction;

use super::decide::Place;

/// What placement has to keep to, and what is to be remembered.
#[derive(Debug, Default)]
pub(super) struct Returning {
    /// The clusters that it leaves now.
    pub(super) released: BTreeSet<ClusterName>,
    /// How many replicas each returning cluster may hold.
    pub(super) caps: BTreeMap<ClusterName, u32>,
    /// The clusters that it has left and not fully returned to.
    pub(super) evicted: Vec<Eviction>,
    /// What is to be said of a cluster besides the reason of placement.
    pub(super) remarks: BTreeMap<ClusterName, String>,
    /// When one of this may change although nothing happens.
    pub(super) again: Option<Timestamp>,
}

/// Looks at a workload whose replicas are shared out.
pub(super) fn look(place: &Place<'_>, policy_generation: i64) -> Returning {
    let mut returning = Returning::default();
    let mut evicted = remembered(place, policy_generation);
    leave(place, &mut evicted, &mut returning);
    returning.caps = evicted.iter().map(|(name, eviction)| (name.clone(), allowed(eviction))).collect();
    for (name, eviction) in &mut evicted {
        if !returning.released.contains(name) {
            come_back(place, name, eviction, &mut returning);
        }
    }
    returning.evicted = evicted.into_values().filter(|eviction| !eviction.cluster.is_empty()).collect();
    returning
}

/// What was remembered. A changed policy is a new decision, so what a `Never` remembers ends with it.
fn remembered(place: &Place<'_>, policy_generation: i64) -> BTreeMap<ClusterName, Eviction> {
    let Some(before) = place.gathered.before else { return BTreeMap::new() };
    let decided_by = before.spec.policy.as_ref().map(|policy| policy.generation);
    let starts_over = place.intent.placement.failback.mode == koinon_model::failover::FailbackMode::Never
        && decided_by != Some(policy_generation);
    if starts_over {
        return BTreeMap::new();
    }
    // A cluster that the policy no longer means has nothing to return to.
    let is_meant = |eviction: &&Eviction| {
        let cluster = place.gathered.clusters.fleet().get(eviction.cluster.as_str());
        cluster.is_some_and(|cluster| affinity::matches(&place.intent.placement.affinity, cluster))
    };
    let named = |eviction: &Eviction| {
        Some((ClusterName::try_from(eviction.cluster.as_str()).ok()?, eviction.clone()))
    };
    before.spec.evicted.iter().filter(is_meant).filter_map(named).collect()
}

/// Asks which dead clusters are to be left.
fn leave(place: &Place<'_>, evicted: &mut BTreeMap<ClusterName, Eviction>, returning: &mut Returning) {
    let now = place.gathered.now;
    let holders: BTreeSet<ClusterName> = place.current.iter().map(|(name, _)| name.clone()).collect();
    let is_eligible = |cluster: &&koinon_model::cluster::Cluster| {
        cluster.state == State::Joined && affinity::matches(&place.intent.placement.affinity, cluster)
    };
    let fleet = place.gathered.clusters.fleet();
    let eligible = fleet.values().filter(is_eligible).map(|cluster| cluster.name.clone()).collect();
    let decision = failover::evacuate(&failover::Request {
        fleet: &place.gathered.clusters.health(),
        holders: &holders,
        eligible: &eligible,
        failover: place.intent.placement.failover,
        now,
    });
    let held = decision.held.into_iter().map(|(name, held)| (name, held.to_string()));
    returning.remarks.extend(held);
    sooner(&mut returning.again, decision.again);
    // Who judges the fleet sees signs of failure before they are verdicts, so its brake is on earlier.
    if let Some(brake) = place.gathered.clusters.brake() {
        returning.remarks.extend(decision.leave.into_iter().map(|name| (name, brake.to_owned())));
        return;
    }
    for name in &decision.leave {
        let eviction = Eviction {
            cluster: name.as_str().to_owned(),
            since: now.to_string(),
            replicas_allowed: 0,
            stepped_at: None,
        };
        evicted.insert(name.clone(), eviction);
    }
    returning.released = decision.leave;
}

/// Asks how many replicas a cluster that was left may have again. An entry that is done loses its cluster's name.
fn come_back(place: &Place<'_>, name: &ClusterName, eviction: &mut Eviction, returning: &mut Returning) {
    let Some(member) = place.gathered.clusters.member(name.as_str()) else { return };
    if member.ready_since.is_none() {
        return;
    }
    let before = place.gathered.before;
    // The cap of all that there is makes the weights count again, whatever a sticky policy says.
    let mut caps = returning.caps.clone();
    caps.insert(name.clone(), u32::MAX);
    let share = place.with(&returning.released, &caps).placement.replicas(name).unwrap_or(0);
    let ready = before.and_then(|binding| binding.told(name.as_str())).and_then(|told| told.ready_replicas);
    let decision = failback::restore(&failback::Request {
        ready_since: member.ready_since,
        is_synced: before.is_none_or(|binding| !is_leaving(binding, name)),
        allowed: allowed(eviction),
        stepped_at: eviction.stepped_at.as_deref().and_then(convert::timestamp),
        ready: count(ready.unwrap_or(0)),
        share,
        failback: place.intent.placement.failback,
        now: place.gathered.now,
    });
    sooner(&mut returning.again, decision.again);
    match decision.reason {
        failback::Reason::Complete if share > 0 => {
            returning.caps.remove(name);
            eviction.cluster.clear();
            return;
        }
        failback::Reason::Stepped => {
            eviction.replicas_allowed = decision.allowed.into();
            eviction.stepped_at = Some(place.gathered.now.to_string());
        }
        failback::Reason::Complete
        | failback::Reason::NotReady
        | failback::Reason::NotSynced
        | failback::Reason::Stabilizing { .. }
        | failback::Reason::AwaitingReplicas
        | failback::Reason::Pacing { .. }
        | failback::Reason::Manual
        | failback::Reason::Never => {}
    }
    returning.caps.insert(name.clone(), allowed(eviction));
    returning.remarks.insert(name.clone(), decision.reason.to_string());
}

/// Whether the copy that the cluster had when it was lost is still to be taken away.
fn is_leaving(binding: &crate::bindings::Binding, name: &ClusterName) -> bool {
    let is_named = binding.spec.removing.iter().any(|leaving| leaving == name.as_str());
    is_named && !binding.has_left(name.as_str())
}

fn allowed(eviction: &Eviction) -> u32 {
    count(eviction.replicas_allowed)
}

fn count(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

fn sooner(again: &mut Option<Timestamp>, other: Option<Timestamp>) {
    *again = match (*again, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
}
