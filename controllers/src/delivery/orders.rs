//! From a binding to the orders of its members: how many now, which manifest, or a tombstone.

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_api_server::local::Client;
use koinon_machinery::Value;
use koinon_model::name::ClusterName;
use koinon_model::placement::Placement;
use koinon_policies::movement::{self, Stage};
use koinon_policies::{interpret, overrides as rendering};
use koinon_types::sync::{self, Desired, DesiredSet, ObjectRef, OnConflict, Order};
use koinon_types::v1alpha1::ConflictResolution;
use serde_json::json;

use super::gather::{Part, Role, Seen};
use super::ledger::Account;
use super::overrides::Overrides;
use crate::clusters::Clusters;
use crate::fleet::Fleet;
use crate::templates::{TemplateKey, labels_of};

/// Replicas that may run above the wanted sum while others still do: a quarter, as a Deployment's own rollout allows itself,
/// and at least one, so that a movement can begin.
const SURGE_DIVISOR: u32 = 4;

/// Publishes what each member is to do now.
pub(super) fn issue(
    client: &Client,
    fleet: &Fleet,
    overrides: &Overrides,
    clusters: &Clusters,
    seen: &Seen<'_>,
    account: &mut Account,
) {
    // A cluster that is no longer concerned starts from nothing when it is concerned again.
    account.ordered.retain(|name, _| seen.clusters.contains_key(name));
    account.unrendered.retain(|name, _| seen.clusters.contains_key(name));
    let now = next_step(seen, account);
    for (name, part) in &seen.clusters {
        let Some(orders) = fleet.member(name) else { continue };
        match part.role {
            Role::Leaves if now.may_leave(name, part) => bury(client, &orders, name, seen, account),
            Role::Leaves => {
                present(client, &orders, overrides, clusters, name, now.replicas(name), seen, account);
            }
            Role::Holds(_) if seen.binding.is_suspended(name.as_str()) => {}
            Role::Holds(_) => {
                present(client, &orders, overrides, clusters, name, now.replicas(name), seen, account);
            }
        }
    }
}

/// What each member runs in this step.
#[derive(Debug, Default)]
struct Now {
    /// Shape: empty for objects without replicas.
    replicas: BTreeMap<ClusterName, u32>,
    /// Whether every reachable cluster is where it should be.
    is_done: bool,
    /// Whether replicas are counted at all.
    counts: bool,
}

// === impl Now ===

impl Now {
    fn replicas(&self, name: &ClusterName) -> Option<u32> {
        self.replicas.get(name).copied()
    }

    /// Whether a cluster may lose its copy now: nothing is counted, nothing of it is needed any more, or it cannot be reached
    /// and the others have taken over, so that what it finds when it is back is the tombstone.
    fn may_leave(&self, name: &ClusterName, part: &Part) -> bool {
        !self.counts || if part.is_reachable { self.replicas(name) == Some(0) } else { self.is_done }
    }
}

/// Asks how many replicas each cluster is to run now, and notes it.
fn next_step(seen: &Seen<'_>, account: &mut Account) -> Now {
    if !seen.kind.has_replicas() || seen.is_retired {
        return Now::default();
    }
    let target = |part: &Part| match part.role {
        Role::Holds(replicas) => replicas.unwrap_or(0),
        Role::Leaves => 0,
    };
    let stages: BTreeMap<ClusterName, Stage> = seen
        .clusters
        .iter()
        .map(|(name, part)| {
            let applied = account.ordered.get(name).copied().unwrap_or(0);
            let (target, ready, is_reachable) = (target(part), part.ready, part.is_reachable);
            // One that was told but has not spoken, after a restart or while its copy is made, still has its share of what is
            // wanted: only what it runs is unknown.
            let is_settled = part.is_settled(applied);
            (name.clone(), Stage { target, applied, ready, is_reachable, is_settled })
        })
        .collect();
    let wanted: u32 = stages.values().map(|stage| stage.target).fold(0, u32::saturating_add);
    let surge = wanted.div_ceil(SURGE_DIVISOR).max(1);
    let reachable = stages.values().filter(|stage| stage.is_reachable);
    let ready: u64 = reachable.map(|stage| u64::from(stage.covering())).sum();
    let step = movement::step(&movement::Request { stages, surge });
    for (name, replicas) in &step.applied {
        account.order(name, *replicas);
    }
    Now { replicas: step.applied, is_done: step.is_done && ready >= u64::from(wanted), counts: true }
}

