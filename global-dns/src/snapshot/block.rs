//! Precompiled parts of answers: everything between the question and OPT, ready to be copied.
//!
//! Compression pointers count from the start of the message, and what lies before a block is the header (12
//! bytes), the question's name (as long as the client made it) and four bytes. So every pointer is
//! `length of the question's name + a constant`, and a block is stored with the constants. Where the name is
//! known when the block is compiled, the sum is taken then; where only its end is known (wildcards, NXDOMAIN,
//! referrals), the few places to add it are kept as fixups.
//!
//! ```text
//! 0        12             12+n  16+n
//! │ header │ name (n) │ 0 │ type class │ block …                │ OPT │
//!                 ▲ suffixes of the name: n + (12 − their length)
//!                                       ▲ own places: n + (16 + position)
//! ```

use super::answer::OPT;
use crate::dnssec::{Order, SIGNATURE, Signer};
use crate::wire::name::{NAME_MAX, Name, suffixes};
use crate::wire::rdata::Rdata;
use crate::wire::{CLASS_IN, HEADER, Rcode, UDP_PAYLOAD_PLAIN, rtype};

/// Largest block: with header, longest question and OPT with all options it still fits a TCP message.
pub(super) const BLOCK_MAX: usize = u16::MAX as usize - HEADER - NAME_MAX - 4 - 128;

/// Most bytes of a message that carries records nobody needs: every client takes as many. A block is the same for all
/// clients, and one that is too long for a client reaches it empty; so the size that the most modest takes decides, and
/// whoever misses the records asks for them. A second block for larger datagrams would double the work for little.
const MESSAGE_WITH_EXTRAS_MAX: usize = UDP_PAYLOAD_PLAIN as usize;

/// The same for whoever wants signatures: such a client takes 1220 bytes at least (RFC 4035 §4.1), of which the options in
/// OPT need some.
const SIGNED_WITH_EXTRAS_MAX: usize = 1220 - 100;

/// Largest offset that a compression pointer can carry (RFC 1035 §4.1.4).
const POINTER_MAX: i32 = 0x3fff;

/// A pointer to the question's name, wherever that ends.
const POINTER_TO_QUESTION: [u8; 2] = [0xc0, HEADER as u8];

/// What is known of the question's name while a block is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor<'a> {
    /// It is this name.
    Exactly(&'a Name),
    /// It is this name or lies below it.
    Within(&'a Name),
}

/// The owner of a record being written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner<'a> {
    /// The question's name.
    Question,
    /// Another name.
    Name(&'a Name),
}

/// The owner of a set being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// As the message shows it.
    pub(super) shown: Owner<'a>,
    /// As the zone holds it, lower case: a wildcard where it is synthesised from one.
    pub(super) held: &'a [u8],
}

/// The section a record goes to. Shape: sections are written in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A finished block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) rcode: Rcode,
    /// Whether the answer is authoritative.
    pub(super) authoritative: bool,
    /// Records per section.
    pub(super) counts: [u16; 3],
    pub(super) bytes: Vec<u8>,
    /// Positions of pointers to which the length of the question's name must be added.
    pub(super) fixups: Vec<u16>,
    /// Signatures that are still to be written, and where.
    pub(super) unsigned: Vec<(u16, Order)>,
}

/// Writes one block, record by record.
pub(super) struct Writer<'a> {
    anchor: Anchor<'a>,
    /// What signs the sets; none for whoever did not ask for signatures.
    signer: Option<Signer<'a>>,
    /// Whether the block is appended to another, so that nothing can point into it.
    is_appended: bool,
    block: Block,
    /// Names already in the message, with their offset less the length of the question's name.
    seen: Vec<(Box<[u8]>, i32)>,
}

/// A block would not fit a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its answer is larger than a DNS message can be (65,535 bytes)")]
pub(super) struct TooLarge;

impl<'a> Writer<'a> {
    pub(super) fn new(anchor: Anchor<'a>) -> Self {
        let (Anchor::Exactly(known) | Anchor::Within(known)) = anchor;
        let seen = suffixes(known.wire())
            .filter(|suffix| suffix.len() > 1)
            .map(|suffix| (suffix.into(), HEADER as i32 - suffix.len() as i32))
            .collect();
        let block = Block {
            rcode: Rcode::NoError,
            authoritative: true,
            counts: [0; 3],
            bytes: Vec::new(),
            fixups: Vec::new(),
            unsigned: Vec::new(),
        };
        Self { anchor, signer: None, is_appended: false, block, seen }
    }

    /// Writes for clients that want signatures, if the zone has any.
    pub(super) fn signed(anchor: Anchor<'a>, signer: Option<Signer<'a>>) -> Self {
        Self { signer, ..Self::new(anchor) }
    }

    /// Writes a block that is appended to others.
    pub(super) fn appended(anchor: Anchor<'a>, signer: Option<Signer<'a>>) -> Self {
        Self { is_appended: true, ..Self::signed(anchor, signer) }
    }

    /// Whether it writes signatures.
    pub(super) fn is_signed(&self) -> bool {
        self.signer.is_some()
    }

