//! Networking, policy, rights, storage, scaling: what surrounds workloads.

use serde_json::json;

use super::{Column, age, joined, name, number, or_none, selector};
use crate::Value;

/// The columns of a kind, if it is one of these.
pub(super) fn columns(kind: &str) -> Option<Vec<Column>> {
    let mut columns = vec![name()];
    match kind {
        "Ingress" => columns.extend(ingress()),
        "IngressClass" => {
            columns.push(Column::new("Controller", |object, _| object["spec"]["controller"].clone()));
            columns.push(Column::new("Parameters", |object, _| {
                or_none(object["spec"]["parameters"]["name"].as_str().unwrap_or_default())
            }));
        }
        "NetworkPolicy" => {
            columns.push(Column::new("Pod-Selector", |object, _| selector(&object["spec"]["podSelector"])));
        }
        "EndpointSlice" => {
            columns.push(Column::new("AddressType", |object, _| object["addressType"].clone()));
            columns.push(Column::new("Ports", |object, _| {
                list(object, "ports", |port| port["port"].to_string())
            }));
            columns.push(Column::new("Endpoints", |object, _| {
                list(object, "endpoints", |one| one["addresses"][0].as_str().unwrap_or_default().to_owned())
            }));
        }
        "HorizontalPodAutoscaler" => columns.extend(autoscaler()),
        "PodDisruptionBudget" => columns.extend(budget()),
        "RoleBinding" | "ClusterRoleBinding" => {
            columns.push(Column::new("Role", |object, _| {
                let role = &object["roleRef"];
                format!(
                    "{}/{}",
                    role["kind"].as_str().unwrap_or_default(),
                    role["name"].as_str().unwrap_or_default()
                )
                .into()
            }));
        }
        "Role" | "ClusterRole" => {
            return Some(vec![
                name(),
                Column::new("Created At", |object, _| object["metadata"]["creationTimestamp"].clone()),
            ]);
        }
        "Lease" => columns.push(Column::new("Holder", |object, _| {
            json!(object["spec"]["holderIdentity"].as_str().unwrap_or_default())
        })),
        "PriorityClass" => {
            columns.push(Column::new("Value", |object, _| json!(number(object, &["value"]))).whole());
            columns.push(Column::new("Global-Default", |object, _| json!(object["globalDefault"] == true)));
        }
        "StorageClass" => {
            columns.push(Column::new("Provisioner", |object, _| object["provisioner"].clone()));
            columns.push(Column::new("ReclaimPolicy", |object, _| object["reclaimPolicy"].clone()));
            columns.push(Column::new("VolumeBindingMode", |object, _| object["volumeBindingMode"].clone()));
            columns.push(Column::new("AllowVolumeExpansion", |object, _| {
                json!(object["allowVolumeExpansion"] == true)
            }));
        }
        _ => return None,
    }
    columns.push(age());
    Some(columns)
}

fn list(object: &Value, field: &str, show: impl Fn(&Value) -> String) -> Value {
    let shown: Vec<String> = object[field].as_array().into_iter().flatten().map(show).collect();
    if shown.is_empty() { "<unset>".into() } else { shown.join(",").into() }
}

fn amount(value: &Value) -> Value {
    match value {
        Value::Null => "N/A".into(),
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

fn budget() -> [Column; 3] {
    [
        Column::new("Min Available", |object, _| amount(&object["spec"]["minAvailable"])),
        Column::new("Max Unavailable", |object, _| amount(&object["spec"]["maxUnavailable"])),
        Column::new("Allowed Disruptions", |object, _| {
            json!(number(object, &["status", "disruptionsAllowed"]))
        })
        .whole(),
    ]
}

fn ingress() -> [Column; 4] {
    [
        Column::new("Class", |object, _| {
            or_none(object["spec"]["ingressClassName"].as_str().unwrap_or_default())
        }),
        Column::new("Hosts", |object, _| {
            let rules = object["spec"]["rules"].as_array().into_iter().flatten();
            let hosts: Vec<&str> = rules.filter_map(|rule| rule["host"].as_str()).collect();
            if hosts.is_empty() { "*".into() } else { joined(hosts.into_iter()) }
        }),
        Column::new("Address", |object, _| {
            let given = object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
            let addresses = given.filter_map(|one| one["ip"].as_str().or(one["hostname"].as_str()));
            json!(addresses.collect::<Vec<_>>().join(","))
        }),
        Column::new("Ports", |object, _| {
            if object["spec"]["tls"].is_array() { "80, 443" } else { "80" }.into()
        }),
    ]
}

fn autoscaler() -> [Column; 5] {
    [
        Column::new("Reference", |object, _| {
            let target = &object["spec"]["scaleTargetRef"];
            format!(
                "{}/{}",
                target["kind"].as_str().unwrap_or_default(),
                target["name"].as_str().unwrap_or_default()
            )
            .into()
        }),
        Column::new("Targets", |object, _| {
            let metrics = object["spec"]["metrics"].as_array().into_iter().flatten();
            let shown = metrics.map(|metric| {
                let resource = metric["resource"]["name"].as_str().unwrap_or("metric");
                let target = metric["resource"]["target"]["averageUtilization"].as_i64();
                target.map_or_else(
                    || format!("{resource}: <unknown>"),
                    |percent| format!("{resource}: <unknown>/{percent}%"),
                )
            });
            or_none(&shown.collect::<Vec<_>>().join(", "))
        }),
        Column::new("MinPods", |object, _| {
            object["spec"]["minReplicas"]
                .as_i64()
                .map_or_else(|| "<unset>".into(), |min| json!(min.to_string()))
        }),
        Column::new("MaxPods", |object, _| json!(number(object, &["spec", "maxReplicas"]))).whole(),
        Column::new("Replicas", |object, _| json!(number(object, &["status", "currentReplicas"]))).whole(),
    ]
}