/// Orders a member to remove the object.
fn bury(client: &Client, orders: &DesiredSet, name: &ClusterName, seen: &Seen<'_>, account: &mut Account) {
    if account.buried.contains(name) && matches!(orders.get(seen.object), Some(Order::Remove { .. })) {
        return;
    }
    let version = account.next_version(name, client.revision());
    account.buried.insert(name.clone());
    account.gone.remove(name);
    let preserve = seen.is_retired && seen.binding.spec.preserve_resources_on_deletion;
    orders.publish(Order::Remove { object: seen.object.clone(), version, preserve });
}

/// Orders a member to have the object, with so many replicas.
fn present(
    client: &Client,
    orders: &DesiredSet,
    overrides: &Overrides,
    clusters: &Clusters,
    name: &ClusterName,
    replicas: Option<u32>,
    seen: &Seen<'_>,
    account: &mut Account,
) {
    let Some(template) = &seen.template else { return };
    // A template that is ahead of its binding waits for it: content and replicas change together.
    if seen.generation != seen.binding.spec.observed_generation {
        return;
    }
    let Some(member) = clusters.member(name.as_str()) else { return };
    let manifest = match render(overrides, &member.cluster, replicas, seen, template, name) {
        Ok(manifest) => manifest,
        Err(problem) => {
            account.unrendered.insert(name.clone(), problem);
            return;
        }
    };
    account.unrendered.remove(name);
    account.buried.remove(name);
    account.gone.remove(name);
    let digest = sync::digest(&manifest);
    let on_conflict = on_conflict(seen.binding.spec.conflict_resolution);
    let known = orders.get(seen.object);
    let version = known.as_ref().map_or(0, |order| order.version() + 1).max(client.revision());
    if let Some(Order::Present(known)) = known
        && known.digest == digest
        && known.template_generation == seen.generation
        && known.on_conflict == on_conflict
    {
        return;
    }
    need_namespace(client, orders, seen);
    let desired = Desired {
        object: seen.object.clone(),
        version: account.next_version(name, version),
        digest,
        binding: identity(seen),
        template_generation: seen.generation,
        on_conflict,
        manifest: Arc::new(manifest),
    };
    orders.publish(Order::Present(Arc::new(desired)));
}

fn render(
    overrides: &Overrides,
    cluster: &koinon_model::cluster::Cluster,
    replicas: Option<u32>,
    seen: &Seen<'_>,
    template: &Value,
    name: &ClusterName,
) -> Result<Value, String> {
    let key = TemplateKey::ordered(seen.object);
    let labels = labels_of(template);
    let policies = overrides.about(key.selectable(&labels));
    let part =
        replicas.map(|replicas| rendering::Part { replicas, completions: completions(seen, template, name) });
    let request = rendering::Request { template, kind: seen.kind, cluster, part, policies: &policies };
    rendering::render(&request).map_err(|failed| failed.to_string())
}

/// A cluster's part of the completions of a Job, by the decision and not by the step on the way to it.
fn completions(seen: &Seen<'_>, template: &Value, name: &ClusterName) -> Option<u32> {
    let all = interpret::completions(template)?;
    let replicas = interpret::replicas(seen.kind, template)?;
    let placement: Placement = seen
        .clusters
        .iter()
        .filter_map(|(name, part)| match part.role {
            Role::Holds(replicas) => Some((name.clone(), replicas?)),
            Role::Leaves => None,
        })
        .collect();
    rendering::completions(all, replicas, &placement).get(name).copied()
}

/// Whatever lives in a namespace needs it there. It is ordered once and never taken away: others may use it too.
fn need_namespace(client: &Client, orders: &DesiredSet, seen: &Seen<'_>) {
    let namespace = &seen.object.namespace;
    if namespace.is_empty() {
        return;
    }
    let object = ObjectRef {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        plural: "namespaces".to_owned(),
        namespaced: false,
        namespace: String::new(),
        name: namespace.clone(),
    };
    if orders.get(&object).is_some() {
        return;
    }
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    orders.publish(Order::Present(Arc::new(Desired {
        object,
        version: client.revision(),
        digest: sync::digest(&manifest),
        binding: format!("namespace-{namespace}"),
        template_generation: 0,
        // One that is there already does as well.
        on_conflict: OnConflict::Abort,
        manifest: Arc::new(manifest),
    })));
}

/// The identity of a binding as a label value: the same after it was made anew.
fn identity(seen: &Seen<'_>) -> String {
    format!("{:016x}", sync::digest(&Value::from(seen.binding.key.to_string())))
}

fn on_conflict(resolution: ConflictResolution) -> OnConflict {
    match resolution {
        ConflictResolution::Abort => OnConflict::Abort,
        ConflictResolution::Overwrite => OnConflict::Overwrite,
        ConflictResolution::AdoptIfEqual => OnConflict::AdoptIfEqual,
    }
}
