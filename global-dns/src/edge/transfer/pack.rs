//! The records of a zone in as many messages as they need.

use std::collections::HashMap;
use std::ops::ControlFlow;

use koinon_model::time::Timestamp;

use super::Plan;
use crate::edge::handler::RESPONSE_MAX;
use crate::snapshot::{Entry, Snapshot};
use crate::wire::name::suffixes;
use crate::wire::{CLASS_IN, HEADER};

/// A message is closed before it grows beyond this: farther than that no compression pointer reaches (RFC 1035 §4.1.4),
/// and names are most of a zone.
const MESSAGE_LENGTH: usize = 0x4000;

/// Bytes kept free behind the records: OPT with room to grow, and a signature with the longest name.
const TAIL_LENGTH_MAX: usize = 512;

/// Packs a granted transfer and hands over message by message, each with its length before it (RFC 7766 §8), until the
/// receiver breaks off. Takes long for a large zone; for blocking threads.
///
/// A record that no message can hold is left out. The snapshot lists it as refused, and its name is answered with SERVFAIL.
pub(crate) fn pack(
    snapshot: &Snapshot,
    plan: Plan,
    now: fn() -> Timestamp,
    send: &mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let apex = plan.apex.clone();
    let mut packer = Packer { plan, now, send, message: Vec::new(), n_answers: 0, seen: HashMap::new() };
    packer.open();
    snapshot.records_of(&apex, &mut |entry| packer.add(entry))?;
    packer.close()
}

struct Packer<'a> {
    /// What is left of it: the opening and the closing are used up by the first message.
    plan: Plan,
    now: fn() -> Timestamp,
    send: &'a mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
    /// The message being filled, with two bytes for its length before it.
    message: Vec<u8>,
    n_answers: u16,
    /// Where names stand in the message.
    seen: HashMap<Box<[u8]>, u16>,
}

/// Bytes of the length before a message.
const PREFIX: usize = 2;

impl Packer<'_> {
    /// Begins a message. Only the first repeats the question (RFC 5936 §2.2.1).
    fn open(&mut self) {
        self.message = vec![0; PREFIX];
        self.message.extend_from_slice(&self.plan.opening);
        self.n_answers = 0;
        self.seen.clear();
    }

    fn add(&mut self, entry: Entry<'_>) -> ControlFlow<()> {
        loop {
            let before = self.message.len();
            self.record(entry);
            let length = self.message.len() - PREFIX;
            if length <= MESSAGE_LENGTH || (self.n_answers == 0 && length <= RESPONSE_MAX - TAIL_LENGTH_MAX) {
                self.n_answers += 1;
                return ControlFlow::Continue(());
            }
            self.message.truncate(before);
            if self.n_answers == 0 {
                self.seen.clear();
                return ControlFlow::Continue(());
            }
            self.close()?;
            self.open();
        }
    }

    fn record(&mut self, entry: Entry<'_>) {
        self.name(entry.owner);
        self.message.extend(entry.rtype.to_be_bytes());
        self.message.extend(CLASS_IN.to_be_bytes());
        self.message.extend(entry.ttl.to_be_bytes());
        let length_at = self.message.len();
        self.message.extend([0; 2]);
        self.message.extend_from_slice(&entry.data.fixed);
        if let Some(name) = &entry.data.name {
            self.name(name.wire());
        }
        let length = self.message.len() - length_at - 2;
        // Data is at most 65,535 bytes by its parser; a longer record fits no message anyway.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.message[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// Writes a name, pointing at the longest part of it that the message holds already.
    fn name(&mut self, wire: &[u8]) {
        for suffix in suffixes(wire) {
            if suffix.len() == 1 {
                self.message.push(0);
                return;
            }
            if let Some(at) = self.seen.get(suffix) {
                self.message.extend((0xc000 | at).to_be_bytes());
                return;
            }
            let at = self.message.len() - PREFIX;
            if at < MESSAGE_LENGTH {
                self.seen.insert(suffix.into(), at as u16);
            }
            self.message.extend_from_slice(&suffix[..=usize::from(suffix[0])]);
        }
    }

    /// Ends the message, signs it and hands it over.
    fn close(&mut self) -> ControlFlow<()> {
        self.message.extend_from_slice(&std::mem::take(&mut self.plan.closing));
        let mut length = self.message.len() - PREFIX;
        self.message[PREFIX + 6..PREFIX + 8].copy_from_slice(&self.n_answers.to_be_bytes());
        if let Some(signer) = &mut self.plan.signer {
            self.message.resize(PREFIX + length + signer.room(), 0);
            length = signer.sign(&mut self.message[PREFIX..], length, (self.now)());
            self.message.truncate(PREFIX + length);
        }
        // What is added behind the records has its room kept free.
        let prefix = u16::try_from(length).unwrap_or(u16::MAX);
        self.message[..PREFIX].copy_from_slice(&prefix.to_be_bytes());
        // Messages from now on have neither question nor OPT.
        self.plan.opening.truncate(HEADER);
        self.plan.opening[4..].fill(0);
        (self.send)(std::mem::take(&mut self.message))
    }
}
