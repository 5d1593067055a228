//! What stands behind a Service or an Ingress in every cluster: its addresses there, and the replicas that serve it.
//!
//! After a restart of the host a member has not said anything yet, and one whose API is gone will not for a while. Until it
//! does, what the host wrote down last counts: addresses from the record's status, ready replicas from the binding's.

use std::collections::{BTreeMap, BTreeSet};

use koinon_api_server::ResourceRef;
use koinon_api_server::local::Client;
use koinon_machinery::Value;
use koinon_model::name::ClusterName;
use koinon_policies::interpret::{self, Kind};
use koinon_policies::steering::Replicas;
use koinon_types::names::Target;
use koinon_types::sync::{Feedback, Observed};
use koinon_types::v1alpha1::EndpointStatus;

use super::workloads::Workloads;
use crate::bindings::{self, Binding, BindingKey};
use crate::clusters::Clusters;
use crate::observations::{self, Observations};
use crate::resources;
use crate::templates::{TemplateKey, object_ref};

/// One cluster's backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Backend {
    pub(super) targets: BTreeSet<Target>,
    pub(super) replicas: Option<Replicas>,
}

/// Where backends are found.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) client: &'a Client,
    pub(super) observations: &'a Observations,
    pub(super) clusters: &'a Clusters,
    pub(super) workloads: &'a Workloads,
}

impl Found<'_> {
    /// The backends of an object of `resource`, by cluster; none when the host has no such object. `remembered` is what the
    /// record's status says.
    pub(super) fn of(
        &self,
        resource: &ResourceRef,
        namespace: &str,
        name: &str,
        remembered: &[EndpointStatus],
    ) -> Option<BTreeMap<ClusterName, Backend>> {
        let object = self.client.get(resource, namespace, name)?;
        let key = TemplateKey::of(resource, &object);
        let said = self.observations.of(&object_ref(resource, namespace, name));
        let mut backends: BTreeMap<ClusterName, Backend> = BTreeMap::new();
        for (cluster, said) in &said {
            let (Ok(cluster), Some(observed)) = (ClusterName::try_from(cluster.as_str()), &said.observed)
            else {
                continue;
            };
            backends.entry(cluster).or_default().targets = targets(resource, observed);
        }
        for cluster in self.silent(&key, &said) {
            let known = remembered.iter().filter(|endpoint| endpoint.cluster == cluster.as_str());
            let known: BTreeSet<Target> = known.map(|endpoint| target(&endpoint.address)).collect();
            backends.entry(cluster).or_default().targets = known;
        }
        for workload in self.selected(resource, namespace, &object.value()) {
            self.count(&workload, &mut backends);
        }
        Some(backends)
    }

    /// The clusters that an object is placed in and that have said nothing about it yet.
    fn silent(
        &self,
        key: &TemplateKey,
        said: &BTreeMap<String, std::sync::Arc<Feedback>>,
    ) -> Vec<ClusterName> {
        let Some(binding) = bindings::read(self.client, &BindingKey::of(key)) else { return Vec::new() };
        let placed = binding.spec.clusters.iter().map(|cluster| cluster.name.as_str());
        let placed = placed.filter(|cluster| self.clusters.member(cluster).is_some());
        let is_silent = |cluster: &&str| said.get(*cluster).is_none_or(|said| said.observed.is_none());
        placed.filter(is_silent).filter_map(|cluster| ClusterName::try_from(cluster).ok()).collect()
    }

    /// The workloads behind a Service, or behind the Services of an Ingress.
    fn selected(&self, resource: &ResourceRef, namespace: &str, object: &Value) -> BTreeSet<TemplateKey> {
        if &*resource.kind == "Service" {
            return self.workloads.selected(namespace, &object["spec"]["selector"]).into_iter().collect();
        }
        let mut selected = BTreeSet::new();
        for name in services_of(object) {
            if let Some(service) = self.client.get(&resources::services(), namespace, name) {
                selected.extend(self.workloads.selected(namespace, &service.value()["spec"]["selector"]));
            }
        }
        selected
    }

    /// Adds a workload's replicas to the backends.
    fn count(&self, workload: &TemplateKey, backends: &mut BTreeMap<ClusterName, Backend>) {
        let binding = bindings::read(self.client, &BindingKey::of(workload));
        let resource = resources::workloads().into_iter().find(|resource| resource.kind == workload.kind);
        let Some(resource) = resource else { return };
        let said = self.observations.of(&object_ref(&resource, &workload.namespace, &workload.name));
        for (cluster, backend) in backends.iter_mut() {
            let observed = said.get(cluster.as_str()).and_then(|said| said.observed.as_ref());
            let ready = match observed {
                Some(observed) => ready(workload.reading(), observed),
                None => binding.as_ref().map_or(0, |binding| remembered(binding, cluster)),
            };
            let placed = binding.as_ref().map_or(0, |binding| placed(binding, cluster));
            let before = backend.replicas.unwrap_or(Replicas { ready: 0, placed: 0 });
            backend.replicas = Some(Replicas {
                ready: before.ready.saturating_add(ready),
                placed: before.placed.saturating_add(placed),
            });
        }
    }
}

fn remembered(binding: &Binding, cluster: &ClusterName) -> u32 {
    number(binding.told(cluster.as_str()).and_then(|told| told.ready_replicas))
}

fn placed(binding: &Binding, cluster: &ClusterName) -> u32 {
    let placed = binding.spec.clusters.iter().find(|placed| placed.name == cluster.as_str());
    number(placed.and_then(|placed| placed.replicas))
}

fn number(replicas: Option<i64>) -> u32 {
    u32::try_from(replicas.unwrap_or(0).max(0)).unwrap_or(u32::MAX)
}

/// The Services that an Ingress sends to.
fn services_of(ingress: &Value) -> BTreeSet<&str> {
    let spec = &ingress["spec"];
    let rules = spec["rules"].as_array().into_iter().flatten();
    let paths = rules.flat_map(|rule| rule["http"]["paths"].as_array().into_iter().flatten());
    let backends = paths.map(|path| &path["backend"]).chain([&spec["defaultBackend"]]);
    backends.filter_map(|backend| backend["service"]["name"].as_str()).collect()
}

/// Addresses and host names of a member's load balancers.
fn targets(resource: &ResourceRef, observed: &Observed) -> BTreeSet<Target> {
    let kind = Kind::of(&resource.group, &resource.kind);
    let reading = interpret::read(kind, observations::copy(observed));
    reading.addresses.iter().map(|text| target(text)).collect()
}

fn target(text: &str) -> Target {
    text.parse().map_or_else(|_| Target::Hostname(text.to_lowercase()), Target::Ip)
}

fn ready(kind: Kind, observed: &Observed) -> u32 {
    if kind == Kind::DaemonSet {
        return number(observed.status.as_deref().and_then(|status| status["numberReady"].as_i64()));
    }
    interpret::read(kind, observations::copy(observed)).replicas.map_or(0, |replicas| replicas.ready)
}
