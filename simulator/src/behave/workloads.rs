//! Whatever keeps pods: ReplicaSets, StatefulSets, DaemonSets, Jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use koinon_machinery::Value;
use serde_json::json;

use super::{Action, Plan, Seen, hash, is_ending, is_ready, number, pods, text};
use crate::kinds;

/// Pods made in one look, over all workloads: enough that thousands start within seconds, little enough that the next look
/// is not far.
const CHANGES_MAX: usize = 200;

/// The label that tells which template a pod of a StatefulSet or DaemonSet was made of.
const REVISION: &str = "controller-revision-hash";

/// The next step of every workload.
pub(super) fn step(seen: &Seen, plan: &mut Plan) {
    for set in &seen.replica_sets.all {
        keep(set, replicas(set), &[], seen, plan);
        plan.actions.extend(super::told(kinds::replica_sets(), set, counted(set, seen)));
    }
    for set in &seen.stateful_sets {
        let revision = hash(&set["spec"]["template"]);
        keep(set, replicas(set), &[(REVISION, &revision)], seen, plan);
        replace_one(set, replicas(set), &revision, seen, plan);
        plan.actions.extend(super::told(kinds::stateful_sets(), set, stateful(set, &revision, seen)));
    }
    for set in &seen.daemon_sets {
        let revision = hash(&set["spec"]["template"]);
        cover(set, &revision, seen, plan);
        replace_one(set, seen.nodes.len(), &revision, seen, plan);
        plan.actions.extend(super::told(kinds::daemon_sets(), set, daemons(set, &revision, seen)));
    }
    for job in &seen.jobs {
        work(job, seen, plan);
    }
}

fn replicas(set: &Value) -> usize {
    number(&set["spec"]["replicas"]).unwrap_or(1)
}

fn pods_of<'a>(owner: &'a Value, seen: &'a Seen) -> impl Iterator<Item = &'a Arc<Value>> {
    seen.pods.of(owner).filter(|pod| !is_ending(pod))
}

fn n_ready(owner: &Value, seen: &Seen) -> usize {
    pods_of(owner, seen).filter(|pod| is_ready(pod)).count()
}

fn n_of_revision(owner: &Value, revision: &str, seen: &Seen) -> usize {
    pods_of(owner, seen).filter(|pod| pod["metadata"]["labels"][REVISION] == revision).count()
}

fn removed(pod: &Value) -> Action {
    let metadata = &pod["metadata"];
    Action::Delete(kinds::pods(), text(&metadata["namespace"]), text(&metadata["name"]))
}

/// Makes and removes pods until there are as many as wanted.
fn keep(owner: &Value, wanted: usize, labels: &[(&str, &str)], seen: &Seen, plan: &mut Plan) {
    if is_ending(owner) {
        return;
    }
    let mut there: Vec<&Arc<Value>> = pods_of(owner, seen).collect();
    // Those that serve nobody go first, then the highest numbers.
    there.sort_by_key(|pod| (!is_ready(pod), order(pod)));
    plan.actions.extend(there.iter().skip(wanted).map(|pod| removed(pod)));
    let missing = wanted.saturating_sub(there.len());
    if missing == 0 {
        return;
    }
    let name = text(&owner["metadata"]["name"]);
    let namespace = &owner["metadata"]["namespace"];
    let free = (0..).map(|number| format!("{name}-{number}")).filter(|name| !seen.pods.has(namespace, name));
    for name in free.take(missing.min(CHANGES_MAX.saturating_sub(plan.n_made))) {
        let mut pod = pods::of_template(owner, &name, labels);
        // Without room it is made all the same, and waits.
        plan.room.place(&mut pod);
        plan.make(pod);
    }
}

