//! The records of a transfer in as many messages as they need.

use std::collections::HashMap;
use std::ops::ControlFlow;

use koinon_model::time::Timestamp;

use super::{Copied, Extent, Plan};
use crate::edge::handler::RESPONSE_MAX;
use crate::edge::tsig::Signer;
use crate::history::{Difference, History, Records, Row};
use crate::wire::name::suffixes;
use crate::wire::{CLASS_IN, HEADER, flag};

/// A message is closed before it grows beyond this: farther than that no compression pointer reaches (RFC 1035 §4.1.4),
/// and names are most of a zone.
const MESSAGE_LENGTH: usize = 0x4000;

/// Bytes kept free behind the records: OPT with room to grow, and a signature with the longest name.
const TAIL_LENGTH_MAX: usize = 512;

/// Memory of the changes that may be condensed for a datagram. More hardly ever ends in so few records that they fit one,
/// and whoever asks by UDP is answered by the one task that answers all of them.
const DATAGRAM_CHANGES_MAX: usize = 64 << 10;

/// Packs a granted transfer and hands over message by message, each with its length before it (RFC 7766 §8), until the
/// receiver breaks off. Takes long for a large zone; for blocking threads.
///
/// A record that no message can hold is left out. The snapshot lists it as refused, and its name is answered with SERVFAIL.
pub(crate) fn pack(
    plan: Plan,
    now: fn() -> Timestamp,
    send: &mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Plan { copied: Copied { zone, extent }, mut opening, mut closing, mut signer } = plan;
    let content = Content::of(&zone, extent);
    let mut message = Message::begin(&opening);
    for row in content.rows() {
        if message.add(row, MESSAGE_LENGTH) {
            continue;
        }
        if message.n_answers > 0 {
            send(message.end(&std::mem::take(&mut closing), signer.as_mut(), now()))?;
            // Only the first message has the question and OPT (RFC 5936 §2.2.1).
            opening.truncate(HEADER);
            opening[4..].fill(0);
            message = Message::begin(&opening);
        }
        // Alone in a message, a record may be longer.
        message.add(row, RESPONSE_MAX - TAIL_LENGTH_MAX);
    }
    send(message.end(&closing, signer.as_mut(), now()))
}

/// Packs a granted transfer into one message of at most `limit` bytes. What does not fit is the SOA alone, by which the
/// client learns to ask by TCP (RFC 1995 §2).
///
/// Shape: the message's length, which is in `out`.
pub(crate) fn pack_one(plan: Plan, limit: usize, now: Timestamp, out: &mut [u8]) -> usize {
    let Plan { copied: Copied { zone, extent }, opening, closing, mut signer } = plan;
    let room = limit.saturating_sub(closing.len() + signer.as_ref().map_or(0, Signer::room));
    let filled = |extent: Extent| {
        let content = Content::of(&zone, extent);
        let mut message = Message::begin(&opening);
        content.rows().all(|row| message.add(row, room)).then_some(message)
    };
    let is_small = match extent {
        Extent::Since { n_steps } => zone.n_bytes_since(n_steps) <= DATAGRAM_CHANGES_MAX,
        Extent::Soa | Extent::Whole => false,
    };
    let difference = if is_small { filled(extent) } else { None };
    let message = difference.or_else(|| filled(Extent::Soa)).unwrap_or_else(|| {
        let mut nothing = Message::begin(&opening);
        nothing.bytes[PREFIX + 2] |= flag::TC;
        nothing
    });
    let whole = message.end(&closing, signer.as_mut(), now);
    let length = whole.len() - PREFIX;
    out[..length].copy_from_slice(&whole[PREFIX..]);
    length
}

