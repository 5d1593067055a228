//! How often each weighted answer was given: the share that clients got, beside the share that was wanted.
//!
//! ```text
//! thread 1 ─► its own counters, one per variant ─┐
//! thread 2 ─► …                                  ├─ added up when somebody looks ─► metrics, koinon resolve
//! edge     ─► one set for all its tasks ─────────┘
//! ```
//!
//! Counters belong to a snapshot, because variants do; the next snapshot takes over what was counted of names whose weights are the
//! same. Only one thread writes to a set (but the edge's), so counting is a load and a store. Counted are answers that hold an address
//! of the name itself: whoever follows an alias asks on, and is counted then.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use koinon_types::names::{Record, RecordRef};

use super::answer::Answer;
use super::{Kind, Path, Program, ProgramId, Snapshot};
use crate::wire::rtype;

/// Sets of counters. A machine with more cores than this shares the last one, and counts a little too few.
const LANES_MAX: usize = 64;

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane(usize);

/// The counters of one snapshot; a set is made when its thread first gives a weighted answer.
pub(super) struct Lanes(Vec<OnceLock<Box<[AtomicU64]>>>);

/// Which variant an answer is; none for one that is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VariantId(u32);

/// One weighted answer of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The address that it holds, or begins with.
    pub(crate) address: IpAddr,
    pub(crate) weight: u64,
    pub(crate) n_answers: u64,
}

/// How often the variants of programs were answered by earlier snapshots.
pub(super) type Carried = BTreeMap<ProgramId, Vec<u64>>;

/// A program whose weighted answers were given.
#[derive(Clone, Copy)]
pub(crate) struct Counted<'a> {
    snapshot: &'a Snapshot,
    number: ProgramId,
    record: &'a Record,
}

/// The two kinds of addresses, each of which is chosen among its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

// === impl Lane ===

impl Lane {
    /// What the edge counts in.
    pub(crate) const EDGE: Self = Self(0);

    /// What a thread of the fast path counts in.
    pub(crate) fn of_thread(number: usize) -> Self {
        Self((number + 1).min(LANES_MAX - 1))
    }
}

// === impl VariantId ===

impl VariantId {
    /// The answer is always the same.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(super) fn new(number: u32) -> Self {
        Self(number)
    }
}

// === impl Lanes ===

impl Lanes {
    pub(super) fn new() -> Self {
        Self((0..LANES_MAX).map(|_| OnceLock::new()).collect())
    }

