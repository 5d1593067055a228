//! Where does every object go? Writes one binding per object that a policy selects, or that such an object needs.
//!
//! ```text
//! template ─┐                     place, evacuate, restore
//! policies ─┼─► gather ─► decide ─────────────────────────► spec of the binding: clusters, reasons, what is being removed,
//! clusters ─┤             (pure)                            what was left and is returned to
//! binding ──┘
//! ```
//!
//! A binding outlives its template: it names the clusters that still have to lose the object, and goes when each has confirmed
//! that, or has left the fleet. A cluster that cannot be reached is waited for. A policy that goes takes nothing with it: what it
//! decided stands until another policy decides otherwise.

mod decide;
mod findings;
mod needs;
mod policies;
mod returning;
mod told;
mod write;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::local::{Client, Stored};
use koinon_machinery::status::Status;
use koinon_model::policy::Dependencies;
use koinon_model::time::Timestamp;
use koinon_policies::{dependencies, matching};
use tokio::sync::watch;

use crate::bindings::{self, Binding, BindingKey};
use crate::clusters::{Clusters, News};
use crate::engine::{self, Controller, Decision, Wake};
use crate::resources;
use crate::sources::{Change, Sources};
use crate::templates::{Kinds, TemplateKey, labels};
use decide::{Decided, Gathered};
use needs::Needs;
use policies::{Concern, Policies, Policy};
use told::Told;
use write::Write;

/// How long changes of free capacity are gathered before everything is placed again: pods come and go all the time, and nobody
/// waits for a decision that only room made possible.
const CAPACITY_DELAY: Duration = Duration::from_secs(2);

/// Decides where objects go, and tells the owners of policies, until `stop` turns true.
pub async fn run(client: Client, stop: watch::Receiver<bool>) {
    let told = Told::of_host(client.clone());
    tokio::join!(engine::run(Placement::of_host(client), stop.clone()), engine::run(told, stop));
}

struct Placement {
    client: Client,
    kinds: Kinds,
    policies: Policies,
    clusters: Clusters,
    needs: Needs,
    sources: Sources,
}

// === impl Placement ===

impl Placement {
    /// Reads everything that decisions depend on before the first one: an empty fleet or a missing policy would be a lie.
    fn of_host(client: Client) -> Self {
        let kinds = Kinds::of_host(&client);
        let own = [resources::clusters()]
            .into_iter()
            .chain(resources::propagation_policies())
            .chain(bindings::resources());
        let followed = kinds.resources().cloned().chain(own);
        let sources = Sources::follow(&client, followed);
        let (policies, clusters) = (Policies::of_host(&client), Clusters::of_host(&client));
        let mut placement = Self { kinds, policies, clusters, needs: Needs::default(), sources, client };
        for key in placement.templates(|_| true) {
            if key.reading().pod_template().is_some() {
                placement.note_needs(&key);
            }
        }
        placement
    }

    /// Every object of the kinds that are meant.
    fn templates(&self, is_meant: impl Fn(&koinon_api_server::ResourceRef) -> bool) -> Vec<TemplateKey> {
        let meant = self.kinds.resources().filter(|resource| is_meant(resource));
        let objects = |resource| {
            let objects = self.client.list(resource).0;
            objects.into_iter().map(|object| TemplateKey::of(resource, &object)).collect::<Vec<_>>()
        };
        meant.flat_map(objects).collect()
    }

    /// The policy that decides about an object.
    fn owner(&self, key: &TemplateKey, object: &Stored) -> Option<&Arc<Policy>> {
        let labels = labels(object);
        let selectable = key.selectable(&labels);
        if matching::unplaceable(selectable).is_some() {
            return None;
        }
        self.policies.owner(selectable)
    }

    /// Notes what an object needs now; gives the objects whose need has changed.
    fn note_needs(&mut self, key: &TemplateKey) -> Vec<TemplateKey> {
        let kind = key.reading();
        let object = kind.pod_template().and_then(|_| self.kinds.object(&self.client, key));
        let follows = object.filter(|object| {
            self.owner(key, object).is_some_and(|policy| policy.intent.dependencies == Dependencies::Follow)
        });
        let needs = follows.map(|object| dependencies::follow(kind, &object.value())).unwrap_or_default();
        let needs = needs.into_iter().map(|need| key.beside(need.kind, &need.name)).collect();
        self.needs.note(key, needs)
    }

    /// Whether what the other cluster makes for itself, or the host keeps for itself, is asked for.
    fn is_unplaceable(key: &TemplateKey, object: &Stored) -> bool {
        matching::unplaceable(key.selectable(&labels(object))).is_some()
    }

    // === News ===

