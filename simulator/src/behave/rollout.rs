//! Deployments: a ReplicaSet for each template, new pods up and old ones down within surge and unavailability.

use std::sync::Arc;

use koinon_machinery::Value;
use serde_json::json;

use super::{Action, Seen, is_ending, is_owned, is_ready, number, text};
use crate::kinds;

/// The label that tells the pods of templates apart.
const HASH: &str = "pod-template-hash";

/// The next step of one Deployment.
pub(super) fn step(deployment: &Arc<Value>, seen: &Seen) -> Vec<Action> {
    if is_ending(deployment) {
        return Vec::new();
    }
    let uid = &deployment["metadata"]["uid"];
    let own: Vec<&Arc<Value>> = seen.replica_sets.iter().filter(|set| is_owned(set, uid)).collect();
    let hash = hash(&deployment["spec"]["template"]);
    let wanted = number(&deployment["spec"]["replicas"]).unwrap_or(1);
    let Some(new) = own.iter().find(|set| set["metadata"]["labels"][HASH] == hash.as_str()) else {
        return vec![Action::Create(kinds::replica_sets(), replica_set(deployment, &hash))];
    };
    let old: Vec<&&Arc<Value>> =
        own.iter().filter(|set| set["metadata"]["name"] != new["metadata"]["name"]).collect();
    let mut actions = Vec::new();
    let size = |set: &Value| number(&set["spec"]["replicas"]).unwrap_or(0);
    let of_old: usize = old.iter().map(|set| size(set)).sum();
    // Up to a quarter more, and at most a quarter less, as Deployments do by default.
    let (surge, missing) = (wanted.div_ceil(4), wanted / 4);
    let target = wanted.min((wanted + surge).saturating_sub(of_old)).max(size(new).min(wanted));
    if size(new) != target {
        actions.extend(scaled(new, target));
    }
    let ready = pods_of(deployment, seen, None).filter(|pod| is_ready(pod)).count();
    let mut spare = ready.saturating_sub(wanted - missing.min(wanted));
    for set in old.iter().filter(|set| size(set) > 0) {
        let all = size(set);
        let ready_here = pods_of(deployment, seen, set["metadata"]["labels"][HASH].as_str())
            .filter(|pod| is_ready(pod))
            .count();
        let leaving = (all - ready_here.min(all)) + ready_here.min(spare);
        spare -= ready_here.min(spare);
        if leaving > 0 {
            actions.extend(scaled(set, all - leaving));
        }
    }
    actions.extend(super::told(kinds::deployments(), deployment, status(deployment, seen, &hash, wanted)));
    actions
}

/// The pods of a Deployment, of one template or of all.
fn pods_of<'a>(
    deployment: &Value,
    seen: &'a Seen,
    hash: Option<&str>,
) -> impl Iterator<Item = &'a Arc<Value>> {
    let uid = deployment["metadata"]["uid"].clone();
    let sets: Vec<Value> = seen
        .replica_sets
        .iter()
        .filter(|set| is_owned(set, &uid) && hash.is_none_or(|hash| set["metadata"]["labels"][HASH] == hash))
        .map(|set| set["metadata"]["uid"].clone())
        .collect();
    seen.pods.iter().filter(move |pod| !is_ending(pod) && sets.iter().any(|uid| is_owned(pod, uid)))
}

fn scaled(set: &Value, replicas: usize) -> Option<Action> {
    if number(&set["spec"]["replicas"]) == Some(replicas) {
        return None;
    }
    let mut set = set.clone();
    set["spec"]["replicas"] = replicas.into();
    Some(Action::Update(kinds::replica_sets(), set))
}

fn replica_set(deployment: &Value, hash: &str) -> Value {
    let metadata = &deployment["metadata"];
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"][HASH] = hash.into();
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = hash.into();
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", text(&metadata["name"])), "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"],
                "uid": metadata["uid"], "controller": true, "blockOwnerDeletion": true}],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    })
}

/// A short name of a template: FNV-1a over its text, as long as upstream's.
fn hash(template: &Value) -> String {
    let mut digest: u32 = 0x811c_9dc5;
    for byte in template.to_string().bytes() {
        digest = (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    format!("{digest:08x}")
}

fn status(deployment: &Value, seen: &Seen, hash: &str, wanted: usize) -> Value {
    let all = pods_of(deployment, seen, None).count();
    let ready = pods_of(deployment, seen, None).filter(|pod| is_ready(pod)).count();
    let updated = pods_of(deployment, seen, Some(hash)).count();
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    let counts = [
        ("replicas", all),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", wanted.saturating_sub(ready)),
    ];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[name] = count.into();
    }
    let is_available = ready + wanted / 4 >= wanted;
    let is_done = updated == wanted && all == wanted && ready == wanted;
    let (reason, message) = if is_done {
        ("NewReplicaSetAvailable", "the new pods are available")
    } else {
        ("ReplicaSetUpdated", "pods are being replaced")
    };
    status["conditions"] = json!([
        {"type": "Available", "status": if is_available { "True" } else { "False" },
         "reason": if is_available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" }, "message": ""},
        {"type": "Progressing", "status": "True", "reason": reason, "message": message},
    ]);
    status
}
