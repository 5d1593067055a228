//! The latest orders for one member, shared between the host's renderer and that member's syncer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::{ObjectRef, Order};

/// Objects that one member may be ordered to have.
///
/// A manifest is about 2 KiB in memory, so this is half a GiB for one member: more than the fleet-wide plan of
/// 1 M objects over 1,000 members ever gives one of them, and little enough that a runaway generator of objects
/// is refused here before it takes the host down.
pub const OBJECTS_MAX: usize = 250_000;

/// Keys that one [`DesiredSet::changed`] returns, so that a reader works in bounded steps.
pub const CHANGED_BATCH_MAX: usize = 1_024;

/// What became of a published order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// It is now the latest order for its object.
    Accepted,
    /// It says what the latest order already says; nobody was woken.
    Unchanged,
    /// A newer order for its object is already there.
    Stale {
        /// The version of that newer order.
        latest: u64,
    },
    /// The member already has [`OBJECTS_MAX`] objects. Removals are never refused.
    Full,
}

/// The latest orders of one member, one per object.
///
/// One writer publishes; one reader is told which objects changed and looks them up. Changes coalesce: an
/// object ordered ten times while the reader was away is announced once, with its last order. Clones share
/// the same set.
#[derive(Clone, Debug)]
pub struct DesiredSet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    objects_max: usize,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    orders: BTreeMap<ObjectRef, Order>,
    changed: BTreeSet<ObjectRef>,
}

impl Default for DesiredSet {
    fn default() -> Self {
        Self::new()
    }
}

impl DesiredSet {
    /// An empty set, which orders nothing: neither to create nor to delete.
    pub fn new() -> Self {
        Self::bounded(OBJECTS_MAX)
    }

    fn bounded(objects_max: usize) -> Self {
        let state = Mutex::new(State::default());
        Self { shared: Arc::new(Shared { objects_max, state, wake: Notify::new() }) }
    }

    // === The writer's side ===

    /// Makes `order` the latest word on its object, unless a newer one is there.
    pub fn publish(&self, order: Order) -> Publication {
        let mut state = self.state();
        match state.orders.get(order.object()) {
            Some(latest) if latest.version() > order.version() => {
                return Publication::Stale { latest: latest.version() };
            }
            Some(latest) if *latest == order => return Publication::Unchanged,
            Some(_) => {}
            None if matches!(order, Order::Present(_)) && state.orders.len() >= self.shared.objects_max => {
                return Publication::Full;
            }
            None => {}
        }
        let object = order.object().clone();
        state.changed.insert(object.clone());
        state.orders.insert(object, order);
        drop(state);
        self.shared.wake.notify_one();
        Publication::Accepted
    }

    /// Forgets the tombstone of `object` once the member has confirmed its removal at `version`.
    ///
    /// Returns whether it was dropped; a newer order, or one to be present, stays.
    pub fn settle(&self, object: &ObjectRef, version: u64) -> bool {
        let mut state = self.state();
        let confirmed = matches!(state.orders.get(object), Some(Order::Remove { version: latest, .. }) if *latest <= version);
        if confirmed {
            state.orders.remove(object);
            state.changed.remove(object);
        }
        confirmed
    }

    // === The reader's side ===

    /// Waits until objects have new orders and returns their keys, at most [`CHANGED_BATCH_MAX`] at a time.
    ///
    /// Shape: in key order, never empty. Keys are handed out once, so there is one reader; a reader that starts
    /// over calls [`DesiredSet::all`] first. A key may have no order any more when its tombstone was settled.
    /// Dropping the future before it is ready loses nothing.
    pub async fn changed(&self) -> Vec<ObjectRef> {
        loop {
            // Registered before looking, so that a publication in between is not missed.
            let woken = self.shared.wake.notified();
            let batch = self.take_changed();
            if !batch.is_empty() {
                return batch;
            }
            woken.await;
        }
    }

    /// The latest order for `object`, if there is one.
    pub fn get(&self, object: &ObjectRef) -> Option<Order> {
        self.state().orders.get(object).cloned()
    }

    /// Every latest order, in key order. Announced and not yet announced ones alike.
    pub fn all(&self) -> Vec<Order> {
        self.state().orders.values().cloned().collect()
    }

    /// How many objects have an order.
    pub fn len(&self) -> usize {
        self.state().orders.len()
    }

