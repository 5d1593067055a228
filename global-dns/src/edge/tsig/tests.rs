//! What becomes of a signed query, from its bytes to the bytes of the answer.

use std::net::IpAddr;

use koinon_types::names::{Grant, Secret};

use super::*;
use crate::edge::handler::Transport;
use crate::edge::message::{Reading, read};
use crate::snapshot::Snapshot;
use crate::snapshot::tests::support::{edns_query, exchange, query, show, snapshot, zone};
use crate::wire::Rcode;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn key(name: &str, algorithm: TsigAlgorithm, secret: &[u8]) -> TsigKey {
    TsigKey { name: name.into(), algorithm, secret: Secret::new(secret.into()) }
}

fn ours(algorithm: TsigAlgorithm) -> TsigKey {
    key("secondary.example", algorithm, b"known to both sides, and long")
}

/// Two zones know the name of the key; only the second means ours.
fn served(algorithm: TsigAlgorithm) -> Snapshot {
    let mut zones = vec![zone("example", "www.example 60 A 192.0.2.7"), zone("other", "")];
    zones[0].transfer.allow = vec![Grant::With(key("secondary.example", algorithm, b"another of that name"))];
    zones[1].transfer.allow = vec![Grant::With(ours(algorithm))];
    snapshot(zones, Vec::new())
}

fn signed(mut packet: Vec<u8>, key: &TsigKey, at: Timestamp) -> Vec<u8> {
    let mut signer = Signer::new(key).unwrap();
    let length = packet.len();
    packet.resize(length + signer.room(), 0);
    let length = signer.sign(&mut packet, length, at);
    packet.truncate(length);
    packet
}

/// The TSIG record of a response: error, signature, time, other data.
fn stamp(response: &[u8]) -> (u16, Vec<u8>, u64, Vec<u8>) {
    // With its question and signature alone it can be read by the reader of queries.
    let names = [&b"\x09secondary\x07example\x00\x00\xfa"[..], b"\x06nobody\x07example\x00\x00\xfa"];
    let begins = |at: &usize| names.iter().any(|name| response[*at..].starts_with(name));
    let at = (12..response.len()).find(begins).expect("a TSIG record");
    let question_length = query("www.example", "A").len() - 12;
    let mut query = [&response[..12 + question_length], &response[at..]].concat();
    query[2] &= 0x7f;
    query[6..12].copy_from_slice(&[0, 0, 0, 0, 0, 1]);
    let Reading::Signed(tsig, _) = read(&query) else { panic!("no signature in {response:?}") };
    let error = u16::from_be_bytes([tsig.rest[0], tsig.rest[1]]);
    (error, tsig.mac.to_vec(), tsig.time, tsig.rest[4..].to_vec())
}

/// Whether a response is signed for this request with this key: the other side's arithmetic.
fn is_signed_for(request_mac: &[u8], response: &[u8], key: &TsigKey) -> bool {
    let (_, mac, time, other) = stamp(response);
    let record_length = Signer::new(key).unwrap().room() - 6 + other.len();
    let mut bare = response[..response.len() - record_length].to_vec();
    let n_additional = u16::from_be_bytes([bare[10], bare[11]]) - 1;
    bare[10..12].copy_from_slice(&n_additional.to_be_bytes());
    let mut signer = Signer::new(key).unwrap();
    signer.prior = request_mac.to_vec();
    let rest_at = response.len() - 4 - other.len();
    let fudge_at = rest_at - 2 - mac.len() - 2 - 2;
    let fudge = u16::from_be_bytes([response[fudge_at], response[fudge_at + 1]]);
    signer.mac(&[&bare], Stamp { time, fudge, rest: &response[rest_at..] }).as_ref() == mac
}

fn mac_of(request: &[u8]) -> Vec<u8> {
    let Reading::Signed(tsig, _) = read(request) else { panic!("not signed") };
    tsig.mac.to_vec()
}

#[test]
fn a_signed_query_has_a_signed_answer() {
    for algorithm in TsigAlgorithm::ALL {
        let (served, key) = (served(algorithm), ours(algorithm));
        for packet in [query("www.example", "A"), edns_query("www.example", "A")] {
            let request = signed(packet, &key, NOW);
            for transport in [Transport::Udp, Transport::Tcp] {
                let response = exchange(&served, &request, CLIENT, transport, NOW).unwrap();
                assert!(show(&response).starts_with("NOERROR aa\nan www.example 60 A 192.0.2.7"));
                assert_eq!(stamp(&response).0, 0);
                assert!(is_signed_for(&mac_of(&request), &response, &key), "{algorithm:?}");
                assert!(!is_signed_for(b"another request", &response, &key), "bound to its request");
            }
        }
    }
}

