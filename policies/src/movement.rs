//! How many replicas should each cluster be ordered to run *now*, on the way to a new placement?
//!
//! Placement says where replicas belong; this says how to get there without a gap or a crowd. It is the one way in which replicas
//! move, whether weights changed, a cluster died, or one came back:
//!
//! * over reachable clusters, the replicas ordered never exceed the desired sum by more than the surge;
//! * a cluster gives replicas up only as far as those ready elsewhere cover the desired sum, and only what was counted under a
//!   cluster's latest order covers;
//! * what an unreachable cluster holds counts for neither: nobody can use it and nobody can change it.
//!
//! A desired sum that is lower than before is no movement: the owner asked for less and gets it at once.

use std::collections::BTreeMap;

use koinon_model::name::ClusterName;

/// One cluster on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Replicas that placement wants there in the end.
    pub target: u32,
    /// Replicas that it was last ordered to run.
    pub applied: u32,
    /// Replicas that are ready there.
    pub ready: u32,
    /// Whether it can be told anything, and its word be trusted.
    pub is_reachable: bool,
    /// Whether `ready` was counted under the latest order. What was ready under an earlier one may be leaving.
    pub is_settled: bool,
}

// === impl Stage ===

impl Stage {
    /// Replicas that are surely ready and stay so under the latest order.
    #[must_use]
    pub fn covering(&self) -> u32 {
        if self.is_settled { self.ready.min(self.applied) } else { 0 }
    }

    /// Replicas that surely serve nobody.
    fn idle(&self) -> u32 {
        if self.is_settled { self.applied.saturating_sub(self.ready) } else { 0 }
    }
}

/// Where a workload's replicas are and where they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Every cluster that holds or should hold replicas.
    pub stages: BTreeMap<ClusterName, Stage>,
    /// Replicas that may be ordered above the target sum while others still run.
    pub surge: u32,
}

/// What each cluster is ordered to run now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Replicas per cluster; every cluster of the request appears.
    pub applied: BTreeMap<ClusterName, u32>,
    /// Whether every reachable cluster is at its target, so that nothing is left to do.
    pub is_done: bool,
}

/// Computes the next orders.
///
/// Raising comes first, in the order of the largest shortfall (then by name), within what the surge leaves. Lowering takes from
/// those furthest above their target, as far as ready replicas cover it.
pub fn step(request: &Request) -> Step {
    let mut applied: BTreeMap<ClusterName, u32> =
        request.stages.iter().map(|(name, stage)| (name.clone(), stage.applied)).collect();
    let desired = sum(request.stages.values().filter(|s| s.is_reachable).map(|s| s.target));
    lower(request, desired, &mut applied);
    // Replicas that are told to leave in this step may still run when others start, so they take up room until the next one.
    let running = sum(request.stages.values().filter(|s| s.is_reachable).map(|s| s.applied));
    let ceiling = desired.saturating_add(request.surge.into());
    raise(request, ceiling.saturating_sub(running), &mut applied);
    let is_done =
        request.stages.iter().all(|(name, stage)| !stage.is_reachable || applied[name] == stage.target);
    Step { applied, is_done }
}

fn lower(request: &Request, desired: u64, applied: &mut BTreeMap<ClusterName, u32>) {
    let reachable = || request.stages.iter().filter(|(_, stage)| stage.is_reachable);
    let grows = reachable().any(|(_, stage)| stage.target > stage.covering());
    if !grows {
        for (name, stage) in reachable() {
            applied.insert(name.clone(), stage.target.min(stage.applied));
        }
        return;
    }
    // Only replicas that a cluster keeps can cover for those that leave.
    let covered = sum(reachable().map(|(_, stage)| stage.covering()));
    let mut spare = covered.saturating_sub(desired);
    let mut surplus: Vec<(u32, &ClusterName, &Stage)> = reachable()
        .filter(|(_, stage)| stage.applied > stage.target)
        .map(|(name, stage)| (stage.applied - stage.target, name, stage))
        .collect();
    surplus.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    for (excess, name, stage) in surplus {
        // Replicas that are not ready serve nobody; taking them costs nothing.
        let unready = stage.idle().min(excess);
        let ready_leaving = u64::from(excess - unready).min(spare);
        spare -= ready_leaving;
        let leaving = unready + u32::try_from(ready_leaving).expect("at most the excess, which is 32 bits");
        applied.insert(name.clone(), stage.applied - leaving);
    }
}

fn raise(request: &Request, mut room: u64, applied: &mut BTreeMap<ClusterName, u32>) {
    let mut shortfall: Vec<(u32, &ClusterName, &Stage)> = request
        .stages
        .iter()
        .filter(|(_, stage)| stage.is_reachable && stage.target > stage.applied)
        .map(|(name, stage)| (stage.target - stage.applied, name, stage))
        .collect();
    shortfall.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    for (missing, name, stage) in shortfall {
        let more =
            u32::try_from(u64::from(missing).min(room)).expect("at most the shortfall, which is 32 bits");
        room -= u64::from(more);
        applied.insert(name.clone(), stage.applied + more);
    }
}

fn sum(counts: impl Iterator<Item = u32>) -> u64 {
    counts.map(u64::from).sum()
}

#[cfg(test)]
mod tests;
