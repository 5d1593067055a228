//! The rules of the protocol that no zone decides: what is ignored, refused, truncated; and that both readers agree.

use std::net::IpAddr;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use koinon_model::time::Timestamp;
use proptest::prelude::*;

use super::support::{CLIENT, edns_query, exchange, query, record, show, snapshot, speaker, zone};
use crate::edge::handler::Transport;
use crate::fast::{Response, names, respond};
use crate::limit::{Limit, Limiter};
use crate::snapshot::{Lane, Snapshot, TOGETHER_MAX};

const NOW: Timestamp = Timestamp::from_millis(0);
const LANE: Lane = Lane::EDGE;

fn served() -> Snapshot {
    let texts: String = (0..40).map(|n| format!("big.example 60 TXT \"{n} {}\"\n", "x".repeat(50))).collect();
    let lines = format!("www.example 60 A 192.0.2.7\n*.wild.example 60 A 192.0.2.8\n{texts}");
    let records = vec![record("shop.example", &[("a", "192.0.2.1", 3), ("b", "192.0.2.2", 1)])];
    snapshot(vec![zone("example", &lines)], records)
}

fn udp(packet: &[u8]) -> Option<String> {
    exchange(&served(), packet, CLIENT, Transport::Udp, NOW).map(|response| show(&response))
}

#[test]
fn a_response_is_never_answered() {
    let mut packet = query("www.example", "A");
    packet[2] |= 0x80;
    assert_eq!(udp(&packet), None);
    assert_eq!(udp(&packet[..5]), None, "a part of a header");
}

#[test]
fn unknown_opcodes_and_edns_versions_are_told() {
    let mut packet = query("www.example", "A");
    packet[2] = 0x10;
    assert!(udp(&packet).is_some_and(|told| told.starts_with("NOTIMP")));
    let mut packet = edns_query("www.example", "A");
    let version = packet.len() - 5;
    packet[version] = 1;
    // The reader knows code 16 by the other of its two names (RFC 6891 §9).
    assert_eq!(udp(&packet).as_deref(), Some("BADSIG"));
}

/// A query whose OPT record has these options.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut packet = edns_query("www.example", "A");
    let length = packet.len() - 1;
    packet[length] = u8::try_from(options.len()).unwrap();
    packet.extend(options);
    packet
}

/// The options of a response, by code.
pub(super) fn options(response: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let message = Message::from_vec(response).unwrap();
    let edns = message.edns.unwrap();
    let each =
        |(code, option): &(EdnsCode, EdnsOption)| (u16::from(*code), Vec::<u8>::try_from(option).unwrap());
    edns.options().as_ref().iter().map(each).collect()
}

#[test]
fn who_asks_for_cookie_and_node_is_told_both_by_either_reader() {
    let packet = with_options(b"\x00\x0a\x00\x08abcdefgh\x00\x03\x00\x00");
    let full = exchange(&served(), &packet, CLIENT, Transport::Udp, NOW).unwrap();
    assert_eq!(fast(&served(), &[packet]), [Some(full.clone())]);
    let told = options(&full);
    assert_eq!(told[0], (3, b"node-1".to_vec()));
    assert_eq!((told[1].0, told[1].1.len(), &told[1].1[..8]), (10, 24, &b"abcdefgh"[..]));
    // What was given is given back while it is young.
    let again = with_options(&[&b"\x00\x0a\x00\x18"[..], &told[1].1].concat());
    let response = exchange(&served(), &again, CLIENT, Transport::Udp, NOW).unwrap();
    assert_eq!(options(&response), told[1..]);
    assert!(
        options(&exchange(&served(), &edns_query("www.example", "A"), CLIENT, Transport::Udp, NOW).unwrap())
            .is_empty()
    );
}

#[test]
fn a_cookie_of_no_length_there_is_is_malformed() {
    for length in (0..48).filter(|length| *length != 8 && !(16..=40).contains(length)) {
        let packet = with_options(&[&[0, 10, 0, length as u8][..], &vec![7; length]].concat());
        assert_eq!(udp(&packet).as_deref(), Some("FORMERR"), "{length} bytes");
    }
}