#[test]
fn a_key_that_is_not_known_is_told_without_a_signature() {
    let served = served(TsigAlgorithm::HmacSha256);
    for key in [
        key("nobody.example", TsigAlgorithm::HmacSha256, b"known to both sides, and long"),
        ours(TsigAlgorithm::HmacSha512),
    ] {
        let request = signed(query("www.example", "A"), &key, NOW);
        let response = exchange(&served, &request, CLIENT, Transport::Udp, NOW).unwrap();
        assert_eq!(response[3] & 0xf, Rcode::NotAuth.number() as u8);
        let (error, mac, ..) = stamp(&response);
        assert_eq!((error, mac), (Fault::Key as u16, Vec::new()));
    }
}

#[test]
fn a_message_that_was_changed_is_told_without_a_signature() {
    let (served, key) = (served(TsigAlgorithm::HmacSha256), ours(TsigAlgorithm::HmacSha256));
    let whole = signed(query("www.example", "A"), &key, NOW);
    let mac_at = whole.len() - 6 - 32;
    for (what, at) in [("the flags", 2), ("the name", 14), ("the type", 26), ("the signature", mac_at + 31)] {
        let mut request = whole.clone();
        request[at] ^= 1;
        let response = exchange(&served, &request, CLIENT, Transport::Udp, NOW).unwrap();
        assert_eq!(response[3] & 0xf, Rcode::NotAuth.number() as u8, "{what}");
        let (error, mac, ..) = stamp(&response);
        assert_eq!((error, mac), (Fault::Signature as u16, Vec::new()), "{what}");
    }
    // A forwarder may change the id; the one that was signed stands in the record.
    let mut request = whole;
    request[0] ^= 1;
    let response = exchange(&served, &request, CLIENT, Transport::Udp, NOW).unwrap();
    assert!(show(&response).starts_with("NOERROR"));
}

#[test]
fn a_clock_too_far_off_is_told_with_our_time_and_a_signature() {
    let (served, key) = (served(TsigAlgorithm::HmacSha256), ours(TsigAlgorithm::HmacSha256));
    for (seconds, is_in_time) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let at = Timestamp::from_millis(NOW.as_millis() + seconds * 1000);
        let request = signed(query("www.example", "A"), &key, at);
        let response = exchange(&served, &request, CLIENT, Transport::Udp, NOW).unwrap();
        let (error, _, time, other) = stamp(&response);
        if is_in_time {
            assert_eq!((error, other.len()), (0, 0), "{seconds}");
            continue;
        }
        assert_eq!(response[3] & 0xf, Rcode::NotAuth.number() as u8);
        let own = 1_700_000_000_u64.to_be_bytes()[2..].to_vec();
        let theirs = u64::try_from(at.as_seconds()).unwrap();
        assert_eq!((error, time, other), (Fault::Time as u16, theirs, own), "{seconds}");
        assert!(is_signed_for(&mac_of(&request), &response, &key));
    }
}

#[test]
fn a_signature_that_is_not_whole_does_not_count() {
    let (served, key) = (served(TsigAlgorithm::HmacSha256), ours(TsigAlgorithm::HmacSha256));
    let whole = signed(query("www.example", "A"), &key, NOW);
    let shortened = |n_bytes: usize| {
        let (mac_at, tail_at) = (whole.len() - 6 - 32, whole.len() - 6);
        let mut request = whole[..mac_at - 2].to_vec();
        request.extend((n_bytes as u16).to_be_bytes());
        request.extend(&whole[mac_at..mac_at + n_bytes.min(32)]);
        request.resize(request.len() + n_bytes.saturating_sub(32), 0);
        request.extend(&whole[tail_at..]);
        let length_at = mac_at - 2 - 8 - 13 - 2;
        let length = u16::from_be_bytes([request[length_at], request[length_at + 1]]);
        let length = length + n_bytes as u16 - 32;
        request[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        request
    };
    assert_eq!(shortened(32), whole);
    let request = shortened(16);
    let response = exchange(&served, &request, CLIENT, Transport::Udp, NOW).unwrap();
    assert_eq!(stamp(&response).0, Fault::Truncation as u16);
    assert!(is_signed_for(&mac_of(&request), &response, &key));
    for n_bytes in [0, 15, 33] {
        let response = exchange(&served, &shortened(n_bytes), CLIENT, Transport::Udp, NOW).unwrap();
        assert_eq!(show(&response), "FORMERR", "{n_bytes} bytes");
    }
}
