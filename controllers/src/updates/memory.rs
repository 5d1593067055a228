//! What is remembered of updates: how each ended, for when it comes again, and how many each key has sent.

use std::collections::BTreeMap;

use koinon_model::time::Timestamp;
use koinon_types::names::{Update, UpdateCode, UpdateOutcome};

/// Outcomes that are remembered: 64 keys at their pace, as long as a signature counts (five minutes before and after its
/// time). Each takes some hundred bytes.
const OUTCOMES_MAX: usize = 64 * 600;

/// Updates of one key in a second, over time. Each writes the zone anew, makes a table and a snapshot; a busy ExternalDNS
/// sends one a minute.
const PER_SECOND: i64 = 10;

/// Updates that a key may send at once after a pause: `nsupdate` with a long file, certificates for a hundred names.
const BURST: i64 = 200;

/// Keys whose pace is remembered. They are ours, so there are few.
const KEYS_MAX: usize = 1024;

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// How updates ended, by their signatures, and until when each counts.
    outcomes: BTreeMap<Vec<u8>, (Timestamp, UpdateOutcome)>,
    /// When each key will have paid for what it has sent, one update per tenth of a second.
    paid: BTreeMap<String, i64>,
}

// === impl Memory ===

impl Memory {
    /// How the same message ended when it came before. Its sender did not get the answer, or somebody else repeats it.
    pub(super) fn recall(&self, update: &Update) -> Option<UpdateOutcome> {
        self.outcomes.get(&update.mac).map(|(_, outcome)| *outcome)
    }

    /// Remembers how an update ended, if that is settled.
    pub(super) fn keep(&mut self, update: &Update, outcome: UpdateOutcome, now: Timestamp) {
        if outcome.code == UpdateCode::ServFail {
            return;
        }
        if self.outcomes.len() >= OUTCOMES_MAX {
            self.outcomes.retain(|_, (expires, _)| *expires > now);
        }
        if self.outcomes.len() >= OUTCOMES_MAX {
            let soonest = self.outcomes.iter().min_by_key(|(_, (expires, _))| *expires);
            let soonest = soonest.map(|(mac, _)| mac.clone()).unwrap_or_default();
            self.outcomes.remove(&soonest);
        }
        self.outcomes.insert(update.mac.clone(), (update.expires, outcome));
    }

    /// Whether a key may send one more now; it is counted when it may.
    pub(super) fn admits(&mut self, key: &str, now: Timestamp) -> bool {
        // The generic cell rate algorithm.
        const COST: i64 = 1_000 / PER_SECOND;
        let now = now.as_millis();
        if self.paid.len() >= KEYS_MAX {
            self.paid.retain(|_, paid| *paid > now);
        }
        if self.paid.len() >= KEYS_MAX && !self.paid.contains_key(key) {
            return false;
        }
        let paid = self.paid.entry(key.to_owned()).or_insert(now);
        let after = (*paid).max(now) + COST;
        let is_admitted = after - now <= BURST * COST;
        if is_admitted {
            *paid = after;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use koinon_types::dns::name::Name;

    fn update(number: u64, expires: i64) -> Update {
        Update {
            apex: Name::root(),
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            grants: Vec::new(),
            mac: number.to_be_bytes().to_vec(),
            expires: Timestamp::from_millis(expires),
            prerequisites: Vec::new(),
            changes: Vec::new(),
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn what_is_settled_is_told_again_and_what_is_not_is_tried_again() {
        let mut memory = Memory::default();
        let done = UpdateOutcome { code: UpdateCode::NoError, generation: Some(7) };
        memory.keep(&update(1, 2_000_000), done, NOW);
        memory.keep(&update(2, 2_000_000), UpdateOutcome::failed(UpdateCode::YxDomain), NOW);
        memory.keep(&update(3, 2_000_000), UpdateOutcome::failed(UpdateCode::ServFail), NOW);
        let recalled = [1, 2, 3].map(|number| memory.recall(&update(number, 0)).map(|outcome| outcome.code));
        assert_eq!(recalled, [Some(UpdateCode::NoError), Some(UpdateCode::YxDomain), None]);
    }

    #[test]
    fn a_full_memory_forgets_what_no_signature_counts_for_and_then_the_oldest() {
        let mut memory = Memory::default();
        let outcome = UpdateOutcome::failed(UpdateCode::Refused);
        for number in 0..OUTCOMES_MAX as u64 {
            let expires = if number < 10 { 1 } else { 2_000_000 + i64::try_from(number).unwrap() };
            memory.keep(&update(number, expires), outcome, Timestamp::from_millis(0));
        }
        memory.keep(&update(1 << 40, 3_000_000), outcome, NOW);
        assert_eq!(memory.outcomes.len(), OUTCOMES_MAX - 9);
        for number in 1..=10 {
            memory.keep(&update(number << 41, 3_000_000), outcome, NOW);
        }
        assert_eq!(memory.outcomes.len(), OUTCOMES_MAX);
        let knows = |number| memory.recall(&update(number, 0)).is_some();
        assert_eq!([knows(0), knows(10), knows(11), knows(1 << 40)], [false, false, true, true]);
    }

    #[test]
    fn a_key_has_its_burst_and_then_its_pace() {
        let mut memory = Memory::default();
        let n_admitted = (0..1_000).filter(|_| memory.admits("key", NOW)).count();
        assert_eq!(n_admitted, 200);
        assert!(memory.admits("other", NOW));
        let later = Timestamp::from_millis(NOW.as_millis() + 1_000);
        assert_eq!((0..1_000).filter(|_| memory.admits("key", later)).count(), 10);
    }
}
