//! Names whose answers depend on the client: RFC 7871 on the wire, that both readers and the explanation say the same, and
//! that weights stay true within a group.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_types::names::{Geo, GeoRule, Record, Step};
use proptest::prelude::*;

use super::rules::{fast_for, options};
use super::support::{ask_at, build_table, edns_query, exchange, record, show, table, zone};
use crate::edge::handler::Transport;
use crate::explain::explain;
use crate::geo::Atlas;
use crate::geo::tests::cities;
use crate::snapshot::{Client, LastGood, Snapshot, TOGETHER_MAX, Verdicts};
use crate::subnet::Subnet;

const NOW: Timestamp = Timestamp::from_millis(0);

/// Where queries come from: in no database, in no rule.
const RESOLVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

fn routed(host: &str, endpoints: &[(&str, &str, u32)]) -> Record {
    let rule = |continents: &[&str], networks: &[&str], clusters: &[&str]| GeoRule {
        continents: continents.iter().map(|text| (*text).to_owned()).collect(),
        networks: networks.iter().map(|text| text.parse().expect("a network")).collect(),
        clusters: clusters.iter().map(|text| (*text).to_owned()).collect(),
        ..GeoRule::default()
    };
    let rules = vec![
        rule(&[], &["192.0.2.128/25", "10.0.0.0/8", "2001:db8:4000::/34"], &["us"]),
        rule(&["EU", "AS"], &[], &["eu-1", "eu-2"]),
    ];
    let mut record = record(host, endpoints);
    record.routing = vec![Step::Geo(Geo { rules, default: Vec::new() })];
    record
}

fn served() -> Snapshot {
    let endpoints = [
        ("eu-1", "192.0.2.11", 3),
        ("eu-1", "2001:db8::11", 3),
        ("eu-2", "192.0.2.12", 1),
        ("us", "192.0.2.21", 1),
        ("us", "192.0.2.22", 1),
    ];
    let aliased = [("eu-1", "192.0.2.11", 1), ("eu-2", "lb.elsewhere", 1), ("us", "192.0.2.21", 1)];
    let records = vec![
        routed("alias.example", &aliased),
        routed("shop.example", &endpoints),
        record("plain.example", &[("us", "192.0.2.21", 3), ("eu-1", "192.0.2.11", 1)]),
    ];
    let lines = "www.example 60 CNAME shop.example\nold.example 60 DNAME example\ntext.example 60 TXT x";
    let table = table(vec![zone("example", lines)], records);
    build_table(&table, &Verdicts::new(), &LastGood::new(), &Arc::new(Atlas::of(cities())))
}

/// The data of a client subnet option.
fn subnet(family: u16, n_bits: u8, scope: u8, address: &[u8]) -> Vec<u8> {
    [&family.to_be_bytes()[..], &[n_bits, scope], address].concat()
}

/// A query with these client subnet options.
fn asking(name: &str, kind: &str, subnets: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = edns_query(name, kind);
    let length_at = packet.len() - 1;
    for data in subnets {
        packet.extend([0, 8, 0, data.len() as u8]);
        packet.extend(data);
    }
    packet[length_at] = (packet.len() - length_at - 1) as u8;
    packet
}

/// What the edge says, which the fast path must say too where it says anything.
fn said(snapshot: &Snapshot, packet: &[u8]) -> Vec<u8> {
    let full = exchange(snapshot, packet, RESOLVER, Transport::Udp, NOW).expect("an answer");
    let quick = fast_for(snapshot, &[(packet, RESOLVER)]).remove(0);
    assert!(quick.is_none_or(|quick| quick == full));
    full
}

