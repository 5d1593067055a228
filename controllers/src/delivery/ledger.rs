//! What was ordered: per binding, how many replicas each member was last told to run, and the orders' versions.
//!
//! Versions grow with the host's revision, so that an order after a restart is newer than any before it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;
use koinon_types::sync::{Feedback, ObjectRef, Outcome};

use crate::bindings::{Binding, BindingKey};
use crate::fleet::Fleet;

/// Every binding's account.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: BTreeMap<BindingKey, Account>,
    /// The account of each object that members speak of.
    objects: BTreeMap<ObjectRef, BindingKey>,
}

/// What was ordered for one binding.
#[derive(Debug)]
pub(super) struct Account {
    /// Replicas that each member was last told to run.
    pub(super) ordered: BTreeMap<ClusterName, u32>,
    /// The version of each member's latest order.
    pub(super) versions: BTreeMap<ClusterName, u64>,
    /// Members that were told to remove it.
    pub(super) buried: BTreeSet<ClusterName>,
    /// Members that have confirmed that it is gone.
    pub(super) gone: BTreeSet<ClusterName>,
    /// Why there is no manifest for a member.
    pub(super) unrendered: BTreeMap<ClusterName, String>,
    /// Whether a member was ever told another number than its first.
    pub(super) has_moved: bool,
    /// Since when answers are awaited; none when there are all.
    waits: Option<Waits>,
    /// When its owner was last told something.
    told: Timestamp,
}

/// Answers that are awaited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// Since when.
    pub(super) since: Timestamp,
    /// When the first of them came.
    pub(super) answered: Option<Timestamp>,
    n_awaited: usize,
}

// === impl Ledger ===

impl Ledger {
    /// The account of a binding; a new one goes on where its status says that the last process was.
    pub(super) fn account(&mut self, binding: &Binding, object: &ObjectRef) -> &mut Account {
        if !self.objects.contains_key(object) {
            self.objects.insert(object.clone(), binding.key.clone());
        }
        self.accounts.entry(binding.key.clone()).or_insert_with(|| {
            let ordered = binding.ordered().into_iter().filter_map(|(name, replicas)| {
                Some((ClusterName::try_from(name).ok()?, u32::try_from(replicas).ok()?))
            });
            Account {
                ordered: ordered.collect(),
                versions: BTreeMap::new(),
                buried: BTreeSet::new(),
                gone: gone(binding),
                unrendered: BTreeMap::new(),
                has_moved: false,
                waits: None,
                told: Timestamp::default(),
            }
        })
    }

    /// Forgets a binding that is gone.
    pub(super) fn forget(&mut self, key: &BindingKey) {
        self.accounts.remove(key);
        self.objects.retain(|_, owner| owner != key);
    }

    /// Takes a confirmation of removal in: the tombstone has served.
    pub(super) fn confirm(&mut self, fleet: &Fleet, feedback: &Feedback) {
        if feedback.outcome != Outcome::Removed {
            return;
        }
        let Ok(name) = ClusterName::try_from(feedback.cluster.as_str()) else { return };
        let settled =
            fleet.member(&name).is_some_and(|orders| orders.settle(&feedback.object, feedback.version));
        let account = self.objects.get(&feedback.object).and_then(|key| self.accounts.get_mut(key));
        if let Some(account) = account
            && settled
            && account.buried.contains(&name)
            && account.versions.get(&name).is_some_and(|version| feedback.version >= *version)
        {
            account.gone.insert(name.clone());
            account.ordered.remove(&name);
        }
    }
}

/// Members of which the status already says that it is gone.
fn gone(binding: &Binding) -> BTreeSet<ClusterName> {
    let left = binding.spec.removing.iter().filter(|name| binding.has_left(name));
    left.filter_map(|name| ClusterName::try_from(name.as_str()).ok()).collect()
}

// === impl Account ===

impl Account {
    /// The version of the next order for a member, `at_least` this.
    pub(super) fn next_version(&mut self, name: &ClusterName, at_least: u64) -> u64 {
        let last = self.versions.get(name).copied().unwrap_or(0);
        let version = at_least.max(last + 1);
        self.versions.insert(name.clone(), version);
        version
    }

    /// Notes how many replicas a member is told to run.
    pub(super) fn order(&mut self, name: &ClusterName, replicas: u32) {
        let before = self.ordered.insert(name.clone(), replicas);
        self.has_moved |= before.is_some_and(|before| before != replicas);
    }

    /// Notes how many answers are awaited now; gives since when.
    pub(super) fn note_waiting(&mut self, n_awaited: usize, now: Timestamp) -> Option<Waits> {
        if n_awaited == 0 {
            self.waits = None;
            return None;
        }
        let waits = self.waits.get_or_insert(Waits { since: now, answered: None, n_awaited });
        if n_awaited < waits.n_awaited {
            waits.answered.get_or_insert(now);
        }
        waits.n_awaited = n_awaited;
        Some(*waits)
    }

    /// Until when its owner was told something a moment ago.
    pub(super) fn is_told_until(&self, moment: Duration) -> Timestamp {
        self.told + moment
    }

    /// Notes that its owner is told something now.
    pub(super) fn note_told(&mut self, now: Timestamp) {
        self.told = now;
    }
}
