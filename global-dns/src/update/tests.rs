//! Updates on the wire: who is let in, and what is read.

use std::net::Ipv4Addr;

use koinon_types::names::{Grant, Secret, TsigAlgorithm, UpdateNames};

use super::*;
use crate::edge::handler::{RESPONSE_MAX, Reply, Transport, respond};
use crate::edge::tsig::Signer;
use crate::snapshot::Snapshot;
use crate::snapshot::tests::support::{exchange, show, snapshot, speaker, zone};
use crate::wire::rtype;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn key(secret: u8) -> TsigKey {
    TsigKey {
        name: "updater.example".into(),
        algorithm: TsigAlgorithm::HmacSha256,
        secret: Secret::new(vec![secret; 32]),
    }
}

fn grant(secret: u8, network: Option<&str>) -> UpdateGrant {
    let names = vec![UpdateNames::Below("example".into())];
    let network = network.map(|network| network.parse().unwrap());
    UpdateGrant { key: key(secret), network, names, types: vec![rtype::TXT] }
}

/// `example` may be updated with key 1, `far` with key 1 from elsewhere; key 2 may only copy.
fn served() -> Snapshot {
    let mut zones = vec![zone("example", "www.example 60 A 192.0.2.7"), zone("far", ""), zone("other", "")];
    zones[0].updates.allow = vec![grant(1, None)];
    zones[0].transfer.allow = vec![Grant::With(key(2))];
    zones[1].updates.allow = vec![grant(1, Some("192.0.2.0/24"))];
    snapshot(zones, Vec::new())
}

/// An update: its zone section as type and class, numbers of prerequisites and changes, and their bytes.
fn message(apex: &str, [rtype, class]: [u16; 2], counts: [u16; 2], records: &[u8]) -> Vec<u8> {
    let apex: Name = apex.parse().unwrap();
    let counts = counts.map(u16::to_be_bytes).concat();
    let header = [&[0xab, 0xcd, 0x28, 0, 0, 1][..], &counts, &[0, 0]].concat();
    [&header, apex.wire(), &rtype.to_be_bytes(), &class.to_be_bytes(), records].concat()
}

fn signed(mut packet: Vec<u8>, key: &TsigKey) -> Vec<u8> {
    let mut signer = Signer::new(key).unwrap();
    let length = packet.len();
    packet.resize(length + signer.room(), 0);
    let length = signer.sign(&mut packet, length, NOW);
    packet.truncate(length);
    packet
}

/// `www` and a pointer to the apex at 12, a type, a class, a TTL, data with its length.
fn record(rtype: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let numbers = [&rtype.to_be_bytes()[..], &class.to_be_bytes(), &ttl.to_be_bytes(), &length.to_be_bytes()];
    [b"\x03WWW\xc0\x0c", &numbers.concat()[..], data].concat()
}

const SOA_IN: [u16; 2] = [rtype::SOA, CLASS_IN];

#[test]
fn the_edge_lets_through_what_a_grant_may_cover() {
    let served = served();
    let plain = |apex: &str| message(apex, SOA_IN, [0, 0], &[]);
    for (packet, wanted) in [
        (plain("example"), "REFUSED"),
        (plain("nowhere"), "NOTAUTH"),
        (plain("www.example"), "NOTAUTH"),
        (message("example", [rtype::SOA, 3], [0, 0], &[]), "NOTAUTH"),
        (message("example", [rtype::A, CLASS_IN], [0, 0], &[]), "FORMERR"),
        (message("example", SOA_IN, [1, 0], &[]), "FORMERR"),
        (message("example", SOA_IN, [0, 0], b"x"), "FORMERR"),
        (message("example", SOA_IN, [0, 1], b"\x03www"), "FORMERR"),
        (signed(plain("example"), &key(2)), "REFUSED"),
        (signed(plain("example"), &key(3)), "NOTAUTH"),
        (signed(plain("far"), &key(1)), "REFUSED"),
        (signed(plain("other"), &key(1)), "REFUSED"),
        (signed(plain("nowhere"), &key(1)), "NOTAUTH"),
    ] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let answer = exchange(&served, &packet, CLIENT, transport, NOW).expect("an answer");
            assert_eq!(answer[2], 0xa8, "a response to an update: {packet:?}");
            let code = show(&answer).lines().next().unwrap().to_owned();
            assert_eq!(code.replace(' ', ""), wanted, "{packet:?}");
        }
    }
    let packet = signed(plain("example"), &key(1));
    let mut out = vec![0; RESPONSE_MAX];
    let reply = respond(&served, &packet, CLIENT, Transport::Udp, &speaker(NOW), &mut out);
    assert!(matches!(reply, Some(Reply::Update(_))), "a good update waits for the host");
}