    /// Writes a set of class IN that the zone is authoritative for, with its signatures if it writes any.
    pub(super) fn set(&mut self, section: Section, place: Place<'_>, rtype: u16, ttl: u32, data: &[Rdata]) {
        for data in data {
            self.record(section, place.shown, rtype, ttl, data);
        }
        self.sign(section, place, rtype, [ttl; 2], data);
    }

    /// Writes the signatures of a set. `ttls` are that in the zone and that in this message (RFC 4035 §5.3.3).
    fn sign(&mut self, section: Section, place: Place<'_>, number: u16, ttls: [u32; 2], data: &[Rdata]) {
        let Some(signer) = self.signer else { return };
        let [ttl_held, ttl] = ttls;
        for (head, order) in signer.orders(place.held, number, ttl_held, data) {
            self.head(section, place.shown, rtype::RRSIG, ttl);
            let length_at = self.block.bytes.len();
            self.block.bytes.extend([0; 2]);
            self.block.bytes.extend(head);
            // A longer block is refused as a whole at the end.
            if let Ok(at) = u16::try_from(self.block.bytes.len()) {
                self.block.unsigned.push((at, order));
            }
            self.block.bytes.extend([0; SIGNATURE]);
            self.close_data(length_at);
        }
    }

    /// Writes one record of class IN.
    pub(super) fn record(&mut self, section: Section, owner: Owner<'_>, rtype: u16, ttl: u32, rdata: &Rdata) {
        self.head(section, owner, rtype, ttl);
        let length_at = self.block.bytes.len();
        self.block.bytes.extend([0; 2]);
        self.block.bytes.extend_from_slice(&rdata.fixed);
        if let Some(name) = &rdata.name {
            self.name(name);
        }
        self.close_data(length_at);
    }

    /// Writes a set that an answer can do without, if it fits into every client's datagram; all of it or nothing,
    /// because part of a set would look like the whole (RFC 2181 §9).
    pub(super) fn extra(&mut self, place: Place<'_>, rtype: u16, ttl: u32, data: &[Rdata]) {
        let (counts, seen) = (self.block.counts, self.seen.len());
        let (bytes, fixups) = (self.block.bytes.len(), self.block.fixups.len());
        let unsigned = self.block.unsigned.len();
        self.set(Section::Additional, place, rtype, ttl, data);
        let most = if self.is_signed() { SIGNED_WITH_EXTRAS_MAX } else { MESSAGE_WITH_EXTRAS_MAX };
        if self.message_length_max() > most {
            self.block.counts = counts;
            self.seen.truncate(seen);
            self.block.bytes.truncate(bytes);
            self.block.fixups.truncate(fixups);
            self.block.unsigned.truncate(unsigned);
        }
    }

    /// Length of the longest message that this block can be part of, as it stands.
    fn message_length_max(&self) -> usize {
        let name = match self.anchor {
            Anchor::Exactly(name) => name.wire().len(),
            Anchor::Within(_) => NAME_MAX,
        };
        HEADER + name + 4 + self.block.bytes.len() + OPT
    }

    /// Writes a SOA record, whose data alone holds two names before its numbers. `ttls` are that in the zone and that in
    /// this message.
    pub(super) fn soa(&mut self, section: Section, owner: &Name, ttls: [u32; 2], soa: &Soa) {
        let place = Place { shown: Owner::Name(owner), held: owner.wire() };
        self.head(section, place.shown, rtype::SOA, ttls[1]);
        let length_at = self.block.bytes.len();
        self.block.bytes.extend([0; 2]);
        self.name(&soa.mname);
        self.name(&soa.rname);
        for number in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
            self.block.bytes.extend(number.to_be_bytes());
        }
        self.close_data(length_at);
        self.sign(section, place, rtype::SOA, ttls, &[soa.data()]);
    }

    /// Ends the block.
    ///
    /// # Errors
    /// When it is larger than a message can hold.
    pub(super) fn finish(mut self, rcode: Rcode, authoritative: bool) -> Result<Block, TooLarge> {
        if self.block.bytes.len() > BLOCK_MAX {
            return Err(TooLarge);
        }
        self.block.rcode = rcode;
        self.block.authoritative = authoritative;
        if let Anchor::Exactly(name) = self.anchor {
            let length = name.wire().len();
            for at in std::mem::take(&mut self.block.fixups) {
                shift(&mut self.block.bytes, usize::from(at), length);
            }
        }
        Ok(self.block)
    }

    fn head(&mut self, section: Section, owner: Owner<'_>, rtype: u16, ttl: u32) {
        self.block.counts[section as usize] = self.block.counts[section as usize].saturating_add(1);
        match owner {
            Owner::Question => self.block.bytes.extend(POINTER_TO_QUESTION),
            Owner::Name(name) => self.name(name),
        }
        self.block.bytes.extend(rtype.to_be_bytes());
        self.block.bytes.extend(CLASS_IN.to_be_bytes());
        self.block.bytes.extend(ttl.to_be_bytes());
    }

    fn close_data(&mut self, length_at: usize) {
        let length = self.block.bytes.len() - length_at - 2;
        // Data is at most 65,535 bytes by its parser; a longer block is refused as a whole at the end.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.block.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// Writes a name, pointing at the longest suffix that the message holds already.
    fn name(&mut self, name: &Name) {
        for suffix in suffixes(name.wire()) {
            if suffix.len() == 1 {
                self.block.bytes.push(0);
                return;
            }
            if let Some((_, offset)) = self.seen.iter().find(|(seen, _)| **seen == *suffix) {
                let pointer = (0xc000 + offset) as u16;
                if self.block.bytes.len() <= BLOCK_MAX {
                    self.block.fixups.push(self.block.bytes.len() as u16);
                }
                self.block.bytes.extend(pointer.to_be_bytes());
                return;
            }
            let offset = (HEADER + 4 + self.block.bytes.len()) as i32;
            if offset + NAME_MAX as i32 <= POINTER_MAX && !self.is_appended {
                self.seen.push((suffix.into(), offset));
            }
            self.block.bytes.extend_from_slice(&suffix[..=usize::from(suffix[0])]);
        }
    }
}

