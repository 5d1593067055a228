//! The core group: services, configuration, namespaces, nodes, volumes, events.

use serde_json::json;

use super::{Column, age, joined, name, or_none, selector};
use crate::Value;

/// The columns of a kind, if it is one of these.
pub(super) fn columns(kind: &str) -> Option<Vec<Column>> {
    let mut columns = vec![name()];
    match kind {
        "Service" => {
            columns.push(Column::new("Type", |object, _| object["spec"]["type"].clone()));
            columns.push(Column::new("Cluster-IP", |object, _| {
                or_none(object["spec"]["clusterIP"].as_str().unwrap_or_default())
            }));
            columns.push(Column::new("External-IP", |object, _| external(object)));
            columns.push(Column::new("Port(s)", |object, _| ports(object)));
            columns.push(age());
            columns.push(Column::new("Selector", |object, _| selector(&object["spec"]["selector"])).wide());
            return Some(columns);
        }
        "ConfigMap" => {
            columns.push(Column::new("Data", |object, _| json!(entries(object, &["data", "binaryData"]))));
        }
        "Secret" => {
            columns.push(Column::new("Type", |object, _| object["type"].clone()));
            columns.push(Column::new("Data", |object, _| json!(entries(object, &["data"]))).whole());
        }
        "Namespace" => columns.push(Column::new("Status", |object, _| object["status"]["phase"].clone())),
        "ServiceAccount" => columns.push(Column::new("Secrets", |object, _| {
            json!(object["secrets"].as_array().map_or(0, Vec::len))
        })),
        "Node" => {
            columns.push(Column::new("Status", |object, _| node_status(object).into()));
            columns.push(Column::new("Roles", |object, _| roles(object)));
            columns.push(age());
            columns.push(Column::new("Version", |object, _| {
                object["status"]["nodeInfo"]["kubeletVersion"].clone()
            }));
            return Some(columns);
        }
        "PersistentVolumeClaim" => columns.extend(claim()),
        "Endpoints" => columns.push(Column::new("Endpoints", |object, _| endpoints(object))),
        "Event" => return Some(event()),
        _ => return None,
    }
    columns.push(age());
    Some(columns)
}

fn entries(object: &Value, fields: &[&str]) -> usize {
    fields.iter().map(|field| object[*field].as_object().map_or(0, serde_json::Map::len)).sum()
}

fn external(object: &Value) -> Value {
    let spec = &object["spec"];
    let fixed = spec["externalIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let ingress = object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let given = ingress.filter_map(|ingress| ingress["ip"].as_str().or(ingress["hostname"].as_str()));
    let all: Vec<&str> = given.chain(fixed).collect();
    match (spec["type"].as_str(), all.is_empty()) {
        (Some("ExternalName"), _) => spec["externalName"].clone(),
        (Some("LoadBalancer"), true) => "<pending>".into(),
        _ => or_none(&all.join(",")),
    }
}

fn ports(object: &Value) -> Value {
    let ports = object["spec"]["ports"].as_array().into_iter().flatten().map(|port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_i64().filter(|node| *node != 0) {
            Some(node) => format!("{}:{node}/{protocol}", port["port"]),
            None => format!("{}/{protocol}", port["port"]),
        }
    });
    or_none(&ports.collect::<Vec<_>>().join(","))
}

fn node_status(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let ready =
        conditions.and_then(|conditions| conditions.iter().rfind(|condition| condition["type"] == "Ready"));
    let mut status = match ready.map(|condition| condition["status"] == "True") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn roles(object: &Value) -> Value {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    joined(labels.filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/")))
}

fn claim() -> Vec<Column> {
    vec![
        Column::new("Status", |object, _| object["status"]["phase"].clone()),
        Column::new("Volume", |object, _| json!(object["spec"]["volumeName"].as_str().unwrap_or_default())),
        Column::new("Capacity", |object, _| {
            json!(object["status"]["capacity"]["storage"].as_str().unwrap_or_default())
        }),
        Column::new("Access Modes", |object, _| {
            let modes =
                object["status"]["accessModes"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let short = modes.map(|mode| mode.chars().filter(char::is_ascii_uppercase).collect::<String>());
            json!(short.collect::<Vec<_>>().join(","))
        }),
        Column::new("StorageClass", |object, _| {
            json!(object["spec"]["storageClassName"].as_str().unwrap_or_default())
        }),
    ]
}

fn endpoints(object: &Value) -> Value {
    let subsets = object["subsets"].as_array().into_iter().flatten();
    let addresses = subsets.flat_map(|subset| {
        let port = subset["ports"][0]["port"].as_i64();
        let ips =
            subset["addresses"].as_array().into_iter().flatten().filter_map(|address| address["ip"].as_str());
        ips.map(move |ip| port.map_or_else(|| ip.to_owned(), |port| format!("{ip}:{port}")))
            .collect::<Vec<_>>()
    });
    or_none(&addresses.collect::<Vec<_>>().join(","))
}

fn event() -> Vec<Column> {
    fn either<'a>(object: &'a Value, core: &str, other: &str) -> &'a Value {
        if object[core].is_null() { &object[other] } else { &object[core] }
    }
    let mut named = name();
    named.priority = 1;
    vec![
        Column::new("Last Seen", |object, now| {
            let seen = [
                &object["series"]["lastObservedTime"],
                either(object, "lastTimestamp", "deprecatedLastTimestamp"),
                &object["eventTime"],
            ];
            match seen.into_iter().find_map(Value::as_str) {
                Some(text) => super::age::since(text, now).into(),
                None => "<unknown>".into(),
            }
        }),
        Column::new("Type", |object, _| object["type"].clone()),
        Column::new("Reason", |object, _| object["reason"].clone()),
        Column::new("Object", |object, _| {
            let about = either(object, "involvedObject", "regarding");
            let kind = about["kind"].as_str().unwrap_or_default().to_ascii_lowercase();
            format!("{kind}/{}", about["name"].as_str().unwrap_or_default()).into()
        }),
        Column::new("Message", |object, _| either(object, "message", "note").clone()),
        named,
    ]
}
