//! Pods: made from templates, put on nodes with room, ready after a while.

use std::sync::Arc;

use koinon_machinery::Value;
use koinon_machinery::quantity::Quantity;
use serde_json::json;

use super::{Action, Plan, Seen, is_ending, text};
use crate::kinds;

/// What the nodes have left in one look; whoever is placed takes of it.
pub(crate) struct Room {
    nodes: Vec<(String, Amounts)>,
}

/// Thousandths of a CPU, bytes, and places for pods.
type Amounts = [i64; 3];

// === impl Room ===

impl Room {
    /// What the pods that have a node leave.
    pub(super) fn of(seen: &Seen) -> Self {
        let left = |node: &Arc<Value>| {
            let room = &node["status"]["allocatable"];
            let amounts = [amount(&room["cpu"], -3), amount(&room["memory"], 0), amount(&room["pods"], 0)];
            (text(&node["metadata"]["name"]), amounts)
        };
        let mut room = Self { nodes: seen.nodes.iter().map(left).collect() };
        let holds =
            |pod: &&Arc<Value>| !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        for pod in seen.pods.all.iter().filter(holds) {
            let there = room.nodes.iter_mut().find(|(name, _)| pod["spec"]["nodeName"] == name.as_str());
            if let Some((_, left)) = there {
                take(left, asks(pod));
            }
        }
        room
    }

    /// Puts a pod on the node with the most CPU, then memory, then places left among those it fits on.
    pub(super) fn place(&mut self, pod: &mut Value) -> bool {
        let wanted = asks(pod);
        let fitting = self.nodes.iter_mut().filter(|(_, left)| fits(left, wanted));
        // The first of equals, so that the nodes fill up in name order.
        let Some((name, left)) = fitting.rev().max_by_key(|(_, left)| *left) else { return false };
        take(left, wanted);
        pod["spec"]["nodeName"] = name.as_str().into();
        true
    }

    /// Puts a pod on this node, if it fits there.
    pub(super) fn place_on(&mut self, node: &str, pod: &mut Value) -> bool {
        let wanted = asks(pod);
        let there = self.nodes.iter_mut().find(|(name, left)| name == node && fits(left, wanted));
        let Some((_, left)) = there else { return false };
        take(left, wanted);
        pod["spec"]["nodeName"] = node.into();
        true
    }
}

/// A pod of its owner's template, on no node yet, with these labels besides the template's.
pub(super) fn of_template(owner: &Value, name: &str, labels: &[(&str, &str)]) -> Value {
    let (metadata, template) = (&owner["metadata"], &owner["spec"]["template"]);
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": metadata["namespace"], "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"],
            "ownerReferences": [{
                "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"],
                "uid": metadata["uid"], "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": template["spec"],
    });
    for (key, value) in labels {
        pod["metadata"]["labels"][*key] = (*value).into();
    }
    // Accounts and their tokens are nobody's business in a pretended pod.
    if let Some(spec) = pod["spec"].as_object_mut() {
        spec.remove("serviceAccountName");
        spec.remove("serviceAccount");
    }
    pod
}

/// Starts the pods whose time has come, and gives nodes to those that wait for one.
pub(super) fn start(seen: &Seen, plan: &mut Plan) {
    for pod in seen.pods.all.iter().filter(|pod| !is_ending(pod)) {
        if text(&pod["spec"]["nodeName"]).is_empty() {
            wait_for_room(pod, seen, plan);
        } else if seen.started.get(pod["metadata"]["uid"].as_str().unwrap_or_default()) == Some(&true) {
            plan.actions.extend(super::told(kinds::pods(), pod, running(pod)));
        }
    }
}

fn wait_for_room(pod: &Value, seen: &Seen, plan: &mut Plan) {
    let mut placed = pod.clone();
    if plan.room.place(&mut placed) {
        plan.actions.push(Action::Update(kinds::pods(), placed));
        return;
    }
    let status = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": format!("0/{} nodes are available", seen.nodes.len()),
    }]});
    plan.actions.extend(super::told(kinds::pods(), pod, status));
}

fn running(pod: &Value) -> Value {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten().map(|container| {
        json!({"name": container["name"], "image": container["image"], "imageID": "", "ready": true, "started": true,
            "restartCount": 0, "state": {"running": {}}})
    });
    let holds = |kind: &str| json!({"type": kind, "status": "True"});
    json!({
        "phase": "Running",
        "conditions": [holds("PodScheduled"), holds("Initialized"), holds("ContainersReady"), holds("Ready")],
        "containerStatuses": containers.collect::<Vec<_>>(),
    })
}

/// What a pod asks of a node.
fn asks(pod: &Value) -> Amounts {
    let sum = |resource: &str, scale: i32| -> i64 {
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let each = containers.map(|container| amount(&container["resources"]["requests"][resource], scale));
        each.fold(0, i64::saturating_add)
    };
    [sum("cpu", -3), sum("memory", 0), 1]
}

fn amount(value: &Value, scale: i32) -> i64 {
    let quantity = value.as_str().and_then(|text| text.parse::<Quantity>().ok());
    quantity.map_or(0, |quantity| quantity.scaled(scale))
}

fn fits(left: &Amounts, wanted: Amounts) -> bool {
    left.iter().zip(wanted).all(|(left, wanted)| *left >= wanted)
}

fn take(left: &mut Amounts, taken: Amounts) {
    for (left, taken) in left.iter_mut().zip(taken) {
        *left = left.saturating_sub(taken);
    }
}
