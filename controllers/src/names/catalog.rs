//! Catalogs: zones that list other zones for secondaries (RFC 9432).
//!
//! ```text
//! version.CATALOG        TXT  "2"
//! UID.zones.CATALOG      PTR  MEMBER
//! group.UID.zones.CATALOG TXT "GROUP"
//! ```
//!
//! A member stands under the uid of its DnsZone. It stays the same as long as the object lives, and a zone that is deleted and
//! made again is another one: secondaries then forget what they had of it (RFC 9432 §5.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_api_server::local::Stored;
use koinon_types::convert::{CheckedCatalog, CheckedZone};
use koinon_types::names::StaticRecord;

use crate::templates::labels;

/// The version of the schema (RFC 9432 §4.2.1).
const VERSION: &str = "2";

/// Nobody resolves what is in a catalog, so nobody is to remember it (RFC 9432 §4 leaves the TTL to us).
const TTL: u32 = 0;

/// What became of a catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) n_members: usize,
    /// The zones that it selects and nobody may copy: a secondary would fail to serve them.
    pub(super) closed: Vec<String>,
}

/// Writes the members into every catalog. Shape: what became of each, by apex.
pub(super) fn fill(zones: &mut [(Arc<Stored>, CheckedZone)]) -> BTreeMap<String, Listed> {
    let mut filled = Vec::new();
    for (place, (_, catalog)) in zones.iter().enumerate() {
        if let Some(selection) = &catalog.catalog {
            filled.push((place, contents(&catalog.zone.apex, selection, zones)));
        }
    }
    let mut listed = BTreeMap::new();
    for (place, (records, outcome)) in filled {
        let zone = &mut zones[place].1.zone;
        zone.records = records;
        listed.insert(zone.apex.clone(), outcome);
    }
    listed
}

/// The records of a catalog.
fn contents(
    apex: &str,
    selection: &CheckedCatalog,
    zones: &[(Arc<Stored>, CheckedZone)],
) -> (Vec<StaticRecord>, Listed) {
    let mut records = vec![record(format!("version.{apex}"), "TXT", format!("{VERSION:?}"))];
    let mut listed = Listed::default();
    for (stored, member) in zones {
        let labels = labels(stored);
        if member.catalog.is_some() || !selection.members.matches(&labels) {
            continue;
        }
        if member.transfer.allow.is_empty() {
            listed.closed.push(member.zone.apex.clone());
            continue;
        }
        let owner = format!("{}.zones.{apex}", stored.uid());
        let group = selection.group_label.as_deref().and_then(|label| labels.value(label));
        // A label's value needs no escapes; an empty one is no group.
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            records.push(record(format!("group.{owner}"), "TXT", format!("{group:?}")));
        }
        records.push(record(owner, "PTR", format!("{}.", member.zone.apex)));
        listed.n_members += 1;
    }
    (records, listed)
}

fn record(name: String, kind: &str, data: String) -> StaticRecord {
    StaticRecord { name, kind: kind.to_owned(), ttl: TTL, data }
}
