//! Answers that are written when they are asked for, by the edge. One kind cannot be written in advance: what lies below a
//! DNAME record (RFC 6672), because its alias holds the labels of the question. The other is not worth it: NSEC and RRSIG
//! records asked for by their type.
//!
//! The fast path leaves such questions to the edge, which comes here: the record and the alias made from it, and then
//! whatever the snapshot says of the alias' target, copied out of its block. Redirections inside a chain that begins
//! with a name of the zone are known while compiling and do not come here.

use koinon_model::time::Timestamp;

use super::answer::{Answer, Question};
use super::block::{Anchor, Block, Owner, Place, Section, Soa, Writer, shift};
use super::client::Client;
use super::compile::CHAIN_LENGTH_MAX;
use super::{How, Path, ProgramId, Snapshot};
use crate::wire::name::Name;
use crate::wire::rdata::Rdata;
use crate::wire::{HEADER, Rcode, rtype};

/// What a DNAME record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) owner: Name,
    pub(super) target: Name,
    pub(super) ttl: u32,
}

impl Redirect {
    /// Writes the record itself.
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        // Its target is never compressed (RFC 6672 §2.5).
        let data = Rdata::opaque(self.target.wire());
        let place = Place { shown: Owner::Name(&self.owner), held: self.owner.wire() };
        writer.set(Section::Answer, place, rtype::DNAME, self.ttl, &[data]);
    }
}

/// Room for an answer that is written when it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Option<(Block, u8)>);

