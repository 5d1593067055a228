//! A placement: which clusters hold a workload, and how many replicas each.

use std::collections::BTreeMap;

use crate::name::ClusterName;

/// Cluster → replicas. An object without replicas stands with 0 in every cluster that holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement(BTreeMap<ClusterName, u32>);

impl Placement {
    /// Replicas in this cluster, where it holds the workload.
    #[must_use]
    pub fn replicas(&self, cluster: &ClusterName) -> Option<u32> {
        self.0.get(cluster).copied()
    }

    /// Whether this cluster holds the workload.
    #[must_use]
    pub fn holds(&self, cluster: &ClusterName) -> bool {
        self.0.contains_key(cluster)
    }

    /// Every cluster with its replicas, in name order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ClusterName, u32)> {
        self.0.iter().map(|(cluster, &replicas)| (cluster, replicas))
    }

    /// How many clusters hold it.
    #[must_use]
    pub fn n_clusters(&self) -> usize {
        self.0.len()
    }

    /// Whether no cluster holds it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replicas over all clusters.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().map(|&replicas| u64::from(replicas)).sum()
    }

    /// The map itself.
    #[must_use]
    pub fn as_map(&self) -> &BTreeMap<ClusterName, u32> {
        &self.0
    }
}

impl FromIterator<(ClusterName, u32)> for Placement {
    fn from_iter<I: IntoIterator<Item = (ClusterName, u32)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<BTreeMap<ClusterName, u32>> for Placement {
    fn from(map: BTreeMap<ClusterName, u32>) -> Self {
        Self(map)
    }
}
