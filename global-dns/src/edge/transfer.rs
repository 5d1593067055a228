//! Zones as a whole, for secondaries: AXFR (RFC 5936), and what changed in them: IXFR (RFC 1995).
//!
//! ```text
//! request ─► decide ─┬─► Failed: not ours, or not for you
//!                    └─► Plan ─┬─► pack: as many messages as it needs, over a stream
//!                              └─► pack_one: the SOA alone, or a difference that fits a datagram
//! ```
//!
//! A transfer reads one version of the archive from its first message to its last, so it never mixes two, however long the
//! reader takes.

mod pack;

use std::net::IpAddr;
use std::sync::Arc;

use koinon_types::names::{Asker, TsigKey};

use super::handler::Transport;
use super::message::Wanted;
use super::tsig::Signer;
use crate::history::{Archive, History, Known};
use crate::snapshot::{Answer, Head, OPT, Options, Snapshot, write};
use crate::wire::name::Name;
use crate::wire::{HEADER, Rcode};

pub(crate) use pack::{pack, pack_one};

/// What becomes of a request for a zone.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Only this is said.
    Failed(Rcode),
    /// This is given.
    Granted(Copied),
}

/// What of a zone is given.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    zone: Arc<History>,
    extent: Extent,
}

/// How much of a zone is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Its SOA alone: the client has this version, or is to ask again by TCP (RFC 1995 §2, §4).
    Soa,
    /// Everything.
    Whole,
    /// What the last so many steps changed, unless everything is less.
    Since { n_steps: usize },
}

/// Decides what becomes of a request, which is signed with `key` if with any.
pub(crate) fn decide(
    snapshot: &Snapshot,
    archive: &Archive,
    wanted: Wanted<'_>,
    client: IpAddr,
    key: Option<&TsigKey>,
    transport: Transport,
) -> Verdict {
    let known = Name::from_wire(wanted.apex).filter(|apex| snapshot.version(apex).is_some());
    // RFC 5936 §2.2.1.
    let Some(apex) = known else { return Verdict::Failed(Rcode::NotAuth) };
    let text = apex.to_string();
    let zone = snapshot.table().zones.iter().find(|zone| zone.apex == text);
    let asker = Asker { client, signed_with: key, is_encrypted: transport.is_encrypted() };
    if !zone.is_some_and(|zone| zone.transfer.admits(asker)) {
        return Verdict::Failed(Rcode::Refused);
    }
    // The grant is so new that the archive does not have the zone yet.
    let Some(zone) = archive.zone(&apex) else { return Verdict::Failed(Rcode::ServFail) };
    let extent = match (wanted.since.map(|since| zone.known(since)), transport.carries_zones()) {
        // No such thing is defined (RFC 5936 §4.2).
        (None, false) => return Verdict::Failed(Rcode::Refused),
        (None, true) | (Some(Known::Unknown), true) => Extent::Whole,
        (Some(Known::Latest), _) | (Some(Known::Unknown), false) => Extent::Soa,
        (Some(Known::Earlier { n_steps }), _) => Extent::Since { n_steps },
    };
    Verdict::Granted(Copied { zone: Arc::clone(zone), extent })
}

/// A transfer that was granted.
pub(crate) struct Plan {
    copied: Copied,
    /// Header and question of the first message.
    opening: Vec<u8>,
    /// What the first message ends with: OPT, if the client sent one.
    closing: Vec<u8>,
    signer: Option<Signer>,
}

impl Plan {
    /// Answers the request that `head` is of; signs with `signer`, if with any.
    pub(crate) fn new(
        head: &Head<'_>,
        options: &Options<'_>,
        copied: Copied,
        signer: Option<Signer>,
    ) -> Self {
        let empty = Answer { authoritative: true, ..Answer::bare(Rcode::NoError) };
        let opening_length = HEADER + head.question.len();
        let whole = opening_length + OPT + options.length();
        let mut opening = vec![0; whole];
        let length = write(&mut opening, head, &empty, options, whole);
        opening.truncate(length);
        let closing = opening.split_off(opening_length);
        Self { copied, opening, closing, signer }
    }

    /// Whether one message is enough, whatever the zone holds.
    pub(crate) fn is_short(&self) -> bool {
        self.copied.extent == Extent::Soa
    }
}

#[cfg(test)]
mod tests;
