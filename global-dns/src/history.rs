//! What secondaries copy: the content of every zone that somebody may copy, and how it came to be what it is.
//!
//! ```text
//! snapshot swapped ─► Archive::follow: zones with another serial ─► content ─► difference to the one before ─► notify
//!                                                         └─► AXFR          └─► IXFR
//! ```
//!
//! It follows the snapshots at a small distance, because an answer with a new address must not wait for what secondaries are
//! given of it. Transfers, and the notices that announce them, speak of what the archive holds and never of more, so what
//! a secondary is told and what it gets fit together.
//!
//! Nothing of it outlives the process: after a restart every zone has a new serial, which every secondary copies whole.

mod difference;
mod records;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::error;

pub(crate) use difference::Difference;
pub(crate) use records::{Records, Row};

use crate::snapshot::Snapshot;
use crate::wire::name::Name;
use crate::wire::rtype;

/// Versions of a zone that are kept: at a change per second, a quarter of an hour. Who was away for longer copies the zone.
const STEPS_MAX: usize = 1024;

/// The least that a zone may keep of its past, so that a small one has some: a few hundred records. Above, it may keep as
/// much as it is large itself, because who would have to be sent more is better sent the zone.
const STEPS_BYTES_MIN: usize = 16 << 10;

/// After looking at a snapshot, this many times as long as it took passes until the next, so that busy names cost a fifth of
/// one core at most, however large the zones are.
const REST_FACTOR: u32 = 4;

/// Every zone that somebody may copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive(BTreeMap<Name, Arc<History>>);

/// One zone as it is, and how it came to be so.
#[derive(Debug)]
pub(crate) struct History {
    latest: Version,
    records: Records,
    /// From the oldest version that is kept to the latest.
    steps: VecDeque<Arc<Step>>,
}

/// A version's serial, and its SOA record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    serial: u32,
    soa: Records,
}

/// How a version became the next.
#[derive(Debug)]
struct Step {
    from: Version,
    difference: Difference,
}

/// What is known of a version that a secondary has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is the latest, or said to be even newer.
    Latest,
    /// So many of the last steps lead from it to the latest.
    Earlier { n_steps: usize },
    /// It was never here, or is kept no more.
    Unknown,
}

