//! Checked intent: what a propagation policy asks for, free of wire syntax.

use std::collections::BTreeSet;

use crate::cluster::Field;
use crate::failover::{Failback, Failover};
use crate::labels::{LabelSelector, Operator};
use crate::name::{ClusterName, PolicyKey};
use crate::taint::Toleration;
use crate::weight::Weight;

/// Everything one propagation policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropagationIntent {
    /// Which policy.
    pub key: PolicyKey,
    /// Higher wins when two policies match one object.
    pub priority: i32,
    /// Which objects; one match is enough.
    pub selectors: Vec<ResourceSelector>,
    /// Where they go.
    pub placement: PlacementIntent,
    /// Whether what the pod template names travels along.
    pub dependencies: Dependencies,
    /// What happens to an object that a member already has.
    pub on_conflict: OnConflict,
    /// Which clusters get no changes for now.
    pub suspension: Suspension,
    /// What happens to the members' copies when the template is deleted.
    pub on_deletion: OnDeletion,
}

/// Selects objects; what is `None` selects everything of its sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceSelector {
    /// The `apiVersion` as written in manifests.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// One namespace.
    pub namespace: Option<String>,
    /// One name; labels are then not looked at.
    pub name: Option<String>,
    /// Labels.
    pub labels: Option<LabelSelector>,
}

/// Whether what a pod template names travels with it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Dependencies {
    /// It does (`propagateDependencies: true`).
    Follow,
    /// It does not.
    Leave,
}

/// What happens to an object that exists in a member and is not ours.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// It is left alone and reported.
    Abort,
    /// It is taken over.
    Overwrite,
    /// It is taken over when it already says what we would say.
    AdoptIfEqual,
}

/// Which clusters get no changes for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// None: every cluster gets changes.
    None,
    /// All of them.
    All,
    /// These.
    Clusters(BTreeSet<ClusterName>),
}

/// What happens to the members' copies when the template is deleted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum OnDeletion {
    /// They are deleted too.
    Prune,
    /// They stay, without our labels (`preserveResourcesOnDeletion: true`).
    Preserve,
}

/// Where objects go, in what shares, and what happens when a cluster dies and returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacementIntent {
    /// Which clusters may hold them.
    pub affinity: ClusterAffinity,
    /// Which taints are stood.
    pub tolerations: Vec<Toleration>,
    /// How replicas are shared out.
    pub scheduling: Scheduling,
    /// What happens when a cluster dies.
    pub failover: Failover,
    /// What happens when it returns.
    pub failback: Failback,
}

/// Which clusters are meant. Every given part must hold; nothing given means every cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterAffinity {
    /// Only these, when there are any.
    pub names: BTreeSet<ClusterName>,
    /// Never these, whatever else matches.
    pub exclude: BTreeSet<ClusterName>,
    /// Only those with these labels.
    pub labels: LabelSelector,
    /// Only those with these fields.
    pub fields: Vec<FieldRequirement>,
}

/// One condition on a cluster's region, zone or provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// Which field.
    pub field: Field,
    /// What must be true of it.
    pub operator: Operator,
}

/// How replicas are shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// Every cluster gets all of them.
    Duplicated {
        /// Whether free capacity limits a cluster.
        capacity: CapacityRule,
    },
    /// The clusters share them.
    Divided {
        /// Static weights with bounds; a cluster without a rule weighs 0, and when all weigh 0 all weigh 1.
        weights: Vec<StaticWeight>,
        /// Whether free capacity limits a cluster.
        capacity: CapacityRule,
        /// Whether what runs stays where it runs.
        stickiness: Stickiness,
    },
}

/// Whether free capacity limits a cluster.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum CapacityRule {
    /// A cluster never gets more than it can run (`respectCapacity: true`).
    Respect,
    /// Capacity is not looked at.
    Ignore,
}

/// Whether what runs stays where it runs when weights would have it elsewhere.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Stickiness {
    /// It stays: growth goes where it is owed, shrinking takes from those above their share.
    Sticky,
    /// It follows the weights.
    Rebalance,
}

/// One rule of a static weight list. Of several rules that match a cluster the largest weight counts; bounds are
/// taken from every matching rule, the narrower one winning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticWeight {
    /// Which clusters.
    pub target: ClusterAffinity,
    /// What each is owed.
    pub weight: Weight,
    /// At least so many in each.
    pub min: Option<u32>,
    /// At most so many in each.
    pub max: Option<u32>,
}
