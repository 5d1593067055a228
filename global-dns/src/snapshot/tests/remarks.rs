//! What answers say about themselves, to whom, and when there is room.

use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_types::names::{EndpointState, NameTable, Record, Withdrawal};

use super::support::{
    CLIENT, NOW, build_at, edns_query, exchange, query, record, signed_zone, snapshot, snapshot_with, zone,
};
use crate::edge::handler::Transport;
use crate::snapshot::{Edns, Head, LastGood, Options, Question, Snapshot, Verdicts, Versions, write};
use crate::wire::rtype;

/// The code in the last six bytes, where an option with one stands.
fn remark(snapshot: &Snapshot, packet: &[u8]) -> Option<u16> {
    let answer = exchange(snapshot, packet, CLIENT, Transport::Udp, Timestamp::from_seconds(0)).unwrap();
    let at = answer.len() - 6;
    let length = u16::from_be_bytes([answer[at - 2], answer[at - 1]]);
    (answer[at..at + 4] == [0, 15, 0, 2] && length == 6)
        .then(|| u16::from_be_bytes([answer[at + 4], answer[at + 5]]))
}

fn lost(mut record: Record) -> Record {
    for endpoint in &mut record.endpoints {
        endpoint.state = EndpointState::Withdrawn(Withdrawal::ClusterUnreachable);
    }
    record
}

fn shop() -> Record {
    record("shop.example", &[("a", "192.0.2.1", 3), ("b", "192.0.2.2", 1)])
}

#[test]
fn an_answer_that_was_good_last_says_so() {
    let zones = || vec![zone("example", "www.example 60 A 192.0.2.7\nto.example 60 CNAME shop.example")];
    let targets = shop().endpoints.into_iter().map(|endpoint| endpoint.target).collect();
    let good = LastGood::from([(shop().source, targets)]);
    let stale = snapshot_with(zones(), vec![lost(shop())], &Verdicts::new(), &good);
    for name in ["shop.example", "to.example"] {
        assert_eq!(remark(&stale, &edns_query(name, "A")), Some(3), "{name}");
    }
    assert_eq!(remark(&stale, &edns_query("www.example", "A")), None);
    assert_eq!(remark(&stale, &query("shop.example", "A")), None, "without EDNS there is no place for it");
    let healthy = snapshot_with(zones(), vec![shop()], &Verdicts::new(), &good);
    assert_eq!(remark(&healthy, &edns_query("shop.example", "A")), None);
    let alone = record("shop.example", &[("a", "192.0.2.1", 3)]);
    let stale = snapshot_with(zones(), vec![lost(alone)], &Verdicts::new(), &good);
    assert_eq!(remark(&stale, &edns_query("shop.example", "A")), Some(3), "an answer that never varies");
    let signed = snapshot_with(vec![signed_zone("example", "")], vec![lost(shop())], &Verdicts::new(), &good);
    assert_eq!(remark(&signed, &edns_query("shop.example", "A")), Some(3), "an answer with signatures");
}

#[test]
fn a_refusal_says_whether_it_is_for_good() {
    let served = snapshot(vec![zone("example", "")], Vec::new());
    assert_eq!(remark(&served, &edns_query("other", "A")), Some(20));
    let table = Arc::<NameTable>::default();
    let empty = build_at(&table, &Versions::new(), 1, NOW, &Arc::default());
    assert_eq!(remark(&empty, &edns_query("example", "A")), Some(14));
}

#[test]
fn a_transfer_that_is_not_granted_says_that_it_is_prohibited() {
    let served = snapshot(vec![zone("example", "")], Vec::new());
    let mut packet = edns_query("example", "A");
    // After the header and the nine bytes of the name.
    packet[21..23].copy_from_slice(&rtype::AXFR.to_be_bytes());
    assert_eq!(remark(&served, &packet), Some(18));
}

#[test]
fn the_answer_is_worth_more_than_what_is_said_of_it() {
    let good = LastGood::from([(shop().source, vec![shop().endpoints[0].target.clone()])]);
    let stale = snapshot_with(vec![zone("example", "")], vec![lost(shop())], &Verdicts::new(), &good);
    let name = b"\x04shop\x07example\0";
    let question = Question { name, n_labels: 2, rtype: rtype::A, dnssec_ok: false };
    let answer = stale.answer(&question, &CLIENT.into(), Timestamp::from_seconds(0));
    let asked = [&name[..], &[0, 1, 0, 1]].concat();
    let edns = Some(Edns {
        payload: 1232,
        dnssec_ok: false,
        cookie: None,
        wants_nsid: false,
        wants_keepalive: false,
        subnet: None,
    });
    let head = Head { id: [0; 2], flags: [0; 2], question: &asked, edns };
    let length = |limit| write(&mut [0; 600], &head, &answer, &Options::default(), limit);
    let whole = length(600);
    assert_eq!(length(whole), whole, "it fits exactly");
    assert_eq!(length(whole - 1), whole - 6, "the answer stays, what is said of it goes");
    assert_eq!(length(whole - 6), whole - 6);
}
