//! Where people see what is held, and say that it is meant.

use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_policies::guard::Excess;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use super::loss::Loss;

/// Names of one loss that are told one by one: more than a person reads before they understand what went wrong.
const LISTED_MAX: usize = 1000;

/// Acknowledgements that wait for the loop: people give them.
const QUEUE: usize = 16;

/// A loss that is held back.
///
/// Shape: `names` and `fewer` list at most 1,000 each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The apex of the zone that would lose something.
    pub zone: String,
    /// Names this loss, for whoever acknowledges it.
    pub digest: String,
    /// Since when something of the zone is held.
    #[serde(serialize_with = "as_text")]
    pub since: Timestamp,
    /// What there is too much of.
    pub why: String,
    /// How many names would answer nothing.
    pub names_count: u64,
    /// How many addresses would be gone, over all names.
    pub addresses_count: u64,
    /// The names that would answer nothing.
    pub names: Vec<String>,
    /// The names that would answer fewer addresses, with those that would go.
    pub fewer: Vec<Fewer>,
}

/// A name that would answer fewer addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fewer {
    /// The name.
    pub name: String,
    /// The addresses that would go.
    pub addresses: Vec<String>,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// Somebody says that a loss is meant.
#[derive(Debug)]
pub struct Acknowledge {
    /// The loss.
    pub digest: String,
    /// Who says so.
    pub by: String,
    /// Told what passed, or what is held instead.
    pub reply: oneshot::Sender<Result<Held, Vec<Held>>>,
}

/// The people's side.
#[derive(Clone)]
pub struct Desk {
    held: watch::Receiver<Arc<Vec<Held>>>,
    asks: mpsc::Sender<Acknowledge>,
}

/// The loop's side.
pub struct Counter {
    pub(in super::super) held: watch::Sender<Arc<Vec<Held>>>,
    pub(in super::super) asks: mpsc::Receiver<Acknowledge>,
}

/// Makes both sides.
pub fn desk() -> (Desk, Counter) {
    let (sender, held) = watch::channel(Arc::default());
    let (asks, asked) = mpsc::channel(QUEUE);
    (Desk { held, asks }, Counter { held: sender, asks: asked })
}

// === impl Desk ===

impl Desk {
    /// What is held now, by zone.
    pub fn held(&self) -> Arc<Vec<Held>> {
        Arc::clone(&self.held.borrow())
    }

    /// Lets a loss pass, and waits until it has.
    ///
    /// # Errors
    /// What is held, when that is not it; nothing when the loop has ended.
    pub async fn acknowledge(&self, digest: String, by: String) -> Result<Held, Vec<Held>> {
        let (reply, told) = oneshot::channel();
        if self.asks.send(Acknowledge { digest, by, reply }).await.is_err() {
            return Err(Vec::new());
        }
        told.await.unwrap_or(Err(Vec::new()))
    }
}

// === impl Held ===

impl Held {
    pub(super) fn new(apex: &str, loss: &Loss, excess: &Excess, since: Timestamp) -> Self {
        let size = loss.size();
        let fewer = loss.fewer.iter().take(LISTED_MAX).map(|(name, addresses)| Fewer {
            name: name.clone(),
            addresses: addresses.iter().cloned().collect(),
        });
        Self {
            zone: apex.to_owned(),
            digest: loss.digest(apex),
            since,
            why: excess.to_string(),
            names_count: size.names,
            addresses_count: size.addresses,
            names: loss.names.keys().take(LISTED_MAX).cloned().collect(),
            fewer: fewer.collect(),
        }
    }
}
