//! What a member is: its version, the kinds it serves, its nodes and what runs on them.
//!
//! Gathered seldom, because it changes seldom and a full look is costly; the parts that compute are pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_machinery::Value;
use koinon_machinery::quantity::Quantity;
use koinon_types::sync::{ApiEnablement, Capacity};

use crate::member::{Collection, Failure, Member};

/// What was found out about a member.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    /// Kubernetes version, such as `v1.36.3`.
    pub version: String,
    /// What the member serves.
    pub api_enablements: Arc<Vec<ApiEnablement>>,
    /// Nodes and what they can run; none when our rights do not reach nodes.
    pub capacity: Option<Capacity>,
}

/// Asks the member for everything in an inventory.
///
/// # Errors
/// The first request that failed. A member that forbids reading nodes or pods has an inventory without capacity.
pub async fn gather(member: &Member) -> Result<Inventory, Failure> {
    let version = member.read("/version").await?["gitVersion"].as_str().unwrap_or_default().to_owned();
    let mut api_enablements = enablements(&member.discover("/api").await?);
    api_enablements.extend(enablements(&member.discover("/apis").await?));
    if api_enablements.is_empty() {
        api_enablements = legacy_enablements(member).await?;
    }
    api_enablements.sort();
    let capacity = match gather_capacity(member).await {
        Ok(capacity) => Some(capacity),
        Err(Failure::Forbidden(_)) => None,
        Err(failure) => return Err(failure),
    };
    Ok(Inventory { version, api_enablements: Arc::new(api_enablements), capacity })
}

/// Asks the member for its nodes and pods and sums them.
///
/// # Errors
/// See [`Failure`].
pub async fn gather_capacity(member: &Member) -> Result<Capacity, Failure> {
    let core =
        |plural: &str| Collection { group: String::new(), version: "v1".into(), plural: plural.into() };
    let mut count = Count::default();
    member.list_pages(&core("nodes"), "", |nodes| count.take_nodes(&nodes)).await?;
    member.list_pages(&core("pods"), "", |pods| count.take_pods(&pods)).await?;
    Ok(count.into_capacity())
}

/// What ready, schedulable nodes can run and what the pods on them ask for, summed page by page.
///
/// Source: the scheduler's own arithmetic: finished pods ask for nothing; a pod asks for the sum of its containers or
/// for its largest init container, whichever is more.
#[derive(Default)]
struct Count {
    n_nodes: u64,
    n_nodes_ready: u64,
    allocatable: Sums,
    allocated: Sums,
}

impl Count {
    fn take_nodes(&mut self, nodes: &[Value]) {
        for node in nodes {
            self.n_nodes += 1;
            if !is_ready(node) {
                continue;
            }
            self.n_nodes_ready += 1;
            if node["spec"]["unschedulable"].as_bool() != Some(true) {
                self.allocatable.add_all(&node["status"]["allocatable"]);
            }
        }
    }

    fn take_pods(&mut self, pods: &[Value]) {
        for pod in pods {
            let finished = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
            if !finished && pod["spec"]["nodeName"].is_string() {
                self.allocated.add_pod(&pod["spec"]);
            }
        }
    }

    fn into_capacity(self) -> Capacity {
        Capacity {
            n_nodes: self.n_nodes,
            n_nodes_ready: self.n_nodes_ready,
            allocatable: self.allocatable.into_text(),
            allocated: self.allocated.into_text(),
        }
    }
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// Sums of quantities by resource name.
#[derive(Default)]
struct Sums(BTreeMap<String, Quantity>);

impl Sums {
    fn add_all(&mut self, quantities: &Value) {
        for (name, text) in quantities.as_object().into_iter().flatten() {
            if let Some(quantity) = parse(text) {
                self.add(name, quantity);
            }
        }
    }

    fn add(&mut self, name: &str, quantity: Quantity) {
        let sum = match self.0.get(name) {
            // A sum beyond every quantity says "more than enough" as well as the number before it.
            Some(sum) => sum.checked_add(&quantity).unwrap_or_else(|| sum.clone()),
            None => quantity,
        };
        self.0.insert(name.to_owned(), sum);
    }

    fn add_pod(&mut self, spec: &Value) {
        let mut requests = Sums::default();
        for container in spec["containers"].as_array().into_iter().flatten() {
            requests.add_all(&container["resources"]["requests"]);
        }
        for container in spec["initContainers"].as_array().into_iter().flatten() {
            for (name, text) in container["resources"]["requests"].as_object().into_iter().flatten() {
                let Some(quantity) = parse(text) else { continue };
                if requests.0.get(name).is_none_or(|sum| *sum < quantity) {
                    requests.0.insert(name.clone(), quantity);
                }
            }
        }
        for (name, quantity) in requests.0 {
            self.add(&name, quantity);
        }
        if let Ok(one) = "1".parse() {
            self.add("pods", one);
        }
    }

