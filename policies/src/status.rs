//! What is its owner told?
//!
//! The members' words on one object become one word per cluster, and one status of the template that reads as if a single
//! cluster ran all of it. `kubectl rollout status` waits for the template's `observedGeneration`, so that moves only when every
//! cluster that holds the object has applied that generation and has looked at it.

mod template;

use std::collections::BTreeMap;

use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;
use serde_json::Value;

use crate::interpret::{self, Health, Kind, Reading};

/// What to aggregate.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The object's kind.
    pub kind: Kind,
    /// The object as the host has it, its last status included.
    pub template: &'a Value,
    /// Every cluster that holds it or still has to lose it.
    pub clusters: &'a BTreeMap<ClusterName, Standing<'a>>,
    /// Now.
    pub now: Timestamp,
}

/// One cluster's part in it.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Whether the object belongs there.
    pub role: Role,
    /// Whether the cluster's word can be had and trusted.
    pub is_reachable: bool,
    /// What became of the latest order.
    pub delivery: Delivery<'a>,
    /// The member's copy as it was seen last.
    pub copy: Option<Copy<'a>>,
}

/// Whether the object belongs in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It does.
    Holds,
    /// It is to go from there.
    Leaves,
}

/// What became of the latest order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// The policy holds orders back.
    Suspended,
    /// Nothing was heard of it yet.
    Pending,
    /// It was carried out.
    Applied,
    /// Something that is not ours stands in the way.
    Conflict(&'a str),
    /// It was refused, or there is no manifest to send.
    Failed(&'a str),
}

/// A member's copy and the template that it was made from.
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    /// The copy itself.
    pub of_member: interpret::Copy<'a>,
    /// The template's generation that was applied.
    pub template_generation: i64,
}

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One word per cluster.
    pub clusters: BTreeMap<ClusterName, Told>,
    /// Replicas that are ready over all reachable clusters; none for kinds without.
    pub ready: Option<u32>,
    /// The worst of the clusters that hold it; unknown when none does.
    pub health: Health,
    /// The template's own status; none for kinds whose status is nobody's to write.
    pub template: Option<Value>,
}

/// What is told of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// How far it is.
    pub state: State,
    /// Replicas that are ready there; none for kinds without.
    pub ready: Option<u32>,
    /// How the copy is.
    pub health: Health,
    /// The template's generation that is there; 0 when nothing is.
    pub observed_generation: i64,
    /// What is wrong or awaited; empty when nothing is.
    pub message: String,
}

/// How far one cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Ordered, not confirmed.
    Pending,
    /// As ordered.
    Applied,
    /// Something that is not ours stands in the way.
    Conflict,
    /// The member refused.
    Failed,
    /// The cluster cannot be asked.
    Unreachable,
    /// The policy holds changes back.
    Suspended,
    /// It is being removed.
    Removing,
}

impl State {
    /// The word that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Applied => "Applied",
            Self::Conflict => "Conflict",
            Self::Failed => "Failed",
            Self::Unreachable => "Unreachable",
            Self::Suspended => "Suspended",
            Self::Removing => "Removing",
        }
    }
}

/// One cluster's copy, read.
struct Read<'a> {
    standing: &'a Standing<'a>,
    reading: Option<Reading>,
    /// Whether it has applied the template's latest generation and has looked at it.
    is_current: bool,
}

/// Aggregates what the members say about one object.
#[must_use]
pub fn aggregate(request: &Request<'_>) -> Report {
    let generation = request.template["metadata"]["generation"].as_i64().unwrap_or(0);
    let reads: BTreeMap<&ClusterName, Read<'_>> = request
        .clusters
        .iter()
        .map(|(name, standing)| (name, read(request.kind, generation, standing)))
        .collect();
    let has_replicas = request.kind.has_replicas();
    let clusters: BTreeMap<ClusterName, Told> =
        reads.iter().map(|(name, read)| ((*name).clone(), tell(has_replicas, read))).collect();
    let ready = reads.values().filter(|read| read.standing.is_reachable).filter_map(ready_of);
    let holding = clusters.iter().filter(|(name, _)| request.clusters[*name].role == Role::Holds);
    Report {
        ready: has_replicas.then(|| ready.fold(0, u32::saturating_add)),
        health: holding.map(|(_, told)| told.health).max().unwrap_or(Health::Unknown),
        template: template::status(request, generation, &reads),
        clusters,
    }
}

fn read<'a>(kind: Kind, generation: i64, standing: &'a Standing<'a>) -> Read<'a> {
    let reading = standing.copy.map(|copy| interpret::read(kind, copy.of_member));
    let is_current = standing
        .copy
        .is_some_and(|copy| copy.template_generation == generation && copy.of_member.is_current());
    Read { standing, reading, is_current: is_current && standing.is_reachable }
}

fn ready_of(read: &Read<'_>) -> Option<u32> {
    Some(read.reading.as_ref()?.replicas?.ready)
}

fn tell(has_replicas: bool, read: &Read<'_>) -> Told {
    let Standing { role, is_reachable, delivery, copy } = read.standing;
    let (state, wrong) = match (role, is_reachable, delivery) {
        (Role::Leaves, false, _) => (State::Removing, "cannot be reached; it is removed when it is back"),
        (Role::Leaves, true, Delivery::Failed(reason)) => (State::Removing, *reason),
        (Role::Leaves, true, _) => (State::Removing, ""),
        (Role::Holds, _, Delivery::Suspended) => (State::Suspended, "held back by the policy"),
        (Role::Holds, false, _) => (State::Unreachable, "cannot be asked"),
        (Role::Holds, true, Delivery::Pending) => (State::Pending, ""),
        (Role::Holds, true, Delivery::Applied) => (State::Applied, ""),
        (Role::Holds, true, Delivery::Conflict(reason)) => (State::Conflict, *reason),
        (Role::Holds, true, Delivery::Failed(reason)) => (State::Failed, *reason),
    };
    let (health, awaited) = match &read.reading {
        Some(reading) if *is_reachable => (reading.health, reading.message.as_str()),
        Some(_) => (Health::Unknown, ""),
        None if *is_reachable => (Health::Progressing, ""),
        None => (Health::Unknown, ""),
    };
    Told {
        state,
        ready: has_replicas.then(|| ready_of(read).filter(|_| *is_reachable).unwrap_or(0)),
        health: match state {
            State::Conflict | State::Failed => Health::Degraded,
            State::Pending | State::Applied | State::Unreachable | State::Suspended | State::Removing => {
                health
            }
        },
        observed_generation: copy.map_or(0, |copy| copy.template_generation),
        message: if wrong.is_empty() { awaited.to_owned() } else { wrong.to_owned() },
    }
}

#[cfg(test)]
mod tests;
