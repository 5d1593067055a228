//! What the blocks of names are made of: sets, negative answers, referrals.

use super::super::ProgramId;
use super::super::block::{Anchor, Block, Owner, Section, TooLarge, Writer};
use super::super::index::NodeId;
use super::super::tree::RrSet;
use super::{ANY_TTL, Compiler, Context};
use crate::wire::name::Name;
use crate::wire::rdata::{self, Rdata};
use crate::wire::{Rcode, rtype};

impl Compiler<'_> {
    /// Puts a block away as a program. One that fits no message is listed as refused, and whoever asks is told
    /// that the server failed, which is true; an empty answer would not be.
    pub(super) fn keep(&mut self, name: &str, what: &str, block: Result<Block, TooLarge>) -> ProgramId {
        match block {
            Ok(block) => self.store.fixed(&block, None),
            Err(error) => {
                self.tree.refuse(name, &format!("{what} records: {error}"));
                self.store.fixed(&failure(), None)
            }
        }
    }

    /// The SOA record in the authority of a negative answer, with the negative TTL (RFC 2308 §3) or less.
    pub(super) fn write_soa(&self, writer: &mut Writer<'_>, zone: usize, ttl_max: u32) {
        let zone = &self.tree.zones[zone];
        let ttl = zone.ttl.min(zone.soa.minimum).min(ttl_max);
        writer.soa(Section::Authority, &zone.apex, ttl, &zone.soa);
    }

    /// A set owned by the question's name.
    pub(super) fn set(&mut self, anchor: Anchor<'_>, name: &str, set: &RrSet) -> ProgramId {
        let mut writer = Writer::new(anchor);
        for data in &set.data {
            writer.record(Section::Answer, Owner::Question, set.rtype, set.ttl, data);
        }
        self.keep(name, &rdata::type_text(set.rtype), writer.finish(Rcode::NoError, true))
    }

    /// NODATA at the end of a chain; the zone's own block when there is no chain.
    pub(super) fn no_data(&mut self, context: &Context<'_>) -> ProgramId {
        if context.chain.links.is_empty() {
            return self.shared[context.zone].no_data;
        }
        let mut writer = context.start();
        self.write_soa(&mut writer, context.zone, u32::MAX);
        self.keep(context.name, "CNAME", writer.finish(Rcode::NoError, true))
    }

    /// The delegation's NS records, and the addresses of those name servers that this zone knows: they are
    /// needed where the servers lie below the cut, and save a question elsewhere (RFC 9471).
    pub(super) fn write_referral(&self, writer: &mut Writer<'_>, cut: NodeId) {
        let owner = self.tree.name(cut);
        let Some(servers) = self.tree.node(cut).set(rtype::NS) else { return };
        for data in &servers.data {
            writer.record(Section::Authority, Owner::Name(&owner), rtype::NS, servers.ttl, data);
        }
        for target in servers.data.iter().filter_map(|data| data.name.as_ref()) {
            self.write_glue(writer, target, self.tree.node(cut).zone);
        }
    }

    fn write_glue(&self, writer: &mut Writer<'_>, target: &Name, zone: usize) {
        let Some(node) = self.tree.index.find(target.wire()).map(|id| self.tree.node(id)) else { return };
        if node.zone != zone {
            return;
        }
        for set in [rtype::A, rtype::AAAA].into_iter().filter_map(|rtype| node.set(rtype)) {
            for data in &set.data {
                writer.record(Section::Additional, Owner::Name(target), set.rtype, set.ttl, data);
            }
        }
    }
}

/// The answer to ANY: `HINFO "RFC8482" ""` (RFC 8482 §4.2).
pub(super) fn any_block() -> Block {
    let root = Name::root();
    let mut writer = Writer::new(Anchor::Within(&root));
    writer.record(Section::Answer, Owner::Question, rtype::HINFO, ANY_TTL, &any_data());
    writer.finish(Rcode::NoError, true).expect("one short record fits any message")
}

pub(super) fn any_data() -> Rdata {
    Rdata { fixed: b"\x07RFC8482\x00"[..].into(), name: None }
}

/// The server failed.
pub(super) fn failure() -> Block {
    let root = Name::root();
    Writer::new(Anchor::Within(&root))
        .finish(Rcode::ServFail, false)
        .expect("an empty block fits any message")
}
