//! How much the server does at once.
//!
//! Requests beyond the limit are refused at once with a hint when to come back: a queue would only make everyone slow.
//! Watches are counted apart, since they last.

use std::sync::Arc;

use koinon_machinery::status::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Upstream's 400 reads and 200 writes; one request holds at most one body of 3 MiB and its trees.
const REQUESTS_MAX: usize = 600;

/// A watch that lags holds up to 4,096 pointers to events; this many idle ones are some 200 MiB with their streams.
const WATCHES_MAX: usize = 10_000;

/// When a refused client should come back.
const RETRY_SECONDS: u32 = 1;

/// How much the server does at once.
pub(crate) struct Limits {
    requests: Arc<Semaphore>,
    watches: Arc<Semaphore>,
}

/// The room that one request takes, until it is dropped.
pub(crate) struct Room(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

// === impl Limits ===

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            watches: Arc::new(Semaphore::new(WATCHES_MAX)),
        }
    }

    /// Takes room for a request.
    ///
    /// # Errors
    /// 429 when there is none.
    pub(crate) fn request(&self) -> Result<Room, Status> {
        take(&self.requests, "the server has received too many requests, please try again later")
    }

    /// Takes room for a watch.
    ///
    /// # Errors
    /// 429 when there is none.
    pub(crate) fn watch(&self) -> Result<Room, Status> {
        take(&self.watches, "the server serves too many watches, please try again later")
    }
}

fn take(semaphore: &Arc<Semaphore>, why: &str) -> Result<Room, Status> {
    let permit = Arc::clone(semaphore).try_acquire_owned();
    permit.map(Room).map_err(|_| Status::too_many_requests(why, RETRY_SECONDS))
}
