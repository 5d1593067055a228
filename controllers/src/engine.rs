//! The one loop that every controller runs: wake, gather and decide, write, look again.
//!
//! ```text
//! events ─┐                     nothing to write ─► settled
//! timer ──┼─► queue ─► decide ─┤
//! again ──┘  (coalesced)        write (bounded, concurrent) ─► done ─► settled, or back off and look again
//! ```
//!
//! Deciding is synchronous and in memory, one key at a time, so a controller owns its state without locks. Writing waits for
//! the store, so many writes are under way at once and share its commits. A key is never decided while its write is under way.
//! Every key is looked at again by the timer, which heals whatever an event missed.

mod queue;

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use koinon_machinery::status::{Reason, Status};
use koinon_model::time::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::clock;
use crate::metrics::Metrics;
use queue::Queue;

/// Writes under way at once. The store commits what is waiting together, and a commit takes about a millisecond; 64 keep it
/// busy and bound what is lost of the work when the host stops.
const WRITES_MAX: usize = 64;

/// Keys decided before events are looked at again: about 5 ms of work, so that no event waits longer for its turn.
const DECISIONS_MAX: usize = 64;

/// From one look at everything to the next. An event that was missed, which no known path does, is healed within it; the cost
/// is one decision per object, about 0.1 ms.
const FULL_PASS_INTERVAL: Duration = Duration::from_secs(300);

/// One controller.
pub trait Controller: Send {
    /// What is decided about, one at a time.
    type Key: Ord + Clone + Display + Send + 'static;
    /// What a decision wants written.
    type Write: Send + 'static;

    /// Its name, for logs and metrics.
    const NAME: &'static str;

    /// Waits for news, takes them in and names the keys to look at; none when no news can come any more. Dropping the future
    /// before it is ready loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<Wake<Self::Key>>> + Send;

    /// Every key there is.
    fn keys(&self) -> Vec<Self::Key>;

    /// Gathers what concerns a key and decides.
    fn decide(&mut self, key: &Self::Key, now: Timestamp) -> Decision<Self::Key, Self::Write>;

    /// Carries a decision out.
    fn write(&self, write: Self::Write) -> impl Future<Output = Result<(), Status>> + Send + 'static;
}

/// Keys to look at.
#[derive(Clone, Debug)]
pub struct Wake<K> {
    /// The keys.
    pub keys: Vec<K>,
    /// How long more news about them may be waited for.
    pub after: Duration,
}

impl<K> Wake<K> {
    /// Looks at these now.
    pub fn now(keys: Vec<K>) -> Self {
        Self { keys, after: Duration::ZERO }
    }
}

/// What to do about one key.
#[derive(Clone, Debug)]
pub struct Decision<K, W> {
    /// What to write; none when everything is as it should be.
    pub write: Option<W>,
    /// Other keys that this decision concerns.
    pub also: Vec<K>,
    /// When to look again although nothing happened.
    pub again: Option<Timestamp>,
}

impl<K, W> Decision<K, W> {
    /// Nothing to do.
    pub fn nothing() -> Self {
        Self { write: None, also: Vec::new(), again: None }
    }

    /// Writes this.
    pub fn write(write: W) -> Self {
        Self { write: Some(write), ..Self::nothing() }
    }
}