    fn into_text(self) -> BTreeMap<String, String> {
        self.0.into_iter().map(|(name, sum)| (name, sum.to_string())).collect()
    }
}

/// A quantity as JSON carries it; a member's own numbers are trusted to be well formed, and skipped when they are not.
fn parse(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Reads an aggregated discovery document (`APIGroupDiscoveryList`).
///
/// Shape: one entry per served group version; empty when the document is of another kind.
pub fn enablements(document: &Value) -> Vec<ApiEnablement> {
    let mut found = Vec::new();
    if document["kind"] != "APIGroupDiscoveryList" {
        return found;
    }
    for group in document["items"].as_array().into_iter().flatten() {
        let name = group["metadata"]["name"].as_str().unwrap_or_default();
        for version in group["versions"].as_array().into_iter().flatten() {
            let version_name = version["version"].as_str().unwrap_or_default();
            let resources = version["resources"].as_array().into_iter().flatten();
            let mut resources: Vec<String> =
                resources.filter_map(|r| r["resource"].as_str().map(str::to_owned)).collect();
            resources.sort();
            let group_version =
                if name.is_empty() { version_name.to_owned() } else { format!("{name}/{version_name}") };
            found.push(ApiEnablement { group_version, resources });
        }
    }
    found
}

/// Reads discovery the old way, one document per group version, from members that know no other.
async fn legacy_enablements(member: &Member) -> Result<Vec<ApiEnablement>, Failure> {
    let mut group_versions = vec![("v1".to_owned(), "/api/v1".to_owned())];
    let groups = member.read("/apis").await?;
    for group in groups["groups"].as_array().into_iter().flatten() {
        for version in group["versions"].as_array().into_iter().flatten() {
            if let Some(group_version) = version["groupVersion"].as_str() {
                group_versions.push((group_version.to_owned(), format!("/apis/{group_version}")));
            }
        }
    }
    let mut found = Vec::new();
    for (group_version, path) in group_versions {
        // An aggregated API whose server is away must not hide the others.
        let document = match member.read(&path).await {
            Ok(document) => document,
            Err(failure) if failure.lacks_contact() => return Err(failure),
            Err(_) => continue,
        };
        let names = document["resources"].as_array().into_iter().flatten().filter_map(|r| r["name"].as_str());
        let mut resources: Vec<String> =
            names.filter(|name| !name.contains('/')).map(str::to_owned).collect();
        resources.sort();
        found.push(ApiEnablement { group_version, resources });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn capacity(nodes: &[Value], pods: &[Value]) -> Capacity {
        let mut count = Count::default();
        count.take_nodes(nodes);
        count.take_pods(pods);
        count.into_capacity()
    }

    fn node(ready: &str, cpu: &str, unschedulable: bool) -> Value {
        json!({
            "spec": {"unschedulable": unschedulable},
            "status": {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "110"},
                       "conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    #[test]
    fn only_ready_and_schedulable_nodes_can_run_something() {
        let nodes = [node("True", "4", false), node("False", "4", false), node("True", "4", true)];
        let found = capacity(&nodes, &[]);
        assert_eq!((found.n_nodes, found.n_nodes_ready), (3, 2));
        assert_eq!(found.allocatable["cpu"], "4");
        assert_eq!(found.allocatable["pods"], "110");
    }

    #[test]
    fn a_pod_asks_for_its_containers_or_its_largest_init_container() {
        let pod = |phase: &str, init: &str| {
            json!({
                "spec": {
                    "nodeName": "a",
                    "containers": [{"resources": {"requests": {"cpu": "250m"}}},
                                   {"resources": {"requests": {"cpu": "250m"}}}],
                    "initContainers": [{"resources": {"requests": {"cpu": init}}}],
                },
                "status": {"phase": phase},
            })
        };
        let pods = [pod("Running", "100m"), pod("Running", "2"), pod("Succeeded", "8")];
        let found = capacity(&[], &pods);
        assert_eq!(found.allocated["cpu"], "2500m");
        assert_eq!(found.allocated["pods"], "2");
    }

    #[test]
    fn aggregated_discovery_names_every_served_kind() {
        let document = json!({
            "kind": "APIGroupDiscoveryList",
            "items": [{"metadata": {"name": "apps"}, "versions": [
                {"version": "v1", "resources": [{"resource": "statefulsets"}, {"resource": "deployments"}]}]}],
        });
        let wanted = ApiEnablement {
            group_version: "apps/v1".into(),
            resources: vec!["deployments".into(), "statefulsets".into()],
        };
        assert_eq!(enablements(&document), [wanted]);
        assert!(enablements(&json!({"kind": "APIGroupList"})).is_empty());
    }
}
