//! The work of one member: which objects are due, which wait for their next attempt, which are being worked on.
//!
//! An object is in the queue at most once, so its size is bounded by the number of ordered objects, and no two
//! workers ever touch the same object. Time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use koinon_types::sync::ObjectRef;
use tokio::time::Instant;

/// The first retry: long enough for a webhook or a namespace that is just appearing, too short for a person to notice.
const BACKOFF_MIN: Duration = Duration::from_millis(200);

/// The longest wait between attempts: what a person mends is picked up within half a minute without a nudge.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Due, waiting and running objects.
#[derive(Debug, Default)]
pub struct Queue {
    due: VecDeque<ObjectRef>,
    due_keys: BTreeSet<ObjectRef>,
    waiting: BTreeSet<(Instant, ObjectRef)>,
    waiting_until: BTreeMap<ObjectRef, Instant>,
    attempts: BTreeMap<ObjectRef, u32>,
    /// Being worked on; `true` when it must be looked at again afterwards.
    running: BTreeMap<ObjectRef, bool>,
}

impl Queue {
    /// Makes an object due now, whatever it was waiting for; one that is being worked on becomes due again afterwards.
    pub fn push(&mut self, object: ObjectRef) {
        if let Some(again) = self.running.get_mut(&object) {
            *again = true;
            return;
        }
        if let Some(until) = self.waiting_until.remove(&object) {
            self.waiting.remove(&(until, object.clone()));
        }
        if self.due_keys.insert(object.clone()) {
            self.due.push_back(object);
        }
    }

    /// Takes the next due object and marks it as running.
    pub fn pop(&mut self, now: Instant) -> Option<ObjectRef> {
        while let Some((until, _)) = self.waiting.first()
            && *until <= now
            && let Some((_, object)) = self.waiting.pop_first()
        {
            self.waiting_until.remove(&object);
            if self.due_keys.insert(object.clone()) {
                self.due.push_back(object);
            }
        }
        let object = self.due.pop_front()?;
        self.due_keys.remove(&object);
        self.running.insert(object.clone(), false);
        Some(object)
    }

    /// Ends an object's turn well; its next failure starts from the shortest wait.
    pub fn settle(&mut self, object: &ObjectRef) {
        self.attempts.remove(object);
        self.finish(object);
    }

    /// Ends an object's turn badly and says after how long it is tried again.
    ///
    /// Shape: doubles from [`BACKOFF_MIN`] to [`BACKOFF_MAX`], never below `floor` (what the member asked for).
    pub fn retry(&mut self, object: &ObjectRef, floor: Option<Duration>, now: Instant) -> Duration {
        let attempt = self.attempts.entry(object.clone()).or_insert(0);
        let wait = BACKOFF_MIN
            .saturating_mul(1 << (*attempt).min(16))
            .min(BACKOFF_MAX)
            .max(floor.unwrap_or_default());
        *attempt = attempt.saturating_add(1);
        if !self.finish(object) {
            self.waiting.insert((now + wait, object.clone()));
            self.waiting_until.insert(object.clone(), now + wait);
        }
        wait
    }

    /// Makes everything that waits due now: the member is back, old failures say nothing any more.
    pub fn release_all(&mut self) {
        self.attempts.clear();
        for (_, object) in std::mem::take(&mut self.waiting) {
            self.waiting_until.remove(&object);
            if self.due_keys.insert(object.clone()) {
                self.due.push_back(object);
            }
        }
    }

    /// When the next waiting object becomes due.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(until, _)| *until)
    }

    /// How many objects are being worked on.
    pub fn n_running(&self) -> usize {
        self.running.len()
    }

    /// How many objects are due, waiting or running.
    pub fn len(&self) -> usize {
        self.due.len() + self.waiting.len() + self.running.len()
    }

    /// Whether nothing is due, waiting or running.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Clears the running mark; says whether the object became due again meanwhile.
    fn finish(&mut self, object: &ObjectRef) -> bool {
        let again = self.running.remove(object).unwrap_or(false);
        if again && self.due_keys.insert(object.clone()) {
            self.due.push_back(object.clone());
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn an_object_is_queued_once_and_first_come_first_served() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for name in ["b", "a", "b"] {
            queue.push(object(name));
        }
        assert_eq!(queue.pop(now), Some(object("b")));
        assert_eq!(queue.pop(now), Some(object("a")));
        assert_eq!(queue.pop(now), None);
    }

    #[test]
    fn a_change_during_work_is_worked_on_afterwards() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(object("a"));
        assert_eq!(queue.pop(now), Some(object("a")));
        queue.push(object("a"));
        assert_eq!(queue.pop(now), None, "it is still being worked on");
        queue.settle(&object("a"));
        assert_eq!(queue.pop(now), Some(object("a")));
    }

    #[test]
    fn failures_wait_twice_as_long_each_time_up_to_the_bound() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let mut waits = Vec::new();
        let mut clock = now;
        for _ in 0..10 {
            queue.push(object("a"));
            queue.pop(clock);
            let wait = queue.retry(&object("a"), None, clock);
            waits.push(wait.as_millis());
            assert_eq!(queue.pop(clock), None, "it waits");
            clock += wait;
            assert_eq!(queue.pop(clock), Some(object("a")));
            queue.running.clear();
        }
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
    }

    #[test]
    fn a_member_that_asks_for_time_gets_it() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(object("a"));
        queue.pop(now);
        assert_eq!(queue.retry(&object("a"), Some(Duration::from_secs(7)), now), Duration::from_secs(7));
    }

    #[test]
    fn contact_regained_makes_everything_due() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for name in ["a", "b"] {
            queue.push(object(name));
            let popped = queue.pop(now).unwrap();
            queue.retry(&popped, None, now);
        }
        assert_eq!(queue.pop(now), None);
        queue.release_all();
        assert!(queue.pop(now).is_some() && queue.pop(now).is_some());
        assert_eq!(queue.next_due(), None);
    }
}