/// Runs a controller until `stop` turns true, or until no news can come any more. Writes under way are finished.
pub async fn run<C: Controller>(mut controller: C, mut stop: watch::Receiver<bool>) {
    let metrics = Metrics::of(C::NAME);
    let mut queue = Queue::default();
    let mut writes = JoinSet::new();
    let mut pass = tokio::time::interval(FULL_PASS_INTERVAL);
    loop {
        decide(&mut controller, &mut queue, &mut writes, &metrics);
        metrics.waiting(queue.len());
        let due = if writes.len() < WRITES_MAX { queue.next_due() } else { None };
        tokio::select! {
            wake = controller.next() => match wake {
                Some(wake) => queue.push_all(wake.keys, Instant::now() + wake.after),
                None => break,
            },
            Some(Ok(done)) = writes.join_next() => settle::<C>(done, &mut queue, &metrics),
            _ = pass.tick() => queue.push_all(controller.keys(), Instant::now()),
            () = clock::sleep_until(due) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    while writes.join_next().await.is_some() {}
}

/// A write that has ended.
struct Done<K> {
    key: K,
    result: Result<(), Status>,
    took: Duration,
}

fn decide<C: Controller>(
    controller: &mut C,
    queue: &mut Queue<C::Key>,
    writes: &mut JoinSet<Done<C::Key>>,
    metrics: &Metrics,
) {
    for _ in 0..DECISIONS_MAX {
        if writes.len() >= WRITES_MAX {
            return;
        }
        let began = Instant::now();
        let Some((key, waited)) = queue.pop(began) else { return };
        metrics.waited(waited);
        let now = clock::now();
        let decision = controller.decide(&key, now);
        metrics.decided(began.elapsed());
        if let Some(again) = decision.again {
            queue.push(key.clone(), began + again.since(now));
        }
        queue.push_all(decision.also, began);
        match decision.write {
            None => queue.settle(&key),
            Some(write) => {
                let writing = controller.write(write);
                writes.spawn(async move {
                    let began = Instant::now();
                    // Whatever it was, the key must not count as being written for ever.
                    let result = AssertUnwindSafe(writing).catch_unwind().await;
                    let result = result.unwrap_or_else(|_| Err(Status::internal("the write panicked")));
                    Done { key, result, took: began.elapsed() }
                });
            }
        }
    }
}

/// Takes a write that has ended off the queue, or puts it back for another attempt.
fn settle<C: Controller>(done: Done<C::Key>, queue: &mut Queue<C::Key>, metrics: &Metrics) {
    let Done { key, result, took } = done;
    metrics.wrote(took, result.is_ok());
    let Err(status) = result else { return queue.settle(&key) };
    match status.reason {
        // What was decided on has changed meanwhile, which is also the news that brings the next look.
        Reason::Conflict | Reason::NotFound | Reason::AlreadyExists => {
            debug!(controller = C::NAME, %key, message = status.message, "decided on something older");
        }
        _ => warn!(controller = C::NAME, %key, message = status.message, "cannot write"),
    }
    queue.retry(&key, Instant::now());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Wants one key written until that has gone well once.
    struct Once {
        attempts: Arc<AtomicUsize>,
        woken: bool,
        done: watch::Sender<bool>,
    }

    impl Controller for Once {
        type Key = u8;
        type Write = ();

        const NAME: &'static str = "once";

        async fn next(&mut self) -> Option<Wake<u8>> {
            if std::mem::replace(&mut self.woken, true) {
                std::future::pending::<()>().await;
            }
            Some(Wake::now(vec![1]))
        }

        fn keys(&self) -> Vec<u8> {
            Vec::new()
        }

        fn decide(&mut self, _: &u8, _: Timestamp) -> Decision<u8, ()> {
            Decision::write(())
        }

        fn write(&self, (): ()) -> impl Future<Output = Result<(), Status>> + Send + 'static {
            let (attempt, done) = (self.attempts.fetch_add(1, Ordering::Relaxed), self.done.clone());
            async move {
                assert!(attempt > 0, "the first one panics");
                done.send_replace(true);
                Ok(())
            }
        }
    }

    #[tokio::test]
    async fn a_write_that_panicked_is_tried_again() {
        let attempts = Arc::<AtomicUsize>::default();
        let (done, mut seen) = watch::channel(false);
        let stop = seen.clone();
        run(Once { attempts: Arc::clone(&attempts), woken: false, done }, stop).await;
        assert!(*seen.borrow_and_update());
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
    }
}
