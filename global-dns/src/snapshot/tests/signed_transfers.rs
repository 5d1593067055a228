//! What a secondary is given of a signed zone: everything is signed that is to be, and the NSEC records are one ring around
//! exactly what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koinon_types::names::{EndpointState, Grant, NameTable, OnAllDown, Record, Withdrawal};

use super::support::{NOW, build_at, record, signed_zone, table};
use super::validator::{Zone, check_zone};
use crate::history::{Archive, Known, Records};
use crate::snapshot::{Snapshot, Versions};
use crate::wire::name::Name;
use crate::wire::rtype;

const LINES: &str = "
    www.example 60 A 192.0.2.1
    deep.ent.example 60 A 192.0.2.3
    *.wild.example 60 TXT w
    alias.example 60 CNAME www.example
    old.example 60 DNAME new.example
    plain.example 60 NS ns.plain.example
    ns.plain.example 60 A 192.0.2.6
    secure.example 60 NS ns.elsewhere
    secure.example 60 DS 60485 13 2 2BB183AF5F22588179A53B0A98631FAD1A2921182BB183AF5F22588179A53B0A
    child.example 60 DS 60485 13 2 2BB183AF5F22588179A53B0A98631FAD1A2921182BB183AF5F22588179A53B0A
";

fn world() -> Arc<NameTable> {
    let mut none = record("none.example", &[("a", "192.0.2.1", 1)]);
    none.on_all_down = OnAllDown::NoData;
    none.endpoints[0].state = EndpointState::Withdrawn(Withdrawal::NotReady);
    let records: Vec<Record> = vec![
        record("mixed.example", &[("a", "192.0.2.1", 1), ("b", "lb.elsewhere", 9)]),
        none,
        record("shop.example", &[("a", "192.0.2.1", 5), ("b", "192.0.2.2", 1), ("c", "2001:db8::1", 1)]),
    ];
    table(vec![signed_zone("child.example", ""), signed_zone("example", LINES)], records)
}

/// Every record of a zone as it is given: owner, type, TTL, data.
fn transferred(snapshot: &Snapshot, apex: &str) -> Zone {
    let mut records = Vec::new();
    let given = snapshot.contents(&[&apex.parse().unwrap()], &mut |_, entry| {
        records.push((Name::from_wire(entry.owner).unwrap(), entry.rtype, entry.ttl, entry.data.wire()));
    });
    assert_eq!(given, Ok(()));
    assert_eq!(records.first().map(|(_, rtype, ..)| *rtype), Some(rtype::SOA), "the SOA comes first");
    records
}

#[test]
fn a_signed_zone_is_given_whole() {
    let table = world();
    let snapshot = build_at(&table, &Versions::new(), 1, NOW, &Arc::default());
    for apex in ["example", "child.example"] {
        let apex: Name = apex.parse().unwrap();
        check_zone(&table, &apex, transferred(&snapshot, &apex.to_string()), NOW).unwrap();
    }
    let records = transferred(&snapshot, "example");
    let owners = |number| {
        let own = records.iter().filter(|(_, own, _, _)| *own == number);
        own.map(|(owner, ..)| owner.to_string()).collect::<BTreeSet<_>>()
    };
    assert!(owners(rtype::NSEC).contains("none.example"), "a name without data exists");
    assert!(!owners(rtype::NSEC).contains("ent.example"));
    assert!(!owners(rtype::NSEC).contains("ns.plain.example"));
    assert!(!owners(rtype::RRSIG).contains("ns.plain.example"));
}

#[test]
fn a_zone_given_twice_under_one_serial_is_the_same() {
    let (table, signatures) = (world(), Arc::default());
    let mut seen: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    let mut snapshot = build_at(&table, &Versions::new(), 1, NOW, &signatures);
    let apex: Name = "example".parse().unwrap();
    for generation in 2..60 {
        let records = transferred(&snapshot, "example");
        let serial = snapshot.version(&apex).unwrap().serial;
        let known = seen.entry(serial).or_insert_with(|| records.clone());
        assert!(*known == records, "serial {serial} has two contents");
        check_zone(&table, &apex, records.clone(), snapshot.refresh_at().unwrap()).unwrap();
        let now = snapshot.refresh_at().unwrap();
        snapshot = build_at(&table, snapshot.versions(), generation, now, &signatures);
    }
    assert!((7..=9).contains(&seen.len()), "a serial per eight turns: {}", seen.len());
}

#[test]
fn a_renewal_is_a_difference_like_any_other() {
    let mut open = NameTable::clone(&world());
    for zone in &mut open.zones {
        zone.transfer.allow = vec![Grant::From("192.0.2.0/24".parse().unwrap())];
    }
    let (table, signatures) = (Arc::new(open), Arc::default());
    let apex: Name = "example".parse().unwrap();
    let mut snapshot = build_at(&table, &Versions::new(), 1, NOW, &signatures);
    let mut archive = Archive::of(&snapshot);
    let shown = |records: &Records| records.rows().map(|row| format!("{row:?}")).collect::<BTreeSet<_>>();
    let first = archive.zone(&apex).unwrap();
    let (serial, content) = (first.serial(), shown(first.records()));
    for generation in 2..20 {
        let now = snapshot.refresh_at().unwrap();
        snapshot = build_at(&table, snapshot.versions(), generation, now, &signatures);
        archive = archive.follow(&snapshot).unwrap_or(archive);
    }
    let held = archive.zone(&apex).unwrap();
    let Known::Earlier { n_steps } = held.known(serial) else { panic!("{serial} is forgotten") };
    let (_, difference) = held.since(n_steps).unwrap();
    let (removed, added) = (shown(&difference.removed), shown(&difference.added));
    assert!(removed.is_subset(&content) && removed.len() < content.len() / 2, "only some are renewed");
    let applied: BTreeSet<String> = content.difference(&removed).chain(&added).cloned().collect();
    assert_eq!(applied, shown(held.records()));
}

#[test]
fn a_change_of_keys_is_a_change_of_the_zone() {
    let table = world();
    let before = build_at(&table, &Versions::new(), 1, NOW, &Arc::default());
    let mut other = NameTable::clone(&table);
    for zone in &mut other.zones {
        zone.signing.as_mut().unwrap().keys[0] = super::support::new_key();
    }
    let after = build_at(&Arc::new(other), before.versions(), 2, NOW, &Arc::default());
    let apex: Name = "example".parse().unwrap();
    assert_ne!(before.version(&apex).unwrap().serial, after.version(&apex).unwrap().serial);
}