#[test]
fn who_says_its_network_is_told_for_which_the_answer_holds() {
    let snapshot = served();
    let v4 = |n_bits: u8, address: &[u8]| subnet(1, n_bits, 0, address);
    for (name, kind, asked, wanted) in [
        ("shop.example", "A", v4(24, &[192, 0, 2]), 24),
        ("shop.example", "A", v4(32, &[192, 0, 2, 200]), 24),
        ("shop.example", "A", v4(16, &[192, 0]), 23),
        ("shop.example", "A", v4(24, &[10, 1, 2]), 8),
        ("shop.example", "AAAA", v4(24, &[192, 0, 2]), 24),
        ("shop.example", "A", subnet(2, 48, 0, &[0x20, 1, 0xd, 0xb8, 0, 1]), 34),
        ("alias.example", "TXT", v4(24, &[192, 0, 2]), 24),
        ("www.example", "A", v4(24, &[192, 0, 2]), 24),
        ("shop.old.example", "A", v4(24, &[192, 0, 2]), 24),
        // Nothing that a client could change.
        ("shop.example", "TXT", v4(24, &[192, 0, 2]), 0),
        ("plain.example", "A", v4(24, &[192, 0, 2]), 0),
        ("text.example", "TXT", v4(24, &[192, 0, 2]), 0),
        ("nowhere.example", "A", v4(24, &[192, 0, 2]), 0),
        // Who wants its network to stay unknown.
        ("shop.example", "A", v4(0, &[]), 0),
        ("shop.example", "A", subnet(0, 0, 0, &[]), 0),
    ] {
        let response = said(&snapshot, &asking(name, kind, std::slice::from_ref(&asked)));
        let mut repeated = asked.clone();
        repeated[3] = wanted;
        // The other implementation cannot read an option of no family; ours is the last of the message.
        let option = [&[0, 8, 0, repeated.len() as u8][..], &repeated].concat();
        assert!(response.ends_with(&option), "{name} {kind} {asked:?}: {response:02x?}");
    }
    let silent = said(&snapshot, &edns_query("shop.example", "A"));
    assert!(options(&silent).is_empty(), "who says nothing is told nothing");
}

#[test]
fn what_is_no_network_is_malformed() {
    let snapshot = served();
    for (what, data) in [
        ("too short", vec![0, 1, 24]),
        ("an unknown family", subnet(3, 8, 0, &[10])),
        ("a scope in a query", subnet(1, 24, 24, &[192, 0, 2])),
        ("more bits than there are", subnet(1, 33, 0, &[192, 0, 2, 0, 0])),
        ("a byte too many", subnet(1, 24, 0, &[192, 0, 2, 0])),
        ("a byte too few", subnet(1, 24, 0, &[192, 0])),
        ("a bit behind the prefix", subnet(1, 23, 0, &[192, 0, 3])),
        ("bits of no family", subnet(0, 8, 0, &[10])),
    ] {
        let response = said(&snapshot, &asking("shop.example", "A", &[data]));
        assert_eq!(show(&response), "FORMERR", "{what}");
    }
}

/// The addresses in a response.
fn addresses(response: &[u8]) -> String {
    let lines = show(response);
    let data = lines.lines().filter_map(|line| line.split_once(" A ").map(|(_, data)| data.to_owned()));
    data.collect::<Vec<_>>().join(" ")
}

#[test]
fn weights_stay_true_within_a_group() {
    const N: usize = 400;
    let snapshot = served();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut of_networks: BTreeMap<String, usize> = BTreeMap::new();
    let berlin = asking("shop.example", "A", &[subnet(1, 24, 0, &[192, 0, 2])]);
    for window in 0..N {
        let now = Timestamp::from_seconds(5 * window as i64);
        let one = exchange(&snapshot, &berlin, RESOLVER, Transport::Udp, now).unwrap();
        *counts.entry(addresses(&one)).or_default() += 1;
        let network =
            asking("shop.example", "A", &[subnet(2, 40, 0, &[0x20, 1, 0xd, 0xb8, (window % 64) as u8])]);
        let resolver = IpAddr::from([198, 18, (window / 64) as u8, 1]);
        let other = exchange(&snapshot, &network, resolver, Transport::Udp, NOW).unwrap();
        *of_networks.entry(addresses(&other)).or_default() += 1;
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["192.0.2.11", "192.0.2.12"]);
    let three_quarters = N * 3 / 4;
    assert!(counts["192.0.2.11"].abs_diff(three_quarters) <= 4, "one network, over time: {counts:?}");
    // The networks all have one scope, so each resolver has one place on the circle; there are seven.
    assert!(of_networks.len() > 1, "several resolvers, at one moment: {of_networks:?}");
}