impl Snapshot {
    /// Answers like [`Snapshot::answer`], redirected names and records of signing included; these are written into `scratch`.
    pub(crate) fn answer_in_full<'a>(
        &'a self,
        question: &Question<'_>,
        client: &Client,
        now: Timestamp,
        scratch: &'a mut Scratch,
    ) -> Answer<'a> {
        let Some(path) = self.path(question, client, now) else { return self.refusal() };
        let answer = self.answer_of(path, question);
        scratch.0 = if answer.is_redirect {
            self.redirected(question, client, now)
        } else {
            self.of_signing(question, path).map(|block| (block, 0))
        };
        match &scratch.0 {
            Some((block, scope)) => Answer { scope: *scope, ..written(block) },
            None if answer.is_redirect => Answer::bare(Rcode::ServFail),
            None => answer,
        }
    }

    /// The NSEC record of a name, or for RRSIG the signature of it: of all that a name has signed, one is enough
    /// (RFC 8482 §4.1). None where the usual answer is right, because there is none.
    fn of_signing(&self, question: &Question<'_>, path: Path) -> Option<Block> {
        let node = self.nodes[path.node as usize];
        let is_of_signing = [rtype::NSEC, rtype::RRSIG].contains(&question.rtype);
        if !is_of_signing || !self.is_signed[node.zone as usize] || path.how == How::Below {
            return None;
        }
        let asked = Name::from_wire(question.name)?;
        let records = unpack(&asked, &self.block(self.denials.own(path.node)))?;
        // That of an empty non-terminal is another name's, and that of a delegation is given with the referral.
        let is_own = records.iter().all(|(_, record)| record.owner.wire() == self.index.name(path.node));
        if !is_own || !self.answer_of(path, question).authoritative {
            return None;
        }
        let mut writer = Writer::new(Anchor::Exactly(&asked));
        for (_, Record { rtype, ttl, data, .. }) in records {
            let is_wanted = rtype == question.rtype || (rtype == rtype::RRSIG && question.dnssec_ok);
            if let (true, Data::Other(data)) = (is_wanted, data) {
                writer.record(Section::Answer, Owner::Question, rtype, ttl, &data);
            }
        }
        if question.dnssec_ok && path.how == How::Wildcard {
            let cover = self.denials.cover(&self.index, self.denials.parent(path.node), question.name);
            copy(&mut writer, &asked, &self.block(cover), |_, _| false)?;
        }
        writer.finish(Rcode::NoError, true).ok()
    }

    /// Writes the answer to a question below a redirected name, with its scope; none when it fits no message.
    fn redirected(&self, question: &Question<'_>, client: &Client, now: Timestamp) -> Option<(Block, u8)> {
        let asked = Name::from_wire(question.name)?;
        let mut writer = Writer::new(Anchor::Exactly(&asked));
        let mut zone = None;
        let mut redirects: Vec<ProgramId> = Vec::new();
        let mut names = vec![asked.clone()];
        while let Some(name) = names.last().cloned() {
            let next = Question { name: name.wire(), n_labels: name.n_labels(), ..*question };
            let Some(path) = self.path(&next, client, now) else { break };
            // As with aliases, what another zone says is not believed anyway.
            let own = self.nodes[path.node as usize].zone;
            if *zone.get_or_insert(own) != own {
                break;
            }
            let Some(redirect) = self.redirects.get(&path.program) else {
                let of_signing = self.of_signing(&next, path);
                let answer = of_signing.as_ref().map_or_else(|| self.answer_of(path, &next), written);
                // A referral behind an alias cannot be proven beside it: the client asks there itself.
                if !answer.authoritative
                    && names.len() > 1
                    && question.dnssec_ok
                    && self.is_signed[own as usize]
                {
                    break;
                }
                let is_written = |owner: &Name, rtype| match rtype {
                    rtype::DNAME => self.is_written(owner, &redirects),
                    rtype::CNAME => names[..names.len() - 1].contains(owner),
                    _ => false,
                };
                copy(&mut writer, &name, &answer, is_written)?;
                let is_whole = answer.rcode != Rcode::ServFail;
                let block = writer.finish(answer.rcode, true).ok().filter(|_| is_whole)?;
                return Some((block, answer.scope));
            };
            if !redirects.contains(&path.program) {
                self.copy_redirect(&mut writer, redirect, &next, client, now)?;
                redirects.push(path.program);
            }
            let Some(target) = name.substitute(&redirect.owner, &redirect.target) else {
                return Some((writer.finish(Rcode::YxDomain, true).ok()?, 0));
            };
            let data = Rdata::pointing(target.clone());
            writer.record(Section::Answer, Owner::Name(&name), rtype::CNAME, redirect.ttl, &data);
            let is_loop = names.contains(&target);
            names.push(target);
            // An alias is what CNAME and ANY ask for.
            let is_answered = [rtype::CNAME, rtype::ANY].contains(&question.rtype);
            if is_answered || is_loop || names.len() > CHAIN_LENGTH_MAX {
                break;
            }
        }
        Some((writer.finish(Rcode::NoError, true).ok()?, 0))
    }

    /// Copies a DNAME record, with its signatures if they are wanted, from where it stands as an answer of its own.
    fn copy_redirect(
        &self,
        writer: &mut Writer<'_>,
        redirect: &Redirect,
        question: &Question<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Option<()> {
        let owner = &redirect.owner;
        let itself = Question {
            name: owner.wire(),
            n_labels: owner.n_labels(),
            rtype: rtype::DNAME,
            dnssec_ok: question.dnssec_ok,
        };
        let answer = self.answer(&itself, client, now);
        copy(writer, owner, &answer, |_, _| false)
    }

    fn is_written(&self, owner: &Name, written: &[ProgramId]) -> bool {
        written
            .iter()
            .filter_map(|program| self.redirects.get(program))
            .any(|redirect| redirect.owner == *owner)
    }
}

/// The answer in a block that was just written.
fn written(block: &Block) -> Answer<'_> {
    Answer {
        authoritative: block.authoritative,
        counts: block.counts,
        bytes: &block.bytes,
        fixups: &block.fixups,
        ..Answer::bare(block.rcode)
    }
}

/// Copies the records of a block that answers `name`, but those that a loop brings back, and their signatures.
fn copy(
    writer: &mut Writer<'_>,
    name: &Name,
    answer: &Answer<'_>,
    is_written: impl Fn(&Name, u16) -> bool,
) -> Option<()> {
    for (section, record) in unpack(name, answer)? {
        if is_written(&record.owner, record.covered().unwrap_or(record.rtype)) {
            continue;
        }
        match record.data {
            Data::Soa(soa) => writer.soa(section, &record.owner, [record.ttl; 2], &soa),
            Data::Other(data) => {
                writer.record(section, Owner::Name(&record.owner), record.rtype, record.ttl, &data);
            }
        }
    }
    Some(())
}

