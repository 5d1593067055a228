//! Any message to its response, in full, from the same snapshot as the fast path.

use std::net::IpAddr;

use koinon_model::time::Timestamp;

use super::message::{Asked, Reading, Tsig, read};
use crate::snapshot::{Answer, Head, Question, Scratch, Snapshot, write};
use crate::wire::name::{NAME_MAX, suffixes};
use crate::wire::{Rcode, rtype};

/// How a message came in, which bounds what goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    /// A datagram: the client's size, at most 1232 bytes.
    Udp,
    /// A stream: whatever a message can hold.
    Tcp,
}

impl Transport {
    /// Its name in labels of metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Largest response over any transport: the length of a TCP message has 16 bits.
pub(crate) const RESPONSE_MAX: usize = u16::MAX as usize;

/// Answers a message into `out`, which holds [`RESPONSE_MAX`] bytes.
///
/// Shape: the length and code of the response, or `None` when nothing may be said.
pub(crate) fn respond(
    snapshot: &Snapshot,
    packet: &[u8],
    client: IpAddr,
    transport: Transport,
    now: Timestamp,
    out: &mut [u8],
) -> Option<(usize, Rcode)> {
    let mut scratch = Scratch::default();
    let (head, answer, tsig) = match read(packet) {
        Reading::Ignored => return None,
        Reading::Failed(head, rcode) => (head, Answer::bare(rcode), None),
        Reading::Signed(head, tsig) => (head, Answer::bare(Rcode::NotAuth), Some(tsig)),
        Reading::Asked(head, asked) => (head, look_up(snapshot, asked, &mut scratch, client, now), None),
    };
    let limit = match transport {
        Transport::Udp => head.udp_limit(),
        Transport::Tcp => RESPONSE_MAX,
    };
    let mut length = write(out, &head, &answer, limit);
    if let Some(tsig) = tsig {
        length = append_bad_key(out, length, &head, tsig);
    }
    Some((length, answer.rcode()))
}

fn look_up<'a>(
    snapshot: &'a Snapshot,
    asked: Asked<'_>,
    scratch: &'a mut Scratch,
    client: IpAddr,
    now: Timestamp,
) -> Answer<'a> {
    let mut lower = [0; NAME_MAX];
    let lower = &mut lower[..asked.name.len()];
    lower.copy_from_slice(asked.name);
    lower.make_ascii_lowercase();
    let n_labels = suffixes(lower).count() - 1;
    snapshot.answer_in_full(&Question { name: lower, n_labels, rtype: asked.rtype }, client, now, scratch)
}

/// BADKEY: the error in a TSIG record that says the key is unknown (RFC 8945 §3).
const BAD_KEY: u16 = 17;

/// Appends the unsigned TSIG record that tells the client its key is unknown (RFC 8945 §5.2.1, §5.3.2).
fn append_bad_key(out: &mut [u8], length: usize, head: &Head<'_>, tsig: Tsig<'_>) -> usize {
    let data_length = tsig.algorithm.len() + tsig.time.len() + 2 + tsig.original_id.len() + 2 + 2;
    let parts: [&[u8]; 10] = [
        tsig.key,
        &rtype::TSIG.to_be_bytes(),
        // Class ANY, TTL 0.
        &[0, 255, 0, 0, 0, 0],
        &(data_length as u16).to_be_bytes(),
        tsig.algorithm,
        tsig.time,
        // No MAC.
        &[0, 0],
        tsig.original_id,
        &BAD_KEY.to_be_bytes(),
        // No other data.
        &[0, 0],
    ];
    let mut end = length;
    for part in parts {
        out[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    let n_additional = 1 + u16::from(head.edns.is_some());
    out[10..12].copy_from_slice(&n_additional.to_be_bytes());
    end
}
