//! What the members said last about every object, for every loop that asks.
//!
//! Each syncer sends [`Feedback`]; one task ([`run`]) takes it in. Loops read what they need at any time
//! ([`Observations::of`]) and are woken by a [`Subscription`], which coalesces: an object that changed ten times
//! while its subscriber was away is handed over once, as it was said last. What a member no longer has is forgotten
//! here at once, so this holds no more than what the fleet holds; the message that it is gone still reaches every
//! subscriber. Nothing here survives a restart, because every syncer tells everything again.
//!
//! ```text
//! syncers ── mpsc<Feedback> ─► run ─► Observations ─┬─ of(), get() ─► any loop
//!                                                   └─ Subscription ─► delivery, members, names
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use koinon_policies::interpret;
use koinon_types::sync::{Feedback, ObjectRef, Observed, Outcome};
use tokio::sync::{Notify, mpsc};

/// Messages on their way from all syncers to the one that takes them in. Taking one in costs a microsecond, so this only
/// has to cover the moments in which that task is not scheduled.
pub const QUEUE: usize = 4_096;

/// Messages that [`Subscription::changed`] hands over at once, so that a loop works in bounded steps.
pub const CHANGED_BATCH_MAX: usize = 1_024;

/// The latest feedback of every member about every object; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    latest: BTreeMap<ObjectRef, BTreeMap<String, Arc<Feedback>>>,
    inboxes: Vec<Weak<Inbox>>,
}

/// One subscriber's news; at most one message per object and member.
#[derive(Debug, Default)]
struct Inbox {
    news: Mutex<BTreeMap<(ObjectRef, String), Arc<Feedback>>>,
    wake: Notify,
}

/// A loop's own view of what is new.
#[derive(Debug)]
pub struct Subscription {
    inbox: Arc<Inbox>,
}

/// Takes feedback in until every syncer's end of the channel is gone.
pub async fn run(mut feedback: mpsc::Receiver<Feedback>, observations: Observations) {
    while let Some(message) = feedback.recv().await {
        observations.take(message);
    }
}

// === impl Observations ===

impl Observations {
    /// Makes a message the latest word of its member on its object, unless it answers an older order than that.
    pub fn take(&self, feedback: Feedback) {
        let feedback = Arc::new(feedback);
        let mut state = lock(&self.shared);
        let said = state.latest.entry(feedback.object.clone()).or_default();
        let is_old = said.get(&feedback.cluster).is_some_and(|known| known.version > feedback.version);
        if is_old {
            return;
        }
        if feedback.outcome == Outcome::Removed {
            said.remove(&feedback.cluster);
            if said.is_empty() {
                state.latest.remove(&feedback.object);
            }
        } else {
            said.insert(feedback.cluster.clone(), Arc::clone(&feedback));
        }
        state.announce(&feedback);
    }

    /// Forgets a member that has left the fleet.
    pub fn forget(&self, cluster: &str) {
        let mut state = lock(&self.shared);
        state.latest.retain(|_, said| {
            said.remove(cluster);
            !said.is_empty()
        });
    }

    /// What one member said last about one object; none when it does not have it.
    pub fn get(&self, cluster: &str, object: &ObjectRef) -> Option<Arc<Feedback>> {
        lock(&self.shared).latest.get(object)?.get(cluster).cloned()
    }

    /// What every member that has the object said last about it, by member.
    pub fn of(&self, object: &ObjectRef) -> BTreeMap<String, Arc<Feedback>> {
        lock(&self.shared).latest.get(object).cloned().unwrap_or_default()
    }

    /// Subscribes to everything said from now on. What was said before is read with [`Observations::of`].
    pub fn subscribe(&self) -> Subscription {
        let inbox = Arc::new(Inbox::default());
        lock(&self.shared).inboxes.push(Arc::downgrade(&inbox));
        Subscription { inbox }
    }
}

impl State {
    fn announce(&mut self, feedback: &Arc<Feedback>) {
        self.inboxes.retain(|inbox| {
            let Some(inbox) = inbox.upgrade() else { return false };
            let key = (feedback.object.clone(), feedback.cluster.clone());
            lock(&inbox.news).insert(key, Arc::clone(feedback));
            inbox.wake.notify_one();
            true
        });
    }
}

// === impl Subscription ===

impl Subscription {
    /// Waits for news and returns the latest message of every member about every object that has any, at most
    /// [`CHANGED_BATCH_MAX`] at a time.
    ///
    /// Shape: in order of object and member, never empty. Dropping the future before it is ready loses nothing.
    pub async fn changed(&mut self) -> Vec<Arc<Feedback>> {
        loop {
            // Registered before looking, so that a message in between is not missed.
            let woken = self.inbox.wake.notified();
            let batch = self.take();
            if !batch.is_empty() {
                return batch;
            }
            woken.await;
        }
    }

    fn take(&self) -> Vec<Arc<Feedback>> {
        let mut news = lock(&self.inbox.news);
        let mut batch = Vec::new();
        while batch.len() < CHANGED_BATCH_MAX
            && let Some((_, feedback)) = news.pop_first()
        {
            batch.push(feedback);
        }
        batch
    }
}

/// A member's copy as policies read it.
pub(crate) fn copy(observed: &Observed) -> interpret::Copy<'_> {
    interpret::Copy {
        generation: observed.generation,
        replicas: observed.replicas_spec,
        status: observed.status.as_deref(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while a lock is held, and the maps are consistent between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
            namespaced: true,
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    fn feedback(cluster: &str, name: &str, version: u64, outcome: Outcome) -> Feedback {
        Feedback { cluster: cluster.into(), object: object(name), version, outcome, observed: None }
    }

    #[tokio::test]
    async fn a_subscriber_hears_the_last_word_once() {
        let observations = Observations::default();
        let mut subscription = observations.subscribe();
        for version in 1..=3 {
            observations.take(feedback("a", "web", version, Outcome::Applied));
        }
        observations.take(feedback("b", "web", 1, Outcome::Applied));
        let news = subscription.changed().await;
        let versions: Vec<(&str, u64)> = news.iter().map(|f| (f.cluster.as_str(), f.version)).collect();
        assert_eq!(versions, [("a", 3), ("b", 1)]);
        assert_eq!(observations.of(&object("web")).len(), 2);
    }

    #[test]
    fn an_answer_to_an_older_order_is_dropped() {
        let observations = Observations::default();
        observations.take(feedback("a", "web", 5, Outcome::Applied));
        observations.take(feedback("a", "web", 4, Outcome::Removed));
        assert_eq!(observations.get("a", &object("web")).map(|f| f.version), Some(5));
    }

    #[tokio::test]
    async fn what_is_gone_is_announced_and_forgotten() {
        let observations = Observations::default();
        observations.take(feedback("a", "web", 1, Outcome::Applied));
        let mut subscription = observations.subscribe();
        observations.take(feedback("a", "web", 2, Outcome::Removed));
        assert_eq!(subscription.changed().await[0].outcome, Outcome::Removed);
        assert!(observations.of(&object("web")).is_empty());
        observations.take(feedback("a", "api", 1, Outcome::Applied));
        observations.forget("a");
        assert_eq!(observations.get("a", &object("api")), None);
    }
}
