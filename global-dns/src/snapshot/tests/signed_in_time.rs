//! Months of simulated time: a server that only looks at its clock and at health never serves a signature that is not good, and
//! never signs much.

use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_types::names::{EndpointState, NameTable, Withdrawal};

use super::support::{NOW, build_at, record, signed_zone, table};
use super::validator::validate;
use crate::snapshot::Versions;

const DAY: i64 = 86400;

fn lines(n_names: usize) -> String {
    (0..n_names).map(|n| format!("host-{n}.example 60 A 192.0.2.1\n")).collect()
}

#[test]
fn signatures_are_good_at_every_moment_of_two_months_without_a_host() {
    let n_names = 40;
    let records = vec![record("shop.example", &[("a", "192.0.2.1", 1), ("b", "192.0.2.2", 1)])];
    let table = table(vec![signed_zone("example", &lines(n_names))], records);
    let signatures = Arc::default();
    let mut now = NOW;
    let mut snapshot = build_at(&table, &Versions::new(), 1, now, &signatures);
    let first = signatures.n_made();
    let (mut serial, mut n_serials) = (snapshot.versions().clone(), 0);
    let mut generation = 1;
    while now.as_seconds() < NOW.as_seconds() + 60 * DAY {
        // What the publisher does: it looks once a second, and builds when the time has come.
        let due = snapshot.refresh_at().unwrap();
        assert!(due > now, "the next build is ahead");
        // The last second before, when the signatures are oldest.
        for at in [now, Timestamp::from_seconds(due.as_seconds() - 1), due] {
            for question in
                ["shop.example A", "host-7.example A", "host-7.example TXT", "no.example A", "example DNSKEY"]
            {
                let found = validate(&snapshot, &table, question, at);
                assert!(found.is_ok(), "{question} at {at:?}: {found:?}");
            }
        }
        (now, generation) = (due, generation + 1);
        snapshot = build_at(&table, snapshot.versions(), generation, now, &signatures);
        if *snapshot.versions() != serial {
            (serial, n_serials) = (snapshot.versions().clone(), n_serials + 1);
        }
    }
    // A week's validity: each set is signed anew every half week, which 60 days hold 17.2 times, and the SOA with each serial.
    let made = signatures.n_made() - first;
    let most = first * 18 + n_serials;
    assert!(first * 16 < made && made <= most, "{made} signatures, {first} at first, {n_serials} serials");
    // Every eighth of 64 turns: 60 days are 17.2 rounds.
    assert!((135..=140).contains(&n_serials), "{n_serials}");
    assert!(signatures.n_known() < 3 * first as usize, "what is not used is forgotten");
}

#[test]
fn signatures_outlive_a_server_that_is_not_refreshed_for_half_their_validity() {
    let table = table(vec![signed_zone("example", &lines(20))], Vec::new());
    let snapshot = build_at(&table, &Versions::new(), 1, NOW, &Arc::default());
    let later = Timestamp::from_seconds(NOW.as_seconds() + 7 * DAY / 2 - 7 * DAY / 128);
    for n in 0..20 {
        let found = validate(&snapshot, &table, &format!("host-{n}.example A"), later);
        assert!(found.is_ok(), "{found:?}");
    }
}

#[test]
fn a_change_of_health_signs_only_what_changed() {
    let mut with_shop = NameTable::clone(&table(
        vec![signed_zone("example", &lines(500))],
        vec![record("shop.example", &[("a", "192.0.2.1", 1), ("b", "192.0.2.2", 1)])],
    ));
    let signatures = Arc::default();
    let before = build_at(&Arc::new(with_shop.clone()), &Versions::new(), 1, NOW, &signatures);
    let first = signatures.n_made();
    assert!(first > 1000);
    with_shop.records[0].endpoints[0].state = EndpointState::Withdrawn(Withdrawal::Draining);
    let after = build_at(&Arc::new(with_shop.clone()), before.versions(), 2, NOW, &signatures);
    // The SOA has a new serial; the address that is left was a variant before.
    assert_eq!(signatures.n_made() - first, 1);
    with_shop.records[0].endpoints[0].state = EndpointState::Serving;
    build_at(&Arc::new(with_shop), after.versions(), 3, NOW, &signatures);
    assert_eq!(signatures.n_made() - first, 2, "what comes back was kept");
}
