//! What a new table takes away, zone by zone.
//!
//! A name is gone when nothing answers it any more, whoever answered it before: a record that moves to another object is no
//! loss. Of a name that stays, only how many addresses it has fewer counts: other addresses instead are a move. An endpoint
//! that a verdict has taken out is no loss when it goes, and one that stays in the table, withdrawn, is not gone.

use std::collections::{BTreeMap, BTreeSet};

use koinon_policies::guard::Size;
use koinon_types::names::{EndpointState, NameTable, Record, Zone};
use sha2::{Digest as _, Sha256};

/// Hexadecimal digits of a digest: 64 bits, so that two losses that a fleet meets never share one, and a person can type it.
const DIGEST_DIGITS: usize = 16;

/// What of one zone would be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// What the zone serves now.
    pub(super) served: Size,
    /// Names that would answer nothing, with their addresses.
    pub(super) names: BTreeMap<String, BTreeSet<String>>,
    /// Names that would answer fewer addresses, with those that go.
    pub(super) fewer: BTreeMap<String, BTreeSet<String>>,
    /// How many addresses less those names have.
    n_fewer: u64,
}

/// What is answered at one name.
struct Name<'a> {
    zone: &'a str,
    /// Every address, where it has any, health aside: what a loss is named by must not change with a verdict.
    addresses: BTreeSet<String>,
    /// Those that a verdict has taken out.
    withdrawn: BTreeSet<String>,
}

// === impl Loss ===

impl Loss {
    /// How much that is.
    pub(super) fn size(&self) -> Size {
        let gone: usize = self.names.values().map(BTreeSet::len).sum();
        Size { names: self.names.len() as u64, addresses: gone as u64 + self.n_fewer }
    }

    /// Names exactly this loss.
    pub(super) fn digest(&self, apex: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("zone {apex}\n"));
        for (word, names) in [("gone", &self.names), ("fewer", &self.fewer)] {
            for (name, addresses) in names {
                hash.update(format!("{word} {name}\n"));
                for address in addresses {
                    hash.update(format!("  {address}\n"));
                }
            }
        }
        let mut digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        digest.truncate(DIGEST_DIGITS);
        digest
    }
}

/// What of `before` would be gone with these zones and records.
///
/// Shape: every zone of `before`, those that lose nothing too; empty when nothing at all is lost.
pub(super) fn losses(before: &NameTable, zones: &[Zone], records: &[Record]) -> BTreeMap<String, Loss> {
    if is_plainly_no_less(before, zones, records) {
        return BTreeMap::new();
    }
    let (served, remains) = (names(&before.zones, &before.records), names(zones, records));
    let mut losses: BTreeMap<String, Loss> =
        before.zones.iter().map(|zone| (zone.apex.clone(), Loss::default())).collect();
    for (name, had) in served {
        let Some(loss) = losses.get_mut(had.zone) else { continue };
        let n_had = had.addresses.len() as u64;
        loss.served = loss.served + Size { names: 1, addresses: n_had };
        match remains.get(name) {
            None => drop(loss.names.insert(name.to_owned(), had.addresses)),
            Some(has) => {
                let answered: BTreeSet<&String> = had.addresses.difference(&had.withdrawn).collect();
                let n_fewer = answered.len().saturating_sub(has.addresses.len()) as u64;
                if n_fewer > 0 {
                    let gone = answered.into_iter().filter(|address| !has.addresses.contains(*address));
                    loss.fewer.insert(name.to_owned(), gone.cloned().collect());
                    loss.n_fewer += n_fewer;
                }
            }
        }
    }
    losses
}

/// Whether nothing can be lost, seen without looking at each address: almost every table.
fn is_plainly_no_less(before: &NameTable, zones: &[Zone], records: &[Record]) -> bool {
    if before.zones != zones {
        return false;
    }
    let mut after = records.iter().peekable();
    before.records.iter().all(|had| {
        while after.next_if(|has| has.host < had.host).is_some() {}
        let has = after.peek().filter(|has| has.host == had.host);
        has.is_some_and(|has| has.endpoints.len() >= had.endpoints.len()) || had.endpoints.is_empty()
    })
}

/// Every name that answers something.
fn names<'a>(zones: &'a [Zone], records: &'a [Record]) -> BTreeMap<&'a str, Name<'a>> {
    let mut names: BTreeMap<&str, Name<'_>> = BTreeMap::new();
    let at = |zone: &'a str| Name { zone, addresses: BTreeSet::new(), withdrawn: BTreeSet::new() };
    for zone in zones {
        names.entry(&zone.apex).or_insert_with(|| at(&zone.apex));
        for record in &zone.records {
            let name = names.entry(&record.name).or_insert_with(|| at(&zone.apex));
            if matches!(&*record.kind, "A" | "AAAA") {
                name.addresses.insert(record.data.clone());
            }
        }
    }
    for record in records.iter().filter(|record| !record.endpoints.is_empty()) {
        let name = names.entry(&record.host).or_insert_with(|| at(&record.zone));
        for endpoint in &record.endpoints {
            let address = endpoint.target.to_string();
            if endpoint.state != EndpointState::Serving {
                name.withdrawn.insert(address.clone());
            }
            name.addresses.insert(address);
        }
    }
    names
}