    /// Whether no object has an order.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take_changed(&self) -> Vec<ObjectRef> {
        let mut state = self.state();
        if state.changed.len() <= CHANGED_BATCH_MAX {
            return std::mem::take(&mut state.changed).into_iter().collect();
        }
        let mut batch = Vec::with_capacity(CHANGED_BATCH_MAX);
        while batch.len() < CHANGED_BATCH_MAX
            && let Some(object) = state.changed.pop_first()
        {
            batch.push(object);
        }
        batch
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the maps are consistent between any two statements.
        self.shared.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use serde_json::json;

    use super::*;
    use crate::sync::{Desired, OnConflict};

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
            namespaced: true,
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    fn present(name: &str, version: u64) -> Order {
        Order::Present(Arc::new(Desired {
            object: object(name),
            version,
            digest: version,
            binding: "b".into(),
            template_generation: 1,
            on_conflict: OnConflict::Abort,
            manifest: Arc::new(json!({"data": {"v": version}})),
        }))
    }

    fn remove(name: &str, version: u64) -> Order {
        Order::Remove { object: object(name), version, preserve: false }
    }

    fn poll_changed(set: &DesiredSet) -> Poll<Vec<ObjectRef>> {
        let mut changed = Box::pin(set.changed());
        changed.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_latest_version_wins_and_older_ones_are_refused() {
        let set = DesiredSet::new();
        assert_eq!(set.publish(present("a", 2)), Publication::Accepted);
        assert_eq!(set.publish(present("a", 1)), Publication::Stale { latest: 2 });
        assert_eq!(set.publish(present("a", 2)), Publication::Unchanged);
        assert_eq!(set.publish(remove("a", 3)), Publication::Accepted);
        assert_eq!(set.publish(present("a", 2)), Publication::Stale { latest: 3 });
        assert_eq!(set.get(&object("a")), Some(remove("a", 3)));
    }

    #[test]
    fn changes_to_one_object_coalesce_into_one_announcement() {
        let set = DesiredSet::new();
        for version in 1..=10 {
            set.publish(present("a", version));
        }
        set.publish(present("b", 1));
        assert_eq!(poll_changed(&set), Poll::Ready(vec![object("a"), object("b")]));
        assert_eq!(set.get(&object("a")), Some(present("a", 10)));
        assert!(poll_changed(&set).is_pending());
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_by_a_publication() {
        let set = DesiredSet::new();
        let reader = tokio::spawn({
            let set = set.clone();
            async move { set.changed().await }
        });
        tokio::task::yield_now().await;
        set.publish(present("a", 1));
        assert_eq!(reader.await.expect("the reader ends"), vec![object("a")]);
    }

    #[test]
    fn an_abandoned_wait_loses_no_change() {
        let set = DesiredSet::new();
        assert!(poll_changed(&set).is_pending());
        set.publish(present("a", 1));
        assert_eq!(poll_changed(&set), Poll::Ready(vec![object("a")]));
    }

    #[test]
    fn a_tombstone_stays_until_its_own_version_is_confirmed() {
        let set = DesiredSet::new();
        set.publish(remove("a", 5));
        assert!(!set.settle(&object("a"), 4));
        assert!(set.settle(&object("a"), 5));
        assert!(set.is_empty());
        set.publish(present("a", 6));
        assert!(!set.settle(&object("a"), 9), "an order to be present is not a tombstone");
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn a_large_change_is_announced_in_bounded_steps() {
        let set = DesiredSet::new();
        let n_objects = CHANGED_BATCH_MAX + 10;
        for n in 0..n_objects {
            set.publish(present(&format!("o{n:05}"), 1));
        }
        let Poll::Ready(first) = poll_changed(&set) else { panic!("changes are waiting") };
        let Poll::Ready(second) = poll_changed(&set) else { panic!("changes are waiting") };
        assert_eq!((first.len(), second.len()), (CHANGED_BATCH_MAX, 10));
        assert_eq!(set.all().len(), n_objects);
    }

    #[test]
    fn a_full_set_refuses_new_objects_but_never_a_removal() {
        let set = DesiredSet::bounded(2);
        set.publish(present("a", 1));
        set.publish(present("b", 1));
        assert_eq!(set.publish(present("c", 1)), Publication::Full);
        assert_eq!(set.publish(remove("c", 1)), Publication::Accepted);
        assert_eq!(set.publish(present("a", 2)), Publication::Accepted, "a known object may change");
    }
}