/// The number at the end of a pod's name.
fn order(pod: &Value) -> usize {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Makes a pod of a DaemonSet on every node that has none and has room.
fn cover(set: &Value, revision: &str, seen: &Seen, plan: &mut Plan) {
    if is_ending(set) {
        return;
    }
    let namespace = &set["metadata"]["namespace"];
    let covered: BTreeSet<&str> =
        pods_of(set, seen).filter_map(|pod| pod["spec"]["nodeName"].as_str()).collect();
    for node in seen.nodes.iter().filter_map(|node| node["metadata"]["name"].as_str()) {
        let name = format!("{}-{node}", text(&set["metadata"]["name"]));
        if covered.contains(node) || seen.pods.has(namespace, &name) || plan.n_made >= CHANGES_MAX {
            continue;
        }
        let mut pod = pods::of_template(set, &name, &[(REVISION, revision)]);
        if plan.room.place_on(node, &mut pod) {
            plan.make(pod);
        }
    }
}

/// Removes one pod of another template once all are ready; the next look makes it anew.
fn replace_one(set: &Value, wanted: usize, revision: &str, seen: &Seen, plan: &mut Plan) {
    if is_ending(set) || n_ready(set, seen) < wanted || pods_of(set, seen).count() > wanted {
        return;
    }
    let outdated = pods_of(set, seen).filter(|pod| pod["metadata"]["labels"][REVISION] != revision);
    plan.actions.extend(outdated.max_by_key(|pod| order(pod)).map(|pod| removed(pod)));
}

/// Fields that are left out at zero, as upstream does.
fn with_counts(mut status: Value, counts: &[(&str, usize)]) -> Value {
    for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
        status[*name] = (*count).into();
    }
    status
}

fn counted(set: &Value, seen: &Seen) -> Value {
    let (all, ready) = (pods_of(set, seen).count(), n_ready(set, seen));
    let status = json!({"replicas": all, "observedGeneration": set["metadata"]["generation"]});
    with_counts(
        status,
        &[("fullyLabeledReplicas", all), ("readyReplicas", ready), ("availableReplicas", ready)],
    )
}

fn stateful(set: &Value, revision: &str, seen: &Seen) -> Value {
    let (all, ready) = (pods_of(set, seen).count(), n_ready(set, seen));
    let updated = n_of_revision(set, revision, seen);
    let labels = pods_of(set, seen).filter_map(|pod| pod["metadata"]["labels"][REVISION].as_str());
    let current = labels.into_iter().find(|label| *label != revision).unwrap_or(revision);
    let of_current = n_of_revision(set, current, seen);
    let name = text(&set["metadata"]["name"]);
    let status = json!({"replicas": all, "availableReplicas": ready, "observedGeneration": set["metadata"]["generation"],
        "collisionCount": 0, "currentRevision": format!("{name}-{current}"),
        "updateRevision": format!("{name}-{revision}")});
    with_counts(
        status,
        &[("readyReplicas", ready), ("currentReplicas", of_current), ("updatedReplicas", updated)],
    )
}

fn daemons(set: &Value, revision: &str, seen: &Seen) -> Value {
    let (all, ready, desired) = (pods_of(set, seen).count(), n_ready(set, seen), seen.nodes.len());
    let status = json!({"currentNumberScheduled": all, "numberMisscheduled": 0, "desiredNumberScheduled": desired,
        "numberReady": ready, "observedGeneration": set["metadata"]["generation"]});
    let counts = [
        ("updatedNumberScheduled", n_of_revision(set, revision, seen)),
        ("numberAvailable", ready),
        ("numberUnavailable", desired.saturating_sub(ready)),
    ];
    with_counts(status, &counts)
}

/// A Job's pods succeed as soon as they have started.
fn work(job: &Value, seen: &Seen, plan: &mut Plan) {
    if is_ending(job) {
        return;
    }
    for pod in pods_of(job, seen).filter(|pod| is_ready(pod)) {
        plan.actions.extend(super::told(kinds::pods(), pod, json!({"phase": "Succeeded"})));
    }
    let done = pods_of(job, seen).filter(|pod| pod["status"]["phase"] == "Succeeded").count();
    let completions = number(&job["spec"]["completions"]).unwrap_or(1);
    let parallelism = number(&job["spec"]["parallelism"]).unwrap_or(1);
    let active = pods_of(job, seen).count() - done;
    let wanted = done + completions.saturating_sub(done).min(parallelism.max(active));
    keep(job, wanted, &[], seen, plan);
    let mut status = with_counts(json!({}), &[("active", active), ("succeeded", done)]);
    if done >= completions {
        status["conditions"] =
            json!([{"type": "Complete", "status": "True", "reason": "CompletionsReached", "message": ""}]);
    }
    plan.actions.extend(super::told(kinds::jobs(), job, status));
}
