//! Everything one session knows, and how each event changes it. No I/O: the loop around it does that.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;

use koinon_policies::reconcile::Action;
use koinon_types::sync::{
    ApiOutcome, ApiProbe, Backlog, DesiredSet, Feedback, MemberReport, ObjectRef, Order, Outcome,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::execute::{self, Done, End, Work};
use crate::feedback;
use crate::inventory::Inventory;
use crate::member::{Collection, Member};
use crate::metrics::Metrics;
use crate::observed::{self, Copy, Seen};
use crate::queue::Queue;

/// How far one object is.
#[derive(Clone, Copy, Debug)]
struct Standing {
    confirmed: Option<u64>,
    /// Since when its latest order, or its drift, waits for the member; none when it is as ordered.
    pending_since: Option<Instant>,
}

/// Whether a kind is being followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    Starting,
    Live,
    Lost,
}

/// The knowledge of one session.
pub(super) struct State {
    pub(super) cluster: String,
    pub(super) queue: Queue,
    pub(super) inventory: Option<Inventory>,
    pub(super) probe: Option<ApiProbe>,
    member: Member,
    seen: mpsc::Sender<Seen>,
    watches: BTreeMap<Collection, Watch>,
    watches_wanted: VecDeque<ObjectRef>,
    copies: BTreeMap<ObjectRef, Copy>,
    standings: BTreeMap<ObjectRef, Standing>,
    /// The latest word on each object that the host has not taken yet; one per object, so it is bounded by their number.
    outbox: BTreeMap<ObjectRef, Feedback>,
    lag_ms: u64,
    metrics: Metrics,
}

/// What is reported of a member of which nothing but a probe is known.
pub(super) fn report_of_silence(cluster: &str, probe: ApiProbe) -> MemberReport {
    MemberReport {
        cluster: cluster.to_owned(),
        api: probe,
        synced: false,
        version: None,
        api_enablements: None,
        capacity: None,
        backlog: Backlog::default(),
    }
}

impl State {
    pub(super) fn new(cluster: String, member: Member, seen: mpsc::Sender<Seen>) -> Self {
        Self {
            metrics: Metrics::of(&cluster),
            cluster,
            member,
            seen,
            queue: Queue::default(),
            inventory: None,
            probe: None,
            watches: BTreeMap::new(),
            watches_wanted: VecDeque::new(),
            copies: BTreeMap::new(),
            standings: BTreeMap::new(),
            outbox: BTreeMap::new(),
            lag_ms: 0,
        }
    }