    fn sum(&self, variant: usize) -> u64 {
        let sets = self.0.iter().filter_map(OnceLock::get);
        sets.filter_map(|set| set.get(variant)).map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

impl Snapshot {
    /// Counts an answer that is given.
    pub(crate) fn count(&self, answer: &Answer<'_>, lane: Lane) {
        let VariantId(variant) = answer.variant;
        if answer.variant == VariantId::NONE {
            return;
        }
        let Some(set) = self.lanes.0.get(lane.0) else { return };
        let set = set.get_or_init(|| self.variants.iter().map(|_| AtomicU64::new(0)).collect());
        let Some(counter) = set.get(variant as usize) else { return };
        if lane == Lane::EDGE {
            counter.fetch_add(1, Ordering::Relaxed);
        } else {
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// The names whose weighted answers were given, by program. Reads counters only, so that it is cheap for all the others.
    pub(crate) fn counted(&self) -> impl Iterator<Item = Counted<'_>> {
        let sets: Vec<&[AtomicU64]> =
            self.lanes.0.iter().filter_map(OnceLock::get).map(|set| &**set).collect();
        let is_idle = sets.is_empty() && self.carried.is_empty();
        let programs: &[Program] = if is_idle { &[] } else { &self.programs[..] };
        programs.iter().enumerate().filter_map(move |(number, program)| {
            // One that sends clients to others is counted with those.
            let Kind::Weighted { choice, first } = program.kind else { return None };
            if program.leaves.is_some() {
                return None;
            }
            let first = first as usize;
            let variants = first..first + self.choices[choice as usize].n_variants();
            let is_counted = |set: &&[AtomicU64]| {
                variants
                    .clone()
                    .any(|variant| set.get(variant).is_some_and(|n| n.load(Ordering::Relaxed) > 0))
            };
            let number = number as ProgramId;
            let record = self.table.records.get(program.record? as usize)?;
            let is_any = self.carried.contains_key(&number) || sets.iter().any(is_counted);
            is_any.then_some(Counted { snapshot: self, number, record })
        })
    }

    /// Goes on counting where an earlier snapshot was, for names that have the same weights.
    pub(crate) fn carry(&mut self, before: &Self) {
        let counted = before.counted().filter_map(|counted| {
            let shares = counted.shares()?;
            Some(((&counted.record.source, shares[0].family()), shares))
        });
        // Clients from different places may have different shares of one name.
        let mut known: BTreeMap<(&RecordRef, Family), Vec<Vec<Share>>> = BTreeMap::new();
        for (key, shares) in counted {
            known.entry(key).or_default().push(shares);
        }
        if known.is_empty() {
            return;
        }
        let mut carried = BTreeMap::new();
        for number in 0..self.programs.len() as ProgramId {
            let Some(own) = self.share(number) else { continue };
            let Some(record) = self.programs[number as usize].record else { continue };
            let key = (&self.table.records[record as usize].source, own[0].family());
            let is_same =
                |(one, other): (&Share, &Share)| one.address == other.address && one.weight == other.weight;
            let is_own =
                |known: &&Vec<Share>| known.len() == own.len() && known.iter().zip(&own).all(is_same);
            if let Some(known) = known.get(&key).and_then(|known| known.iter().find(is_own)) {
                carried.insert(number, known.iter().map(|share| share.n_answers).collect());
            }
        }
        self.carried = carried;
    }

    /// What one program answers and has answered; none when it does not choose among addresses of a global name.
    ///
    /// Shape: not empty.
    fn share(&self, number: ProgramId) -> Option<Vec<Share>> {
        let Program { kind: Kind::Weighted { choice, first }, record: Some(_), leaves: None } =
            self.programs[number as usize]
        else {
            return None;
        };
        let carried = self.carried.get(&number).map_or(&[][..], Vec::as_slice);
        let mut shares = Vec::new();
        for (place, weight) in self.choices[choice as usize].weights().enumerate() {
            let variant = first as usize + place;
            let address = first_address(self.block(self.variants[variant]).bytes)?;
            let n_answers = self.lanes.sum(variant) + carried.get(place).copied().unwrap_or_default();
            shares.push(Share { address, weight, n_answers });
        }
        (!shares.is_empty()).then_some(shares)
    }
}

impl<'a> Counted<'a> {
    /// Whose answers these are.
    pub(crate) fn record(&self) -> &'a Record {
        self.record
    }

    /// Whether the clients that a path stands for get these answers: those from elsewhere may get others of the name.
    pub(crate) fn is_of(&self, path: Path) -> bool {
        let Some(routed) = path.routed else { return true };
        let number = self.snapshot.programs[self.number as usize].record;
        let view = number.and_then(|number| self.snapshot.records[number as usize].as_ref());
        let n_leaves = view.map_or(0, |view| view.plan.leaves().len());
        let forks = self.snapshot.programs.iter().filter(|program| program.record == number);
        let mut is_of_others = false;
        for first in forks.filter_map(|program| program.leaves) {
            let leaves = &self.snapshot.leaves[first as usize..first as usize + n_leaves];
            if leaves[routed.leaf] == self.number {
                return true;
            }
            is_of_others |= leaves.contains(&self.number);
        }
        !is_of_others
    }

    /// The shares; none when it does not choose among addresses. Shape: not empty, all of one family.
    pub(crate) fn shares(&self) -> Option<Vec<Share>> {
        self.snapshot.share(self.number)
    }
}

impl Share {
    /// The kind of its address.
    pub(crate) fn family(&self) -> Family {
        match self.address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

/// The address that a block begins with: owner (a pointer), type, class, TTL, length, data (RFC 1035 §3.2.1).
fn first_address(block: &[u8]) -> Option<IpAddr> {
    let (head, data) = block.split_at_checked(12)?;
    let rtype = u16::from_be_bytes([head[2], head[3]]);
    match rtype {
        rtype::A => data.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        rtype::AAAA => data.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        _ => None,
    }
}
