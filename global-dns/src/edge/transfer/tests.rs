//! What a secondary is given, and who is given nothing.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use koinon_model::time::Timestamp;
use koinon_types::names::{
    EndpointState, Grant, NameServer, NameTable, OnAllDown, Secret, TsigAlgorithm, Withdrawal, Zone,
};

use super::*;
use crate::edge::handler::{RESPONSE_MAX, Reply, respond};
use crate::edge::message::{Reading, read};
use crate::edge::tsig::{Signed, verify};
use crate::node::Speaker;
use crate::snapshot::tests::support::{
    build_at, edns_query, exchange, query, record, show, snapshot, speaker, zone,
};
use crate::wire::rtype;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 53));
const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn open_zone(apex: &str, lines: &str) -> Zone {
    let mut zone = zone(apex, lines);
    zone.transfer.allow = vec![Grant::From("192.0.2.0/24".parse().unwrap())];
    zone
}

fn key() -> TsigKey {
    let secret = Secret::new(b"known to both sides, and long".to_vec());
    TsigKey { name: "secondary".into(), algorithm: TsigAlgorithm::HmacSha256, secret }
}

/// A query for this type instead of the one it is for.
fn typed(mut packet: Vec<u8>, apex: &str, rtype: u16) -> Vec<u8> {
    let type_at = HEADER + apex.parse::<Name>().unwrap().wire().len();
    packet[type_at..type_at + 2].copy_from_slice(&rtype.to_be_bytes());
    packet
}

fn axfr(apex: &str) -> Vec<u8> {
    typed(query(apex, "A"), apex, rtype::AXFR)
}

