//! What the blocks of names are made of: sets, negative answers, referrals.

use super::super::block::{Anchor, Block, Owner, Place, Section, TooLarge, Writer};
use super::super::index::NodeId;
use super::super::store::{Denies, Pair, Twin};
use super::super::tree::RrSet;
use super::super::{BlockId, ProgramId};
use super::{ANY_TTL, Compiler, Context};
use crate::dnssec::Signer;
use crate::wire::name::Name;
use crate::wire::rdata::{self, Rdata};
use crate::wire::{Rcode, rtype};

/// What an answer says besides its records.
pub(super) struct Said<'a> {
    pub(super) zone: usize,
    pub(super) anchor: Anchor<'a>,
    pub(super) rcode: Rcode,
    pub(super) is_authoritative: bool,
    pub(super) denies: Denies,
    /// NSEC records that prove it, where it is signed.
    pub(super) proofs: Vec<BlockId>,
}

impl<'a> Said<'a> {
    /// An authoritative answer that needs no proof.
    pub(super) fn new(zone: usize, anchor: Anchor<'a>, rcode: Rcode) -> Self {
        Self { zone, anchor, rcode, is_authoritative: true, denies: Denies::Nothing, proofs: Vec::new() }
    }
}

impl Compiler<'_> {
    /// What signs a zone now, if it is signed.
    pub(super) fn signer(&self, zone: usize) -> Option<Signer<'_>> {
        self.tree.zones[zone].keys.as_ref().map(|keys| keys.at(self.now))
    }

    /// Writes an answer, and once more with signatures if its zone has them.
    pub(super) fn pair(&self, said: &Said<'_>, compose: impl Fn(&mut Writer<'_>)) -> Result<Pair, TooLarge> {
        let write = |signer| {
            let mut writer = Writer::signed(said.anchor, signer);
            compose(&mut writer);
            writer.finish(said.rcode, said.is_authoritative)
        };
        let plain = write(None)?;
        let Some(signer) = self.signer(said.zone) else { return Ok(Pair::unsigned(plain)) };
        let block = write(Some(signer))?;
        let mut proofs = said.proofs.clone();
        proofs.sort_unstable();
        proofs.dedup();
        Ok(Pair { plain, signed: Some(Twin { block, denies: said.denies, proofs }) })
    }

    /// Puts an answer away as a program. One that fits no message is listed as refused, and whoever asks is told
    /// that the server failed, which is true; an empty answer would not be.
    pub(super) fn keep(&mut self, name: &str, what: &str, pair: Result<Pair, TooLarge>) -> ProgramId {
        let pair = pair.unwrap_or_else(|error| {
            self.tree.refuse(name, &format!("{what} records: {error}"));
            Pair::unsigned(failure())
        });
        self.store.fixed(pair, None)
    }

    /// The SOA record in the authority of a negative answer, with the negative TTL (RFC 2308 §3) or less.
    pub(super) fn write_soa(&self, writer: &mut Writer<'_>, zone: usize, ttl_max: u32) {
        let zone = &self.tree.zones[zone];
        let ttl = zone.ttl.min(zone.soa.minimum).min(ttl_max);
        writer.soa(Section::Authority, &zone.apex, [zone.ttl, ttl], &zone.soa);
    }

    /// A set owned by the question's name.
    pub(super) fn set(&mut self, zone: usize, anchor: Anchor<'_>, name: &Name, set: &RrSet) -> ProgramId {
        let place = Place { shown: Owner::Question, held: name.wire() };
        let pair = self.pair(&Said::new(zone, anchor, Rcode::NoError), |writer| {
            writer.set(Section::Answer, place, set.rtype, set.ttl, &set.data);
        });
        self.keep(&name.to_string(), &rdata::type_text(set.rtype), pair)
    }

    /// NODATA at the end of a chain, which is this node; the zone's own block when there is no chain.
    pub(super) fn no_data(&mut self, context: &Context<'_>, end: NodeId) -> ProgramId {
        if context.chain.links.is_empty() {
            return self.shared[context.zone].no_data;
        }
        let mut said = context.said(Rcode::NoError);
        said.proofs.extend(self.signer(context.zone).map(|_| self.denials.own(end)));
        let pair = self.pair(&said, |writer| {
            context.start(writer);
            self.write_soa(writer, context.zone, u32::MAX);
        });
        self.keep(context.name, "CNAME", pair)
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
        self.write_trust(writer, cut, &owner);
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
                let place = Place { shown: Owner::Name(target), held: target.wire() };
                writer.extra(place, set.rtype, set.ttl, &set.data);
            }
        }
    }

    /// Whether the zone below is signed, for whoever wants signatures: its DS set, or the proof that it has none
    /// (RFC 4035 §3.1.4). It is written into the block, because addresses follow.
    fn write_trust(&self, writer: &mut Writer<'_>, cut: NodeId, owner: &Name) {
        if !writer.is_signed() {
            return;
        }
        let place = Place { shown: Owner::Name(owner), held: owner.wire() };
        match self.tree.node(cut).set(rtype::DS) {
            Some(set) => writer.set(Section::Authority, place, set.rtype, set.ttl, &set.data),
            None => {
                if let Some((ttl, data)) = self.nsec_data(cut, None) {
                    writer.set(Section::Authority, place, rtype::NSEC, ttl, &[data]);
                }
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
        if writer.is_signed() && context.is_wildcard {
            // What proves that the wildcard may answer is appended, and nothing may stand between.
            return;
        }
        let mut written: Vec<Name> = Vec::new();
        for data in &set.data {
            if is_own_service(set.rtype, data) {
                for set in
                    [rtype::A, rtype::AAAA].into_iter().filter_map(|rtype| self.tree.node(id).set(rtype))
                {
                    writer.extra(context.place(), set.rtype, set.ttl, &set.data);
                }
                continue;
            }
            let Some(target) = data.target(set.rtype).filter(|target| !written.contains(target)) else {
                continue;
            };
            let is_ours =
                self.tree.index.find(target.wire()).is_some_and(|id| self.tree.node(id).cut.is_none());
            let place = Place { shown: Owner::Name(&target), held: target.wire() };
            for set in self.addresses(&target, context.zone).into_iter().filter(|_| is_ours) {
                writer.extra(place, set.rtype, set.ttl, &set.data);
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

/// The answer to ANY of all names in zones that are not signed.
pub(super) fn any_block() -> Block {
    let root = Name::root();
    let mut writer = Writer::new(Anchor::Within(&root));
    any(&mut writer, Place { shown: Owner::Question, held: root.wire() }, ANY_TTL);
    writer.finish(Rcode::NoError, true).expect("one short record fits any message")
}

/// The answer to ANY: `HINFO "RFC8482" ""` (RFC 8482 §4.2).
pub(super) fn any(writer: &mut Writer<'_>, place: Place<'_>, ttl: u32) {
    let data = Rdata { fixed: b"\x07RFC8482\x00"[..].into(), name: None };
    writer.set(Section::Answer, place, rtype::HINFO, ttl, &[data]);
}

/// The server failed.
pub(super) fn failure() -> Block {
    let root = Name::root();
    Writer::new(Anchor::Within(&root))
        .finish(Rcode::ServFail, false)
        .expect("an empty block fits any message")
}
