//! Everything that orders and reports of one binding depend on, drawn together.

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_api_server::local::Stored;
use koinon_machinery::Value;
use koinon_model::name::ClusterName;
use koinon_policies::interpret::{self, Kind};
use koinon_types::sync::{Feedback, ObjectRef};

use super::ledger::Account;
use crate::bindings::Binding;
use crate::clusters::{Clusters, Member};
use crate::observations::{self, Observations};

/// Where to look.
pub(super) struct Sources<'a> {
    pub(super) binding: &'a Binding,
    pub(super) template: Option<&'a Stored>,
    pub(super) kind: Kind,
    pub(super) object: &'a ObjectRef,
    pub(super) clusters: &'a Clusters,
    pub(super) observations: &'a Observations,
}

/// What was seen.
pub(super) struct Seen<'a> {
    pub(super) binding: &'a Binding,
    /// The template; none when it was deleted at the host.
    pub(super) template: Option<Arc<Value>>,
    pub(super) generation: i64,
    pub(super) kind: Kind,
    pub(super) object: &'a ObjectRef,
    /// Whether it was deleted at the host, so that all that is left is to remove it everywhere.
    pub(super) is_retired: bool,
    /// Every cluster that holds it or has to lose it.
    pub(super) clusters: BTreeMap<ClusterName, Part>,
}

/// One cluster's part.
pub(super) struct Part {
    pub(super) role: Role,
    pub(super) is_reachable: bool,
    /// What the member said last.
    pub(super) said: Option<Arc<Feedback>>,
    /// Replicas that are ready there.
    pub(super) ready: u32,
}

/// Whether the object belongs in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It does, with so many replicas; none for kinds without.
    Holds(Option<u32>),
    /// It is to go from there.
    Leaves,
}

// === impl Part ===

impl Part {
    /// Whether the member's own controllers have counted under an order of so many replicas.
    ///
    /// Until then its status may be of the order before, and tell of replicas that are leaving.
    pub(super) fn is_settled(&self, ordered: u32) -> bool {
        let Some(observed) = self.said.as_deref().and_then(|said| said.observed.as_ref()) else {
            return ordered == 0;
        };
        observed.replicas_spec == Some(i64::from(ordered)) && observations::copy(observed).is_current()
    }
}

/// Draws together what concerns one binding.
pub(super) fn gather<'a>(sources: &Sources<'a>, account: &Account) -> Seen<'a> {
    let Sources { binding, template, kind, object, clusters, observations } = sources;
    let said = observations.of(object);
    let is_retired = template.is_none() || binding.is_retired();
    let mut parts = BTreeMap::new();
    let mut add = |name: &str, role: Role| {
        let Ok(name) = ClusterName::try_from(name) else { return };
        let said = said.get(name.as_str()).cloned();
        let is_reachable = clusters.member(name.as_str()).is_some_and(Member::is_reachable);
        let ready = said.as_deref().map_or(0, |said| ready(*kind, said));
        parts.entry(name).or_insert(Part { role, is_reachable, said, ready });
    };
    for cluster in &binding.spec.clusters {
        let replicas = cluster.replicas.map(|replicas| u32::try_from(replicas.max(0)).unwrap_or(u32::MAX));
        // A template that is gone has no orders but tombstones; its binding is about to say so.
        if !is_retired {
            add(&cluster.name, Role::Holds(replicas));
        }
    }
    for name in &binding.spec.removing {
        let is_gone = account.gone.contains(name.as_str());
        if !is_gone {
            add(name, Role::Leaves);
        }
    }
    let value = template.map(Stored::value);
    Seen {
        binding,
        generation: value.as_ref().map_or(0, |value| value["metadata"]["generation"].as_i64().unwrap_or(0)),
        template: value,
        kind: *kind,
        object,
        is_retired,
        clusters: parts,
    }
}

/// Replicas that are ready in a member's copy.
fn ready(kind: Kind, said: &Feedback) -> u32 {
    let Some(observed) = &said.observed else { return 0 };
    interpret::read(kind, observations::copy(observed)).replicas.map_or(0, |replicas| replicas.ready)
}