fn admitted(packet: Vec<u8>) -> Result<Update, UpdateCode> {
    admit(&UpdateMessage { message: packet, client: CLIENT }, served().table(), NOW)
}

#[test]
fn an_update_is_read_in_full() {
    let records = [
        record(rtype::A, 255, 0, b""),
        record(rtype::ANY, 254, 0, b""),
        // To the apex, by a pointer.
        record(rtype::CNAME, CLASS_IN, 60, b"\x01a\xc0\x0c"),
        record(rtype::TXT, 254, 0, b"\x01x"),
        record(rtype::A, 255, 0, b"odd"),
    ];
    let packet = signed(message("Example", SOA_IN, [2, 3], &records.concat()), &key(1));
    let update = admitted(packet).expect("it is good");
    let name: Name = "www.example".parse().unwrap();
    let wanted = |rtype, class, ttl, data| UpdateRecord { name: name.clone(), rtype, class, ttl, data };
    assert_eq!(update.prerequisites, [wanted(rtype::A, 255, 0, None), wanted(rtype::ANY, 254, 0, None)]);
    let cname = rdata::parse(rtype::CNAME, "a.example.").ok();
    let txt = rdata::parse(rtype::TXT, "x").ok();
    let changes = [
        wanted(rtype::CNAME, CLASS_IN, 60, cname),
        wanted(rtype::TXT, 254, 0, txt),
        wanted(rtype::A, 255, 0, Some(Rdata::opaque(b"odd"))),
    ];
    assert_eq!(update.changes, changes);
    assert_eq!((update.apex.to_string(), update.client), ("example".to_owned(), CLIENT));
    assert_eq!(update.grants, [grant(1, None)]);
    assert_eq!((update.mac.len(), update.expires), (32, Timestamp::from_millis(NOW.as_millis() + 300_000)));
}

#[test]
fn the_host_trusts_no_message_that_it_cannot_verify() {
    let plain = |apex: &str| message(apex, SOA_IN, [0, 0], &[]);
    let bad_data = message("example", SOA_IN, [0, 1], &record(rtype::A, CLASS_IN, 60, b"odd"));
    let mut changed = signed(message("example", SOA_IN, [0, 1], &record(rtype::TXT, 255, 0, b"")), &key(1));
    changed[28] ^= 1;
    for (packet, wanted) in [
        (plain("example"), UpdateCode::Refused),
        (signed(plain("example"), &key(3)), UpdateCode::NotAuth),
        // A key for copying is no key for changing.
        (signed(plain("example"), &key(2)), UpdateCode::NotAuth),
        (signed(plain("far"), &key(1)), UpdateCode::Refused),
        (signed(plain("nowhere"), &key(1)), UpdateCode::NotAuth),
        (signed(bad_data, &key(1)), UpdateCode::FormErr),
        (changed, UpdateCode::NotAuth),
    ] {
        assert_eq!(admitted(packet.clone()).unwrap_err(), wanted, "{packet:?}");
    }
    let good = signed(plain("example"), &key(1));
    assert!(admitted(good.clone()).is_ok());
    let later = Timestamp::from_millis(NOW.as_millis() + 301_000);
    let late = admit(&UpdateMessage { message: good, client: CLIENT }, served().table(), later);
    assert_eq!(late.unwrap_err(), UpdateCode::NotAuth);
}
