//! Answers whether a cluster is one that an affinity means; used by placement, weight rules and overrides.

use koinon_model::cluster::Cluster;
use koinon_model::labels::Requirement;
use koinon_model::policy::{ClusterAffinity, FieldRequirement};

/// The first part of an affinity that a cluster does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet<'a> {
    /// It is excluded by name.
    Excluded,
    /// Names are given and its own is not among them.
    NotNamed,
    /// Its labels differ.
    Label(&'a Requirement),
    /// Its region, zone or provider differs.
    Field(&'a FieldRequirement),
}

/// The first part of the affinity that the cluster does not meet; `None` when the cluster is meant.
#[must_use]
pub fn unmet<'a>(affinity: &'a ClusterAffinity, cluster: &Cluster) -> Option<Unmet<'a>> {
    if affinity.exclude.contains(&cluster.name) {
        return Some(Unmet::Excluded);
    }
    if !affinity.names.is_empty() && !affinity.names.contains(&cluster.name) {
        return Some(Unmet::NotNamed);
    }
    if let Some(requirement) = affinity.labels.first_unmet(&cluster.labels) {
        return Some(Unmet::Label(requirement));
    }
    let lacking = |required: &&FieldRequirement| !required.operator.accepts(cluster.field(required.field));
    affinity.fields.iter().find(lacking).map(Unmet::Field)
}

/// Whether the cluster is one that the affinity means.
#[must_use]
pub fn matches(affinity: &ClusterAffinity, cluster: &Cluster) -> bool {
    unmet(affinity, cluster).is_none()
}
