//! One datagram to its response, without allocation, lock or wait.

use std::net::IpAddr;

use koinon_model::time::Timestamp;

use super::packet::{NameBuffer, read};
use crate::snapshot::{Snapshot, write};
use crate::wire::Rcode;

/// Answers a usual query into `out`. Shape: length and code of the response; `None` leaves the query to the edge.
pub(crate) fn respond(
    snapshot: &Snapshot,
    packet: &[u8],
    client: IpAddr,
    now: Timestamp,
    lower: &mut NameBuffer,
    out: &mut [u8],
) -> Option<(usize, Rcode)> {
    let usual = read(packet, lower)?;
    let answer = snapshot.answer(&usual.question, client, now);
    if answer.is_redirect {
        return None;
    }
    let length = write(out, &usual.head, &answer, usual.head.udp_limit());
    Some((length, answer.rcode()))
}
