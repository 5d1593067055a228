//! What manifest does this cluster get?
//!
//! ```text
//! template ─► strip ─► replicas ─► override policies, in order ─► manifest
//!             what the host   this cluster's   ClusterOverridePolicies by name, then
//!             added itself    part             OverridePolicies by name; a later one wins
//! ```
//!
//! The answer is a whole manifest or the policy that stands in the way: an override that fails half-way leaves nothing behind,
//! so a member never gets a mixture.

mod edit;
mod image;
mod strip;

use koinon_model::cluster::Cluster;
use koinon_model::name::{ClusterName, PolicyKey};
use koinon_model::overriding::{OverrideIntent, Overrider};
use koinon_model::placement::Placement;
use koinon_model::policy::Stickiness;
use koinon_model::weight::Weight;
use serde_json::Value;

use crate::affinity;
use crate::interpret::Kind;
use crate::placement::divide;

/// What to render for whom.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The object as the host has it.
    pub template: &'a Value,
    /// Its kind.
    pub kind: Kind,
    /// For which cluster.
    pub cluster: &'a Cluster,
    /// Its part of the replicas; none leaves what the template says.
    pub part: Option<Part>,
    /// The override policies that are about the object, in any order.
    pub policies: &'a [&'a OverrideIntent],
}

/// One cluster's part of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Replicas; of a Job, pods that run at the same time.
    pub replicas: u32,
    /// Of a Job that counts them, pods that have to succeed.
    pub completions: Option<u32>,
}

/// Why there is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{policy}: spec.overrideRules[{rule}].overriders: {problem}")]
pub struct Failed {
    /// Which policy stands in the way.
    pub policy: PolicyKey,
    /// Which of its rules.
    pub rule: usize,
    /// What cannot be done, with the path in the object.
    pub problem: String,
}

/// Renders the manifest of one cluster.
///
/// # Errors
/// When an override cannot be applied to this object.
pub fn render(request: &Request<'_>) -> Result<Value, Failed> {
    let mut manifest = strip::strip(request.template);
    if let Some(part) = request.part {
        set_part(request.kind, part, &mut manifest);
    }
    let mut policies = request.policies.to_vec();
    policies.sort_by(|a, b| order(&a.key).cmp(&order(&b.key)));
    for policy in policies {
        for (rule, wanted) in policy.rules.iter().enumerate() {
            if !affinity::matches(&wanted.target, request.cluster) {
                continue;
            }
            for overrider in &wanted.overriders {
                apply(request.kind, overrider, &mut manifest).map_err(|problem| Failed {
                    policy: policy.key.clone(),
                    rule,
                    problem,
                })?;
            }
        }
    }
    Ok(manifest)
}

/// Divides the completions of a Job in proportion to the replicas that each cluster gets.
///
/// Shape: one count per cluster of the placement, in name order; they sum to `completions`. When every cluster has all replicas,
/// every cluster has all completions.
#[must_use]
pub fn completions(
    completions: u32,
    replicas: u32,
    placement: &Placement,
) -> std::collections::BTreeMap<ClusterName, u32> {
    let is_duplicated = placement.iter().all(|(_, here)| here == replicas);
    if is_duplicated {
        return placement.iter().map(|(cluster, _)| (cluster.clone(), completions)).collect();
    }
    let claim = |(cluster, here)| divide::Claim {
        cluster,
        weight: Weight::saturating(here),
        min: 0,
        max: u32::MAX,
        capacity: None,
        running: 0,
    };
    let claims: Vec<divide::Claim<'_>> = placement.iter().map(claim).collect();
    let division = divide::divide(completions, &claims, Stickiness::Rebalance);
    claims.iter().map(|claim| claim.cluster.clone()).zip(division.shares).collect()
}

/// Cluster-wide policies first, so that the namespace has the last word.
fn order(key: &PolicyKey) -> (bool, &str) {
    match key {
        PolicyKey::Cluster { name } => (false, name),
        PolicyKey::Namespaced { name, .. } => (true, name),
    }
}

fn set_part(kind: Kind, part: Part, manifest: &mut Value) {
    match kind {
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet => {
            manifest["spec"]["replicas"] = part.replicas.into();
        }
        Kind::Job => {
            manifest["spec"]["parallelism"] = part.replicas.into();
            if let Some(completions) = part.completions {
                manifest["spec"]["completions"] = completions.into();
            }
        }
        Kind::DaemonSet
        | Kind::CronJob
        | Kind::Pod
        | Kind::Service
        | Kind::Ingress
        | Kind::PersistentVolumeClaim
        | Kind::Other => {}
    }
}

fn apply(kind: Kind, overrider: &Overrider, manifest: &mut Value) -> Result<(), String> {
    match overrider {
        Overrider::Image { containers, part, edit } => {
            edit::containers(kind, manifest, containers, |container| {
                let Some(text) = container["image"].as_str() else { return Ok(()) };
                container["image"] = image::edited(text, *part, edit)?.into();
                Ok(())
            })
        }
        Overrider::Labels(change) => {
            edit::map(&mut manifest["metadata"], "labels", change);
            Ok(())
        }
        Overrider::Annotations(change) => {
            edit::map(&mut manifest["metadata"], "annotations", change);
            Ok(())
        }
        Overrider::Env { containers, edit } => edit::containers(kind, manifest, containers, |container| {
            edit::env(container, edit);
            Ok(())
        }),
        Overrider::Command { containers, edit } => {
            edit::containers(kind, manifest, containers, |container| {
                edit::words(container, "command", edit);
                Ok(())
            })
        }
        Overrider::Args { containers, edit } => edit::containers(kind, manifest, containers, |container| {
            edit::words(container, "args", edit);
            Ok(())
        }),
        Overrider::JsonPatch(operations) => edit::patch(manifest, operations),
    }
}

#[cfg(test)]
mod tests;
