//! What was signed, so that nothing is signed twice, and the making of what was not.
//!
//! A signature is known by its key and by what it signs, the period included. A snapshot in which little changed finds nearly
//! all of its signatures here; those that it lacks are made together, on all cores.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, thread};

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::key::Key;

/// Length of a signature: r and s (RFC 6605 §4).
pub(crate) const SIGNATURE: usize = 64;

/// A signature.
pub(crate) type Signature = [u8; SIGNATURE];

/// Signatures that this many builds did not need are forgotten: what flaps comes back sooner. Were they kept until they expire,
/// a busy zone's SOA alone would leave one for each of its changes.
const BUILDS_KEPT: u64 = 64;

/// Fewer than this are not worth a thread's start.
const PER_THREAD_MIN: usize = 64;

/// Something that is to be signed.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Stands for key and message. Two orders with one hash would cost a wrong signature: as likely as 2⁻¹²⁸ for a pair, and
    /// nobody outside can try.
    hash: u128,
    key: Arc<Key>,
    message: Vec<u8>,
}

/// The key did not sign: the system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random numbers to sign with")]
pub struct Unsigned;

/// Every signature that is in use. Shared by the snapshots of a server, one after the other.
#[derive(Default)]
pub struct Signatures {
    known: Mutex<Known>,
    n_made: AtomicU64,
}

#[derive(Default)]
struct Known {
    n_builds: u64,
    by_order: HashMap<u128, Entry>,
}

struct Entry {
    signature: Signature,
    /// The build that needed it last.
    used: u64,
}

impl Order {
    pub(super) fn new(key: Arc<Key>, message: Vec<u8>) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(key.public());
        hasher.write(&message);
        Self { hash: hasher.finish128().as_u128(), key, message }
    }

    /// Equal for orders that one signature fulfils.
    pub(crate) fn hash(&self) -> u128 {
        self.hash
    }
}

// === impl Signatures ===

impl Signatures {
    /// How many were made, ever.
    pub fn n_made(&self) -> u64 {
        self.n_made.load(Ordering::Relaxed)
    }

    /// How many are kept.
    pub fn n_known(&self) -> usize {
        self.lock().by_order.len()
    }

    /// Begins a build: what none of the last ones needed is forgotten.
    pub(crate) fn begin_build(&self) {
        let mut known = self.lock();
        known.n_builds += 1;
        let n_builds = known.n_builds;
        known.by_order.retain(|_, entry| entry.used + BUILDS_KEPT >= n_builds);
    }

    /// The signature that fulfils an order, if it was made before.
    pub(crate) fn find(&self, order: &Order) -> Option<Signature> {
        let mut known = self.lock();
        let n_builds = known.n_builds;
        let entry = known.by_order.get_mut(&order.hash)?;
        entry.used = n_builds;
        Some(entry.signature)
    }

    /// Fulfils orders, in their order.
    ///
    /// # Errors
    /// When a key does not sign.
    pub(crate) fn make(&self, orders: &[Order]) -> Result<Vec<Signature>, Unsigned> {
        let n_threads = thread::available_parallelism().map_or(1, usize::from);
        let per_thread = orders.len().div_ceil(n_threads).max(PER_THREAD_MIN);
        let sign = |orders: &[Order]| {
            orders.iter().map(|order| order.key.sign(&order.message)).collect::<Result<Vec<_>, _>>()
        };
        let (own, others) = orders.split_at(orders.len().min(per_thread));
        let made = thread::scope(|scope| -> Result<Vec<Signature>, Unsigned> {
            let threads: Vec<_> =
                others.chunks(per_thread).map(|orders| scope.spawn(move || sign(orders))).collect();
            let mut made = sign(own)?;
            for thread in threads {
                made.extend(thread.join().unwrap_or(Err(Unsigned))?);
            }
            Ok(made)
        })?;
        self.n_made.fetch_add(made.len() as u64, Ordering::Relaxed);
        let mut known = self.lock();
        let used = known.n_builds;
        let entries = orders.iter().zip(&made);
        known
            .by_order
            .extend(entries.map(|(order, signature)| (order.hash, Entry { signature: *signature, used })));
        Ok(made)
    }

    /// A thread that panics leaves whole entries behind, so they may be used.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signatures").field("n_known", &self.n_known()).finish_non_exhaustive()
    }
}
