//! The end of dependents: what owns nothing any more and is owned by what is gone.
//!
//! ```text
//! owner is gone ─► dependents without another owner go            (background)
//! owner waits with `foregroundDeletion` ─► dependents go ─► owner goes when those that block it are gone
//! owner waits with `orphan` ─► dependents forget it ─► owner goes
//! ```
//! Watches only say where to look: whoever depends on whom, and whether an owner is still there, is read anew before
//! anything is done, so events of different resources may come in any order. A delete names the version that it was decided
//! on; one that something has changed meanwhile is decided again with the event of that change. What fails is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

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

/// The first wait after a failure, and the longest: a store that is full fails everything, and two attempts a minute do it no
/// harm.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Who depends on whom.
struct Collector {
    client: Client,
    /// Shape: by the uid of the owner.
    dependents: BTreeMap<String, BTreeSet<Place>>,
    /// The uids of the owners of each dependent.
    owners: BTreeMap<Place, BTreeSet<String>>,
    /// Objects that wait for their dependents, by uid.
    waiting: BTreeMap<String, Place>,
}

/// One event and how often dealing with it has failed.
struct News {
    resource: ResourceRef,
    event: Event,
    failures: u32,
}

/// Collects until the watches end.
pub(super) async fn run(client: Client) {
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let mut feeds = JoinSet::new();
    for resource in client.resources() {
        let (mut watch, sender) = (client.watch(&resource), sender.clone());
        feeds.spawn(async move {
            while let Some(event) = watch.next().await {
                if sender.send(News { resource: resource.clone(), event, failures: 0 }).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let (dependents, owners, waiting) = Default::default();
    let mut collector = Collector { client, dependents, owners, waiting };
    let mut again = JoinSet::new();
    loop {
        let news = tokio::select! {
            news = receiver.recv() => match news {
                Some(news) => news,
                None => return,
            },
            Some(Ok(news)) = again.join_next(), if !again.is_empty() => news,
        };
        if let Err(status) = collector.take(&news).await {
            tracing::warn!(%status, resource = %news.resource, "failed to collect garbage; trying again");
            let wait = RETRY_MIN.saturating_mul(1 << news.failures.min(16)).min(RETRY_MAX);
            again.spawn(async move {
                tokio::time::sleep(wait).await;
                News { failures: news.failures.saturating_add(1), ..news }
            });
        }
    }
}

// === impl Collector ===

impl Collector {
    async fn take(&mut self, news: &News) -> Result<(), Status> {
        match &news.event {
            Event::Synced => Ok(()),
            Event::Deleted(object) => self.deleted(&news.resource, object).await,
            Event::Applied(object) if news.failures == 0 => self.applied(&news.resource, object).await,
            Event::Applied(object) => {
                // What has changed meanwhile has had its own event; what is gone, too.
                let place = place_of(&news.resource, object);
                match self.live(&place).filter(|live| live.uid() == object.uid()) {
                    Some(live) => self.applied(&news.resource, &live).await,
                    None => Ok(()),
                }
            }
        }
    }

    async fn applied(&mut self, resource: &ResourceRef, object: &Stored) -> Result<(), Status> {
        let place = place_of(resource, object);
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
        self.check(&place).await?;
        self.look_at_waiting(object).await
    }

    async fn deleted(&mut self, resource: &ResourceRef, object: &Stored) -> Result<(), Status> {
        self.forget(&place_of(resource, object));
        self.waiting.remove(object.uid());
        // Also those that the watches have not told of yet are looked at, by their own events.
        for place in self.dependents.get(object.uid()).cloned().unwrap_or_default() {
            self.check(&place).await?;
        }
        self.look_at_waiting(object).await
    }

    /// Looks at the owners of a dependent that wait for it.
    async fn look_at_waiting(&mut self, dependent: &Stored) -> Result<(), Status> {
        for owner in dependent.owners() {
            if let Some(place) = self.waiting.get(&owner.uid).cloned() {
                self.foreground(&owner.uid, &place).await?;
            }
        }
        Ok(())
    }

    /// Notes whom an object depends on.
    fn file(&mut self, place: &Place, object: &Stored) {
        self.forget(place);
        let owners: BTreeSet<String> = object.owners().iter().map(|owner| owner.uid.clone()).collect();
        for owner in &owners {
            self.dependents.entry(owner.clone()).or_default().insert(place.clone());
        }
        if !owners.is_empty() {
            self.owners.insert(place.clone(), owners);
        }
    }

    /// Forgets whom an object depended on.
    fn forget(&mut self, place: &Place) {
        for owner in self.owners.remove(place).unwrap_or_default() {
            if let Some(dependents) = self.dependents.get_mut(&owner) {
                dependents.remove(place);
                if dependents.is_empty() {
                    self.dependents.remove(&owner);
                }
            }
        }
    }

    /// The object as it is now.
    fn live(&self, (resource, namespace, name): &Place) -> Option<Arc<Stored>> {
        self.client.get(resource, namespace, name)
    }

    /// Deletes a dependent that none of its owners keeps, and lets one that some keep forget the others.
    async fn check(&self, place: &Place) -> Result<(), Status> {
        let Some(dependent) = self.live(place) else { return Ok(()) };
        if dependent.owners().is_empty() || dependent.is_deleting() {
            return Ok(());
        }
        let gone: BTreeSet<String> = dependent
            .owners()
            .iter()
            .filter(|owner| !self.keeps(owner, &dependent))
            .map(|owner| owner.uid.clone())
            .collect();
        match gone.len() {
            0 => Ok(()),
            n_gone if n_gone == dependent.owners().len() => {
                self.delete(place, &dependent, Propagation::Background).await
            }
            _ => self.disown(place, gone).await,
        }
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

    /// Everything that depends on an object now: in its namespace, or anywhere when it is in none.
    fn dependents_of(&self, uid: &str, (owner, namespace, _): &Place) -> Vec<(Place, Arc<Stored>)> {
        let mut found = Vec::new();
        for resource in self.client.resources() {
            let objects = match (owner.namespaced, resource.namespaced) {
                (true, true) => self.client.list_in(&resource, namespace),
                (true, false) => continue,
                (false, _) => self.client.list(&resource).0,
            };
            let depend = objects.into_iter().filter(|object| object.owners().iter().any(|o| o.uid == uid));
            found.extend(depend.map(|object| (place_of(&resource, &object), object)));
        }
        found
    }

    /// Deletes the dependents of an object that waits for them, and lets it go when none blocks it any more. Those that others
    /// keep forget it.
    async fn foreground(&mut self, uid: &str, place: &Place) -> Result<(), Status> {
        let mut blocked = false;
        for (place, dependent) in self.dependents_of(uid, place) {
            let mut others = dependent.owners().iter().filter(|owner| owner.uid != uid);
            let is_kept = others.any(|owner| self.keeps(owner, &dependent));
            if is_kept && !dependent.is_deleting() {
                self.disown(&place, [uid.to_owned()].into()).await?;
                continue;
            }
            blocked |= dependent.owners().iter().any(|owner| owner.uid == uid && owner.block_owner_deletion);
            if !dependent.is_deleting() {
                let has_own = self.dependents.contains_key(dependent.uid());
                let propagation = if has_own { Propagation::Foreground } else { Propagation::Background };
                self.delete(&place, &dependent, propagation).await?;
            }
        }
        // Those that have gone at once block no more; their events bring the next look.
        if blocked {
            return Ok(());
        }
        self.waiting.remove(uid);
        self.lift(place, FOREGROUND).await
    }

    /// Lets the dependents of an object forget it, then lets it go.
    async fn orphan(&mut self, place: &Place, owner: &Stored) -> Result<(), Status> {
        for (place, _) in self.dependents_of(owner.uid(), place) {
            self.disown(&place, [owner.uid().to_owned()].into()).await?;
        }
        self.lift(place, ORPHAN).await
    }

    /// Lets a dependent forget some of its owners.
    async fn disown(&self, place: &Place, uids: BTreeSet<String>) -> Result<(), Status> {
        let forget = move |object: &mut Value| {
            if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                owners.retain(|owner| owner["uid"].as_str().is_none_or(|uid| !uids.contains(uid)));
            }
        };
        self.edit(place, forget).await
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
        let preconditions = Preconditions {
            uid: Some(object.uid().to_owned()),
            resource_version: Some(object.resource_version().to_string()),
        };
        let options = DeleteOptions {
            preconditions: Some(preconditions),
            propagation_policy: Some(propagation),
            ..DeleteOptions::default()
        };
        match self.client.delete_with(resource, namespace, name, &options).await {
            // It has changed, or another object took its name: that event brings the next look.
            Err(status) if status.reason == Reason::Conflict => Ok(()),
            outcome => unless_gone(outcome),
        }
    }
}

fn place_of(resource: &ResourceRef, object: &Stored) -> Place {
    (resource.clone(), object.namespace().to_owned(), object.name().to_owned())
}

/// What is gone already needs nothing more.
fn unless_gone(outcome: Result<(), Status>) -> Result<(), Status> {
    match outcome {
        Err(status) if status.reason == Reason::NotFound => Ok(()),
        outcome => outcome,
    }
}
