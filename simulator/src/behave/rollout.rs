//! Deployments: a ReplicaSet for each template, new pods up and old ones down within surge and unavailability.

mod bounds;

use std::sync::Arc;

use koinon_machinery::Value;
use serde_json::json;

use super::{Action, Seen, hash, is_ending, is_ready, number, text};
use crate::kinds;
use bounds::{Bounds, Order};

/// The label that tells the pods of templates apart.
const HASH: &str = "pod-template-hash";

/// Empty ReplicaSets of earlier templates that stay when the Deployment does not say; upstream's default.
const HISTORY_DEFAULT: usize = 10;

/// The next step of one Deployment.
pub(super) fn step(deployment: &Arc<Value>, seen: &Seen) -> Vec<Action> {
    if is_ending(deployment) {
        return Vec::new();
    }
    let own: Vec<&Arc<Value>> = seen.replica_sets.of(deployment).collect();
    let hash = hash(&deployment["spec"]["template"]);
    let bounds = Bounds::of(deployment);
    let wanted = bounds.wanted;
    let Some(new) = own.iter().find(|set| set["metadata"]["labels"][HASH] == hash.as_str()) else {
        return vec![Action::Create(kinds::replica_sets(), replica_set(deployment, &hash))];
    };
    let old: Vec<&&Arc<Value>> =
        own.iter().filter(|set| set["metadata"]["name"] != new["metadata"]["name"]).collect();
    let mut actions = Vec::new();
    let size = |set: &Value| number(&set["spec"]["replicas"]).unwrap_or(0);
    let of_old: usize = old.iter().map(|set| size(set)).sum();
    let old_are_gone = of_old == 0 && old.iter().all(|set| seen.pods.of(set).next().is_none());
    let target = match bounds.order {
        Order::Together => wanted.min((wanted + bounds.surge).saturating_sub(of_old)),
        Order::OldFirst if old_are_gone => wanted,
        Order::OldFirst => 0,
    };
    let target = target.max(size(new).min(wanted));
    if size(new) != target {
        actions.extend(scaled(new, target));
    }
    // Of a set that is smaller already, only as many count as it will keep.
    let ready_in = |set: &Value| living(seen.pods.of(set)).filter(|pod| is_ready(pod)).count().min(size(set));
    let ready: usize = own.iter().map(|set| ready_in(set)).sum();
    let mut spare = ready.saturating_sub(wanted - bounds.missing);
    for set in old.iter().filter(|set| size(set) > 0) {
        let (all, ready_here) = (size(set), ready_in(set));
        let ready_leaving = ready_here.min(spare);
        spare -= ready_leaving;
        let leaving = all - ready_here + ready_leaving;
        if leaving > 0 {
            actions.extend(scaled(set, all - leaving));
        }
    }
    actions.extend(forgotten(deployment, &old));
    let status = status(deployment, seen, &hash, bounds);
    actions.extend(super::told(kinds::deployments(), deployment, status));
    actions
}

/// The pods of a Deployment, of one template or of all.
fn pods_of<'a>(
    deployment: &Value,
    seen: &'a Seen,
    hash: Option<&'a str>,
) -> impl Iterator<Item = &'a Arc<Value>> {
    let own = seen.replica_sets.of(deployment);
    let sets = own.filter(move |set| hash.is_none_or(|hash| set["metadata"]["labels"][HASH] == hash));
    sets.flat_map(|set| living(seen.pods.of(set)))
}

fn living<'a>(pods: impl Iterator<Item = &'a Arc<Value>>) -> impl Iterator<Item = &'a Arc<Value>> {
    pods.filter(|pod| !is_ending(pod))
}

