//! How often each weighted answer was given.

use koinon_model::time::Timestamp;
use koinon_types::names::Record;

use super::support::{CLIENT, edns_query, record, snapshot, speaker, zone};
use crate::edge::handler::{RESPONSE_MAX, Transport, respond};
use crate::explain::explain;
use crate::fast;
use crate::snapshot::{Lane, Snapshot, TOGETHER_MAX};

/// Windows of five seconds: the name's choice takes a step in each.
const WINDOWS: i64 = 200;

fn shop(weights: [u32; 2]) -> Record {
    record("shop.example", &[("a", "192.0.2.1", weights[0]), ("b", "192.0.2.2", weights[1])])
}

fn served(weights: [u32; 2]) -> Snapshot {
    let lines = "to.example 60 CNAME shop.example";
    snapshot(
        vec![zone("example", lines)],
        vec![shop(weights), record("one.example", &[("a", "192.0.2.3", 1)])],
    )
}

/// Asks by the fast path, on two threads, and by the edge.
fn ask(snapshot: &Snapshot, name: &str) {
    let packet = edns_query(name, "A");
    for window in 0..WINDOWS {
        let now = Timestamp::from_seconds(window * 5);
        let mut out = vec![[0; 1232]; TOGETHER_MAX];
        for thread in 0..2 {
            let lane = Lane::of_thread(thread);
            fast::respond(
                snapshot,
                &[(&packet, CLIENT)],
                &speaker(now),
                lane,
                None,
                &mut fast::names(),
                &mut out,
            );
        }
        respond(snapshot, &packet, CLIENT, Transport::Tcp, &speaker(now), &mut vec![0; RESPONSE_MAX]);
    }
}

/// Address, weight and answers of each share.
fn counted(snapshot: &Snapshot) -> Vec<(String, u64, u64)> {
    let shares = snapshot.counted().filter_map(|counted| counted.shares()).flatten();
    shares.map(|share| (share.address.to_string(), share.weight, share.n_answers)).collect()
}

#[test]
fn what_clients_got_comes_near_what_was_wanted() {
    let snapshot = served([9, 1]);
    assert_eq!(counted(&snapshot), []);
    for name in ["shop.example", "to.example", "one.example", "www.example"] {
        ask(&snapshot, name);
    }
    let [(a, 9, n_heavy), (b, 1, n_light)] = &counted(&snapshot)[..] else {
        panic!("{:?}", counted(&snapshot))
    };
    assert_eq!((a.as_str(), b.as_str(), n_heavy + n_light), ("192.0.2.1", "192.0.2.2", 600));
    assert!((537..=543).contains(n_heavy), "{n_heavy} of 600");
    let told = explain(&snapshot, "shop.example", "A", &CLIENT.into(), Timestamp::from_seconds(0)).unwrap();
    let share = &told["endpoints"][1]["share"];
    assert_eq!((share["wantedPercent"].as_f64(), share["answersCountAll"].as_u64()), (Some(10.0), Some(600)));
    assert_eq!(share["answersCount"].as_u64(), Some(*n_light), "explaining counts nothing");
}

#[test]
fn counting_goes_on_until_the_weights_change() {
    let before = served([9, 1]);
    ask(&before, "shop.example");
    let mut same = served([9, 1]);
    same.carry(&before);
    assert_eq!(counted(&same), counted(&before));
    ask(&same, "shop.example");
    let doubled: Vec<_> = counted(&before).into_iter().map(|(at, weight, n)| (at, weight, 2 * n)).collect();
    assert_eq!(counted(&same), doubled);
    let mut other = served([8, 2]);
    other.carry(&same);
    assert_eq!(counted(&other), []);
}
