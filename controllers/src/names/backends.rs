//! What stands behind a Service or an Ingress in every cluster: its addresses there, and the replicas that serve it.

use std::collections::{BTreeMap, BTreeSet};

use koinon_api_server::ResourceRef;
use koinon_api_server::local::Client;
use koinon_machinery::Value;
use koinon_model::name::ClusterName;
use koinon_policies::interpret::{self, Kind};
use koinon_policies::steering::Replicas;
use koinon_types::names::Target;
use koinon_types::sync::{Feedback, ObjectRef};

use crate::bindings::{self, BindingKey};
use crate::observations::Observations;
use crate::resources;
use crate::templates::TemplateKey;

/// One cluster's backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Backend {
    pub(super) targets: BTreeSet<Target>,
    pub(super) replicas: Option<Replicas>,
}

/// The backends of an object of `resource`, by cluster; none when the host has no such object.
pub(super) fn of(
    client: &Client,
    observations: &Observations,
    resource: &ResourceRef,
    namespace: &str,
    name: &str,
) -> Option<BTreeMap<ClusterName, Backend>> {
    let object = client.get(resource, namespace, name)?;
    let mut backends: BTreeMap<ClusterName, Backend> = BTreeMap::new();
    for (cluster, said) in observations.of(&reference(resource, namespace, name)) {
        let Ok(cluster) = ClusterName::try_from(cluster.as_str()) else { continue };
        backends.entry(cluster).or_default().targets = targets(resource, &said);
    }
    let selector = &object.value()["spec"]["selector"];
    if &*resource.kind == "Service" {
        for workload in selected(client, namespace, selector) {
            count(client, observations, namespace, &workload, &mut backends);
        }
    }
    Some(backends)
}

fn reference(resource: &ResourceRef, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        kind: resource.kind.to_string(),
        plural: resource.plural.to_string(),
        namespaced: resource.namespaced,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// Addresses and host names of a member's load balancers.
fn targets(resource: &ResourceRef, said: &Feedback) -> BTreeSet<Target> {
    let Some(observed) = &said.observed else { return BTreeSet::new() };
    let copy = interpret::Copy {
        generation: observed.generation,
        replicas: None,
        status: observed.status.as_deref(),
    };
    let reading = interpret::read(Kind::of(&resource.group, &resource.kind), copy);
    let target =
        |text: String| text.parse().map_or_else(|_| Target::Hostname(text.to_lowercase()), Target::Ip);
    reading.addresses.into_iter().map(target).collect()
}

/// The workloads of a namespace whose pods a Service selects; none for a Service that selects nothing.
fn selected(client: &Client, namespace: &str, selector: &Value) -> Vec<(ResourceRef, String)> {
    let Some(wanted) = selector.as_object().filter(|wanted| !wanted.is_empty()) else { return Vec::new() };
    let mut found = Vec::new();
    for resource in resources::workloads() {
        for workload in client.list(&resource).0 {
            if workload.namespace() != namespace {
                continue;
            }
            let value = workload.value();
            let labels = &value["spec"]["template"]["metadata"]["labels"];
            if wanted.iter().all(|(key, value)| labels.get(key) == Some(value)) {
                found.push((resource.clone(), workload.name().to_owned()));
            }
        }
    }
    found
}

/// Adds a workload's replicas to the backends.
fn count(
    client: &Client,
    observations: &Observations,
    namespace: &str,
    (resource, name): &(ResourceRef, String),
    backends: &mut BTreeMap<ClusterName, Backend>,
) {
    let key = TemplateKey {
        group: std::sync::Arc::clone(&resource.group),
        kind: std::sync::Arc::clone(&resource.kind),
        namespace: namespace.to_owned(),
        name: name.clone(),
    };
    let placed: BTreeMap<String, u32> = bindings::read(client, &BindingKey::of(&key))
        .map(|binding| binding.spec.clusters)
        .into_iter()
        .flatten()
        .map(|cluster| {
            (cluster.name, u32::try_from(cluster.replicas.unwrap_or(0).max(0)).unwrap_or(u32::MAX))
        })
        .collect();
    let said = observations.of(&reference(resource, namespace, name));
    let kind = Kind::of(&resource.group, &resource.kind);
    for (cluster, backend) in backends.iter_mut() {
        let ready = said.get(cluster.as_str()).map_or(0, |said| ready(kind, said));
        let before = backend.replicas.unwrap_or(Replicas { ready: 0, placed: 0 });
        backend.replicas = Some(Replicas {
            ready: before.ready.saturating_add(ready),
            placed: before.placed.saturating_add(placed.get(cluster.as_str()).copied().unwrap_or(0)),
        });
    }
}

fn ready(kind: Kind, said: &Feedback) -> u32 {
    let Some(observed) = &said.observed else { return 0 };
    let status = observed.status.as_deref();
    if kind == Kind::DaemonSet {
        let number = status.map_or(0, |status| status["numberReady"].as_i64().unwrap_or(0));
        return u32::try_from(number.max(0)).unwrap_or(u32::MAX);
    }
    let copy = interpret::Copy { generation: observed.generation, replicas: observed.replicas_spec, status };
    interpret::read(kind, copy).replicas.map_or(0, |replicas| replicas.ready)
}
