//! What a stream may hold.

use super::*;
use crate::snapshot::tests::support::{edns_query, query};

/// A stream with this message, which is given the id 0.
fn stream(mut message: Vec<u8>) -> Vec<u8> {
    message[..2].fill(0);
    [&(message.len() as u16).to_be_bytes()[..], &message].concat()
}

#[test]
fn a_stream_has_one_question_of_id_zero() {
    let good = stream(edns_query("shop.example", "A"));
    assert!(question(&good).is_ok_and(|question| question == &good[2..]));
    let mut numbered = good.clone();
    numbered[3] = 1;
    let mut keepalive = edns_query("shop.example", "A");
    let length_at = keepalive.len() - 1;
    keepalive[length_at] = 4;
    keepalive.extend([0, 11, 0, 0]);
    for (bad, why) in [
        (Vec::new(), "length before it"),
        (vec![0], "length before it"),
        (good[..good.len() - 1].to_vec(), "as long as it says"),
        ([good.clone(), good.clone()].concat(), "as long as it says"),
        (vec![0, 0], "message id"),
        (numbered, "message id"),
        (stream(keepalive), "keepalive"),
    ] {
        let Err(Fault(said)) = question(&bad) else { panic!("{why}: taken") };
        assert!(said.contains(why), "{said}");
    }
    // What is wrong beyond that is told in an answer.
    assert!(question(&stream(query("shop.example", "AXFR"))).is_ok());
}
