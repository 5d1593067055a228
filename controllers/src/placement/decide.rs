//! One decision about one object: from what was gathered to the spec of its binding. Pure.

use std::collections::{BTreeMap, BTreeSet};

use koinon_machinery::Value;
use koinon_model::cluster::Resources;
use koinon_model::name::{ClusterName, PolicyKey};
use koinon_model::placement::Placement;
use koinon_model::policy::{OnConflict, OnDeletion, PropagationIntent, Scheduling, Suspension};
use koinon_model::time::Timestamp;
use koinon_policies::interpret;
use koinon_policies::placement::{self, ApiResource, Decision, Demand};
use koinon_types::v1alpha1::{
    BindingCluster, BindingSpec, ConflictResolution, Finding, PolicyRef, ResourceRef,
};

use super::findings;
use super::policies::Policy;
use super::returning::{self, Returning};
use crate::bindings::{ALL_CLUSTERS, Binding};
use crate::clusters::Clusters;
use crate::templates::TemplateKey;

/// Everything that a decision depends on.
pub(super) struct Gathered<'a> {
    /// Which object.
    pub(super) key: &'a TemplateKey,
    /// How it is addressed.
    pub(super) resource: &'a koinon_api_server::ResourceRef,
    /// The object.
    pub(super) template: &'a Value,
    /// The policy that decides about it.
    pub(super) policy: Option<&'a Policy>,
    /// The bindings of the workloads that need it.
    pub(super) requirers: &'a [Binding],
    /// What was decided before.
    pub(super) before: Option<&'a Binding>,
    /// The members.
    pub(super) clusters: &'a Clusters,
    /// Now.
    pub(super) now: Timestamp,
}

/// What is decided.
#[derive(Debug)]
pub(super) struct Decided {
    /// The spec of the binding.
    pub(super) spec: BindingSpec,
    /// When it may have to be decided otherwise although nothing happens.
    pub(super) again: Option<Timestamp>,
}

/// Decides where an object goes; none when it is nobody's, so that nothing is to be written.
pub(super) fn decide(gathered: &Gathered<'_>) -> Option<Decided> {
    match (gathered.policy, gathered.before) {
        (Some(policy), _) => Some(by_policy(gathered, policy)),
        (None, _) if !gathered.requirers.is_empty() => Some(by_requirers(gathered)),
        // It only followed others, and none of them needs it any more.
        (None, Some(before)) if before.spec.policy.is_none() => Some(retire(before, gathered.clusters)),
        // The policy is gone; the decision stands.
        (None, Some(before)) => Some(Decided { spec: stand(gathered, before), again: None }),
        (None, None) => None,
    }
}

/// Takes an object away everywhere, because it was deleted at the host or nobody needs it.
pub(super) fn retire(before: &Binding, clusters: &Clusters) -> Decided {
    let none = Placement::default();
    let spec = BindingSpec {
        resource: ResourceRef { uid: String::new(), ..before.spec.resource.clone() },
        replicas: None,
        required_by: Vec::new(),
        clusters: Vec::new(),
        unplaced: 0,
        removing: removing(Some(before), &none, clusters),
        evicted: Vec::new(),
        reasons: Vec::new(),
        ..before.spec.clone()
    };
    Decided { spec, again: None }
}

fn stand(gathered: &Gathered<'_>, before: &Binding) -> BindingSpec {
    BindingSpec {
        resource: resource_ref(gathered),
        observed_generation: generation(gathered),
        removing: removing(Some(before), &placed(&before.spec), gathered.clusters),
        ..before.spec.clone()
    }
}

