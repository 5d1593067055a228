//! What two tables answer differently, name by name.

use std::collections::{BTreeMap, BTreeSet};

use koinon_model::time::Timestamp;
use koinon_types::names::{NameTable, Record, Zone};

use super::cause::Causes;
use super::{Cause, Entry, Said};

/// Names of one zone that are told one by one when they change together. More come from an import or a large mistake, whose cause is
/// one; told one by one they would push everything else out of what is kept.
const EACH_MAX: usize = 1000;

/// Two tables that follow each other.
#[derive(Clone, Copy)]
pub(in super::super) struct Published<'a> {
    pub(in super::super) before: &'a NameTable,
    pub(in super::super) after: &'a NameTable,
    pub(in super::super) at: Timestamp,
}

/// Every change from one table to the next, with its cause.
///
/// Shape: by zone, the apex's own records first; one entry stands for all changes of a zone where they are very many.
pub(in super::super) fn changes(published: Published<'_>, causes: &Causes<'_>) -> Vec<Entry> {
    let mut found = static_changes(&published, causes);
    found.extend(record_changes(&published, causes));
    bounded(found)
}

/// Changes that happened at once, zone by zone, summed up where they are very many.
pub(super) fn bounded(found: Vec<Entry>) -> Vec<Entry> {
    let mut by_zone: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in found {
        by_zone.entry(entry.zone.clone()).or_default().push(entry);
    }
    by_zone.into_values().flat_map(summed_up).collect()
}

/// The changes of one zone, or the one entry that stands for them.
fn summed_up(entries: Vec<Entry>) -> Vec<Entry> {
    if entries.len() <= EACH_MAX {
        return entries;
    }
    let names_count = Some(entries.len() as u64);
    let first = entries.into_iter().next();
    let sum =
        |first: Entry| Entry { name: first.zone.clone(), names_count, before: None, after: None, ..first };
    first.map(sum).into_iter().collect()
}

fn entry(published: &Published<'_>, zone: &str, name: &str, cause: Cause) -> Entry {
    Entry {
        at_ms: published.at.as_millis(),
        generation: published.after.generation,
        zone: zone.to_owned(),
        name: name.to_owned(),
        node: None,
        cause,
        names_count: None,
        before: None,
        after: None,
    }
}

fn static_changes(published: &Published<'_>, causes: &Causes<'_>) -> Vec<Entry> {
    let Published { before, after, .. } = published;
    let of = |table: &'_ NameTable| -> BTreeMap<String, Zone> {
        table.zones.iter().map(|zone| (zone.apex.clone(), zone.clone())).collect()
    };
    if before.zones == after.zones {
        return Vec::new();
    }
    let (had, has) = (of(before), of(after));
    let apexes: BTreeSet<&String> = had.keys().chain(has.keys()).collect();
    let mut entries = Vec::new();
    for apex in apexes {
        let (old, new) = (had.get(apex), has.get(apex));
        if old == new {
            continue;
        }
        let (old, new) = (old.map(lines).unwrap_or_default(), new.map(lines).unwrap_or_default());
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
            let said = |lines: Option<&Vec<String>>| {
                lines.map(|lines| Said { records: lines.clone(), ..Said::default() })
            };
            let cause = causes.of_zone(apex, !new.contains_key(name));
            let (before, after) = (said(old.get(name)), said(new.get(name)));
            entries.push(Entry { before, after, ..entry(published, apex, name, cause) });
        }
    }
    entries
}

/// What a zone itself says, by name: TTL, type and data.
fn lines(zone: &Zone) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let soa = &zone.soa;
    let servers = zone.name_servers.iter().map(|server| format!("{} NS {}.", soa.ttl, server.name));
    let own = std::iter::once(format!("{} SOA {}. {}.", soa.ttl, soa.mname, soa.rname)).chain(servers);
    lines.entry(zone.apex.clone()).or_default().extend(own);
    for record in &zone.records {
        let line = format!("{} {} {}", record.ttl, record.kind, record.data);
        lines.entry(record.name.clone()).or_default().push(line);
    }
    lines
}

fn record_changes(published: &Published<'_>, causes: &Causes<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let (mut had, mut has) =
        (published.before.records.iter().peekable(), published.after.records.iter().peekable());
    loop {
        let (old, new) = match (had.peek(), has.peek()) {
            (None, None) => return entries,
            (Some(old), Some(new)) if old.host == new.host => (had.next(), has.next()),
            (Some(old), Some(new)) if old.host < new.host => (had.next(), None),
            (Some(_), None) => (had.next(), None),
            (_, Some(_)) => (None, has.next()),
        };
        entries.extend(record_change(published, causes, old, new));
    }
}

fn record_change(
    published: &Published<'_>,
    causes: &Causes<'_>,
    old: Option<&Record>,
    new: Option<&Record>,
) -> Option<Entry> {
    if old == new {
        return None;
    }
    let (before, after) = (old.map(Said::of), new.map(Said::of));
    let named = new.or(old)?;
    // Only evidence, or who asks for it.
    if before == after {
        return None;
    }
    let cause = causes.of_record(old, new);
    Some(Entry { before, after, ..entry(published, &named.zone, &named.host, cause) })
}
