//! Who hears of which change, and what a watcher that was away has missed.
//!
//! Every resource has a hub: a ring of its recent events, and the watchers by what they are interested in, so that an
//! event costs the number of those who want it. A watcher gets a bounded queue of its own; when it does not keep up
//! it is closed, never waited for, and it resumes from the ring at the revision it had reached.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use metrics::Gauge;
use tokio::sync::mpsc;

use crate::{Key, cache::Entry, metrics::Meters, retention::Window};

/// One change of one object.
#[derive(Debug)]
pub struct Event<T> {
    /// The number of the write.
    pub revision: u64,
    /// The object.
    pub key: Key,
    /// What it is now; `None` when it was deleted at `revision`.
    pub current: Option<Arc<Entry<T>>>,
    /// What it was before; `None` when it was created.
    pub previous: Option<Arc<Entry<T>>>,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the next change.
    Now,
    /// With the first change above this revision.
    After(u64),
}

/// Which objects of a resource a watch is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those of one namespace.
    Namespace(Arc<str>),
    /// One object, by namespace (empty for cluster scope) and name.
    Object {
        /// The namespace.
        namespace: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
}

/// The history no longer reaches back to where the watch was to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("watch from an earlier revision than {oldest}, the oldest in the history")]
pub struct TooOld {
    /// The oldest revision that a watch may begin after.
    pub oldest: u64,
}

/// Why a watch has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The watcher did not keep up. Everything that was queued has been delivered; it may resume after the last.
    #[error("keep up with the changes")]
    Slow,
    /// The cache was shut down.
    #[error("watch a store that is shut down")]
    Closed,
}

/// A stream of changes, in commit order, each exactly once.
#[derive(Debug)]
pub struct Watch<T> {
    backlog: VecDeque<Arc<Event<T>>>,
    queue: mpsc::Receiver<Arc<Event<T>>>,
    slow: Arc<AtomicBool>,
    /// The revision that everything up to was delivered or is not wanted.
    reached: u64,
    /// The revision that every hub has been told of.
    told: Arc<AtomicU64>,
    hub: Arc<Hub<T>>,
    place: Place,
    id: u64,
}

/// The events and the watchers of one resource.
#[derive(Debug)]
pub(crate) struct Hub<T> {
    board: Mutex<Board<T>>,
    told: Arc<AtomicU64>,
    watchers: Gauge,
}

#[derive(Debug)]
struct Board<T> {
    ring: Ring<T>,
    seats: BTreeMap<Place, BTreeMap<u64, Seat<T>>>,
    next_id: u64,
    closed: bool,
}

/// What the watchers of one seat index have in common: `None` for all namespaces, and `None` for all names.
type Place = (Option<Arc<str>>, Option<Arc<str>>);

#[derive(Debug)]
struct Seat<T> {
    queue: mpsc::Sender<Arc<Event<T>>>,
    /// Events up to here were delivered from the ring, or came before the watch.
    after: u64,
    slow: Arc<AtomicBool>,
}

/// The recent events of one resource.
#[derive(Debug)]
struct Ring<T> {
    window: Window,
    slots: VecDeque<Slot<T>>,
    bytes: usize,
    /// All events above this revision are held.
    floor: u64,
    /// How many events were dropped that the store still has.
    dropped: usize,
}

#[derive(Debug)]
struct Slot<T> {
    event: Arc<Event<T>>,
    since: Instant,
}

/// How many events age makes the ring drop at a time: a burst that grows old all at once is dropped little by little,
/// and so is its history in the store.
const DROPPED_AT_ONCE: usize = 512;

// === impl Event ===

impl<T> Event<T> {
    /// The encoded size of the version that only this event keeps in memory.
    fn bytes(&self) -> usize {
        self.current.as_ref().or(self.previous.as_ref()).map_or(0, |entry| entry.bytes)
    }
}

// === impl Scope ===

impl Scope {
    /// Whether the scope holds `key`, which is of the right resource.
    pub fn holds(&self, key: &Key) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(namespace) => **namespace == *key.namespace(),
            Self::Object { namespace, name } => **namespace == *key.namespace() && **name == *key.name(),
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::All => (None, None),
            Self::Namespace(namespace) => (Some(Arc::clone(namespace)), None),
            Self::Object { namespace, name } => (Some(Arc::clone(namespace)), Some(Arc::clone(name))),
        }
    }
}

