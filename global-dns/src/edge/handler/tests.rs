//! What a response says of the connection that it travels over, and what it hides.

use std::time::Duration;

use koinon_model::time::Timestamp;

use super::*;
use crate::snapshot::tests::support::{CLIENT, edns_query, query, record, snapshot, speaker, zone};

const NOW: Timestamp = Timestamp::from_seconds(7);

/// The block length of RFC 8467 §4.1.
const BLOCK: usize = 468;

fn shop() -> Snapshot {
    let long = "x".repeat(250);
    let text: String = (0..6).map(|n| format!("long.example 60 TXT \"{n}{long}\"\n")).collect();
    snapshot(vec![zone("example", &text)], vec![record("shop.example", &[("a", "192.0.2.1", 1)])])
}

/// Gives the query an option without data.
fn with_option(mut packet: Vec<u8>, code: u16) -> Vec<u8> {
    let length_at = packet.len() - 1;
    packet[length_at] = 4;
    packet.extend(code.to_be_bytes());
    packet.extend([0, 0]);
    packet
}

fn response(packet: &[u8], transport: Transport, idle_max: Option<Duration>) -> Vec<u8> {
    let mut out = vec![0; RESPONSE_MAX];
    let speaker = Speaker { idle_max, ..speaker(NOW) };
    let reply = respond(&shop(), packet, CLIENT, transport, &speaker, &mut out);
    let Some(Reply::Message { length, .. }) = reply else { panic!("no message") };
    out.truncate(length);
    // Whatever is in it, it can be read as a whole.
    hickory_proto::op::Message::from_vec(&out).unwrap();
    out
}

#[test]
fn responses_that_nobody_can_read_do_not_tell_their_length_either() {
    let asked = edns_query("long.example", "TXT");
    assert!(response(&asked, Transport::Tcp, None).len() > 3 * BLOCK);
    for name in ["shop.example", "nowhere.example", "long.example"] {
        let kind = if name.starts_with("long") { "TXT" } else { "A" };
        for transport in Transport::ALL {
            let length = response(&edns_query(name, kind), transport, None).len();
            let is_padded = length.is_multiple_of(BLOCK);
            assert_eq!(is_padded, transport.is_encrypted(), "{name} over {transport:?}: {length}");
        }
        // Without EDNS there is no place for padding.
        assert!(!response(&query(name, kind), Transport::Tls, None).len().is_multiple_of(BLOCK));
    }
}

#[test]
fn who_asks_for_how_long_a_connection_may_be_idle_is_told() {
    let asked = with_option(edns_query("shop.example", "A"), 11);
    let told = |packet: &[u8], idle_max| {
        let response = response(packet, Transport::Tcp, idle_max);
        response.windows(6).find(|window| window[..4] == [0, 11, 0, 2]).map(|window| [window[4], window[5]])
    };
    assert_eq!(told(&asked, Some(Duration::from_millis(9950))), Some([0, 99]));
    assert_eq!(told(&asked, None), None);
    assert_eq!(told(&edns_query("shop.example", "A"), Some(Duration::from_secs(9))), None);
}

#[test]
fn only_some_transports_carry_zones() {
    let carry: Vec<&str> =
        Transport::ALL.into_iter().filter(|t| t.carries_zones()).map(Transport::as_str).collect();
    assert_eq!(carry, ["tcp", "tls", "quic"]);
}
