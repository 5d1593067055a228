//! Following a collection from its present state on, for the loops of the same process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use koinon_store::{Ended, Key, Scope, Start, Watch};

use super::Storage;
use crate::object::Stored;

/// What happened to an object.
#[derive(Debug, Clone)]
pub enum Event {
    /// It is there, like this.
    Applied(Arc<Stored>),
    /// It is gone; this is how it was last.
    Deleted(Arc<Stored>),
    /// Everything that was there when the watch began has been shown.
    Synced,
}

/// A stream of what happens to the objects of one resource: first everything that is there, then every change.
///
/// A follower that falls behind is not dropped: it goes on with the present state, and hears of every object that
/// went meanwhile. So it may miss states in between, but never the last one.
pub struct Follow {
    storage: Storage,
    collection: Arc<str>,
    watch: Option<Watch<Arc<Stored>>>,
    /// The objects this follower believes to be there.
    known: BTreeMap<Key, Arc<Stored>>,
    pending: VecDeque<Event>,
    reached: u64,
}

// === impl Follow ===

impl Follow {
    pub(super) fn new(storage: Storage, collection: Arc<str>) -> Self {
        let (known, pending) = (BTreeMap::new(), VecDeque::new());
        let mut follow = Self { storage, collection, watch: None, known, pending, reached: 0 };
        follow.start_over();
        follow.pending.push_back(Event::Synced);
        follow
    }

    /// What happens next; `None` once the server has stopped. May be dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            match self.watch.as_mut()?.next().await {
                Ok(event) => self.take(&event),
                Err(Ended::Slow) => self.resume(),
                Err(Ended::Closed) => return None,
            }
        }
    }

    /// Forgets what could be shown without waiting: for those who look at the present state anyway.
    pub(crate) fn skip_ready(&mut self) {
        self.pending.clear();
        while let Some(watch) = self.watch.as_mut() {
            let Ok(Some(event)) = watch.try_next() else { return };
            self.take(&event);
            self.pending.clear();
        }
    }

    fn take(&mut self, event: &koinon_store::Event<Arc<Stored>>) {
        self.reached = event.revision;
        match (&event.current, &event.previous) {
            (Some(current), _) => {
                self.known.insert(event.key.clone(), Arc::clone(&current.object));
                self.pending.push_back(Event::Applied(Arc::clone(&current.object)));
            }
            (None, previous) => {
                let known = self.known.remove(&event.key);
                let last = previous.as_ref().map(|entry| Arc::clone(&entry.object)).or(known);
                self.pending.extend(last.map(Event::Deleted));
            }
        }
    }

    /// Goes on where this follower was, or with the present state when history no longer reaches back.
    fn resume(&mut self) {
        match self.storage.watch(&self.collection, Start::After(self.reached), &Scope::All) {
            Ok(watch) => self.watch = Some(watch),
            Err(_) => self.start_over(),
        }
    }

    /// Shows the present state, and what is gone from the state that was shown before.
    fn start_over(&mut self) {
        loop {
            let view = self.storage.snapshot_of(&self.collection);
            // History reaches back to a snapshot that was just taken, unless a storm of writes came between.
            let Ok(watch) = self.storage.watch(&self.collection, Start::After(view.revision()), &Scope::All)
            else {
                continue;
            };
            let gone = self.known.iter().filter(|(_, old)| view.get(old.namespace(), old.name()).is_none());
            self.pending.extend(gone.map(|(_, old)| Event::Deleted(Arc::clone(old))));
            let changed = view.all().filter(|object| {
                let known = self.known.get(object.key());
                known.is_none_or(|known| known.resource_version() != object.resource_version())
            });
            self.pending.extend(changed.map(Event::Applied));
            self.known = view.all().map(|object| (object.key().clone(), object)).collect();
            self.reached = view.revision();
            self.watch = Some(watch);
            return;
        }
    }
}
