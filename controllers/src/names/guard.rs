//! Holds back tables that take away too much, until a person says that it is meant.
//!
//! ```text
//! table made ─► last addresses stay ─► losses, zone by zone ─► policies::guard::judge ─┬ pass ─► published
//!                                              ▲                                       └ hold ─► published without them,
//!                             acknowledgement ─┘                                                  told, and asked again
//! ```
//!
//! What is compared is what is served with what would be, so a restart changes nothing: the table served last is kept. A zone
//! that is held keeps its own records and every name it had; what is added to its names, and every verdict on health, goes on.
//! An acknowledgement names the loss by a digest of everything that goes, so it cannot let something else pass.

mod desk;
mod loss;
mod restore;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use koinon_model::time::Timestamp;
use koinon_policies::guard::{self, Change, Excess, Limit, Size};
use koinon_types::names::{Endpoint, NameTable, Record, RecordRef, Zone};

pub use desk::{Acknowledge, Counter, Desk, Held, desk};
use loss::Loss;

/// Fewer names or addresses than this may always go. Two are what a person removes by hand and sees at once; from three on, what
/// removed them was a pattern, and in small zones every pattern is a large share.
const FEWEST: u64 = 3;

/// Losses that are remembered for the window, the latest ones: each takes a table, and names publish at most a few of those a second.
const PASSED_MAX: usize = 4096;

/// How much may go unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The share of a zone's names, and of their addresses, and of all zones'. Units: percent; from 100 on nothing is held.
    pub percent_max: u8,
    /// Within which losses add up.
    pub window: Duration,
}

/// The share that may go unasked. Units: percent. A zone that loses every third name is no longer what its owner looks at every
/// day; migrations done in steps stay below.
pub const PERCENT_MAX: u8 = 30;

/// Within which losses add up. Units: seconds. Longer than a controller takes to go through a fleet one object after the other,
/// and than people take to notice.
pub const WINDOW_SECONDS: u64 = 600;

impl Default for Settings {
    fn default() -> Self {
        Self { percent_max: PERCENT_MAX, window: Duration::from_secs(WINDOW_SECONDS) }
    }
}

/// The parts of a table that the guard looks at and may change.
pub(super) struct Parts<'a> {
    pub(super) zones: &'a mut Vec<Zone>,
    /// Shape: sorted by host.
    pub(super) records: &'a mut Vec<Record>,
}

/// What the guard has done to a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Records that answer what would otherwise be gone.
    pub(super) held: BTreeSet<RecordRef>,
    /// Why each zone is held.
    pub(super) zones: BTreeMap<String, String>,
    /// Records that keep their last addresses.
    pub(super) last: BTreeSet<RecordRef>,
    /// Zones whose loss passed by an acknowledgement, and whose it was.
    pub(super) acknowledged: BTreeMap<String, Acknowledged>,
}

/// An acknowledgement that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) digest: String,
    pub(super) by: String,
}

/// Remembers what went lately, and what may go.
pub(super) struct Guard {
    settings: Settings,
    /// Losses that passed unasked, the oldest first.
    passed: VecDeque<(Timestamp, String, Size)>,
    /// Who acknowledged which loss, by digest; used up by the next table.
    acknowledged: BTreeMap<String, String>,
    held: Vec<Held>,
}

// === impl Guard ===

impl Guard {
    /// A guard for which some losses were let pass already.
    pub(super) fn new(settings: Settings, acknowledged: Vec<(String, String)>) -> Self {
        let acknowledged = acknowledged.into_iter().collect();
        Self { settings, passed: VecDeque::new(), acknowledged, held: Vec::new() }
    }

    /// What is held now, by zone.
    pub(super) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Lets the next table take this loss away.
    pub(super) fn acknowledge(&mut self, digest: String, by: String) {
        self.acknowledged.insert(digest, by);
    }

    /// Changes a table so that it takes nothing away from `before` that has to wait. `now_is` says how an endpoint that only
    /// stands in `before` is doing now; `missing` are the records that are left out although they exist and mean the same name.
    pub(super) fn judge(
        &mut self,
        before: &NameTable,
        parts: &mut Parts<'_>,
        missing: &BTreeSet<RecordRef>,
        now_is: &dyn Fn(&Endpoint) -> Endpoint,
        now: Timestamp,
    ) -> Outcome {
        let mut outcome =
            Outcome { last: restore::last_addresses(before, parts, missing, now_is), ..Outcome::default() };
        let losses = loss::losses(before, parts.zones, parts.records);
        self.forget(now);
        let verdicts = self.decide(&losses);
        let acknowledged = std::mem::take(&mut self.acknowledged);
        let mut held = Vec::new();
        for (apex, loss) in &losses {
            if let Some(excess) = verdicts.get(apex) {
                held.push(self.hold(apex, loss, excess, now));
                outcome.zones.insert(apex.clone(), excess.to_string());
            } else if let Some(by) = acknowledged.get(&loss.digest(apex)) {
                let used = Acknowledged { digest: loss.digest(apex), by: by.clone() };
                outcome.acknowledged.insert(apex.clone(), used);
                self.passed.retain(|(_, zone, _)| zone != apex);
            } else if loss.size() != Size::default() {
                self.pass(now, apex, loss.size());
            }
        }
        self.held = held;
        if !outcome.zones.is_empty() {
            outcome.held = restore::hold(before, parts, &losses, &outcome.zones, now_is);
        }
        outcome
    }

    /// Which losses have to wait: those that are too large for their zone, and all of them when together they are too large.
    fn decide(&self, losses: &BTreeMap<String, Loss>) -> BTreeMap<String, Excess> {
        let limit = Limit { percent_max: self.settings.percent_max, fewest: FEWEST };
        let mut verdicts = BTreeMap::new();
        let mut rest = Vec::new();
        for (apex, loss) in losses {
            if self.acknowledged.contains_key(&loss.digest(apex)) {
                continue;
            }
            let lost_lately = self.passed.iter().filter(|(_, zone, _)| zone == apex).map(|(.., size)| *size);
            let change = Change { served: loss.served, lost: loss.size(), lost_lately: lost_lately.sum() };
            match guard::judge(&limit, &change) {
                Ok(()) => rest.push((apex, loss.size())),
                Err(excess) => drop(verdicts.insert(apex.clone(), excess)),
            }
        }
        let all = Change {
            served: losses.values().map(|loss| loss.served).sum(),
            lost: rest.iter().map(|(_, size)| *size).sum(),
            lost_lately: self.passed.iter().map(|(.., size)| *size).sum(),
        };
        if let Err(excess) = guard::judge(&limit, &all) {
            let losing = rest.into_iter().filter(|(_, size)| *size != Size::default());
            verdicts.extend(losing.map(|(apex, _)| (apex.clone(), excess)));
        }
        verdicts
    }

    fn hold(&self, apex: &str, loss: &Loss, excess: &Excess, now: Timestamp) -> Held {
        let known = self.held.iter().find(|held| held.zone == apex);
        Held::new(apex, loss, excess, known.map_or(now, |known| known.since))
    }

    fn pass(&mut self, now: Timestamp, apex: &str, size: Size) {
        if self.passed.len() >= PASSED_MAX {
            self.passed.pop_front();
        }
        self.passed.push_back((now, apex.to_owned(), size));
    }

    fn forget(&mut self, now: Timestamp) {
        let window = self.settings.window;
        while self.passed.front().is_some_and(|(at, ..)| now.since(*at) > window) {
            self.passed.pop_front();
        }
    }
}
