//! Which keys are due, which wait, which are being written. Time is an argument.
//!
//! A key is in the queue once, so the queue is no longer than the number of keys. A key that is being worked on and becomes
//! due meanwhile is due again afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// The first wait after a failed write: what changed meanwhile has usually settled.
const BACKOFF_MIN: Duration = Duration::from_millis(20);

/// The longest wait: an object that cannot be written costs two attempts a minute.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Keys that wait for their turn.
#[derive(Debug)]
pub(super) struct Queue<K> {
    waiting: BTreeSet<(Instant, K)>,
    due: BTreeMap<K, Instant>,
    /// Being worked on, with the time at which each is due again, if it is.
    running: BTreeMap<K, Option<Instant>>,
    attempts: BTreeMap<K, u32>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            waiting: BTreeSet::new(),
            due: BTreeMap::new(),
            running: BTreeMap::new(),
            attempts: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// Makes a key due at this time, unless it is due earlier anyway.
    pub(super) fn push(&mut self, key: K, at: Instant) {
        if let Some(again) = self.running.get_mut(&key) {
            *again = Some(again.map_or(at, |known| known.min(at)));
            return;
        }
        match self.due.get(&key) {
            Some(known) if *known <= at => return,
            Some(known) => {
                self.waiting.remove(&(*known, key.clone()));
            }
            None => {}
        }
        self.due.insert(key.clone(), at);
        self.waiting.insert((at, key));
    }

    pub(super) fn push_all(&mut self, keys: Vec<K>, at: Instant) {
        for key in keys {
            self.push(key, at);
        }
    }

    /// Takes the key that is due longest, and how long it was.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(K, Duration)> {
        let (at, _) = self.waiting.first()?;
        if *at > now {
            return None;
        }
        let (at, key) = self.waiting.pop_first()?;
        self.due.remove(&key);
        self.running.insert(key.clone(), None);
        Some((key, now - at))
    }

    /// Ends the work on a key that went well.
    pub(super) fn settle(&mut self, key: &K) {
        self.attempts.remove(key);
        if let Some(Some(again)) = self.running.remove(key) {
            self.push(key.clone(), again);
        }
    }

    /// Ends the work on a key that failed: it is due again after a wait that doubles with every failure.
    pub(super) fn retry(&mut self, key: &K, now: Instant) {
        self.running.remove(key);
        let attempts = self.attempts.entry(key.clone()).or_default();
        let wait = BACKOFF_MIN.saturating_mul(1 << (*attempts).min(16)).min(BACKOFF_MAX);
        *attempts = attempts.saturating_add(1);
        self.push(key.clone(), now + wait);
    }

    /// When the next key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Keys that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_once_and_at_its_earliest_time() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.push("a", start + Duration::from_secs(5));
        queue.push("a", start);
        queue.push("a", start + Duration::from_secs(9));
        assert_eq!(queue.pop(start), Some(("a", Duration::ZERO)));
        assert_eq!(queue.pop(start + Duration::from_secs(60)), None);
    }

    #[test]
    fn what_becomes_due_during_its_work_is_due_afterwards() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.push("a", start);
        queue.pop(start);
        queue.push("a", start);
        assert_eq!(queue.pop(start), None, "nobody works on a key twice at once");
        queue.settle(&"a");
        assert!(queue.pop(start).is_some());
        queue.settle(&"a");
        assert_eq!(queue.pop(start), None);
    }

    #[test]
    fn failures_wait_longer_and_longer_until_one_attempt_goes_well() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.push("a", start);
        let mut waits = Vec::new();
        let mut now = start;
        for _ in 0..14 {
            queue.pop(now).unwrap();
            queue.retry(&"a", now);
            let due = queue.next_due().unwrap();
            waits.push(due - now);
            now = due;
        }
        assert_eq!(waits[..3], [BACKOFF_MIN, BACKOFF_MIN * 2, BACKOFF_MIN * 4]);
        assert_eq!(waits.last(), Some(&BACKOFF_MAX));
        queue.pop(now).unwrap();
        queue.settle(&"a");
        queue.push("a", now);
        queue.pop(now).unwrap();
        queue.retry(&"a", now);
        assert_eq!(queue.next_due(), Some(now + BACKOFF_MIN));
    }
}