// === impl Watch ===

impl<T> Watch<T> {
    /// The next change. May be dropped while it waits without losing one.
    ///
    /// # Errors
    /// When the watch has ended, after everything that was queued.
    pub async fn next(&mut self) -> Result<Arc<Event<T>>, Ended> {
        let next = match self.backlog.pop_front() {
            Some(event) => Some(event),
            None => self.queue.recv().await,
        };
        self.deliver(next)
    }

    /// The next change if there is one already.
    ///
    /// # Errors
    /// As [`Watch::next`].
    pub fn try_next(&mut self) -> Result<Option<Arc<Event<T>>>, Ended> {
        let next = match self.backlog.pop_front() {
            Some(event) => Some(event),
            None => match self.queue.try_recv() {
                Ok(event) => Some(event),
                Err(mpsc::error::TryRecvError::Empty) => return Ok(None),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
            },
        };
        self.deliver(next).map(Some)
    }

    /// The revision that a bookmark may name: every change up to it was delivered, or is not of this watch's scope.
    pub fn progress(&mut self) -> u64 {
        // Events are queued before they are counted as told, so an empty queue has nothing up to `told`.
        let told = self.told.load(Ordering::Acquire);
        if self.backlog.is_empty() && self.queue.is_empty() && !self.queue.is_closed() {
            self.reached = self.reached.max(told);
        }
        self.reached
    }

    fn deliver(&mut self, next: Option<Arc<Event<T>>>) -> Result<Arc<Event<T>>, Ended> {
        match next {
            Some(event) => {
                self.reached = event.revision;
                Ok(event)
            }
            None if self.slow.load(Ordering::Acquire) => Err(Ended::Slow),
            None => Err(Ended::Closed),
        }
    }
}

impl<T> Drop for Watch<T> {
    fn drop(&mut self) {
        self.hub.leave(&self.place, self.id);
        self.hub.watchers.decrement(1);
    }
}

// === impl Hub ===

impl<T> Hub<T> {
    /// A hub whose history begins after `floor`.
    pub(crate) fn new(window: Window, floor: u64, told: Arc<AtomicU64>, meters: &Meters) -> Self {
        let ring = Ring { window, slots: VecDeque::new(), bytes: 0, floor, dropped: 0 };
        let board = Board { ring, seats: BTreeMap::new(), next_id: 0, closed: false };
        Self { board: Mutex::new(board), told, watchers: meters.watchers.clone() }
    }

    /// Begins a watch. `now` is asked for the present revision, at a moment when no event can come between.
    pub(crate) fn watch(
        self: &Arc<Self>,
        start: Start,
        scope: &Scope,
        queue_max: usize,
        now: impl FnOnce() -> u64,
    ) -> Result<Watch<T>, TooOld> {
        let mut board = self.board();
        let (after, backlog) = match start {
            Start::Now => (now(), VecDeque::new()),
            Start::After(revision) => (revision, board.ring.after(revision, scope)?),
        };
        let (sender, queue) = mpsc::channel(queue_max);
        let slow = Arc::new(AtomicBool::new(false));
        let (id, place) = (board.next_id, scope.place());
        board.next_id += 1;
        if !board.closed {
            // Whatever the ring holds is in the backlog, and later events are above it.
            let after = after.max(board.ring.newest());
            let seat = Seat { queue: sender, after, slow: Arc::clone(&slow) };
            board.seats.entry(place.clone()).or_default().insert(id, seat);
        }
        drop(board);
        self.watchers.increment(1);
        let (hub, told) = (Arc::clone(self), Arc::clone(&self.told));
        Ok(Watch { backlog, queue, slow, reached: after, told, hub, place, id })
    }

    /// Adds a persisted event to the ring without telling anyone, when the cache opens.
    pub(crate) fn recall(&self, event: Arc<Event<T>>, now: Instant) {
        self.board().ring.push(event, now);
    }