/// An IXFR from this serial on.
fn ixfr(apex: &str, serial: u32) -> Vec<u8> {
    let mut packet = typed(query(apex, "A"), apex, rtype::IXFR);
    packet[9] = 1;
    packet.extend(b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x00\x00\x00\x18\xc0\x0c\xc0\x0c");
    packet.extend(serial.to_be_bytes());
    packet.extend([0; 16]);
    packet
}

/// The messages of a transfer that is granted, from an archive without a past.
fn messages(snapshot: &Snapshot, packet: &[u8]) -> Vec<Vec<u8>> {
    messages_of(snapshot, Archive::of(snapshot), packet)
}

fn messages_of(snapshot: &Snapshot, archive: Archive, packet: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let packed = pack(granted(snapshot, archive, packet), || NOW, &mut |message: Vec<u8>| {
        assert_eq!(usize::from(u16::from_be_bytes([message[0], message[1]])), message.len() - 2);
        messages.push(message[2..].to_vec());
        ControlFlow::Continue(())
    });
    assert_eq!(packed, ControlFlow::Continue(()));
    messages
}

fn granted(snapshot: &Snapshot, archive: Archive, packet: &[u8]) -> Plan {
    let mut out = vec![0; RESPONSE_MAX];
    let archive = ArcSwap::from_pointee(archive);
    let speaker = Speaker { archive: &archive, ..speaker(NOW) };
    match respond(snapshot, packet, PEER, Transport::Tcp, &speaker, &mut out) {
        Some(Reply::Transfer(plan)) => *plan,
        Some(Reply::Message { .. } | Reply::Update(_)) | None => panic!("not granted"),
    }
}

/// The records of a transfer, in lines; the two SOAs are taken off.
fn transferred(snapshot: &Snapshot, apex: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for message in messages(snapshot, &axfr(apex)) {
        let shown = show(&message);
        let mut own = shown.lines();
        assert_eq!(own.next(), Some("NOERROR aa"));
        lines.extend(own.map(|line| line.strip_prefix("an ").expect("answers only").to_owned()));
    }
    let soa = format!("{apex} 300 SOA");
    assert_eq!((lines.first(), lines.last()), (Some(&soa), Some(&soa)));
    assert!(lines.len() > 1, "two SOAs, not one");
    let mut records = lines[1..lines.len() - 1].to_vec();
    records.sort();
    records
}

fn said(snapshot: &Snapshot, packet: &[u8], client: IpAddr, transport: Transport) -> String {
    show(&exchange(snapshot, packet, client, transport, NOW).unwrap())
}

#[test]
fn a_zone_is_its_records_and_the_endpoints_that_may_be_answered() {
    let lines = "example 60 MX 10 mail.example\n*.example 60 TXT \"a\"\nwww.example 60 CNAME shop.example\n\
                 sub.example 60 NS ns.sub.example\nns.sub.example 60 A 192.0.2.9";
    let mut shop =
        record("shop.example", &[("a", "192.0.2.1", 5), ("b", "192.0.2.2", 1), ("c", "2001:db8::1", 1)]);
    let mut down = record("down.example", &[("a", "192.0.2.1", 5), ("b", "192.0.2.2", 1)]);
    down.endpoints[0].state = EndpointState::Withdrawn(Withdrawal::NotReady);
    down.unstable = true;
    shop.endpoints.push(shop.endpoints[0].clone());
    let snapshot = snapshot(vec![open_zone("example", lines), zone("other", "")], vec![shop, down]);
    assert_eq!(
        transferred(&snapshot, "example"),
        [
            "*.example 60 TXT a",
            "down.example 5 A 192.0.2.2",
            "example 300 NS ns.elsewhere.",
            "example 60 MX 10 mail.example.",
            "ns.sub.example 60 A 192.0.2.9",
            "shop.example 30 A 192.0.2.1",
            "shop.example 30 A 192.0.2.2",
            "shop.example 30 AAAA 2001:db8::1",
            "sub.example 60 NS ns.sub.example.",
            "www.example 60 CNAME shop.example.",
        ]
    );
}

#[test]
fn aliases_are_given_alone_or_not_at_all() {
    let mixed = record("mixed.example", &[("a", "192.0.2.1", 1), ("b", "lb.elsewhere", 9)]);
    let several = record("several.example", &[("a", "one.elsewhere", 1), ("b", "two.elsewhere", 9)]);
    let mut none = record("none.example", &[("a", "192.0.2.1", 1)]);
    none.on_all_down = OnAllDown::NoData;
    none.endpoints[0].state = EndpointState::Withdrawn(Withdrawal::NotReady);
    let snapshot = snapshot(vec![open_zone("example", "")], vec![mixed, several, none]);
    assert_eq!(
        transferred(&snapshot, "example"),
        [
            "example 300 NS ns.elsewhere.",
            "mixed.example 30 A 192.0.2.1",
            "several.example 30 CNAME two.elsewhere.",
        ]
    );
}

#[test]
fn a_zone_above_another_delegates_to_it() {
    let mut child = open_zone("sub.example", "www.sub.example 60 A 192.0.2.7");
    child.name_servers = vec![
        NameServer { name: "ns.sub.example".into(), addresses: vec!["192.0.2.53".parse().unwrap()] },
        NameServer { name: "ns.elsewhere".into(), addresses: Vec::new() },
    ];
    let parent = open_zone("example", "sub.example 60 DS 1 13 2 00ff\nsub.example 60 NS ns.old");
    let snapshot = snapshot(vec![parent, child], vec![record("shop.sub.example", &[("a", "192.0.2.1", 1)])]);
    assert_eq!(
        transferred(&snapshot, "sub.example"),
        [
            "ns.sub.example 300 A 192.0.2.53",
            "shop.sub.example 30 A 192.0.2.1",
            "sub.example 300 NS ns.elsewhere.",
            "sub.example 300 NS ns.sub.example.",
            "www.sub.example 60 A 192.0.2.7",
        ]
    );
    let above = transferred(&snapshot, "example");
    assert_eq!(above[..2], ["example 300 NS ns.elsewhere.", "ns.sub.example 300 A 192.0.2.53"]);
    assert!(above[2].starts_with("sub.example 300 NS ns.elsewhere."), "{above:?}");
    assert!(above.iter().any(|line| line.starts_with("sub.example 60 DS ")), "{above:?}");
    assert_eq!(above.len(), 5, "{above:?}");
}

#[test]
fn a_large_zone_fills_many_messages_and_names_are_compressed() {
    let n_records = 20_000;
    let records: Vec<_> = (0..n_records)
        .map(|n| record(&format!("shop-{n}.global.example"), &[("a", "192.0.2.1", 1), ("b", "192.0.2.2", 1)]))
        .collect();
    let long = format!("long.global.example 60 TXT {}", format!("\"{}\" ", "x".repeat(255)).repeat(150));
    let snapshot = snapshot(vec![open_zone("global.example", &long)], records);
    let packed = messages(&snapshot, &axfr("global.example"));
    let length: usize = packed.iter().map(Vec::len).sum();
    assert!(packed.len() > 10 && length / n_records < 45, "{length} bytes in {} messages", packed.len());
    let n_long = packed.iter().filter(|message| message.len() > 0x4000).count();
    assert_eq!(n_long, 1, "only what is longer than a message should be is alone in one");
    let lines = transferred(&snapshot, "global.example");
    assert_eq!(lines.len(), 2 * n_records + 2);
    for n in [0, 7_777, 19_999] {
        assert!(lines.binary_search(&format!("shop-{n}.global.example 30 A 192.0.2.2")).is_ok(), "{n}");
    }
}

#[test]
fn only_whom_a_zone_names_may_copy_it() {
    let mut keyed = zone("keyed", "");
    keyed.transfer.allow = vec![Grant::With(key())];
    let snapshot = snapshot(vec![open_zone("example", ""), zone("closed", ""), keyed], Vec::new());
    for (apex, client, wanted) in [
        ("example", STRANGER, "REFUSED"),
        ("closed", PEER, "REFUSED"),
        ("keyed", PEER, "REFUSED"),
        ("www.example", PEER, "NOTAUTH"),
        ("elsewhere", PEER, "NOTAUTH"),
    ] {
        for packet in [axfr(apex), ixfr(apex, 1)] {
            assert_eq!(said(&snapshot, &packet, client, Transport::Tcp), wanted, "{apex} {client}");
            assert_eq!(said(&snapshot, &packet, client, Transport::Udp), wanted, "{apex} {client}");
        }
    }
    let wanted = Wanted { apex: b"\x05KEYED\x00", since: None };
    let archive = Archive::of(&snapshot);
    let decided = |key: &TsigKey| decide(&snapshot, &archive, wanted, STRANGER, Some(key), Transport::Tcp);
    let other = TsigKey { secret: Secret::new(b"something else".to_vec()), ..key() };
    for (key, is_wanted) in [(key(), true), (other, false)] {
        match decided(&key) {
            Verdict::Granted(Copied { extent, .. }) => assert_eq!((extent, true), (Extent::Whole, is_wanted)),
            Verdict::Failed(rcode) => assert_eq!((rcode, false), (Rcode::Refused, is_wanted)),
        }
    }
}

#[test]
fn what_a_client_has_already_is_not_sent_again() {
    let snapshot = snapshot(vec![open_zone("example", "")], Vec::new());
    // The generation of this snapshot, and so its serial, is 7.
    for serial in [7, 8, 7 + (1 << 31) - 1] {
        let told = said(&snapshot, &ixfr("example", serial), PEER, Transport::Tcp);
        assert_eq!(told, "NOERROR aa\nan example 300 SOA", "{serial}");
    }
    for serial in [6, 0, u32::MAX, 8 + (1 << 31)] {
        let whole = messages(&snapshot, &ixfr("example", serial));
        assert_eq!(show(&whole[0]).lines().count(), 4, "{serial}: SOA, NS, SOA");
        let told = said(&snapshot, &ixfr("example", serial), PEER, Transport::Udp);
        assert_eq!(told, "NOERROR aa\nan example 300 SOA", "{serial}: what is newer waits for TCP");
    }
    assert_eq!(said(&snapshot, &axfr("example"), PEER, Transport::Udp), "REFUSED");
}

/// The snapshot after another, and what has become of its archive.
fn then(before: &(Snapshot, Archive), generation: u64, lines: &str) -> (Snapshot, Archive) {
    let zones = vec![open_zone("example", lines)];
    let table = Arc::new(NameTable { generation, zones, records: Vec::new() });
    let snapshot = build_at(&table, before.0.versions(), generation, NOW, &Arc::default());
    let archive = before.1.follow(&snapshot).unwrap_or_default();
    (snapshot, archive)
}

/// What is said to an IXFR from a serial on, its SOAs as serials.
fn differences(now: &(Snapshot, Archive), serial: u32) -> Vec<String> {
    let messages = messages_of(&now.0, now.1.clone(), &ixfr("example", serial));
    messages.iter().flat_map(|message| rows(message)).collect()
}

fn rows(message: &[u8]) -> Vec<String> {
    use hickory_proto::rr::RData;
    let message = hickory_proto::op::Message::from_vec(message).unwrap();
    let line = |record: &hickory_proto::rr::Record| match &record.data {
        RData::SOA(soa) => soa.serial.to_string(),
        data => format!("{} {} {data}", record.name, record.ttl),
    };
    message.answers.iter().map(line).collect()
}

const WWW: &str = "www.example 60 A 192.0.2.7";

#[test]
fn what_changed_is_sent_and_what_came_and_went_is_not() {
    // Large enough that a difference is less than the zone.
    let stays: String = (0..40).map(|n| format!("stays-{n}.example 60 A 192.0.2.{n}\n")).collect();
    let first = snapshot(vec![open_zone("example", &format!("{stays}{WWW}"))], Vec::new());
    let archive = Archive::of(&first);
    let first = (first, archive);
    let second = then(&first, 8, &format!("{stays}{WWW}\nshort.example 60 A 192.0.2.8"));
    let third = then(&second, 9, &format!("{stays}www.example 60 A 192.0.2.9"));
    let fourth = then(&third, 10, &format!("{stays}www.example 30 A 192.0.2.9"));

    let wanted = ["10", "9", "www.example. 60 192.0.2.9", "10", "www.example. 30 192.0.2.9", "10"];
    assert_eq!(differences(&fourth, 9), wanted, "a TTL alone is a change");
    let wanted = ["10", "7", "www.example. 60 192.0.2.7", "10", "www.example. 30 192.0.2.9", "10"];
    assert_eq!(differences(&fourth, 7), wanted);
    assert_eq!(differences(&fourth, 6).len(), 44, "a version that was never here: the zone");
    let told = said_of(&fourth, &ixfr("example", 10), Transport::Tcp);
    assert_eq!(told, ["10"], "it has the latest");
    // A datagram holds a difference, or the SOA.
    assert_eq!(said_of(&fourth, &ixfr("example", 7), Transport::Udp), wanted);
    assert_eq!(said_of(&fourth, &ixfr("example", 6), Transport::Udp), ["10"]);
    let many: String = (0..200).map(|n| format!("new-{n}.example 60 A 192.0.2.{n}\n")).collect();
    let fifth = then(&fourth, 11, &format!("{stays}{stays}{many}"));
    assert_eq!(said_of(&fifth, &ixfr("example", 10), Transport::Udp), ["11"], "it does not fit");
    assert_eq!(differences(&fifth, 10).len(), 200 + 1 + 4);
    let sixth = then(&fifth, 12, WWW);
    assert_eq!(
        differences(&sixth, 11),
        ["12", "www.example. 60 192.0.2.7", "example. 300 ns.elsewhere.", "12"]
    );
}

fn said_of(now: &(Snapshot, Archive), packet: &[u8], transport: Transport) -> Vec<String> {
    let mut out = vec![0; RESPONSE_MAX];
    let archive = ArcSwap::from_pointee(now.1.clone());
    let speaker = Speaker { archive: &archive, ..speaker(NOW) };
    let reply = respond(&now.0, packet, PEER, transport, &speaker, &mut out);
    let Some(Reply::Message { length, .. }) = reply else { panic!("one message is expected") };
    assert!(transport == Transport::Tcp || length <= 512, "{length} bytes in a datagram");
    rows(&out[..length])
}

#[test]
fn a_difference_of_many_messages_makes_the_old_zone_the_new_one() {
    let lines = |first: usize| -> String {
        (first..first + 4_000).map(|n| format!("name-{n}.example 60 TXT \"{n}\"\n")).collect()
    };
    let first = snapshot(vec![open_zone("example", &lines(0))], Vec::new());
    let archive = Archive::of(&first);
    let first = (first, archive);
    let second = then(&first, 8, &lines(1_500));
    let whole = |now: &(Snapshot, Archive)| -> BTreeSet<String> {
        let messages = messages_of(&now.0, now.1.clone(), &axfr("example"));
        messages.iter().flat_map(|message| rows(message)).collect()
    };
    let packed = messages_of(&second.0, second.1.clone(), &ixfr("example", 7));
    assert!(packed.len() > 3, "{} messages", packed.len());
    let sent: Vec<String> = packed.iter().flat_map(|message| rows(message)).collect();
    let [newest, rest @ .., last] = &sent[..] else { panic!("a difference has four SOAs") };
    let mut runs = rest.split(|row| row == newest);
    let (removed, added) = (runs.next().unwrap(), runs.next().unwrap());
    assert_eq!((newest.as_str(), last.as_str(), removed[0].as_str(), runs.next()), ("8", "8", "7", None));
    let mut zone = whole(&first);
    for row in removed {
        assert!(zone.remove(row), "{row} is not there");
    }
    for row in added.iter().chain([newest]) {
        assert!(zone.insert(row.clone()), "{row} is there already");
    }
    assert_eq!(zone, whole(&second));
}

#[test]
fn the_first_message_repeats_the_question_and_edns() {
    let records = (0..2_000).map(|n| record(&format!("s{n}.example"), &[("a", "192.0.2.1", 1)])).collect();
    let snapshot = snapshot(vec![open_zone("example", "")], records);
    let packed = messages(&snapshot, &typed(edns_query("example", "A"), "example", rtype::AXFR));
    assert!(packed.len() > 1);
    for (number, message) in packed.iter().enumerate() {
        let once = u8::from(number == 0);
        assert_eq!(message[..2], [0xab, 0xcd]);
        assert_eq!((message[5], message[11]), (once, once), "question and OPT of message {number}");
    }
}

#[test]
fn every_message_is_signed_and_bound_to_the_one_before() {
    let records = (0..2_000).map(|n| record(&format!("s{n}.example"), &[("a", "192.0.2.1", 1)])).collect();
    let mut wanted = zone("example", "");
    wanted.transfer.allow = vec![Grant::With(key())];
    let snapshot = snapshot(vec![wanted], records);
    let mut request = axfr("example");
    let length = request.len();
    let mut signer = Signer::new(&key()).unwrap();
    request.resize(length + signer.room(), 0);
    let length = signer.sign(&mut request, length, NOW);
    request.truncate(length);
    let Reading::Signed(tsig, _) = read(&request) else { panic!("not signed") };
    let known = [key()];
    let Ok(Signed { signer: mut follower, .. }) = verify(&tsig, &request, known.iter(), NOW) else {
        panic!("our own signature does not count")
    };
    let signed = messages(&snapshot, &request);
    assert!(signed.len() > 1);
    for (number, message) in signed.iter().enumerate() {
        // No other data, which the room is measured with.
        let bare_length = message.len() - (follower.room() - 6);
        let mut bare = message[..bare_length].to_vec();
        bare[11] -= 1;
        bare.resize(bare_length + follower.room(), 0);
        let length = follower.sign(&mut bare, bare_length, NOW);
        assert_eq!(bare[..length], **message, "message {number}");
    }
}

#[test]
fn a_reader_that_breaks_off_ends_the_packing() {
    let records = (0..5_000).map(|n| record(&format!("s{n}.example"), &[("a", "192.0.2.1", 1)])).collect();
    let snapshot = snapshot(vec![open_zone("example", "")], records);
    let plan = granted(&snapshot, Archive::of(&snapshot), &axfr("example"));
    let mut n_messages = 0;
    let packed = pack(plan, || NOW, &mut |_: Vec<u8>| {
        n_messages += 1;
        ControlFlow::Break(())
    });
    assert_eq!((packed, n_messages), (ControlFlow::Break(()), 1));
}
