//! The workloads of the host by what Services select: the labels of their pods.
//!
//! Kept, because names are made anew with every verdict, and thousands of templates are not read anew for that.

use std::collections::BTreeMap;

use koinon_api_server::local::{Client, Stored};
use koinon_machinery::Value;
use koinon_model::labels::Labels;

use crate::resources;
use crate::sources::Change;
use crate::templates::{TemplateKey, labels_of};

/// Every workload, by namespace.
#[derive(Debug, Default)]
pub(super) struct Workloads(BTreeMap<String, BTreeMap<TemplateKey, Pods>>);

#[derive(Debug)]
struct Pods {
    /// The generation of the template; its labels change only with it.
    generation: i64,
    labels: Labels,
}

impl Workloads {
    /// Every workload of the host as it is now.
    pub(super) fn of_host(client: &Client) -> Self {
        let mut workloads = Self::default();
        for resource in resources::workloads() {
            for object in client.list(&resource).0 {
                workloads.note(TemplateKey::of(&resource, &object), &object);
            }
        }
        workloads
    }

    /// Takes a change in; says whether Services may select otherwise now.
    pub(super) fn take(&mut self, change: &Change) -> bool {
        let key = TemplateKey::of(&change.resource, &change.object);
        if change.is_there {
            return self.note(key, &change.object);
        }
        self.0.get_mut(&key.namespace).is_some_and(|workloads| workloads.remove(&key).is_some())
    }

    fn note(&mut self, key: TemplateKey, object: &Stored) -> bool {
        let workloads = self.0.entry(key.namespace.clone()).or_default();
        let generation = object.generation();
        if workloads.get(&key).is_some_and(|known| known.generation == generation) {
            return false;
        }
        let labels = pod_labels(object);
        let before = workloads.insert(key, Pods { generation, labels: labels.clone() });
        before.is_none_or(|before| before.labels != labels)
    }

    /// The workloads of a namespace whose pods a Service selects; none for a Service that selects nothing.
    pub(super) fn selected(&self, namespace: &str, selector: &Value) -> Vec<TemplateKey> {
        let Some(wanted) = selector.as_object().filter(|wanted| !wanted.is_empty()) else {
            return Vec::new();
        };
        let is_selected =
            |pods: &Pods| wanted.iter().all(|(key, value)| pods.labels.value(key) == value.as_str());
        let workloads = self.0.get(namespace).into_iter().flatten();
        workloads.filter(|(_, pods)| is_selected(pods)).map(|(key, _)| key.clone()).collect()
    }
}

/// Whether a change is about a workload.
pub(super) fn is_workload(change: &Change) -> bool {
    resources::workloads().contains(change.resource.as_ref())
}

fn pod_labels(workload: &Stored) -> Labels {
    labels_of(&workload.value()["spec"]["template"])
}
