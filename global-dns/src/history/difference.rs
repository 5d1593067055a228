//! What is to be taken from one version of a zone, and added, to make another of it.

use std::collections::BTreeMap;

use super::records::{Records, Row};

/// The step from one version of a zone to another, but for its SOA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// In the older version only.
    pub(crate) removed: Records,
    /// In the newer one only.
    pub(crate) added: Records,
}

impl Difference {
    /// Compares two versions, whose records are in order.
    pub(crate) fn between(older: &Records, newer: &Records) -> Self {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        let (mut older, mut newer) = (older.rows().peekable(), newer.rows().peekable());
        loop {
            match (older.peek(), newer.peek()) {
                (Some(old), Some(new)) if old == new => {
                    older.next();
                    newer.next();
                }
                (Some(old), Some(new)) if old < new => removed.extend(older.next()),
                (_, Some(_)) => added.extend(newer.next()),
                (Some(_), None) => removed.extend(older.next()),
                (None, None) => break,
            }
        }
        Self { removed: removed.into_iter().collect(), added: added.into_iter().collect() }
    }

    /// The step that leads where all of these lead, one after the other: what came and went on the way is in none.
    pub(crate) fn condensed<'a>(steps: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut net: BTreeMap<Row<'a>, Net> = BTreeMap::new();
        for step in steps {
            let removed = step.removed.rows().map(|row| (row, Net::Removed));
            for (row, change) in removed.chain(step.added.rows().map(|row| (row, Net::Added))) {
                // One that is there already is the opposite: a version has each record once.
                if net.remove(&row).is_none() {
                    net.insert(row, change);
                }
            }
        }
        let of = |wanted: Net| net.iter().filter(move |(_, change)| **change == wanted).map(|(row, _)| *row);
        Self { removed: of(Net::Removed).collect(), added: of(Net::Added).collect() }
    }

    /// Memory that it takes.
    pub(crate) fn n_bytes(&self) -> usize {
        self.removed.n_bytes() + self.added.n_bytes()
    }
}

/// What became of a record in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Net {
    Removed,
    Added,
}