/// The records of an answer to a question for `name`, what proves it included.
fn unpack(name: &Name, answer: &Answer<'_>) -> Option<Vec<(Section, Record)>> {
    let mut message = [&[0; HEADER], name.wire(), &[0; 4]].concat();
    let mut at = message.len();
    let mut records = Vec::new();
    let proofs = answer.proofs.answers();
    for Answer { bytes, fixups, counts, .. } in std::iter::once(*answer).chain(proofs) {
        let block_at = message.len();
        message.extend_from_slice(bytes);
        for &at in fixups {
            shift(&mut message[block_at..], usize::from(at), name.wire().len());
        }
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        for (section, count) in sections.into_iter().zip(counts) {
            for _ in 0..count {
                records.push((section, read(&message, &mut at)?));
            }
        }
    }
    Some(records)
}

/// A record read back from a block.
struct Record {
    owner: Name,
    rtype: u16,
    ttl: u32,
    data: Data,
}

enum Data {
    Soa(Soa),
    Other(Rdata),
}

impl Record {
    /// The type that it is a signature of, if it is one.
    fn covered(&self) -> Option<u16> {
        match &self.data {
            Data::Other(data) if self.rtype == rtype::RRSIG => {
                data.fixed.first_chunk().map(|number| u16::from_be_bytes(*number))
            }
            Data::Other(_) | Data::Soa(_) => None,
        }
    }
}

fn read(message: &[u8], at: &mut usize) -> Option<Record> {
    let owner = read_name(message, at)?;
    let head = message.get(*at..)?.first_chunk::<10>()?;
    let rtype = u16::from_be_bytes([head[0], head[1]]);
    let ttl = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let end = *at + 10 + usize::from(u16::from_be_bytes([head[8], head[9]]));
    *at += 10;
    // The names that the writer compresses, after this many other bytes.
    let data = match rtype {
        rtype::SOA => Data::Soa(read_soa(message, at)?),
        rtype::NS | rtype::CNAME | rtype::PTR => Data::Other(Rdata::pointing(read_name(message, at)?)),
        rtype::MX => {
            let fixed = message.get(*at..*at + 2)?.into();
            *at += 2;
            Data::Other(Rdata { fixed, name: Some(read_name(message, at)?) })
        }
        _ => Data::Other(Rdata::opaque(message.get(*at..end)?)),
    };
    *at = end;
    Some(Record { owner, rtype, ttl, data })
}

fn read_soa(message: &[u8], at: &mut usize) -> Option<Soa> {
    let mname = read_name(message, at)?;
    let rname = read_name(message, at)?;
    let (numbers, _) = message.get(*at..*at + 20)?.as_chunks::<4>();
    let [serial, refresh, retry, expire, minimum] = *numbers else { return None };
    Some(Soa {
        mname,
        rname,
        serial: u32::from_be_bytes(serial),
        refresh: u32::from_be_bytes(refresh),
        retry: u32::from_be_bytes(retry),
        expire: u32::from_be_bytes(expire),
        minimum: u32::from_be_bytes(minimum),
    })
}

/// Reads a name that may end in a pointer, and steps over it.
fn read_name(message: &[u8], at: &mut usize) -> Option<Name> {
    let mut wire = Vec::new();
    let mut from = *at;
    let mut end = None;
    loop {
        let length = usize::from(*message.get(from)?);
        if length >= 0xc0 {
            let low = usize::from(*message.get(from + 1)?);
            end.get_or_insert(from + 2);
            let earlier = (length & 0x3f) << 8 | low;
            // The writer points backwards only, so this ends.
            if earlier >= from {
                return None;
            }
            from = earlier;
            continue;
        }
        wire.extend_from_slice(message.get(from..=from + length)?);
        from += length + 1;
        if length == 0 {
            break;
        }
    }
    *at = end.unwrap_or(from);
    Name::from_wire(&wire)
}