/// The data of a SOA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Soa {
    pub(super) mname: Name,
    pub(super) rname: Name,
    pub(super) serial: u32,
    pub(super) refresh: u32,
    pub(super) retry: u32,
    pub(super) expire: u32,
    pub(super) minimum: u32,
}

impl Soa {
    /// The data as one, its two names whole.
    pub(super) fn data(&self) -> Rdata {
        let mut fixed = [self.mname.wire(), self.rname.wire()].concat();
        for number in [self.serial, self.refresh, self.retry, self.expire, self.minimum] {
            fixed.extend(number.to_be_bytes());
        }
        Rdata { fixed: fixed.into(), name: None }
    }
}

/// Adds the length of the question's name to the pointer at `at`.
///
/// The two upper bits stay set: a stored constant may lie below 0xc000 (a suffix longer than 12 bytes), but the
/// sum is the offset of something in the message, below 0x4000.
pub(super) fn shift(bytes: &mut [u8], at: usize, name_length: usize) {
    let stored = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let pointer = stored.wrapping_add(name_length as u16);
    bytes[at..at + 2].copy_from_slice(&pointer.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn points_at_the_question_when_its_name_is_known() {
        let www = name("www.example");
        let mut writer = Writer::new(Anchor::Exactly(&www));
        writer.record(
            Section::Answer,
            Owner::Question,
            rtype::MX,
            60,
            &Rdata { fixed: [0, 10].into(), name: Some(name("mail.example")) },
        );
        let block = writer.finish(Rcode::NoError, true).unwrap();
        // `example` stands at 12 + 4 = 16 in the question.
        assert_eq!(block.bytes, b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x09\x00\x0a\x04mail\xc0\x10");
        assert_eq!((block.counts, block.fixups.len()), ([1, 0, 0], 0));
    }

    #[test]
    fn keeps_fixups_when_only_the_end_of_the_name_is_known() {
        let zone = name("example");
        let mut writer = Writer::new(Anchor::Within(&zone));
        writer.record(
            Section::Authority,
            Owner::Name(&zone),
            rtype::NS,
            60,
            &Rdata::pointing(name("ns.example")),
        );
        writer.record(
            Section::Additional,
            Owner::Name(&name("ns.example")),
            rtype::A,
            60,
            &Rdata::address([192, 0, 2, 1].into()),
        );
        let mut block = writer.finish(Rcode::NoError, false).unwrap();
        assert_eq!(block.fixups, [0, 15, 17]);
        let question = name("a.b.example");
        for at in block.fixups.clone() {
            shift(&mut block.bytes, usize::from(at), question.wire().len());
        }
        // `example` stands at 12 + 4 in a.b.example; `ns` at 12 + 13 + 4 + 12 = 41 in the message.
        assert_eq!(block.bytes[..2], [0xc0, 16]);
        assert_eq!(block.bytes[12..19], [2, b'n', b's', 0xc0, 16, 0xc0, 41]);
    }

    #[test]
    fn never_points_beyond_what_a_pointer_can_carry() {
        let zone = name("example");
        let mut writer = Writer::new(Anchor::Exactly(&zone));
        for number in 0..2000 {
            let target = name(&format!("host-{number}.other"));
            writer.record(Section::Answer, Owner::Question, rtype::NS, 60, &Rdata::pointing(target));
        }
        let block = writer.finish(Rcode::NoError, true).unwrap();
        let last = &block.bytes[block.bytes.len() - 12..];
        assert!(last.starts_with(b"\x09host-1999\xc0"), "{last:?}");
    }

    #[test]
    fn refuses_a_block_that_no_message_can_hold() {
        let zone = name("example");
        let mut writer = Writer::new(Anchor::Exactly(&zone));
        for _ in 0..5000 {
            writer.record(
                Section::Answer,
                Owner::Question,
                rtype::A,
                60,
                &Rdata::address([192, 0, 2, 1].into()),
            );
        }
        assert_eq!(writer.finish(Rcode::NoError, true).err(), Some(TooLarge));
    }
}
