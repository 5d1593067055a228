//! What the cache shares between its readers and the one thread that writes.
//!
//! The order of things after a commit is what the rest relies on: first the maps change, all at once; then the hubs
//! are told, event by event in commit order; then `told` names the revision; then the committer is answered. So who
//! lists at a revision and watches from it misses nothing, and a watcher with an empty queue knows how far it is.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use imbl::OrdMap;
use tokio::sync::watch;

use crate::{
    Key,
    cache::{Entry, Snapshot},
    metrics::Meters,
    retention::Retention,
    store::Position,
    watch::{Event, Hub, Scope, Start, TooOld, Watch},
};

/// The maps, the hubs and the revisions they are at.
pub(crate) struct Content<T> {
    objects: RwLock<Objects<T>>,
    hubs: RwLock<BTreeMap<Arc<str>, Arc<Hub<T>>>>,
    told: Arc<AtomicU64>,
    progress: watch::Sender<u64>,
    /// Where the history of a resource begins that has none yet.
    floor: u64,
    retention: Retention,
    pub(crate) meters: Meters,
}

struct Objects<T> {
    revision: u64,
    maps: BTreeMap<Arc<str>, OrdMap<Key, Arc<Entry<T>>>>,
    count: usize,
}

/// One committed write, before it is placed.
pub(crate) struct Placing<T> {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) entry: Option<Arc<Entry<T>>>,
}

// === impl Content ===

impl<T> Content<T> {
    /// Nothing yet, at the position of a store.
    pub(crate) fn new(position: &Position, retention: Retention, meters: Meters) -> Self {
        let told = Arc::new(AtomicU64::new(position.revision));
        let hub = |resource: &Arc<str>| {
            let floor = position.floor_of(resource);
            let hub = Hub::new(retention.of(resource), floor, Arc::clone(&told), &meters);
            (Arc::clone(resource), Arc::new(hub))
        };
        let hubs = position.floors.keys().map(hub).collect();
        let objects = Objects { revision: position.revision, maps: BTreeMap::new(), count: 0 };
        let progress = watch::Sender::new(position.revision);
        let (objects, hubs, floor) = (RwLock::new(objects), RwLock::new(hubs), position.floor);
        Self { objects, hubs, told, progress, floor, retention, meters }
    }

    /// Places one object while loading; answers what was there.
    pub(crate) fn place(&mut self, key: &Key, entry: Option<Arc<Entry<T>>>) -> Option<Arc<Entry<T>>> {
        let objects = self.objects.get_mut().unwrap_or_else(PoisonError::into_inner);
        objects.place(key, entry)
    }

    /// Adds a persisted event to its history while loading.
    pub(crate) fn recall(&self, event: Event<T>, now: Instant) {
        self.hub(event.key.resource()).recall(Arc::new(event), now);
    }

    /// Makes a committed group visible: maps, hubs, progress, in this order.
    pub(crate) fn apply(&self, placings: Vec<Placing<T>>, now: Instant) {
        let Some(revision) = placings.last().map(|placing| placing.revision) else { return };
        let (events, count) = self.place_all(placings, revision);
        for event in events {
            let hub = self.hub(event.key.resource());
            let dropped = hub.tell(&Arc::new(event), now);
            self.meters.watchers_dropped.increment(dropped);
        }
        self.told.store(revision, Ordering::Release);
        self.progress.send_replace(revision);
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point; 2^53 writes are far away")]
        {
            self.meters.revision.set(revision as f64);
            self.meters.objects.set(count as f64);
        }
    }

    fn place_all(&self, placings: Vec<Placing<T>>, revision: u64) -> (Vec<Event<T>>, usize) {
        let mut events = Vec::with_capacity(placings.len());
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        for Placing { revision, key, entry } in placings {
            let previous = objects.place(&key, entry.clone());
            events.push(Event { revision, key, current: entry, previous });
        }
        objects.revision = revision;
        (events, objects.count)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Entry<T>>> {
        self.objects().maps.get(key.resource())?.get(key).cloned()
    }

    pub(crate) fn snapshot(&self, resource: &str) -> Snapshot<T> {
        let objects = self.objects();
        Snapshot::new(objects.revision, objects.maps.get(resource).cloned().unwrap_or_default())
    }

    pub(crate) fn watch(
        &self,
        resource: &str,
        start: Start,
        scope: &Scope,
        queue_max: usize,
    ) -> Result<Watch<T>, TooOld> {
        self.hub(resource).watch(start, scope, queue_max, || self.objects().revision)
    }

    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    pub(crate) fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// The hubs of all resources, by name.
    pub(crate) fn hubs(&self) -> Vec<(Arc<str>, Arc<Hub<T>>)> {
        let hubs = self.hubs.read().unwrap_or_else(PoisonError::into_inner);
        hubs.iter().map(|(resource, hub)| (Arc::clone(resource), Arc::clone(hub))).collect()
    }

    /// The hub of a resource, made when it is first asked for.
    fn hub(&self, resource: &str) -> Arc<Hub<T>> {
        if let Some(hub) = self.hubs.read().unwrap_or_else(PoisonError::into_inner).get(resource) {
            return Arc::clone(hub);
        }
        let mut hubs = self.hubs.write().unwrap_or_else(PoisonError::into_inner);
        let hub = hubs.entry(resource.into()).or_insert_with(|| {
            let window = self.retention.of(resource);
            Arc::new(Hub::new(window, self.floor, Arc::clone(&self.told), &self.meters))
        });
        Arc::clone(hub)
    }

    fn objects(&self) -> RwLockReadGuard<'_, Objects<T>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Objects ===

impl<T> Objects<T> {
    fn place(&mut self, key: &Key, entry: Option<Arc<Entry<T>>>) -> Option<Arc<Entry<T>>> {
        let Some(map) = self.maps.get_mut(key.resource()) else {
            let entry = entry?;
            self.count += 1;
            self.maps.insert(key.resource().into(), OrdMap::unit(key.clone(), entry));
            return None;
        };
        let created = entry.is_some();
        let previous = match entry {
            Some(entry) => map.insert(key.clone(), entry),
            None => map.remove(key),
        };
        self.count = self.count + usize::from(created) - usize::from(previous.is_some());
        previous
    }
}
