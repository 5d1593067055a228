//! Everything one session knows, and how each event changes it. No I/O: the loop around it does that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;

use koinon_policies::reconcile::Action;
use koinon_types::sync::{
    ApiOutcome, ApiProbe, Backlog, Desired, DesiredSet, Feedback, MemberReport, ObjectRef, Order, Outcome,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::execute::{self, Done, End, Work};
use crate::feedback;
use crate::inventory::Inventory;
use crate::member::{Collection, Member};
use crate::metrics::Metrics;
use crate::observed::{self, Copy, Seen};
use crate::queue::Queue;

/// How far one object is.
#[derive(Clone, Debug)]
struct Standing {
    confirmed: Option<u64>,
    /// Since when its latest order, or its drift, waits for the member; none when it is as ordered.
    pending_since: Option<Instant>,
    /// How the last attempt ended, for the order of this version; what only changes the copy's status repeats it.
    last: (u64, Outcome),
}

/// Whether a kind is being followed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Watch {
    /// Its list is being read; these objects wait for it, so that what is there already costs no request of its own.
    Starting(BTreeSet<ObjectRef>),
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
    /// Counts how often the member came back, which the watches follow.
    contact: watch::Sender<u64>,
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
            contact: watch::Sender::new(0),
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

    /// Takes a heartbeat in. When the member is back, what waited is due, and watches that it had lost are opened anew.
    ///
    /// Shape: whether it is reachable now and was not before.
    pub(super) fn probed(&mut self, probe: ApiProbe) -> bool {
        let was_reachable = self.reachable();
        let is_first = self.probe.is_none();
        self.probe = Some(probe);
        let is_back = self.reachable() && !was_reachable;
        if is_back {
            self.queue.release_all();
        }
        if is_back && !is_first {
            self.contact.send_modify(|times| *times += 1);
        }
        is_back
    }

    // === Orders ===

    /// Takes the latest order for an object in; none when the host has nothing to say about it any more.
    pub(super) fn ordered(&mut self, object: ObjectRef, order: Option<&Order>, now: Instant) {
        let Some(order) = order else {
            self.standings.remove(&object);
            return;
        };
        let standing = self.standings.entry(object.clone()).or_insert_with(|| Standing {
            confirmed: None,
            pending_since: None,
            last: (order.version(), Outcome::Pending),
        });
        if standing.confirmed == Some(order.version()) {
            return;
        }
        standing.pending_since.get_or_insert(now);
        match self.watch_of(&object) {
            Watch::Starting(waiting) => drop(waiting.insert(object)),
            Watch::Live | Watch::Lost => self.queue.push(object),
        }
    }

    /// The watch of an object's kind, which is started when this is the first object of it.
    fn watch_of(&mut self, object: &ObjectRef) -> &mut Watch {
        self.watches.entry(Collection::of(object)).or_insert_with(|| {
            let kind = ObjectRef { namespace: String::new(), name: String::new(), ..object.clone() };
            self.watches_wanted.push_back(kind);
            Watch::Starting(BTreeSet::new())
        })
    }

    /// Notes how a kind is being followed from now on; what waited for its list is due.
    fn set_watch(&mut self, collection: Collection, watch: Watch) {
        if let Some(Watch::Starting(waiting)) = self.watches.insert(collection, watch) {
            for object in waiting {
                self.queue.push(object);
            }
        }
    }

    /// The next watch that has to be started.
    pub(super) fn next_watch(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let kind = self.watches_wanted.pop_front()?;
        Some(observed::follow(self.member.clone(), kind, self.seen.clone(), self.contact.subscribe()))
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

    pub(super) fn seen(&mut self, news: Seen, desired: &DesiredSet, now: Instant) {
        match news {
            Seen::Listed(collection, items) => self.listed(collection, items, desired, now),
            Seen::Resumed(collection) => self.set_watch(collection, Watch::Live),
            Seen::Changed(object, copy) => self.changed(object, &copy, desired, now),
            Seen::Gone(object) => self.gone(object, desired, now),
            Seen::Lost(collection, _) => self.set_watch(collection, Watch::Lost),
        }
    }

    fn listed(
        &mut self,
        collection: Collection,
        items: Vec<(ObjectRef, Copy)>,
        desired: &DesiredSet,
        now: Instant,
    ) {
        let listed: BTreeSet<&ObjectRef> = items.iter().map(|(object, _)| object).collect();
        let of_this_kind = |object: &ObjectRef| Collection::of(object) == collection;
        let missing: Vec<ObjectRef> = self
            .copies
            .keys()
            .filter(|object| of_this_kind(object) && !listed.contains(object))
            .cloned()
            .collect();
        for object in missing {
            self.gone(object, desired, now);
        }
        for (object, copy) in items {
            self.changed(object, &copy, desired, now);
        }
        self.set_watch(collection, Watch::Live);
    }

    /// Takes a copy in and looks whether it is still what was ordered.
    fn changed(&mut self, object: ObjectRef, copy: &Copy, desired: &DesiredSet, now: Instant) {
        // The answer to our own write overtakes the watch; what the watch then shows of the past is no news.
        let known = self.copies.get(&object);
        if known.is_some_and(|known| copy.is_older_than(known)) {
            return;
        }
        let only_its_status = known.is_some_and(|known| copy.says_the_same_as(known));
        self.copies.insert(object.clone(), copy.clone());
        let standing = self.standings.get(&object);
        let is_settled = standing.is_some_and(|standing| standing.pending_since.is_none());
        match desired.get(&object) {
            None => {}
            Some(Order::Remove { .. }) => self.queue.push(object),
            Some(Order::Present(desired)) => {
                // What is not settled is in the queue, and is compared when its turn comes.
                if is_settled && !only_its_status {
                    self.compare(&desired, copy, now);
                }
                self.repeat(object);
            }
        }
    }

    /// Looks whether a copy is what was ordered, and orders it again if not.
    fn compare(&mut self, desired: &Desired, copy: &Copy, now: Instant) {
        if execute::compare(desired, Some(&copy.tree())).action != Action::Nothing {
            self.metrics.drift.increment(1);
            self.drifted(desired.object.clone(), now);
        }
    }

    fn gone(&mut self, object: ObjectRef, desired: &DesiredSet, now: Instant) {
        self.copies.remove(&object);
        if desired.get(&object).is_some() {
            self.drifted(object, now);
        }
    }

    fn drifted(&mut self, object: ObjectRef, now: Instant) {
        if let Some(standing) = self.standings.get_mut(&object) {
            standing.pending_since.get_or_insert(now);
        }
        self.queue.push(object);
    }

    // === How orders ended ===

    pub(super) fn done(&mut self, done: Done, desired: &DesiredSet, now: Instant) {
        let Done { object, version, end, took } = done;
        self.metrics.executed(&end, took);
        match end {
            End::Applied(copy) => self.held(&object, version, &copy, Outcome::Applied, desired, now),
            End::Unchanged(copy) => self.held(&object, version, &copy, Outcome::Unchanged, desired, now),
            End::Removed => {
                self.copies.remove(&object);
                let is_latest = self.confirm(&object, version, Outcome::Removed, desired, now);
                if is_latest {
                    self.standings.remove(&object);
                }
            }
            End::Leaving(copy) => {
                // The watch tells when the finalizers are done; the slow retry covers a watch that does not.
                self.queue.retry(&object, Some(SLOW_RETRY), now);
                self.keep(&object, copy);
                self.ended(object, version, Outcome::Pending);
            }
            End::Conflict { reason, copy } => {
                self.queue.retry(&object, Some(SLOW_RETRY), now);
                let outcome = Outcome::Conflict { reason };
                self.note(&object, version, &outcome);
                self.tell(feedback::about(&self.cluster, object, version, outcome, copy.as_ref()));
            }
            End::Failed(failure) => {
                let wait = self.queue.retry(&object, failure.retry_after(), now);
                let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                self.ended(object, version, Outcome::Failed { reason: failure.to_string(), retry_in_ms });
            }
        }
    }

    /// The member holds an object as it was ordered.
    fn held(
        &mut self,
        object: &ObjectRef,
        version: u64,
        copy: &Copy,
        outcome: Outcome,
        desired: &DesiredSet,
        now: Instant,
    ) {
        self.keep(object, copy.clone());
        let is_latest = self.confirm(object, version, outcome, desired, now);
        // What the watch showed while the request was on its way may be a hand's change that came right after it.
        let newer = self.copies.get(object).filter(|known| copy.is_older_than(known)).cloned();
        if let (true, Some(newer), Some(Order::Present(desired))) = (is_latest, newer, desired.get(object))
            && !newer.says_the_same_as(copy)
        {
            self.compare(&desired, &newer, now);
        }
    }

    /// Takes in the copy that the member answered with, unless the watch has shown a newer one.
    fn keep(&mut self, object: &ObjectRef, copy: Copy) {
        if self.copies.get(object).is_none_or(|known| !copy.is_older_than(known)) {
            self.copies.insert(object.clone(), copy);
        }
    }

    /// An order is carried out; says whether it is still the latest one.
    fn confirm(
        &mut self,
        object: &ObjectRef,
        version: u64,
        outcome: Outcome,
        desired: &DesiredSet,
        now: Instant,
    ) -> bool {
        self.queue.settle(object);
        let is_latest = desired.get(object).is_none_or(|order| order.version() <= version);
        if let Some(standing) = self.standings.get_mut(object) {
            standing.confirmed = Some(version);
            if let Some(since) = standing.pending_since.take() {
                self.lag_ms = u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX);
            }
            if !is_latest {
                standing.pending_since = Some(now);
            }
        }
        self.ended(object.clone(), version, outcome);
        is_latest
    }

    /// Tells how an attempt ended.
    fn ended(&mut self, object: ObjectRef, version: u64, outcome: Outcome) {
        self.note(&object, version, &outcome);
        let copy = self.copies.get(&object);
        self.tell(feedback::about(&self.cluster, object, version, outcome, copy));
    }

    fn note(&mut self, object: &ObjectRef, version: u64, outcome: &Outcome) {
        if let Some(standing) = self.standings.get_mut(object) {
            standing.last = (version, outcome.clone());
        }
    }

    /// Tells again how the last attempt ended, with the copy as it is now.
    fn repeat(&mut self, object: ObjectRef) {
        let Some(standing) = self.standings.get(&object) else { return };
        let (version, outcome) = standing.last.clone();
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

#[cfg(test)]
mod tests;
