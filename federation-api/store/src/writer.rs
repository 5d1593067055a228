//! The one thread that commits.
//!
//! Everybody's batches wait in one queue. The thread takes what is there, commits it as one durable group, makes it
//! visible and answers; while the disk flushes, the next group gathers by itself. So the cost of a flush is shared by
//! as many as wait for it, and one who is alone waits for nobody.

use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::warn;

use crate::{
    cache::{Committed, Entry},
    content::{Content, Placing},
    store::{CommitError, Conflict, Decode, OpenError, Store, StoreError, Write},
};

/// What a committer is told.
type Answer<T> = Result<Committed<T>, CommitError>;

/// One commit on its way.
pub(crate) struct Batch<T> {
    pub(crate) writes: Vec<Write>,
    /// The decoded objects, one per write; `None` for a deletion.
    pub(crate) drafts: Vec<Option<T>>,
    pub(crate) answer: oneshot::Sender<Answer<T>>,
}

/// Where batches wait for the thread.
pub(crate) struct Queue<T> {
    requests: mpsc::Sender<Request<T>>,
    permits: Arc<Semaphore>,
}

enum Request<T> {
    Commit(Queued<T>),
    ShutDown(oneshot::Sender<()>),
}

/// A batch and its place in the queue, which is free again when the batch was answered.
struct Queued<T> {
    batch: Batch<T>,
    place: OwnedSemaphorePermit,
}

/// What the thread took from the queue.
struct Gathered<T> {
    group: Vec<Queued<T>>,
    /// Whoever asked to shut down.
    asked: Option<oneshot::Sender<()>>,
}

/// A committed batch that is answered once it is visible.
struct Done<T> {
    to: oneshot::Sender<Answer<T>>,
    answer: Answer<T>,
    _place: OwnedSemaphorePermit,
}

struct Writer<T> {
    store: Arc<dyn Store>,
    decoder: Arc<dyn Decode<Object = T>>,
    content: Arc<Content<T>>,
    requests: mpsc::Receiver<Request<T>>,
    /// When the histories are looked at next.
    tidy_at: Instant,
    /// When compaction happens next although little is to be dropped.
    compact_at: Instant,
    /// Compaction failed; not before this is it tried again.
    compact_after: Option<Instant>,
}

/// How many batches wait at most; more committers wait before the queue. Four full groups: enough that the thread is
/// never idle while somebody wants to commit, and at most a fraction of a second of work.
const QUEUED_BATCHES: usize = 4 * GROUP_BATCHES;

/// How many batches one durable commit carries at most. The gain of sharing a flush is spent by then (measured: 15,000
/// commits a second with 64 committers, 18,000 with 256), and the first of the group waits for the work of the last.
const GROUP_BATCHES: usize = 256;

/// How many bytes one durable commit carries at most, unless a single batch has more. It keeps a transaction within
/// the write buffer of the embedded store.
const GROUP_BYTES: usize = 4 << 20;

/// How often age is looked at. Histories are kept for minutes, so a second is nothing.
const TIDY: Duration = Duration::from_secs(1);

/// How many dropped events of one resource are worth a compaction of their own: a few milliseconds of work.
const COMPACT_EVENTS: usize = 512;

/// How often less than that is compacted, so that a quiet store does not keep what nobody can ask for.
const COMPACT: Duration = Duration::from_secs(30);

// === impl Queue ===

impl<T: Send + Sync + 'static> Queue<T> {
    /// Starts the thread.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        decoder: Arc<dyn Decode<Object = T>>,
        content: Arc<Content<T>>,
    ) -> Result<Self, OpenError> {
        let (sender, requests) = mpsc::channel();
        let now = Instant::now();
        let (tidy_at, compact_at) = (now + TIDY, now + COMPACT);
        let writer = Writer { store, decoder, content, requests, tidy_at, compact_at, compact_after: None };
        let thread = thread::Builder::new().name("store-writer".into());
        thread.spawn(move || writer.run()).map_err(|error| StoreError::Backend(Arc::new(error)))?;
        Ok(Self { requests: sender, permits: Arc::new(Semaphore::new(QUEUED_BATCHES)) })
    }

    /// Queues a batch when there is room.
    pub(crate) async fn push(&self, batch: Batch<T>) -> Result<(), CommitError> {
        let place = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| CommitError::Closed)?;
        self.requests.send(Request::Commit(Queued { batch, place })).map_err(|_| CommitError::Closed)
    }

    /// Lets the thread finish what is queued, and waits until it has given up the store.
    pub(crate) async fn shut_down(&self) {
        let (done, waiting) = oneshot::channel();
        if self.requests.send(Request::ShutDown(done)).is_ok() {
            // An error says that the thread is gone already, which is what was asked for.
            drop(waiting.await);
        }
    }
}

// === impl Writer ===