#[test]
fn a_cookie_can_be_asked_for_without_a_question() {
    let mut packet = with_options(b"\x00\x0a\x00\x08abcdefgh");
    let question = 12..12 + b"\x03www\x07example\x00".len() + 4;
    packet.drain(question);
    packet[5] = 0;
    let response = exchange(&served(), &packet, CLIENT, Transport::Udp, NOW).unwrap();
    assert_eq!((show(&response).as_str(), options(&response)[0].0), ("NOERROR", 10));
}

#[test]
fn a_network_that_asks_too_much_is_sent_to_tcp_unless_it_shows_a_cookie() {
    let served = served();
    let mut limiter = Limiter::new(Limit { per_second: 10, dry_run: false }, [3, 5]);
    let mut ask = |packet: &[u8]| {
        let (mut names, mut out) = (names(), [[0; 1232]; 1]);
        let said = respond(
            &served,
            &[(packet, CLIENT)],
            &speaker(NOW),
            LANE,
            Some(&mut limiter),
            &mut names,
            &mut out,
        );
        match said[0] {
            Response::Ready { length, .. } => Some(out[0][..length].to_vec()),
            Response::Left | Response::Withheld => None,
        }
    };
    let plain = edns_query("www.example", "A");
    for _ in 0..10 {
        assert!(ask(&plain).is_some_and(|response| response[2] & 2 == 0));
    }
    assert_eq!(ask(&plain), None);
    assert_eq!(show(&ask(&plain).unwrap()), "NOERROR aa tc");
    let asks_cookie = with_options(b"\x00\x0a\x00\x08abcdefgh");
    let first = exchange(&served, &asks_cookie, CLIENT, Transport::Udp, NOW).unwrap();
    let known = with_options(&[&b"\x00\x0a\x00\x18"[..], &options(&first)[0].1].concat());
    for _ in 0..100 {
        assert!(ask(&known).is_some_and(|response| response[2] & 2 == 0));
    }
}

#[test]
fn what_does_not_fit_a_datagram_sends_the_client_to_tcp() {
    assert_eq!(udp(&query("big.example", "TXT")).as_deref(), Some("NOERROR aa tc"));
    let whole = exchange(&served(), &query("big.example", "TXT"), CLIENT, Transport::Tcp, NOW).unwrap();
    assert_eq!(show(&whole).lines().count(), 41);
}

/// The responses of the fast path to a batch, but for those it leaves to the edge.
pub(super) fn fast(snapshot: &Snapshot, packets: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    let queries: Vec<(&[u8], IpAddr)> = packets.iter().map(|packet| (&packet[..], CLIENT)).collect();
    fast_for(snapshot, &queries)
}

/// The same, for queries from anywhere.
pub(super) fn fast_for(snapshot: &Snapshot, queries: &[(&[u8], IpAddr)]) -> Vec<Option<Vec<u8>>> {
    let mut out = vec![[0; 1232]; queries.len()];
    let responses = respond(snapshot, queries, &speaker(NOW), LANE, None, &mut names(), &mut out);
    let told = responses.iter().zip(&out).map(|(response, out)| match *response {
        Response::Ready { length, .. } => Some(out[..length].to_vec()),
        Response::Left | Response::Withheld => None,
    });
    told.collect()
}

proptest! {
    #[test]
    fn both_readers_say_the_same(
        questions in prop::collection::vec((
            "(www|shop|big|a\\.wild|nowhere|[a-zA-Z]{1,5}\\.shop)\\.(example|EXAMPLE|other)",
            prop::sample::select(vec!["A", "AAAA", "TXT", "ANY", "NS", "SOA"]),
            any::<bool>(),
            prop::collection::vec((0..60_usize, any::<u8>()), 0..3),
        ), 1..=TOGETHER_MAX),
    ) {
        let snapshot = served();
        let packet = |(name, kind, with_edns, changes): &(String, &str, bool, Vec<(usize, u8)>)| {
            let mut packet = if *with_edns { edns_query(name, kind) } else { query(name, kind) };
            for (at, byte) in changes {
                let at = at % packet.len();
                packet[at] = *byte;
            }
            packet
        };
        let packets: Vec<Vec<u8>> = questions.iter().map(packet).collect();
        for (packet, quick) in packets.iter().zip(fast(&snapshot, &packets)) {
            if quick.is_some() {
                prop_assert_eq!(quick, exchange(&snapshot, packet, CLIENT, Transport::Udp, NOW));
            }
        }
    }
}
