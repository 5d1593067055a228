//! Whatever keeps pods: ReplicaSets, StatefulSets, DaemonSets, Jobs.

use std::sync::Arc;

use koinon_machinery::Value;
use serde_json::json;

use super::{Action, Seen, is_ending, is_owned, is_ready, number, pods, text};
use crate::kinds;

/// Pods made or removed in one look, over all workloads: enough that thousands start within seconds, little enough that the
/// next look is not far.
const CHANGES_MAX: usize = 200;

/// The next step of every workload.
pub(super) fn step(seen: &Seen) -> Vec<Action> {
    let mut made = Vec::new();
    let mut actions = Vec::new();
    for set in &seen.replica_sets {
        let wanted = number(&set["spec"]["replicas"]).unwrap_or(1);
        keep(set, wanted, seen, &mut made, &mut actions);
        actions.extend(super::told(kinds::replica_sets(), set, counted(set, seen)));
    }
    for set in &seen.stateful_sets {
        let wanted = number(&set["spec"]["replicas"]).unwrap_or(1);
        keep(set, wanted, seen, &mut made, &mut actions);
        actions.extend(super::told(kinds::stateful_sets(), set, stateful(set, seen)));
    }
    for set in &seen.daemon_sets {
        keep(set, seen.nodes.len(), seen, &mut made, &mut actions);
        actions.extend(super::told(kinds::daemon_sets(), set, daemons(set, seen)));
    }
    for job in &seen.jobs {
        actions.extend(work(job, seen, &mut made));
    }
    actions
}

fn pods_of<'a>(owner: &'a Value, seen: &'a Seen) -> impl Iterator<Item = &'a Arc<Value>> {
    seen.pods.iter().filter(|pod| !is_ending(pod) && is_owned(pod, &owner["metadata"]["uid"]))
}

/// Makes and removes pods until there are as many as wanted.
fn keep(owner: &Value, wanted: usize, seen: &Seen, made: &mut Vec<Value>, actions: &mut Vec<Action>) {
    if is_ending(owner) {
        return;
    }
    let mut there: Vec<&Arc<Value>> = pods_of(owner, seen).collect();
    // Those that serve nobody go first.
    there.sort_by_key(|pod| (!is_ready(pod), text(&pod["metadata"]["name"])));
    for pod in there.iter().skip(wanted) {
        actions.push(Action::Delete(
            kinds::pods(),
            text(&pod["metadata"]["namespace"]),
            text(&pod["metadata"]["name"]),
        ));
    }
    let name = text(&owner["metadata"]["name"]);
    let mut missing = wanted.saturating_sub(there.len());
    let mut number = 0;
    while missing > 0 && made.len() < CHANGES_MAX {
        let candidate = format!("{name}-{number}");
        number += 1;
        let is_taken = seen.pods.iter().any(|pod| {
            pod["metadata"]["name"] == candidate.as_str()
                && pod["metadata"]["namespace"] == owner["metadata"]["namespace"]
        });
        if !is_taken {
            let pod = pods::of_template(owner, &owner["spec"]["template"], &candidate, seen, made);
            made.push(pod.clone());
            actions.push(Action::Create(kinds::pods(), pod));
            missing -= 1;
        }
    }
}

/// Fields that are left out at zero, as upstream does.
fn with_counts(mut status: Value, counts: &[(&str, usize)]) -> Value {
    for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
        status[*name] = (*count).into();
    }
    status
}

fn counted(set: &Value, seen: &Seen) -> Value {
    let (all, ready) = (pods_of(set, seen).count(), pods_of(set, seen).filter(|pod| is_ready(pod)).count());
    let status = json!({"replicas": all, "observedGeneration": set["metadata"]["generation"]});
    with_counts(
        status,
        &[("fullyLabeledReplicas", all), ("readyReplicas", ready), ("availableReplicas", ready)],
    )
}

fn stateful(set: &Value, seen: &Seen) -> Value {
    let (all, ready) = (pods_of(set, seen).count(), pods_of(set, seen).filter(|pod| is_ready(pod)).count());
    let revision = format!("{}-1", text(&set["metadata"]["name"]));
    let status = json!({"replicas": all, "availableReplicas": ready, "observedGeneration": set["metadata"]["generation"],
        "collisionCount": 0, "currentRevision": revision, "updateRevision": revision});
    with_counts(status, &[("readyReplicas", ready), ("currentReplicas", all), ("updatedReplicas", all)])
}

fn daemons(set: &Value, seen: &Seen) -> Value {
    let (all, ready) = (pods_of(set, seen).count(), pods_of(set, seen).filter(|pod| is_ready(pod)).count());
    let status = json!({"currentNumberScheduled": all, "numberMisscheduled": 0, "desiredNumberScheduled": seen.nodes.len(),
        "numberReady": ready, "observedGeneration": set["metadata"]["generation"]});
    with_counts(status, &[("updatedNumberScheduled", all), ("numberAvailable", ready)])
}

/// A Job's pods succeed as soon as they have started.
fn work(job: &Value, seen: &Seen, made: &mut Vec<Value>) -> Vec<Action> {
    if is_ending(job) {
        return Vec::new();
    }
    let mut actions = Vec::new();
    let of_phase = |phase: &str| pods_of(job, seen).filter(|pod| pod["status"]["phase"] == phase).count();
    for pod in pods_of(job, seen).filter(|pod| is_ready(pod)) {
        actions.extend(super::told(kinds::pods(), pod, json!({"phase": "Succeeded"})));
    }
    let done = of_phase("Succeeded");
    let completions = number(&job["spec"]["completions"]).unwrap_or(1);
    let parallelism = number(&job["spec"]["parallelism"]).unwrap_or(1);
    let active = pods_of(job, seen).count() - done;
    let wanted = done + completions.saturating_sub(done).min(parallelism.max(active));
    keep(job, wanted.max(done), seen, made, &mut actions);
    let mut status = with_counts(json!({}), &[("active", active), ("succeeded", done)]);
    if done >= completions {
        status["conditions"] =
            json!([{"type": "Complete", "status": "True", "reason": "CompletionsReached", "message": ""}]);
    }
    actions.extend(super::told(kinds::jobs(), job, status));
    actions
}