impl<T: Send + Sync + 'static> Writer<T> {
    fn run(mut self) {
        let mut asked = None;
        while asked.is_none()
            && let Some(gathered) = self.gather()
        {
            asked = gathered.asked;
            if !gathered.group.is_empty() {
                self.commit(gathered.group);
            }
            self.tidy(Instant::now());
        }
        for (_, hub) in self.content.hubs() {
            hub.close();
        }
        // The store is given up before the answer, so that whoever waited may open it again.
        drop(self);
        if let Some(asked) = asked {
            // Whoever asked may have stopped waiting.
            asked.send(()).ok();
        }
    }

    /// The next group, empty when it is time to tidy. `None` when no handle of the cache is left.
    fn gather(&self) -> Option<Gathered<T>> {
        let mut group = Vec::new();
        let mut bytes = 0;
        let wait = self.tidy_at.saturating_duration_since(Instant::now());
        let mut next = match self.requests.recv_timeout(wait) {
            Ok(request) => Some(request),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        while let Some(request) = next {
            match request {
                Request::Commit(queued) => {
                    bytes += queued.batch.bytes();
                    group.push(queued);
                }
                Request::ShutDown(asked) => return Some(Gathered { group, asked: Some(asked) }),
            }
            let full = group.len() >= GROUP_BATCHES || bytes >= GROUP_BYTES;
            next = if full { None } else { self.requests.try_recv().ok() };
        }
        Some(Gathered { group, asked: None })
    }

    fn commit(&self, group: Vec<Queued<T>>) {
        let meters = &self.content.meters;
        let begun = Instant::now();
        let writes: Vec<&[Write]> = group.iter().map(|queued| &*queued.batch.writes).collect();
        let outcome = self.store.commit(&writes);
        meters.commit_seconds.record(begun.elapsed());
        meters.group_batches.record(f64::from(u32::try_from(group.len()).unwrap_or(u32::MAX)));
        match outcome {
            Ok(answers) => {
                let mut placings = Vec::with_capacity(group.len());
                let answered = group.into_iter().zip(answers);
                let done: Vec<Done<T>> =
                    answered.map(|(queued, answer)| self.complete(queued, answer, &mut placings)).collect();
                self.content.apply(placings, Instant::now());
                done.into_iter().for_each(Done::send);
            }
            Err(error) => self.refuse(group, &error),
        }
    }

    /// Stamps the objects of a batch that was committed and lists them for placing.
    fn complete(
        &self,
        queued: Queued<T>,
        answer: Result<u64, Conflict>,
        placings: &mut Vec<Placing<T>>,
    ) -> Done<T> {
        let Queued { batch: Batch { writes, drafts, answer: to }, place } = queued;
        let first = match answer {
            Ok(first) => first,
            Err(conflict) => {
                self.content.meters.conflicts.increment(1);
                return Done { to, answer: Err(conflict.into()), _place: place };
            }
        };
        let mut entries = Vec::with_capacity(writes.len());
        for ((revision, Write { key, value, .. }), draft) in (first..).zip(writes).zip(drafts) {
            let bytes = value.map_or(0, |value| value.len());
            let entry = draft.map(|draft| {
                let object = self.decoder.stamp(draft, revision);
                Arc::new(Entry { revision, key: key.clone(), object, bytes })
            });
            entries.push(entry.clone());
            placings.push(Placing { revision, key, entry });
        }
        Done { to, answer: Ok(Committed { revision: first, entries }), _place: place }
    }

    fn refuse(&self, group: Vec<Queued<T>>, error: &StoreError) {
        let meters = &self.content.meters;
        if matches!(error, StoreError::OutOfSpace) {
            meters.failures_out_of_space.increment(1);
        } else {
            meters.failures_backend.increment(1);
        }
        for Queued { batch, place } in group {
            Done { to: batch.answer, answer: Err(error.clone().into()), _place: place }.send();
        }
    }

    /// Lets histories forget what is too old, and the store after them.
    fn tidy(&mut self, now: Instant) {
        let hubs = self.content.hubs();
        if now >= self.tidy_at {
            self.tidy_at = now + TIDY;
            let held: usize = hubs.iter().map(|(_, hub)| hub.trim(now)).sum();
            self.content.meters.history_events.set(f64::from(u32::try_from(held).unwrap_or(u32::MAX)));
        }
        if self.compact_after.is_some_and(|after| now < after) {
            return;
        }
        let worth = if now >= self.compact_at { 1 } else { COMPACT_EVENTS };
        if now >= self.compact_at {
            self.compact_at = now + COMPACT;
        }
        let (mut floors, mut forgetful) = (Vec::new(), Vec::new());
        for (resource, hub) in hubs {
            if let Some(floor) = hub.forgotten(worth) {
                floors.push((resource, floor));
                forgetful.push(hub);
            }
        }
        if floors.is_empty() {
            return;
        }
        match self.store.compact(&floors) {
            Ok(()) => {
                self.compact_after = None;
                forgetful.iter().for_each(|hub| hub.compacted());
            }
            Err(error) => {
                self.compact_after = Some(now + COMPACT);
                warn!(error = &error as &dyn std::error::Error, "compact the history");
            }
        }
    }
}

// === impl Done ===

impl<T> Done<T> {
    fn send(self) {
        // A caller that stopped waiting does not want the answer.
        drop(self.to.send(self.answer));
    }
}

// === impl Batch ===

impl<T> Batch<T> {
    fn bytes(&self) -> usize {
        self.writes.iter().filter_map(|write| write.value.as_ref()).map(Bytes::len).sum()
    }
}