    /// Whether the latest probe was answered well.
    pub(super) fn reachable(&self) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.outcome == ApiOutcome::Reachable)
    }

    // === Orders ===

    /// Takes the latest order for an object in; none when the host has nothing to say about it any more.
    pub(super) fn ordered(&mut self, object: ObjectRef, order: Option<&Order>, now: Instant) {
        let Some(order) = order else {
            self.standings.remove(&object);
            return;
        };
        if matches!(order, Order::Present(_)) {
            self.want_watch(&object);
        }
        let standing =
            self.standings.entry(object.clone()).or_insert(Standing { confirmed: None, pending_since: None });
        if standing.confirmed == Some(order.version()) {
            return;
        }
        standing.pending_since.get_or_insert(now);
        self.queue.push(object);
    }

    fn want_watch(&mut self, object: &ObjectRef) {
        let collection = Collection::of(object);
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.watches.entry(collection) {
            vacant.insert(Watch::Starting);
            self.watches_wanted.push_back(ObjectRef {
                namespace: String::new(),
                name: String::new(),
                ..object.clone()
            });
        }
    }

    /// The next watch that has to be started.
    pub(super) fn next_watch(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let kind = self.watches_wanted.pop_front()?;
        Some(observed::follow(self.member.clone(), kind, self.seen.clone()))
    }

    /// The next order to carry out.
    pub(super) fn next_work(&mut self, desired: &DesiredSet, now: Instant) -> Option<Work> {
        while let Some(object) = self.queue.pop(now) {
            match desired.get(&object) {
                Some(order) => return Some(Work { order, copy: self.copies.get(&object).cloned() }),
                None => {
                    self.queue.settle(&object);
                    self.standings.remove(&object);
                }
            }
        }
        None
    }

    // === What the watches show ===

    pub(super) fn seen(&mut self, news: Seen, desired: &DesiredSet) {
        match news {
            Seen::Listed(collection, items) => self.listed(collection, items, desired),
            Seen::Changed(object, copy) => self.changed(&object, copy, desired),
            Seen::Gone(object) => self.gone(&object, desired),
            Seen::Lost(collection, _) => {
                self.watches.insert(collection, Watch::Lost);
            }
        }
    }

    fn listed(&mut self, collection: Collection, items: Vec<(ObjectRef, Copy)>, desired: &DesiredSet) {
        let listed: std::collections::BTreeSet<&ObjectRef> = items.iter().map(|(object, _)| object).collect();
        let of_this_kind = |object: &ObjectRef| Collection::of(object) == collection;
        let missing: Vec<ObjectRef> = self
            .copies
            .keys()
            .filter(|object| of_this_kind(object) && !listed.contains(object))
            .cloned()
            .collect();
        for object in missing {
            self.gone(&object, desired);
        }
        for (object, copy) in items {
            self.changed(&object, copy, desired);
        }
        self.watches.insert(collection, Watch::Live);
    }

    fn changed(&mut self, object: &ObjectRef, copy: Copy, desired: &DesiredSet) {
        // Events say that the watch lives again, whatever failed before.
        if let Some(watch) = self.watches.get_mut(&Collection::of(object))
            && *watch == Watch::Lost
        {
            *watch = Watch::Live;
        }
        // The answer to our own write overtakes the watch; what the watch then shows of the past is no news.
        if self.copies.get(object).is_some_and(|known| copy.is_older_than(known)) {
            return;
        }
        self.copies.insert(object.clone(), copy);
        self.compare(object, desired);
    }

    fn gone(&mut self, object: &ObjectRef, desired: &DesiredSet) {
        self.copies.remove(object);
        if desired.get(object).is_some() {
            self.mark_drifted(object.clone());
        }
    }

    /// Looks whether the member's copy is still what was ordered.
    fn compare(&mut self, object: &ObjectRef, desired: &DesiredSet) {
        let Some(order) = desired.get(object) else { return };
        let Some(copy) = self.copies.get(object) else { return };
        let standing = self.standings.get(object).copied();
        match &order {
            Order::Present(desired) => {
                let confirmed = standing.is_some_and(|s| s.confirmed == Some(desired.version));
                if !confirmed || standing.is_some_and(|s| s.pending_since.is_some()) {
                    // It is in the queue; what it will find there is compared then. The status is news all the same.
                    let outcome = Outcome::Pending;
                    let version = standing.and_then(|s| s.confirmed).unwrap_or_default();
                    self.tell(feedback::about(&self.cluster, object.clone(), version, outcome, Some(copy)));
                } else if execute::plan(&order, Some(copy)).action == Action::Nothing {
                    let outcome = Outcome::Unchanged;
                    self.tell(feedback::about(
                        &self.cluster,
                        object.clone(),
                        desired.version,
                        outcome,
                        Some(copy),
                    ));
                } else {
                    self.metrics.drift.increment(1);
                    self.mark_drifted(object.clone());
                }
            }
            Order::Remove { .. } => self.queue.push(object.clone()),
        }
    }

    fn mark_drifted(&mut self, object: ObjectRef) {
        if let Some(standing) = self.standings.get_mut(&object) {
            standing.pending_since.get_or_insert_with(Instant::now);
        }
        self.queue.push(object);
    }

    // === How orders ended ===

    pub(super) fn done(&mut self, done: Done, desired: &DesiredSet, now: Instant) {
        let Done { object, version, end, took } = done;
        self.metrics.executed(&end, took);
        match end {
            End::Applied(copy) => self.confirm(object, version, Outcome::Applied, Some(copy), now),
            End::Unchanged(copy) => self.confirm(object, version, Outcome::Unchanged, Some(copy), now),
            End::Removed => {
                self.confirm(object.clone(), version, Outcome::Removed, None, now);
                self.copies.remove(&object);
                if desired.get(&object).is_none_or(|order| order.version() <= version) {
                    self.standings.remove(&object);
                }
            }
            End::Leaving(copy) => {
                // The watch tells when the finalizers are done; the slow retry covers a watch that does not.
                self.queue.retry(&object, Some(SLOW_RETRY), now);
                self.tell(feedback::about(&self.cluster, object, version, Outcome::Pending, Some(&copy)));
            }
            End::Conflict { reason, copy } => {
                self.queue.retry(&object, Some(SLOW_RETRY), now);
                let outcome = Outcome::Conflict { reason };
                self.tell(feedback::about(&self.cluster, object, version, outcome, copy.as_ref()));
            }
            End::Failed(failure) => {
                let wait = self.queue.retry(&object, failure.retry_after(), now);
                let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let outcome = Outcome::Failed { reason: failure.to_string(), retry_in_ms };
                let copy = self.copies.get(&object);
                self.tell(feedback::about(&self.cluster, object, version, outcome, copy));
            }
        }
    }

    fn confirm(
        &mut self,
        object: ObjectRef,
        version: u64,
        outcome: Outcome,
        copy: Option<Copy>,
        now: Instant,
    ) {
        self.queue.settle(&object);
        if let Some(copy) = copy
            && self.copies.get(&object).is_none_or(|known| known.is_older_than(&copy))
        {
            self.copies.insert(object.clone(), copy);
        }
        if let Some(standing) = self.standings.get_mut(&object) {
            standing.confirmed = Some(version);
            if let Some(since) = standing.pending_since.take() {
                self.lag_ms = u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX);
            }
        }
        let copy = self.copies.get(&object);
        self.tell(feedback::about(&self.cluster, object, version, outcome, copy));
    }

    // === What the host is told ===

    fn tell(&mut self, feedback: Feedback) {
        self.outbox.insert(feedback.object.clone(), feedback);
    }

    pub(super) fn has_feedback(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(super) fn next_feedback(&mut self) -> Option<Feedback> {
        self.outbox.pop_first().map(|(_, feedback)| feedback)
    }

    /// The member's state; none before the first probe.
    pub(super) fn report(&self, now: Instant) -> Option<MemberReport> {
        let probe = self.probe.clone()?;
        let inventory = self.inventory.as_ref();
        let report = MemberReport {
            cluster: self.cluster.clone(),
            synced: probe.outcome == ApiOutcome::Reachable
                && self.watches.values().all(|w| *w == Watch::Live),
            api: probe,
            version: inventory.map(|i| i.version.clone()),
            api_enablements: inventory.map(|i| i.api_enablements.clone()),
            capacity: inventory.and_then(|i| i.capacity.clone()),
            backlog: self.backlog(now),
        };
        self.metrics.reported(&report, self.queue.len());
        Some(report)
    }

    fn backlog(&self, now: Instant) -> Backlog {
        let oldest = self.standings.values().filter_map(|s| s.pending_since).min();
        Backlog {
            n_desired: self.standings.len() as u64,
            n_applied: self.standings.values().filter(|s| s.pending_since.is_none()).count() as u64,
            oldest_pending_ms: oldest
                .map(|since| u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX)),
            lag_ms: self.lag_ms,
        }
    }
}

/// How soon something that only others can change is looked at again, when no event tells.
const SLOW_RETRY: std::time::Duration = std::time::Duration::from_secs(15);