    fn take(&mut self, change: &Change, keys: &mut BTreeSet<TemplateKey>, after: &mut Duration) {
        let kind: &str = &change.resource.kind;
        if &*change.resource.group != koinon_types::v1alpha1::GROUP {
            keys.insert(TemplateKey::of(&change.resource, &change.object));
            return;
        }
        match kind {
            "Cluster" => match self.clusters.apply(&change.object, change.is_there) {
                News::Nothing => {}
                News::Capacity if self.policies.respects_capacity() => {
                    if keys.is_empty() {
                        *after = CAPACITY_DELAY;
                    }
                    keys.extend(self.keys());
                }
                News::Capacity => {}
                News::Standing => {
                    *after = Duration::ZERO;
                    keys.extend(self.keys());
                }
            },
            "ResourceBinding" | "ClusterResourceBinding" => {
                if let Some(template) = bound_template(&change.object) {
                    // Whatever it needs goes where it went.
                    keys.extend(self.needs.of(&template).cloned());
                    keys.insert(template);
                }
            }
            _ => {
                if let Some(concern) = self.policies.apply(&change.object, change.is_there) {
                    *after = Duration::ZERO;
                    keys.extend(self.concerned(&concern));
                }
            }
        }
    }

    fn concerned(&self, concern: &Concern) -> Vec<TemplateKey> {
        let is_meant = |resource: &koinon_api_server::ResourceRef| {
            concern.kinds.contains(&(resource.group.to_string(), resource.kind.to_string()))
        };
        let mut keys = self.templates(is_meant);
        keys.retain(|key| concern.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace));
        keys
    }

    // === Deciding ===

    fn place(&self, key: &TemplateKey, now: Timestamp) -> (Option<Write>, Option<Timestamp>) {
        let nothing = (None, None);
        let binding_key = BindingKey::of(key);
        let before = bindings::read(&self.client, &binding_key);
        let Some(resource) = self.kinds.resource(&key.group, &key.kind) else { return nothing };
        // Two kinds of Kubernetes' own groups with one name would share a binding; the first one has it.
        if before.as_ref().is_some_and(|binding| binding.template() != *key) {
            return nothing;
        }
        let object = self.client.get(resource, &key.namespace, &key.name);
        let Some(object) = object.filter(|_| !self.is_ending(key)) else {
            let retired = before.map(|before| {
                let decided = decide::retire(&before, &self.clusters);
                Write::retire(before, &decided.spec)
            });
            return (retired.flatten(), None);
        };
        if Self::is_unplaceable(key, &object) {
            return nothing;
        }
        let requirers: Vec<Binding> = self
            .needs
            .requirers(key)
            .filter_map(|workload| bindings::read(&self.client, &BindingKey::of(workload)))
            .filter(|binding| !binding.is_retired())
            .collect();
        let decided = decide::decide(&Gathered {
            key,
            resource,
            template: &object.value(),
            policy: self.owner(key, &object).map(|policy| &**policy),
            requirers: &requirers,
            before: before.as_ref(),
            clusters: &self.clusters,
            now,
        });
        let Some(Decided { spec, again }) = decided else { return nothing };
        let write = match before {
            Some(before) if spec.clusters.is_empty() && spec.resource.uid.is_empty() => {
                Write::retire(before, &spec)
            }
            Some(before) => Write::change(before, spec),
            None => Some(Write::create(binding_key, spec)),
        };
        (write, again)
    }

    /// Whether the object's namespace is going, which takes the object with it. Its binding may be asked to go before it.
    fn is_ending(&self, key: &TemplateKey) -> bool {
        !key.namespace.is_empty()
            && self
                .client
                .get(&resources::namespaces(), "", &key.namespace)
                .is_none_or(|namespace| namespace.is_deleting())
    }
}

impl Controller for Placement {
    type Key = TemplateKey;
    type Write = Write;

    const NAME: &'static str = "placement";

    async fn next(&mut self) -> Option<Wake<TemplateKey>> {
        let changes = self.sources.next().await?;
        let mut keys = BTreeSet::new();
        let mut after = Duration::ZERO;
        for change in changes {
            self.take(&change, &mut keys, &mut after);
        }
        Some(Wake { keys: keys.into_iter().collect(), after })
    }

    fn keys(&self) -> Vec<TemplateKey> {
        let bound = bindings::resources().into_iter().flat_map(|resource| self.client.list(&resource).0);
        let mut keys: BTreeSet<TemplateKey> = bound.filter_map(|binding| bound_template(&binding)).collect();
        keys.extend(self.templates(|_| true));
        keys.into_iter().collect()
    }

    fn decide(&mut self, key: &TemplateKey, now: Timestamp) -> Decision<TemplateKey, Write> {
        let also = self.note_needs(key);
        let (write, again) = self.place(key, now);
        Decision { write, also, again }
    }

    fn write(&self, write: Write) -> impl Future<Output = Result<(), Status>> + Send + 'static {
        write.carry_out(self.client.clone())
    }
}

/// The object that a binding is about.
fn bound_template(binding: &Stored) -> Option<TemplateKey> {
    let resource = serde_json::from_value(binding.value()["spec"]["resource"].clone()).ok()?;
    Some(TemplateKey::bound(&resource))
}
