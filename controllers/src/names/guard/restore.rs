//! Puts back into a table what must not go from it yet.

use std::collections::{BTreeMap, BTreeSet};

use koinon_types::names::{Endpoint, EndpointState, NameTable, Record, RecordRef, Zone};

use super::Parts;
use super::loss::Loss;

/// Lets names that are left without any address keep their last ones: as long as its record is there, a name is never emptied.
///
/// Shape: the records that keep some.
pub(super) fn last_addresses(
    before: &NameTable,
    parts: &mut Parts<'_>,
    missing: &BTreeSet<RecordRef>,
    now_is: &dyn Fn(&Endpoint) -> Endpoint,
) -> BTreeSet<RecordRef> {
    let mut kept = BTreeSet::new();
    let is_empty = |record: &Record| record.endpoints.is_empty();
    if missing.is_empty() && !parts.records.iter().any(is_empty) {
        return kept;
    }
    let had: BTreeMap<&str, &Record> = before
        .records
        .iter()
        .filter(|record| !is_empty(record))
        .map(|record| (&*record.host, record))
        .collect();
    for record in parts.records.iter_mut().filter(|record| is_empty(record)) {
        let had = had.get(&*record.host).filter(|had| had.source == record.source);
        if let Some(had) = had {
            record.endpoints = had.endpoints.iter().map(now_is).collect();
            kept.insert(record.source.clone());
        }
    }
    for had in had.values().filter(|had| missing.contains(&had.source)) {
        if put(parts, had, now_is) {
            kept.insert(had.source.clone());
        }
    }
    kept
}

/// Gives zones that are held back what they would lose.
///
/// Shape: the records that answer what would otherwise be gone.
pub(super) fn hold(
    before: &NameTable,
    parts: &mut Parts<'_>,
    losses: &BTreeMap<String, Loss>,
    zones: &BTreeMap<String, String>,
    now_is: &dyn Fn(&Endpoint) -> Endpoint,
) -> BTreeSet<RecordRef> {
    for had in before.zones.iter().filter(|zone| zones.contains_key(&zone.apex)) {
        restore_zone(parts.zones, had);
    }
    let mut held = BTreeSet::new();
    let is_held = |record: &&Record| zones.contains_key(&record.zone);
    for had in before.records.iter().filter(is_held) {
        let Some(loss) = losses.get(&had.zone) else { continue };
        if let Ok(at) = parts.records.binary_search_by(|record| record.host.cmp(&had.host)) {
            let record = &mut parts.records[at];
            // Without its zone it fell to one above, or to none.
            record.zone.clone_from(&had.zone);
            if loss.fewer.contains_key(&had.host) {
                restore_endpoints(record, had, now_is);
                held.insert(record.source.clone());
            }
        } else if put(parts, had, now_is) {
            held.insert(had.source.clone());
        }
    }
    held
}

/// A zone that is held says what it said: its records belong together. Who may copy it, and how it is signed, follows the spec.
fn restore_zone(zones: &mut Vec<Zone>, had: &Zone) {
    match zones.binary_search_by(|zone| zone.apex.cmp(&had.apex)) {
        Ok(at) => zones[at].records.clone_from(&had.records),
        Err(at) => zones.insert(at, had.clone()),
    }
}

/// Puts a record back, unless its name is taken or its zone is gone.
fn put(parts: &mut Parts<'_>, had: &Record, now_is: &dyn Fn(&Endpoint) -> Endpoint) -> bool {
    let has_zone = parts.zones.binary_search_by(|zone| zone.apex.cmp(&had.zone)).is_ok();
    let Err(at) = parts.records.binary_search_by(|record| record.host.cmp(&had.host)) else { return false };
    if has_zone {
        let endpoints = had.endpoints.iter().map(now_is).collect();
        parts.records.insert(at, Record { endpoints, ..had.clone() });
    }
    has_zone
}

/// Adds the endpoints that were answered and would be gone.
fn restore_endpoints(record: &mut Record, had: &Record, now_is: &dyn Fn(&Endpoint) -> Endpoint) {
    for endpoint in had.endpoints.iter().filter(|endpoint| endpoint.state == EndpointState::Serving) {
        let is_same = |other: &Endpoint| other.cluster == endpoint.cluster && other.target == endpoint.target;
        if !record.endpoints.iter().any(is_same) {
            record.endpoints.push(now_is(endpoint));
        }
    }
    record.endpoints.sort_by(|a, b| (&a.cluster, &a.target).cmp(&(&b.cluster, &b.target)));
}
