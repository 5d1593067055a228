//! The end of dependents: what owns nothing any more and is owned by what is gone.
//!
//! ```text
//! owner is gone ─► dependents without another owner go            (background)
//! owner waits with `foregroundDeletion` ─► dependents go ─► owner goes when those that block it are gone
//! owner waits with `orphan` ─► dependents forget it ─► owner goes
//! ```
//! Who depends on whom is kept from the watches of all resources; whether an owner is still there is always read anew,
//! so events of different resources may come in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koinon_machinery::Value;
use koinon_machinery::status::{Reason, Status};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::local::{Client, Event, Stored};
use crate::object::Owner;
use crate::registry::ResourceRef;
use crate::rest::door::Door;
use crate::rest::options::{DeleteOptions, Preconditions, Propagation};

/// Dependents go before the object.
const FOREGROUND: &str = "foregroundDeletion";
/// Dependents lose their owner and stay.
const ORPHAN: &str = "orphan";

/// Enough that watches rarely wait for the collector; each slot is two pointers.
const QUEUE: usize = 1024;

/// An object by resource, namespace and name.
type Place = (ResourceRef, String, String);

/// Who depends on whom.
struct Collector {
    client: Client,
    /// Shape: by the uid of the owner.
    dependents: BTreeMap<String, BTreeMap<Place, Arc<Stored>>>,
    /// The uids of the owners of each dependent.
    owners: BTreeMap<Place, BTreeSet<String>>,
    /// Objects that wait for their dependents, by uid.
    waiting: BTreeMap<String, Place>,
}

