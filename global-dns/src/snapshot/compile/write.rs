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

    /// The delegation's NS records and the addresses of those name servers that this zone knows. Those of servers below
    /// the cut are needed to get on, so they stay though the answer is cut short (RFC 9471 §3); the others save a
    /// question, where they fit.
    pub(super) fn write_referral(&self, writer: &mut Writer<'_>, cut: NodeId) {
        let owner = self.tree.name(cut);
        let Some(servers) = self.tree.node(cut).set(rtype::NS) else { return };
        for data in &servers.data {
            writer.record(Section::Authority, Owner::Name(&owner), rtype::NS, servers.ttl, data);
        }
        let targets = || servers.data.iter().filter_map(|data| data.name.as_ref());
        let zone = self.tree.node(cut).zone;
        for target in targets().filter(|target| target.is_within(&owner)) {
            for set in self.addresses(target, zone) {
                for data in &set.data {
                    writer.record(Section::Additional, Owner::Name(target), set.rtype, set.ttl, data);
                }
            }
        }
        for target in targets().filter(|target| !target.is_within(&owner)) {
            for set in self.addresses(target, zone) {
                writer.extra(Owner::Name(target), set.rtype, set.ttl, &set.data);
            }
        }
    }

    /// The addresses that a client asks for next (RFC 1035 §3.3, RFC 2782, RFC 9460 §4.1), where they fit. Those of
    /// global names are left out: they are chosen when they are asked for, by health and weight.
    pub(super) fn write_targets(
        &self,
        writer: &mut Writer<'_>,
        context: &Context<'_>,
        id: NodeId,
        set: &RrSet,
    ) {
        let mut written: Vec<Name> = Vec::new();
        for data in &set.data {
            if is_own_service(set.rtype, data) {
                for set in
                    [rtype::A, rtype::AAAA].into_iter().filter_map(|rtype| self.tree.node(id).set(rtype))
                {
                    writer.extra(context.owner(), set.rtype, set.ttl, &set.data);
                }
                continue;
            }
            let Some(target) = data.target(set.rtype).filter(|target| !written.contains(target)) else {
                continue;
            };
            let is_ours =
                self.tree.index.find(target.wire()).is_some_and(|id| self.tree.node(id).cut.is_none());
            for set in self.addresses(&target, context.zone).into_iter().filter(|_| is_ours) {
                writer.extra(Owner::Name(&target), set.rtype, set.ttl, &set.data);
            }
            written.push(target);
        }
    }

    /// The address sets of a name in a zone.
    fn addresses(&self, name: &Name, zone: usize) -> Vec<&RrSet> {
        let node = self.tree.index.find(name.wire()).map(|id| self.tree.node(id));
        let Some(node) = node.filter(|node| node.zone == zone) else { return Vec::new() };
        [rtype::A, rtype::AAAA].into_iter().filter_map(|rtype| node.set(rtype)).collect()
    }
}

/// Whether this is a service binding whose target is its owner: `.` with a priority above 0 (RFC 9460 §2.5.2).
fn is_own_service(number: u16, data: &Rdata) -> bool {
    [rtype::SVCB, rtype::HTTPS].contains(&number)
        && matches!(data.fixed.as_ref(), [high, low, 0, ..] if [*high, *low] != [0, 0])
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
