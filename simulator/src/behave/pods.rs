//! Pods: made from templates, put on nodes with room, ready after a while.

use koinon_machinery::Value;
use koinon_machinery::quantity::Quantity;
use serde_json::json;

use super::{Action, Seen, is_ending, text};
use crate::kinds;

/// A pod of a template, on the node with the most room; without room it has no node.
///
/// `number` tells the pods of one look apart; `more` are pods of the same look that take room already.
pub(super) fn of_template(owner: &Value, template: &Value, name: &str, seen: &Seen, more: &[Value]) -> Value {
    let metadata = &owner["metadata"];
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
    // Accounts and their tokens are nobody's business in a pretended pod.
    if let Some(spec) = pod["spec"].as_object_mut() {
        spec.remove("serviceAccountName");
        spec.remove("serviceAccount");
    }
    if let Some(node) = roomiest(&pod, seen, more) {
        pod["spec"]["nodeName"] = node.into();
    }
    pod
}

/// What a pod asks of a node: thousandths of a CPU, bytes, and its place.
fn asks(pod: &Value) -> [i64; 3] {
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

/// The node with the most CPU left among those with room for the pod.
fn roomiest(pod: &Value, seen: &Seen, more: &[Value]) -> Option<String> {
    let wanted = asks(pod);
    let mut best: Option<(i64, String)> = None;
    for node in &seen.nodes {
        let name = text(&node["metadata"]["name"]);
        let room = &node["status"]["allocatable"];
        let mut left = [amount(&room["cpu"], -3), amount(&room["memory"], 0), amount(&room["pods"], 0)];
        let there = seen.pods.iter().map(|pod| &**pod).chain(more).filter(|other| {
            other["spec"]["nodeName"] == name.as_str()
                && !matches!(other["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        });
        for other in there {
            for (left, taken) in left.iter_mut().zip(asks(other)) {
                *left -= taken;
            }
        }
        let fits = left.iter().zip(wanted).all(|(left, wanted)| *left >= wanted);
        if fits && best.as_ref().is_none_or(|(most, _)| left[0] > *most) {
            best = Some((left[0], name));
        }
    }
    best.map(|(_, name)| name)
}

/// Starts the pods whose time has come, and makes those without a node anew once there is room.
pub(super) fn start(seen: &Seen) -> Vec<Action> {
    let mut actions = Vec::new();
    for pod in seen.pods.iter().filter(|pod| !is_ending(pod)) {
        if text(&pod["spec"]["nodeName"]).is_empty() {
            actions.extend(wait_for_room(pod, seen));
        } else if seen.started.get(pod["metadata"]["uid"].as_str().unwrap_or_default()) == Some(&true) {
            actions.extend(super::told(kinds::pods(), pod, running(pod)));
        }
    }
    actions
}

fn wait_for_room(pod: &Value, seen: &Seen) -> Option<Action> {
    if roomiest(pod, seen, &[]).is_some() {
        return Some(Action::Delete(
            kinds::pods(),
            text(&pod["metadata"]["namespace"]),
            text(&pod["metadata"]["name"]),
        ));
    }
    let status = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": format!("0/{} nodes are available", seen.nodes.len()),
    }]});
    super::told(kinds::pods(), pod, status)
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
