//! Weighted answers: one address each, in shares that approach the weights fast.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::support::{ask_at, record, snapshot, zone};
use crate::snapshot::Snapshot;

/// The TTL while a change is plausible: an answer must not outlive its turn by more.
const WINDOW_SECONDS: i64 = 5;

fn shop() -> Snapshot {
    let endpoints = [("on-prem", "192.0.2.1", 6), ("cloud-a", "192.0.2.2", 2), ("cloud-b", "192.0.2.3", 2)];
    snapshot(vec![zone("global.example", "")], vec![record("shop.global.example", &endpoints)])
}

/// How often each answer came.
fn count(questions: impl Iterator<Item = (IpAddr, i64)>) -> BTreeMap<String, usize> {
    let shop = shop();
    let mut counts = BTreeMap::new();
    for (client, seconds) in questions {
        *counts.entry(ask_at(&shop, "shop.global.example A", client, seconds)).or_default() += 1;
    }
    counts
}

fn answer(address: &str) -> String {
    format!("NOERROR aa\nan shop.global.example 30 A {address}")
}

#[test]
fn one_resolver_sees_the_weights_within_one_percent() {
    let client = IpAddr::from(Ipv4Addr::new(198, 51, 100, 7));
    let counts = count((0..500).map(|window| (client, window * WINDOW_SECONDS)));
    for (address, wanted) in [("192.0.2.1", 300), ("192.0.2.2", 100), ("192.0.2.3", 100)] {
        let seen = counts.get(&answer(address)).copied().unwrap_or_default();
        assert!(
            seen.abs_diff(wanted) <= 5,
            "{address} was answered {seen} times, wanted {wanted}: {counts:?}"
        );
    }
}

#[test]
fn many_resolvers_share_one_moment() {
    let clients = (0..=255).map(|network| (IpAddr::from(Ipv4Addr::new(198, 51, network, 1)), 0));
    let counts = count(clients);
    let seen = counts.get(&answer("192.0.2.1")).copied().unwrap_or_default();
    // 256 places on a circle, of which three fifths are the first's: within four standard deviations.
    assert!((122..=185).contains(&seen), "{counts:?}");
    assert_eq!(counts.len(), 3, "{counts:?}");
}

#[test]
fn one_client_keeps_its_answer_for_a_window() {
    let client = IpAddr::from(Ipv4Addr::new(203, 0, 113, 9));
    assert_eq!(count((0..WINDOW_SECONDS).map(|second| (client, second))).len(), 1);
    let neighbour = IpAddr::from(Ipv4Addr::new(203, 0, 113, 77));
    assert_eq!(count([(client, 4), (neighbour, 4)].into_iter()).len(), 1, "a /24 is one site");
}
