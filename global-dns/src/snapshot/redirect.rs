//! Answers below a DNAME record (RFC 6672): the one kind that cannot be written in advance, because its alias holds
//! the labels of the question.
//!
//! The fast path leaves such questions to the edge, which comes here: the record and the alias made from it, and then
//! whatever the snapshot says of the alias' target, copied out of its block. Redirections inside a chain that begins
//! with a name of the zone are known while compiling and do not come here.

use std::net::IpAddr;

use koinon_model::time::Timestamp;

use super::answer::{Answer, Question};
use super::block::{Anchor, Block, Owner, Section, Soa, Writer, shift};
use super::compile::CHAIN_LENGTH_MAX;
use super::shares::VariantId;
use super::{ProgramId, Snapshot};
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
        writer.record(Section::Answer, Owner::Name(&self.owner), rtype::DNAME, self.ttl, &data);
    }
}

/// Room for an answer that is written when it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Option<Block>);

impl Snapshot {
    /// Answers like [`Snapshot::answer`], redirected names included; these are written into `scratch`.
    pub(crate) fn answer_in_full<'a>(
        &'a self,
        question: &Question<'_>,
        client: IpAddr,
        now: Timestamp,
        scratch: &'a mut Scratch,
    ) -> Answer<'a> {
        let answer = self.answer(question, client, now);
        if !answer.is_redirect {
            return answer;
        }
        scratch.0 = self.redirected(question, client, now);
        match &scratch.0 {
            Some(block) => Answer {
                rcode: block.rcode,
                authoritative: block.authoritative,
                counts: block.counts,
                bytes: &block.bytes,
                fixups: &block.fixups,
                is_redirect: false,
                ede: None,
                variant: VariantId::NONE,
            },
            None => Answer::bare(Rcode::ServFail),
        }
    }

    /// Writes the answer to a question below a redirected name; none when it fits no message.
    fn redirected(&self, question: &Question<'_>, client: IpAddr, now: Timestamp) -> Option<Block> {
        let asked = Name::from_wire(question.name)?;
        let mut writer = Writer::new(Anchor::Exactly(&asked));
        let mut zone = None;
        let mut written: Vec<ProgramId> = Vec::new();
        let mut names = vec![asked.clone()];
        while let Some(name) = names.last().cloned() {
            let next = Question { name: name.wire(), n_labels: name.n_labels(), rtype: question.rtype };
            let Some(path) = self.path(&next, client, now) else { break };
            // As with aliases, what another zone says is not believed anyway.
            let own = self.nodes[path.node as usize].zone;
            if *zone.get_or_insert(own) != own {
                break;
            }
            let Some(redirect) = self.redirects.get(&path.program) else {
                let answer = self.answer_of(path);
                let is_written = |owner: &Name, rtype| match rtype {
                    rtype::DNAME => self.is_written(owner, &written),
                    rtype::CNAME => names[..names.len() - 1].contains(owner),
                    _ => false,
                };
                copy(&mut writer, &name, &answer, is_written)?;
                let is_whole = answer.rcode != Rcode::ServFail;
                return writer.finish(answer.rcode, true).ok().filter(|_| is_whole);
            };
            if !written.contains(&path.program) {
                redirect.write(&mut writer);
                written.push(path.program);
            }
            let Some(target) = name.substitute(&redirect.owner, &redirect.target) else {
                return writer.finish(Rcode::YxDomain, true).ok();
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
        writer.finish(Rcode::NoError, true).ok()
    }

    fn is_written(&self, owner: &Name, written: &[ProgramId]) -> bool {
        written
            .iter()
            .filter_map(|program| self.redirects.get(program))
            .any(|redirect| redirect.owner == *owner)
    }
}

/// Copies the records of a block that answers `name`, but those that a loop brings back.
fn copy(
    writer: &mut Writer<'_>,
    name: &Name,
    answer: &Answer<'_>,
    is_written: impl Fn(&Name, u16) -> bool,
) -> Option<()> {
    let mut message = [&[0; HEADER], name.wire(), &[0; 4]].concat();
    let block_at = message.len();
    message.extend_from_slice(answer.bytes);
    for &at in answer.fixups {
        shift(&mut message[block_at..], usize::from(at), name.wire().len());
    }
    let mut at = block_at;
    let sections = [Section::Answer, Section::Authority, Section::Additional];
    for (section, count) in sections.into_iter().zip(answer.counts) {
        for _ in 0..count {
            let record = read(&message, &mut at)?;
            if is_written(&record.owner, record.rtype) {
                continue;
            }
            match record.data {
                Data::Soa(soa) => writer.soa(section, &record.owner, record.ttl, &soa),
                Data::Other(data) => {
                    writer.record(section, Owner::Name(&record.owner), record.rtype, record.ttl, &data);
                }
            }
        }
    }
    Some(())
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