/// The policy's own placement, and wherever a workload needs it besides.
fn by_policy(gathered: &Gathered<'_>, policy: &Policy) -> Decided {
    let kind = gathered.key.reading();
    let replicas = interpret::replicas(kind, gathered.template);
    let each = interpret::requests(kind, gathered.template);
    let intent = &policy.intent;
    let current = current(gathered);
    let place = Place { gathered, intent, replicas, each: &each, current: &current };
    let is_divided = replicas.is_some()
        && match intent.placement.scheduling {
            Scheduling::Divided { .. } => true,
            Scheduling::Duplicated { .. } => false,
        };
    // Only replicas that clusters share can go elsewhere; what every cluster has anyway stays where it is.
    let returning =
        if is_divided { returning::look(&place, policy.generation) } else { Returning::default() };
    let decision = place.with(&returning.released, &returning.caps);
    let mut reasons = findings::of(&decision, &returning);
    let mut clusters: BTreeMap<ClusterName, Option<i64>> =
        decision.placement.iter().map(|(name, here)| (name.clone(), replicas.map(|_| here.into()))).collect();
    for (name, by) in needed_in(gathered) {
        // A workload that is shared out is where its own policy puts it; being needed does not multiply it.
        if replicas.is_none() && !clusters.contains_key(&name) {
            clusters.insert(name.clone(), None);
            reasons.retain(|reason| reason.cluster != name.as_str());
            reasons.push(needed(&name, &by));
        }
    }
    let placement = clusters.keys().map(|name| (name.clone(), 0)).collect();
    let spec = BindingSpec {
        resource: resource_ref(gathered),
        policy: Some(policy_ref(policy)),
        required_by: required_by(gathered),
        observed_generation: generation(gathered),
        replicas: replicas.map(i64::from),
        removing: removing(gathered.before, &placement, gathered.clusters),
        clusters: wire(clusters),
        unplaced: decision.unplaced.into(),
        evicted: returning.evicted,
        reasons,
        conflict_resolution: conflict_resolution(intent.on_conflict),
        suspended: suspended(&intent.suspension),
        preserve_resources_on_deletion: intent.on_deletion == OnDeletion::Preserve,
    };
    Decided { spec, again: returning.again }
}

/// Wherever the workloads that need it are.
fn by_requirers(gathered: &Gathered<'_>) -> Decided {
    let needed_in = needed_in(gathered);
    let placement = needed_in.keys().map(|name| (name.clone(), 0)).collect();
    let reasons = needed_in.iter().map(|(name, by)| needed(name, by)).collect();
    let first = gathered.requirers.first().map(|binding| binding.spec.clone()).unwrap_or_default();
    let spec = BindingSpec {
        resource: resource_ref(gathered),
        policy: None,
        required_by: required_by(gathered),
        observed_generation: generation(gathered),
        replicas: None,
        clusters: wire(needed_in.into_keys().map(|name| (name, None)).collect()),
        unplaced: 0,
        removing: removing(gathered.before, &placement, gathered.clusters),
        evicted: Vec::new(),
        reasons,
        conflict_resolution: first.conflict_resolution,
        suspended: first.suspended,
        preserve_resources_on_deletion: first.preserve_resources_on_deletion,
    };
    Decided { spec, again: None }
}

// === Placing ===

/// One question to `placement::place`, of which only the latitude changes.
pub(super) struct Place<'a> {
    pub(super) gathered: &'a Gathered<'a>,
    pub(super) intent: &'a PropagationIntent,
    pub(super) replicas: Option<u32>,
    each: &'a Resources,
    pub(super) current: &'a Placement,
}

impl Place<'_> {
    /// Places with these clusters released and these held to a cap.
    pub(super) fn with(
        &self,
        released: &BTreeSet<ClusterName>,
        caps: &BTreeMap<ClusterName, u32>,
    ) -> Decision {
        let frozen = self.gathered.clusters.members().filter(|(_, member)| !member.is_reachable());
        let frozen = frozen.map(|(name, _)| name.clone()).collect();
        placement::place(&placement::Request {
            intent: &self.intent.placement,
            fleet: self.gathered.clusters.fleet(),
            api: ApiResource {
                api_version: &self.gathered.resource.api_version(),
                plural: &self.gathered.resource.plural,
            },
            demand: self.replicas.map_or(Demand::Whole, |count| Demand::Replicas { count, each: self.each }),
            current: self.current,
            frozen: &frozen,
            released,
            caps,
        })
    }
}

/// What the last decision placed, of the object that is there now.
fn current(gathered: &Gathered<'_>) -> Placement {
    gathered.before.map(|before| placed(&before.spec)).unwrap_or_default()
}

