//! Applying what is sent to what a secondary has gives what is served, whatever happened in between.

use std::collections::BTreeSet;

use koinon_types::names::{Grant, NameTable, Zone};
use proptest::prelude::*;

use super::*;
use crate::snapshot::tests::support::{NOW, build_at, zone};
use crate::snapshot::{Entry, Versions};
use crate::wire::rdata::Rdata;

fn open_zone(apex: &str, lines: &str) -> Zone {
    let mut zone = zone(apex, lines);
    zone.transfer.allow = vec![Grant::From("192.0.2.0/24".parse().unwrap())];
    zone
}

fn snapshot(generation: u64, zones: Vec<Zone>, before: &Versions) -> Snapshot {
    let table = Arc::new(NameTable { generation, zones, records: Vec::new() });
    build_at(&table, before, generation, NOW, &Arc::default())
}

/// A zone's content through time: for each number of a version, a record that has it in its TTL or its data.
fn lines(version: &BTreeSet<(u8, u8)>) -> String {
    version.iter().map(|(name, number)| format!("n{name}.one {number} TXT \"{number}\"\n")).collect()
}

fn shown(records: &Records) -> BTreeSet<String> {
    records.rows().map(|row| format!("{row:?}")).collect()
}

fn one() -> Name {
    "one".parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Shape: every version that is still known, with what is sent to who has it, gives the latest.
    #[test]
    fn differences_lead_from_every_known_version_to_the_latest(
        versions in prop::collection::vec(prop::collection::btree_set((0u8..12, 1u8..6), 0..16), 2..12)
    ) {
        let mut archive = Archive::default();
        let mut before = Versions::new();
        let mut seen: Vec<(u32, BTreeSet<String>)> = Vec::new();
        for (number, version) in versions.iter().enumerate() {
            let now = snapshot(number as u64 + 1, vec![open_zone("one", &lines(version))], &before);
            before = now.versions().clone();
            archive = archive.follow(&now).unwrap_or(archive);
            let held = archive.zone(&one()).unwrap();
            if seen.last().is_none_or(|(serial, _)| *serial != held.serial()) {
                seen.push((held.serial(), shown(held.records())));
            }
        }
        let held = archive.zone(&one()).unwrap();
        let (latest, wanted) = seen.last().unwrap();
        prop_assert_eq!(held.known(*latest), Known::Latest);
        for (place, (serial, content)) in seen[..seen.len() - 1].iter().enumerate() {
            let n_steps = seen.len() - 1 - place;
            prop_assert_eq!(held.known(*serial), Known::Earlier { n_steps });
            let (from, difference) = held.since(n_steps).unwrap();
            prop_assert_eq!(from.rows().count(), 1);
            let (removed, added) = (shown(&difference.removed), shown(&difference.added));
            prop_assert!(removed.is_subset(content), "only what is there is removed");
            prop_assert!(added.is_disjoint(content), "only what is not there is added");
            let applied: BTreeSet<String> = content.difference(&removed).chain(&added).cloned().collect();
            prop_assert_eq!(&applied, wanted);
        }
    }
}

#[test]
fn the_past_of_a_zone_is_bounded() {
    let mut archive = Archive::default();
    let mut before = Versions::new();
    let text = "x".repeat(200);
    let mut serials = Vec::new();
    for number in 1..=80_u64 {
        let now =
            snapshot(number, vec![open_zone("one", &format!("a.one 60 TXT \"{number} {text}\""))], &before);
        before = now.versions().clone();
        archive = archive.follow(&now).unwrap();
        let held = archive.zone(&one()).unwrap();
        serials.push(held.serial());
        let n_bytes = held.n_bytes_since(held.steps.len());
        assert!(n_bytes <= STEPS_BYTES_MIN, "{n_bytes} bytes");
    }
    let held = archive.zone(&one()).unwrap();
    let n_known = serials.iter().filter(|serial| held.known(**serial) != Known::Unknown).count();
    assert!((20..60).contains(&n_known), "{n_known} versions of half a kilobyte of changes are known");
    assert_eq!(held.known(serials[79 - n_known]), Known::Unknown, "the oldest go first");
}

#[test]
fn a_hundred_thousand_records_take_five_megabytes() {
    let mut records = Records::default();
    for number in 0..100_000_u32 {
        let owner: Name = format!("shop-{number}.global.example").parse().unwrap();
        let data = Rdata::address(std::net::Ipv4Addr::from_bits(number).into());
        records.push(Entry { owner: owner.wire(), rtype: rtype::A, ttl: 30, data: &data });
    }
    let records = records.sorted();
    assert_eq!(records.rows().count(), 100_000);
    assert!((4_500_000..5_000_000).contains(&records.n_bytes()), "{} bytes", records.n_bytes());
}

#[test]
fn zones_that_nobody_may_copy_are_not_held() {
    let open = |apex| open_zone(apex, "");
    let first = snapshot(1, vec![open("one"), zone("two", "")], &Versions::new());
    let archive = Archive::of(&first);
    assert_eq!(archive.0.keys().map(ToString::to_string).collect::<Vec<_>>(), ["one"]);
    let same = snapshot(2, vec![open("one"), zone("two", "www.two 60 A 192.0.2.7")], first.versions());
    assert!(archive.follow(&same).is_none(), "nothing of it changed");
    let opened = snapshot(3, vec![open("one"), open("two")], same.versions());
    let both = archive.follow(&opened).unwrap();
    assert_eq!(both.0.len(), 2);
    assert!(Arc::ptr_eq(both.zone(&one()).unwrap(), archive.zone(&one()).unwrap()), "it stays as it is");
    let closed = snapshot(4, vec![zone("one", ""), open("two")], opened.versions());
    assert_eq!(both.follow(&closed).unwrap().0.len(), 1);
}

#[test]
fn serials_are_compared_on_their_circle() {
    let first = snapshot(u64::from(u32::MAX), vec![open_zone("one", "")], &Versions::new());
    let archive = Archive::of(&first);
    let next = snapshot(1 << 32, vec![open_zone("one", "www.one 60 A 192.0.2.7")], first.versions());
    let archive = archive.follow(&next).unwrap();
    let held = archive.zone(&one()).unwrap();
    assert_eq!(held.serial(), 0);
    for (serial, wanted) in [
        (0, Known::Latest),
        (1, Known::Latest),
        (u32::MAX, Known::Earlier { n_steps: 1 }),
        (u32::MAX - 1, Known::Unknown),
    ] {
        assert_eq!(held.known(serial), wanted, "{serial}");
    }
}