/// Removes the oldest of the empty ReplicaSets that are more than the Deployment remembers.
fn forgotten(deployment: &Value, old: &[&&Arc<Value>]) -> Vec<Action> {
    let is_empty = |set: &Value| [&set["spec"], &set["status"]].iter().all(|part| part["replicas"] == 0);
    let mut empty: Vec<&Value> = old.iter().map(|set| &****set).filter(|set| is_empty(set)).collect();
    empty.sort_by_key(|set| (text(&set["metadata"]["creationTimestamp"]), text(&set["metadata"]["name"])));
    let kept = number(&deployment["spec"]["revisionHistoryLimit"]).unwrap_or(HISTORY_DEFAULT);
    let remove = |set: &&Value| {
        let metadata = &set["metadata"];
        Action::Delete(kinds::replica_sets(), text(&metadata["namespace"]), text(&metadata["name"]))
    };
    empty.iter().take(empty.len().saturating_sub(kept)).map(remove).collect()
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

fn status(deployment: &Value, seen: &Seen, hash: &str, bounds: Bounds) -> Value {
    let wanted = bounds.wanted;
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
    let is_available = ready >= bounds.available_min();
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

#[cfg(test)]
mod tests {
    use super::super::Owned;
    use super::*;

    fn deployment(replicas: usize, image: &str) -> Arc<Value> {
        let template =
            json!({"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"image": image}]}});
        Arc::new(json!({"metadata": {"name": "shop", "namespace": "default", "uid": "d", "generation": 1},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "shop"}}, "template": template}}))
    }

    fn seen() -> Seen {
        Seen {
            nodes: Vec::new(),
            pods: Owned::default(),
            services: Vec::new(),
            replica_sets: Owned::default(),
            deployments: Vec::new(),
            stateful_sets: Vec::new(),
            daemon_sets: Vec::new(),
            jobs: Vec::new(),
            started: std::collections::BTreeMap::new(),
        }
    }

    fn change_sets(seen: &mut Seen, change: impl FnOnce(&mut Vec<Arc<Value>>)) {
        let mut sets = seen.replica_sets.all.clone();
        change(&mut sets);
        seen.replica_sets = Owned::from(sets);
    }

    fn add_set(seen: &mut Seen, mut set: Value) {
        set["metadata"]["uid"] = set["metadata"]["name"].clone();
        change_sets(seen, |sets| sets.push(Arc::new(set)));
    }

    fn ready_pods(set: &Value, count: usize) -> impl Iterator<Item = Arc<Value>> {
        let owners = json!([{"uid": set["metadata"]["uid"], "controller": true}]);
        let status = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let pod = Arc::new(json!({"metadata": {"ownerReferences": owners}, "status": status}));
        std::iter::repeat_n(pod, count)
    }

    /// Does what a step wants of ReplicaSets, and lets every pod follow at once.
    fn carry_out(seen: &mut Seen, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Create(_, set) => add_set(seen, set),
                Action::Update(_, set) => {
                    change_sets(seen, |sets| {
                        let there = sets.iter_mut().find(|old| old["metadata"] == set["metadata"]);
                        *there.unwrap() = Arc::new(set);
                    });
                }
                Action::Status(..) | Action::Delete(..) => {}
            }
        }
        let size = |set: &Value| number(&set["spec"]["replicas"]).unwrap();
        let pods: Vec<_> = seen.replica_sets.all.iter().flat_map(|set| ready_pods(set, size(set))).collect();
        seen.pods = Owned::from(pods);
    }

    fn sizes(seen: &Seen) -> Vec<usize> {
        seen.replica_sets.all.iter().map(|set| number(&set["spec"]["replicas"]).unwrap()).collect()
    }

    #[test]
    fn rolls_within_a_quarter_more_and_a_quarter_less() {
        for wanted in [1, 2, 4, 10] {
            let mut seen = seen();
            for image in ["web:1", "web:2", "web:3"] {
                let deployment = deployment(wanted, image);
                for _ in 0..20 {
                    let actions = step(&deployment, &seen);
                    carry_out(&mut seen, actions);
                    let all: usize = sizes(&seen).iter().sum();
                    let is_first = seen.replica_sets.all.len() == 1;
                    assert!(all <= wanted + wanted.div_ceil(4), "{wanted}: {:?}", sizes(&seen));
                    assert!(is_first || all >= wanted - wanted / 4, "{wanted}: {:?}", sizes(&seen));
                }
                let (last, earlier) = (*sizes(&seen).last().unwrap(), sizes(&seen).len() - 1);
                assert_eq!(last, wanted);
                assert!(sizes(&seen)[..earlier].iter().all(|size| *size == 0), "{:?}", sizes(&seen));
            }
        }
    }

    #[test]
    fn rolls_as_its_strategy_says() {
        let rolling = |surge: Value, missing: Value| json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}});
        let recreate = json!({"type": "Recreate"});
        // The strategy of four replicas, then the most and the fewest there may be.
        let table = [
            (rolling(json!(1), json!(0)), 5, 4),
            (rolling(json!(0), json!(1)), 4, 3),
            (rolling(json!("0%"), json!("0%")), 4, 3),
            (rolling(json!("100%"), json!("30%")), 8, 3),
            (recreate, 4, 0),
        ];
        for (strategy, most, fewest) in table {
            let mut seen = seen();
            for image in ["web:1", "web:2"] {
                let mut deployment = (*deployment(4, image)).clone();
                deployment["spec"]["strategy"] = strategy.clone();
                let deployment = Arc::new(deployment);
                let is_first = seen.replica_sets.all.is_empty();
                for _ in 0..20 {
                    let actions = step(&deployment, &seen);
                    carry_out(&mut seen, actions);
                    let all: usize = sizes(&seen).iter().sum();
                    assert!(all <= most && (is_first || all >= fewest), "{strategy}: {:?}", sizes(&seen));
                    let is_mixed = sizes(&seen).iter().filter(|size| **size > 0).count() > 1;
                    assert!(strategy["type"] != "Recreate" || !is_mixed, "{:?}", sizes(&seen));
                }
                assert_eq!((sizes(&seen).last(), sizes(&seen).iter().sum()), (Some(&4), 4), "{strategy}");
            }
        }
    }

    #[test]
    fn pods_that_a_smaller_set_has_still_are_not_counted_as_staying() {
        let mut seen = seen();
        let (old, new) = (deployment(4, "web:1"), deployment(4, "web:2"));
        for deployment in [&old, &new] {
            add_set(&mut seen, replica_set(deployment, &hash(&deployment["spec"]["template"])));
        }
        let mut set = (*seen.replica_sets.all[0]).clone();
        set["spec"]["replicas"] = 3.into();
        seen.pods = Owned::from(ready_pods(&set, 4).collect::<Vec<_>>());
        change_sets(&mut seen, |sets| sets[0] = Arc::new(set));
        let actions = step(&new, &seen);
        let shrinks = |action: &Action| matches!(action, Action::Update(_, set) if set["metadata"] == seen.replica_sets.all[0]["metadata"]);
        assert!(!actions.iter().any(shrinks), "three of four are the fewest allowed: {actions:?}");
    }
}
