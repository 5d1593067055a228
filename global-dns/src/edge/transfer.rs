//! Zones as a whole, for secondaries: AXFR (RFC 5936), and IXFR (RFC 1995) answered with "you have it" or everything.
//!
//! What changed from one serial to the next is not kept. RFC 1995 §4 lets a server answer with the whole zone then, and
//! zones here are small against what a journal of every verdict on health would be.
//!
//! A transfer reads one snapshot from its first message to its last, so it never mixes two generations, however long the
//! reader takes.

mod pack;

use std::net::IpAddr;

use koinon_types::names::TsigKey;

use super::handler::Transport;
use super::message::Wanted;
use super::tsig::Signer;
use crate::snapshot::{Answer, Head, OPT, Options, Snapshot, write};
use crate::wire::name::Name;
use crate::wire::{HEADER, Rcode};

pub(crate) use pack::pack;

/// What becomes of a request for a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Only this is said.
    Failed(Rcode),
    /// The zone's SOA alone: the client has this version, or is to ask again by TCP (RFC 1995 §2, §4).
    Soa,
    /// The zone with this apex.
    Whole(Name),
}

/// Decides what becomes of a request, which is signed with `key` if with any.
pub(crate) fn decide(
    snapshot: &Snapshot,
    wanted: Wanted<'_>,
    client: IpAddr,
    key: Option<&TsigKey>,
    transport: Transport,
) -> Verdict {
    let known = Name::from_wire(wanted.apex).and_then(|apex| Some((snapshot.version(&apex)?, apex)));
    // RFC 5936 §2.2.1.
    let Some((version, apex)) = known else { return Verdict::Failed(Rcode::NotAuth) };
    let text = apex.to_string();
    let zone = snapshot.table().zones.iter().find(|zone| zone.apex == text);
    if !zone.is_some_and(|zone| zone.transfer.admits(client, key)) {
        return Verdict::Failed(Rcode::Refused);
    }
    match (wanted.since, transport) {
        // No such thing is defined (RFC 5936 §4.2).
        (None, Transport::Udp) => Verdict::Failed(Rcode::Refused),
        (None, Transport::Tcp) => Verdict::Whole(apex),
        (Some(_), Transport::Udp) => Verdict::Soa,
        (Some(since), Transport::Tcp) if is_newer(version.serial, since) => Verdict::Whole(apex),
        (Some(_), Transport::Tcp) => Verdict::Soa,
    }
}

/// Whether serial `one` comes after `other` (RFC 1982 §3.2).
fn is_newer(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() > 0
}

/// A transfer that was granted.
pub(crate) struct Plan {
    apex: Name,
    /// Header and question of the first message.
    opening: Vec<u8>,
    /// What the first message ends with: OPT, if the client sent one.
    closing: Vec<u8>,
    signer: Option<Signer>,
}

impl Plan {
    /// Answers the request that `head` is of; signs with `signer`, if with any.
    pub(crate) fn new(head: &Head<'_>, options: &Options<'_>, apex: Name, signer: Option<Signer>) -> Self {
        let empty = Answer { authoritative: true, ..Answer::bare(Rcode::NoError) };
        let opening_length = HEADER + head.question.len();
        let whole = opening_length + OPT + options.length();
        let mut opening = vec![0; whole];
        let length = write(&mut opening, head, &empty, options, whole);
        opening.truncate(length);
        let closing = opening.split_off(opening_length);
        Self { apex, opening, closing, signer }
    }
}

#[cfg(test)]
mod tests;