pub(super) fn placed(spec: &BindingSpec) -> Placement {
    let each = |cluster: &BindingCluster| {
        let replicas = cluster.replicas.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        Some((ClusterName::try_from(cluster.name.as_str()).ok()?, replicas))
    };
    spec.clusters.iter().filter_map(each).collect()
}

/// The clusters in which workloads need the object, and the first of those workloads. A cluster that a workload had to leave
/// keeps it, because the workload will return.
fn needed_in(gathered: &Gathered<'_>) -> BTreeMap<ClusterName, String> {
    let mut clusters = BTreeMap::new();
    for requirer in gathered.requirers {
        let placed = requirer.spec.clusters.iter().map(|cluster| &cluster.name);
        let evicted = requirer.spec.evicted.iter().map(|eviction| &eviction.cluster);
        for name in placed.chain(evicted) {
            if let Some((name, _)) = gathered.clusters.fleet().get_key_value(name.as_str()) {
                clusters.entry(name.clone()).or_insert_with(|| requirer.key.name.clone());
            }
        }
    }
    clusters
}

/// The clusters that lose the object: those that were to lose it and have not confirmed, and those that are new among them.
fn removing(before: Option<&Binding>, now: &Placement, clusters: &Clusters) -> Vec<String> {
    let Some(before) = before else { return Vec::new() };
    let waiting = before.spec.removing.iter().filter(|name| !before.has_left(name));
    let left = before.spec.clusters.iter().map(|cluster| &cluster.name);
    let all: BTreeSet<&String> = waiting.chain(left).collect();
    let stays = |name: &str| now.as_map().contains_key(name);
    let is_member = |name: &str| clusters.member(name).is_some();
    all.into_iter().filter(|name| !stays(name) && is_member(name)).cloned().collect()
}

// === Wire ===

fn resource_ref(gathered: &Gathered<'_>) -> ResourceRef {
    ResourceRef {
        api_version: gathered.resource.api_version(),
        kind: gathered.resource.kind.to_string(),
        namespace: gathered.key.namespace.clone(),
        name: gathered.key.name.clone(),
        uid: gathered.template["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
    }
}

fn generation(gathered: &Gathered<'_>) -> i64 {
    gathered.template["metadata"]["generation"].as_i64().unwrap_or(0)
}

fn policy_ref(policy: &Policy) -> PolicyRef {
    let kind = match &policy.intent.key {
        PolicyKey::Namespaced { .. } => "PropagationPolicy",
        PolicyKey::Cluster { .. } => "ClusterPropagationPolicy",
    };
    PolicyRef {
        kind: kind.to_owned(),
        namespace: policy.intent.key.namespace().to_owned(),
        name: policy.intent.key.name().to_owned(),
        generation: policy.generation,
    }
}

fn required_by(gathered: &Gathered<'_>) -> Vec<String> {
    gathered.requirers.iter().map(|binding| binding.key.name.clone()).collect()
}

fn wire(clusters: BTreeMap<ClusterName, Option<i64>>) -> Vec<BindingCluster> {
    let each = |(name, replicas): (ClusterName, Option<i64>)| BindingCluster {
        name: name.as_str().to_owned(),
        replicas,
    };
    clusters.into_iter().map(each).collect()
}

fn needed(cluster: &ClusterName, by: &str) -> Finding {
    Finding {
        cluster: cluster.as_str().to_owned(),
        chosen: true,
        weight: None,
        message: format!("needed by {by}"),
    }
}

fn conflict_resolution(on_conflict: OnConflict) -> ConflictResolution {
    match on_conflict {
        OnConflict::Abort => ConflictResolution::Abort,
        OnConflict::Overwrite => ConflictResolution::Overwrite,
        OnConflict::AdoptIfEqual => ConflictResolution::AdoptIfEqual,
    }
}

fn suspended(suspension: &Suspension) -> Vec<String> {
    match suspension {
        Suspension::None => Vec::new(),
        Suspension::All => vec![ALL_CLUSTERS.to_owned()],
        Suspension::Clusters(names) => names.iter().map(|name| name.as_str().to_owned()).collect(),
    }
}