#[test]
fn all_clients_of_a_scope_get_the_same() {
    let snapshot = served();
    for third in 0..=255 {
        let first = said(&snapshot, &asking("shop.example", "A", &[subnet(1, 24, 0, &[10, 0, third])]));
        let other = said(&snapshot, &asking("shop.example", "A", &[subnet(1, 24, 0, &[10, third, 7])]));
        assert_eq!(addresses(&first), addresses(&other), "both lie in 10.0.0.0/8, which is the scope");
    }
    let lone = ask_at(&snapshot, "shop.example A", RESOLVER, 0);
    assert!(lone.starts_with("NOERROR aa\nan shop.example 30 A 192.0.2."), "{lone}");
}

#[test]
fn the_networks_of_one_resolver_do_not_all_turn_to_one_cluster() {
    let snapshot = served();
    let ask = |third| {
        addresses(&said(&snapshot, &asking("shop.example", "A", &[subnet(1, 24, 0, &[192, 0, third])])))
    };
    // Each lies in another block that no database knows, and gets one of four addresses.
    let given: BTreeSet<String> = [128, 64, 32, 16, 8, 4, 0, 3].into_iter().map(ask).collect();
    assert!(given.len() > 1, "{given:?}");
}

fn some_subnet() -> impl Strategy<Value = Subnet> {
    let v4 =
        prop::sample::select(vec![[192_u8, 0, 2, 77], [192, 0, 2, 200], [198, 51, 100, 3], [10, 1, 2, 3]]);
    let v4 = v4.prop_map(IpAddr::from);
    let v6 = any::<u16>().prop_map(|part| IpAddr::from([0x2001, 0xdb8, part, 0, 0, 0, 0, 1]));
    prop_oneof![(v4, 0_u8..=32), (v6, 0_u8..=128)]
        .prop_map(|(address, n_bits)| Subnet::new(address, n_bits).expect("it has so many bits"))
}

proptest! {
    #[test]
    fn both_paths_and_the_explanation_say_the_same_bytes(
        questions in prop::collection::vec((
            prop::sample::select(vec!["shop", "alias", "plain", "www", "shop.old", "nowhere"]),
            prop::sample::select(vec!["A", "AAAA", "TXT", "ANY", "CNAME"]),
            prop::option::of(some_subnet()),
            prop::sample::select(vec![[192, 0, 2, 1], [198, 51, 100, 1], [203, 0, 113, 9], [10, 0, 0, 1]]),
        ), 1..=TOGETHER_MAX),
    ) {
        let snapshot = served();
        let packet = |(name, kind, subnet, _): &(&str, &str, Option<Subnet>, [u8; 4])| {
            let name = format!("{name}.example");
            let Some(subnet) = subnet else { return super::support::query(&name, kind) };
            let mut out = [0; 20];
            let length = subnet.write(0, &mut out);
            let mut packet = asking(&name, kind, &[out[..length].to_vec()]);
            // Without DO, and with the size that the explanation has.
            let opt = packet.len() - 11 - 4 - length;
            packet[opt + 3..opt + 5].copy_from_slice(&1232_u16.to_be_bytes());
            packet[opt + 7] = 0;
            packet
        };
        let packets: Vec<Vec<u8>> = questions.iter().map(packet).collect();
        let queries: Vec<(&[u8], IpAddr)> =
            packets.iter().zip(&questions).map(|(packet, question)| (&packet[..], question.3.into())).collect();
        let quick = fast_for(&snapshot, &queries);
        for (at, (name, kind, subnet, address)) in questions.iter().enumerate() {
            let address = IpAddr::from(*address);
            let mut full = exchange(&snapshot, &packets[at], address, Transport::Udp, NOW).expect("an answer");
            if let Some(quick) = &quick[at] {
                prop_assert_eq!(quick, &full);
            }
            full[..2].fill(0);
            // What repeats the flags of the query, which has RD set.
            full[2] &= !1;
            let client = Client::new(address, *subnet);
            let told = explain(&snapshot, &format!("{name}.example"), kind, &client, NOW).expect("it is clear");
            let digits: String = full.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(told["message"].as_str(), Some(digits.as_str()), "{} {} {:?}", name, kind, subnet);
        }
    }
}