    /// Adds an event to the ring and tells those who are interested. Answers how many watchers it closed.
    pub(crate) fn tell(&self, event: &Arc<Event<T>>, now: Instant) -> u64 {
        let mut board = self.board();
        board.ring.push(Arc::clone(event), now);
        if board.seats.is_empty() {
            return 0;
        }
        let namespace: Arc<str> = event.key.namespace().into();
        let name: Arc<str> = event.key.name().into();
        let places = [(None, None), (Some(Arc::clone(&namespace)), None), (Some(namespace), Some(name))];
        places.iter().map(|place| board.tell(place, event)).sum()
    }

    /// Drops what is too old, in small steps. Answers how many events are held.
    pub(crate) fn trim(&self, now: Instant) -> usize {
        let mut board = self.board();
        board.ring.trim(now);
        board.ring.slots.len()
    }

    /// The floor to compact the store to, when at least `worth` events were dropped since the last compaction.
    pub(crate) fn forgotten(&self, worth: usize) -> Option<u64> {
        let board = self.board();
        (board.ring.dropped >= worth).then_some(board.ring.floor)
    }

    /// Notes that the store was compacted to the floor.
    pub(crate) fn compacted(&self) {
        self.board().ring.dropped = 0;
    }

    /// Ends every watch after what is queued for it.
    pub(crate) fn close(&self) {
        let mut board = self.board();
        board.closed = true;
        board.seats.clear();
    }

    fn leave(&self, place: &Place, id: u64) {
        let mut board = self.board();
        if let Some(seats) = board.seats.get_mut(place) {
            seats.remove(&id);
            if seats.is_empty() {
                board.seats.remove(place);
            }
        }
    }

    fn board(&self) -> MutexGuard<'_, Board<T>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Board ===

impl<T> Board<T> {
    fn tell(&mut self, place: &Place, event: &Arc<Event<T>>) -> u64 {
        let Some(seats) = self.seats.get_mut(place) else { return 0 };
        let mut closed = 0;
        seats.retain(|_, seat| {
            let stays = seat.tell(event);
            closed += u64::from(!stays);
            stays
        });
        if seats.is_empty() {
            self.seats.remove(place);
        }
        closed
    }
}

// === impl Seat ===

impl<T> Seat<T> {
    /// Queues the event; answers whether the watcher keeps up.
    fn tell(&self, event: &Arc<Event<T>>) -> bool {
        if event.revision <= self.after {
            return true;
        }
        let kept_up = self.queue.try_send(Arc::clone(event)).is_ok();
        if !kept_up {
            self.slow.store(true, Ordering::Release);
        }
        kept_up
    }
}

// === impl Ring ===

impl<T> Ring<T> {
    fn push(&mut self, event: Arc<Event<T>>, since: Instant) {
        self.bytes += event.bytes();
        self.slots.push_back(Slot { event, since });
        while self.slots.len() > self.window.events_max || self.bytes > self.window.bytes_max {
            self.pop();
        }
    }

    fn trim(&mut self, now: Instant) {
        for _ in 0..DROPPED_AT_ONCE {
            let Some(oldest) = self.slots.front() else { return };
            let fresh = now.saturating_duration_since(oldest.since) < self.window.keep;
            if fresh || self.slots.len() <= self.window.events_min {
                return;
            }
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.bytes -= slot.event.bytes();
            self.floor = slot.event.revision;
            self.dropped += 1;
        }
    }

    /// The newest revision the ring knows of.
    fn newest(&self) -> u64 {
        self.slots.back().map_or(self.floor, |slot| slot.event.revision)
    }

    /// The held events above `revision` that are of the scope.
    fn after(&self, revision: u64, scope: &Scope) -> Result<VecDeque<Arc<Event<T>>>, TooOld> {
        if revision < self.floor {
            return Err(TooOld { oldest: self.floor });
        }
        let from = self.slots.partition_point(|slot| slot.event.revision <= revision);
        let wanted = self.slots.range(from..).filter(|slot| scope.holds(&slot.event.key));
        Ok(wanted.map(|slot| Arc::clone(&slot.event)).collect())
    }
}