/// Collects until the watches end.
pub(super) async fn run(client: Client) {
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let mut feeds = JoinSet::new();
    for resource in client.resources() {
        let (mut watch, sender) = (client.watch(&resource), sender.clone());
        feeds.spawn(async move {
            while let Some(event) = watch.next().await {
                if sender.send((resource.clone(), event)).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let (dependents, owners, waiting) = Default::default();
    let mut collector = Collector { client, dependents, owners, waiting };
    while let Some((resource, event)) = receiver.recv().await {
        let outcome = match event {
            Event::Applied(object) => collector.applied(resource, &object).await,
            Event::Deleted(object) => collector.deleted(resource, &object).await,
            Event::Synced => Ok(()),
        };
        if let Err(status) = outcome {
            tracing::warn!(%status, "failed to collect garbage");
        }
    }
}

// === impl Collector ===

impl Collector {
    async fn applied(&mut self, resource: ResourceRef, object: &Arc<Stored>) -> Result<(), Status> {
        let place = (resource, object.namespace().to_owned(), object.name().to_owned());
        self.file(&place, object);
        if object.is_deleting() {
            if object.finalizers().any(|finalizer| finalizer == ORPHAN) {
                return self.orphan(&place, object).await;
            }
            if object.finalizers().any(|finalizer| finalizer == FOREGROUND) {
                self.waiting.insert(object.uid().to_owned(), place.clone());
                return self.foreground(object.uid(), &place).await;
            }
        }
        self.check(&place, object).await
    }

    async fn deleted(&mut self, resource: ResourceRef, object: &Arc<Stored>) -> Result<(), Status> {
        let place = (resource, object.namespace().to_owned(), object.name().to_owned());
        let owners = self.forget(&place);
        self.waiting.remove(object.uid());
        for owner in owners {
            if let Some(place) = self.waiting.get(&owner).cloned() {
                self.foreground(&owner, &place).await?;
            }
        }
        let dependents = self.dependents.get(object.uid()).cloned().unwrap_or_default();
        for (place, dependent) in dependents {
            self.check(&place, &dependent).await?;
        }
        Ok(())
    }

    /// Notes whom an object depends on.
    fn file(&mut self, place: &Place, object: &Arc<Stored>) {
        self.forget(place);
        let owners: BTreeSet<String> = object.owners().iter().map(|owner| owner.uid.clone()).collect();
        for owner in &owners {
            self.dependents.entry(owner.clone()).or_default().insert(place.clone(), Arc::clone(object));
        }
        if !owners.is_empty() {
            self.owners.insert(place.clone(), owners);
        }
    }

    /// Forgets whom an object depended on; answers their uids.
    fn forget(&mut self, place: &Place) -> BTreeSet<String> {
        let owners = self.owners.remove(place).unwrap_or_default();
        for owner in &owners {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(place);
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
        owners
    }

    /// Deletes a dependent that none of its owners keeps.
    async fn check(&self, place: &Place, dependent: &Arc<Stored>) -> Result<(), Status> {
        let owners = dependent.owners();
        if owners.is_empty()
            || dependent.is_deleting()
            || owners.iter().any(|owner| self.keeps(owner, dependent))
        {
            return Ok(());
        }
        self.delete(place, dependent, Propagation::Background).await
    }

    /// Whether an owner is still there. One of a kind that is not served cannot be judged, so it keeps.
    fn keeps(&self, owner: &Owner, dependent: &Stored) -> bool {
        let Some(resource) = self.client.of_kind(&owner.api_version, &owner.kind) else { return true };
        if resource.namespaced && dependent.namespace().is_empty() {
            return true;
        }
        let namespace = if resource.namespaced { dependent.namespace() } else { "" };
        self.client.get(&resource, namespace, &owner.name).is_some_and(|found| found.uid() == owner.uid)
    }

    /// Deletes the dependents of an object that waits for them, and lets it go when none blocks it any more.
    async fn foreground(&mut self, uid: &str, place: &Place) -> Result<(), Status> {
        let dependents = self.dependents.get(uid).cloned().unwrap_or_default();
        let mut blocked = false;
        for (place, dependent) in &dependents {
            let blocks = |owner: &&Owner| owner.uid == uid && owner.block_owner_deletion;
            blocked |= dependent.owners().iter().find(blocks).is_some();
            let others = dependent.owners().iter().filter(|owner| owner.uid != uid);
            if dependent.is_deleting() || others.into_iter().any(|owner| self.keeps(owner, dependent)) {
                continue;
            }
            let has_own = self.dependents.contains_key(dependent.uid());
            let propagation = if has_own { Propagation::Foreground } else { Propagation::Background };
            self.delete(place, dependent, propagation).await?;
        }
        if blocked {
            return Ok(());
        }
        self.waiting.remove(uid);
        self.lift(place, FOREGROUND).await
    }

    /// Lets the dependents of an object forget it, then lets it go.
    async fn orphan(&mut self, place: &Place, owner: &Arc<Stored>) -> Result<(), Status> {
        let dependents = self.dependents.get(owner.uid()).cloned().unwrap_or_default();
        for (place, _) in dependents {
            let uid = owner.uid().to_owned();
            let forget = move |object: &mut Value| {
                if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                    owners.retain(|owner| owner["uid"] != uid.as_str());
                }
            };
            self.edit(&place, forget).await?;
        }
        self.lift(place, ORPHAN).await
    }

    /// Takes a finalizer away.
    async fn lift(&self, place: &Place, finalizer: &'static str) -> Result<(), Status> {
        let lift = move |object: &mut Value| {
            if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
                finalizers.retain(|found| found != finalizer);
            }
        };
        self.edit(place, lift).await
    }

    async fn edit(
        &self,
        (resource, namespace, name): &Place,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) -> Result<(), Status> {
        unless_gone(self.client.edit(resource, Door::Object, namespace, name, change).await)
    }

    async fn delete(
        &self,
        (resource, namespace, name): &Place,
        object: &Stored,
        propagation: Propagation,
    ) -> Result<(), Status> {
        let preconditions = Preconditions { uid: Some(object.uid().to_owned()), resource_version: None };
        let options = DeleteOptions {
            preconditions: Some(preconditions),
            propagation_policy: Some(propagation),
            ..DeleteOptions::default()
        };
        match self.client.delete_with(resource, namespace, name, &options).await {
            // Another object took the name.
            Err(status) if status.reason == Reason::Conflict => Ok(()),
            outcome => unless_gone(outcome),
        }
    }
}

/// What is gone already needs nothing more.
fn unless_gone(outcome: Result<(), Status>) -> Result<(), Status> {
    match outcome {
        Err(status) if status.reason == Reason::NotFound => Ok(()),
        outcome => outcome,
    }
}
