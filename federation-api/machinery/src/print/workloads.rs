//! Workloads: what runs, how much of it, how much is ready.

use serde_json::json;

use super::{Column, age, containers, name, number, selector};
use crate::Value;

/// The columns of a kind, if it is one of these.
pub(super) fn columns(kind: &str) -> Option<Vec<Column>> {
    let images = || {
        [
            Column::new("Containers", |object, _| containers(object, "name")).wide(),
            Column::new("Images", |object, _| containers(object, "image")).wide(),
        ]
    };
    let selects = || Column::new("Selector", |object, _| selector(&object["spec"]["selector"])).wide();
    let mut columns = vec![name()];
    match kind {
        "Deployment" => {
            columns.push(Column::new("Ready", |object, _| ready(object)));
            columns.push(Column::new("Up-to-date", |object, _| {
                json!(number(object, &["status", "updatedReplicas"]))
            }));
            columns.push(Column::new("Available", |object, _| {
                json!(number(object, &["status", "availableReplicas"]))
            }));
            columns.push(age());
            columns.extend(images());
            columns.push(selects());
        }
        "ReplicaSet" | "ReplicationController" => {
            columns.push(
                Column::new("Desired", |object, _| json!(number(object, &["spec", "replicas"]))).whole(),
            );
            columns.push(
                Column::new("Current", |object, _| json!(number(object, &["status", "replicas"]))).whole(),
            );
            columns.push(
                Column::new("Ready", |object, _| json!(number(object, &["status", "readyReplicas"]))).whole(),
            );
            columns.push(age());
            columns.extend(images());
            columns.push(selects());
        }
        "StatefulSet" => {
            columns.push(Column::new("Ready", |object, _| ready(object)));
            columns.push(age());
            columns.extend(images());
        }
        "DaemonSet" => {
            for (heading, cell) in DAEMONS {
                columns.push(Column::new(heading, cell).whole());
            }
            columns.push(Column::new("Node Selector", |object, _| {
                selector(&object["spec"]["template"]["spec"]["nodeSelector"])
            }));
            columns.push(age());
            columns.extend(images());
            columns.push(selects());
        }
        "Pod" => columns.extend(pod()),
        _ => return None,
    }
    Some(columns)
}

/// Headings of a DaemonSet and where its numbers are.
const DAEMONS: [(&str, super::Show); 5] = [
    ("Desired", |object, _| json!(number(object, &["status", "desiredNumberScheduled"]))),
    ("Current", |object, _| json!(number(object, &["status", "currentNumberScheduled"]))),
    ("Ready", |object, _| json!(number(object, &["status", "numberReady"]))),
    ("Up-to-date", |object, _| json!(number(object, &["status", "updatedNumberScheduled"]))),
    ("Available", |object, _| json!(number(object, &["status", "numberAvailable"]))),
];

fn ready(object: &Value) -> Value {
    format!("{}/{}", number(object, &["status", "readyReplicas"]), number(object, &["spec", "replicas"]))
        .into()
}

fn pod() -> Vec<Column> {
    vec![
        Column::new("Ready", |object, _| {
            let statuses = object["status"]["containerStatuses"].as_array().into_iter().flatten();
            let ready = statuses.filter(|status| status["ready"] == true).count();
            let all = object["spec"]["containers"].as_array().map_or(0, Vec::len);
            format!("{ready}/{all}").into()
        }),
        Column::new("Status", |object, _| pod_status(object).into()),
        Column::new("Restarts", |object, _| {
            let statuses = object["status"]["containerStatuses"].as_array().into_iter().flatten();
            json!(statuses.filter_map(|status| status["restartCount"].as_i64()).sum::<i64>().to_string())
        }),
        age(),
        Column::new("IP", |object, _| text(&object["status"]["podIP"])).wide(),
        Column::new("Node", |object, _| text(&object["spec"]["nodeName"])).wide(),
        Column::new("Nominated Node", |object, _| text(&object["status"]["nominatedNodeName"])).wide(),
        Column::new("Readiness Gates", |object, _| {
            super::or_none(
                &object["spec"]["readinessGates"]
                    .as_array()
                    .map_or(String::new(), |gates| format!("0/{}", gates.len())),
            )
        })
        .wide(),
    ]
}

fn text(value: &Value) -> Value {
    super::or_none(value.as_str().unwrap_or_default())
}

/// The phase, or what a container waits for or died of.
fn pod_status(object: &Value) -> String {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating".to_owned();
    }
    let status = &object["status"];
    let mut shown = status["reason"].as_str().or(status["phase"].as_str()).unwrap_or("Unknown").to_owned();
    for container in status["containerStatuses"].as_array().into_iter().flatten() {
        let state = &container["state"];
        for why in [&state["waiting"]["reason"], &state["terminated"]["reason"]] {
            if let Some(reason) = why.as_str().filter(|reason| !reason.is_empty()) {
                reason.clone_into(&mut shown);
            }
        }
    }
    shown
}