/// The records of a transfer.
enum Content<'a> {
    Soa(&'a Records),
    Whole(&'a History),
    /// The SOA that the client has, and what changed since.
    Since(&'a History, &'a Records, Difference),
}

impl<'a> Content<'a> {
    fn of(zone: &'a History, extent: Extent) -> Self {
        let n_steps = match extent {
            Extent::Soa => return Self::Soa(zone.soa()),
            Extent::Whole => return Self::Whole(zone),
            Extent::Since { n_steps } => n_steps,
        };
        match zone.since(n_steps) {
            Some((from, difference)) if difference.n_bytes() < zone.records().n_bytes() => {
                Self::Since(zone, from, difference)
            }
            // Everything is less (RFC 1995 §4).
            Some(_) | None => Self::Whole(zone),
        }
    }

    /// The records in the order in which they are sent: a zone between two SOAs (RFC 5936 §2.2), or between two of the latest
    /// SOAs what is removed behind the older one, and what is added behind the latest (RFC 1995 §4).
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        static NOTHING: Records = Records::EMPTY;
        let parts = match self {
            Self::Soa(soa) => [*soa, &NOTHING, &NOTHING, &NOTHING, &NOTHING, &NOTHING],
            Self::Whole(zone) => [zone.soa(), zone.records(), zone.soa(), &NOTHING, &NOTHING, &NOTHING],
            Self::Since(zone, from, difference) => {
                [zone.soa(), from, &difference.removed, zone.soa(), &difference.added, zone.soa()]
            }
        };
        parts.into_iter().flat_map(Records::rows)
    }
}

/// A message being filled.
struct Message {
    /// With two bytes for its length before it.
    bytes: Vec<u8>,
    n_answers: u16,
    /// Where names stand in the message.
    seen: HashMap<Box<[u8]>, u16>,
}

/// Bytes of the length before a message.
const PREFIX: usize = 2;

impl Message {
    fn begin(opening: &[u8]) -> Self {
        Self { bytes: [&[0; PREFIX], opening].concat(), n_answers: 0, seen: HashMap::new() }
    }

    /// Adds a record if the message stays within `length_max` bytes; says whether it does.
    fn add(&mut self, row: Row<'_>, length_max: usize) -> bool {
        let before = self.bytes.len();
        self.record(row);
        if self.bytes.len() - PREFIX <= length_max {
            self.n_answers += 1;
            return true;
        }
        self.bytes.truncate(before);
        // Some of these names stand there no more.
        self.seen.clear();
        false
    }

    fn record(&mut self, row: Row<'_>) {
        let (rtype, ttl) = row.type_and_ttl();
        let (fixed, name) = row.data();
        self.name(row.owner());
        self.bytes.extend(rtype);
        self.bytes.extend(CLASS_IN.to_be_bytes());
        self.bytes.extend(ttl);
        let length_at = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend_from_slice(fixed);
        if let Some(name) = name {
            self.name(name);
        }
        let length = self.bytes.len() - length_at - 2;
        // Data is at most 65,535 bytes by its parser; a longer record fits no message anyway.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// Writes a name, pointing at the longest part of it that the message holds already.
    fn name(&mut self, wire: &[u8]) {
        for suffix in suffixes(wire) {
            if suffix.len() == 1 {
                self.bytes.push(0);
                return;
            }
            if let Some(at) = self.seen.get(suffix) {
                self.bytes.extend((0xc000 | at).to_be_bytes());
                return;
            }
            let at = self.bytes.len() - PREFIX;
            if at < MESSAGE_LENGTH {
                self.seen.insert(suffix.into(), at as u16);
            }
            self.bytes.extend_from_slice(&suffix[..=usize::from(suffix[0])]);
        }
    }

    /// Ends the message with `closing` and a signature, if there is to be one.
    fn end(mut self, closing: &[u8], signer: Option<&mut Signer>, now: Timestamp) -> Vec<u8> {
        self.bytes.extend_from_slice(closing);
        let mut length = self.bytes.len() - PREFIX;
        self.bytes[PREFIX + 6..PREFIX + 8].copy_from_slice(&self.n_answers.to_be_bytes());
        if let Some(signer) = signer {
            self.bytes.resize(PREFIX + length + signer.room(), 0);
            length = signer.sign(&mut self.bytes[PREFIX..], length, now);
            self.bytes.truncate(PREFIX + length);
        }
        // What is added behind the records has its room kept free.
        let prefix = u16::try_from(length).unwrap_or(u16::MAX);
        self.bytes[..PREFIX].copy_from_slice(&prefix.to_be_bytes());
        self.bytes
    }
}