/// Keeps `archive` up with the snapshots until asked to stop. `swaps` changes with every snapshot, and `followed` is told of
/// each that the archive holds.
pub(crate) async fn run(
    snapshot: Arc<ArcSwap<Snapshot>>,
    archive: Arc<ArcSwap<Archive>>,
    mut swaps: watch::Receiver<u64>,
    followed: watch::Sender<u64>,
    mut stop: watch::Receiver<bool>,
) {
    // What an earlier run kept is served already.
    swaps.mark_changed();
    loop {
        tokio::select! {
            changed = swaps.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let started = Instant::now();
        let (before, current) = (archive.load_full(), snapshot.load_full());
        let generation = current.generation();
        match tokio::task::spawn_blocking(move || before.follow(&current)).await {
            Ok(followed) => followed.into_iter().for_each(|next| archive.store(Arc::new(next))),
            // The runtime ends, or following met a bug; secondaries keep to what they were given before.
            Err(error) => error!(%error, "cannot give secondaries the latest zones"),
        }
        followed.send_replace(generation);
        tokio::select! {
            () = tokio::time::sleep(started.elapsed() * REST_FACTOR) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

// === impl Archive ===

impl Archive {
    /// What is in a snapshot, with no past.
    #[cfg(test)]
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self::default().follow(snapshot).unwrap_or_default()
    }

    /// A zone that somebody may copy.
    pub(crate) fn zone(&self, apex: &Name) -> Option<&Arc<History>> {
        self.0.get(apex)
    }

    /// The archive after this snapshot; none when it is the same. Takes as long as building the snapshot did, when a zone
    /// changed.
    pub(crate) fn follow(&self, snapshot: &Snapshot) -> Option<Self> {
        let zones = snapshot.table().zones.iter().filter(|zone| !zone.transfer.allow.is_empty());
        let apexes = zones.filter_map(|zone| zone.apex.parse::<Name>().ok());
        let version = |apex: Name| snapshot.version(&apex).map(|version| (apex, version.serial));
        let served: BTreeMap<Name, u32> = apexes.filter_map(version).collect();
        let mut next = self.0.clone();
        next.retain(|apex, _| served.contains_key(apex));
        let is_news = |apex: &Name, serial: u32| self.0.get(apex).is_none_or(|held| held.serial() != serial);
        let changed: Vec<&Name> =
            served.iter().filter(|(apex, serial)| is_news(apex, **serial)).map(|(apex, _)| apex).collect();
        if changed.is_empty() {
            return (next.len() < self.0.len()).then_some(Self(next));
        }
        let mut contents = vec![(Records::default(), Records::default()); changed.len()];
        let given = snapshot.contents(&changed, &mut |zone, entry| {
            let (soa, records) = &mut contents[zone];
            if entry.rtype == rtype::SOA { soa.push(entry) } else { records.push(entry) }
        });
        if let Err(error) = given {
            // What they have is better than a zone without signatures; the next snapshot tries again.
            error!(%error, "cannot give secondaries the latest zones");
            return (next.len() < self.0.len()).then_some(Self(next));
        }
        for (apex, (soa, records)) in changed.into_iter().zip(contents) {
            // Without its SOA it was not given, because the names of all zones are too many.
            if soa.is_empty() {
                continue;
            }
            let latest = Version { serial: served[apex], soa };
            let history = match self.0.get(apex) {
                Some(before) => before.next(latest, records.sorted()),
                None => History { latest, records: records.sorted(), steps: VecDeque::new() },
            };
            next.insert(apex.clone(), Arc::new(history));
        }
        Some(Self(next))
    }
}

// === impl History ===

impl History {
    pub(crate) fn serial(&self) -> u32 {
        self.latest.serial
    }

    /// The latest SOA record, alone.
    pub(crate) fn soa(&self) -> &Records {
        &self.latest.soa
    }

    /// Every other record of the latest version.
    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// What is known of the version with this serial.
    pub(crate) fn known(&self, serial: u32) -> Known {
        if !is_newer(self.latest.serial, serial) {
            return Known::Latest;
        }
        let place = self.steps.iter().rposition(|step| step.from.serial == serial);
        place.map_or(Known::Unknown, |place| Known::Earlier { n_steps: self.steps.len() - place })
    }

    /// The SOA record that the zone had so many steps ago, and what changed since; none when that is not kept.
    pub(crate) fn since(&self, n_steps: usize) -> Option<(&Records, Difference)> {
        let steps = self.steps.range(self.steps.len().checked_sub(n_steps)?..);
        let from = &steps.clone().next()?.from.soa;
        Some((from, Difference::condensed(steps.map(|step| &step.difference))))
    }

    /// Memory of the last so many steps: what condensing them reads.
    pub(crate) fn n_bytes_since(&self, n_steps: usize) -> usize {
        self.steps.iter().rev().take(n_steps).map(|step| step.n_bytes()).sum()
    }

    /// The history after one more step.
    fn next(&self, latest: Version, records: Records) -> Self {
        let difference = Difference::between(&self.records, &records);
        let mut steps = self.steps.clone();
        steps.push_back(Arc::new(Step { from: self.latest.clone(), difference }));
        let n_bytes_max = records.n_bytes().max(STEPS_BYTES_MIN);
        let mut n_bytes: usize = steps.iter().map(|step| step.n_bytes()).sum();
        while steps.len() > STEPS_MAX || n_bytes > n_bytes_max {
            n_bytes -= steps.pop_front().map_or(n_bytes, |step| step.n_bytes());
        }
        Self { latest, records, steps }
    }
}

impl Step {
    fn n_bytes(&self) -> usize {
        self.from.soa.n_bytes() + self.difference.n_bytes()
    }
}

/// Whether serial `one` comes after `other` (RFC 1982 §3.2).
fn is_newer(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() > 0
}

#[cfg(test)]
mod tests;
