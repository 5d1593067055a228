//! The NSEC records of signed zones.
//!
//! The types that a record lists are all that its name can ever answer, whatever health says at the moment: a resolver may
//! prove from a record it has that something does not exist (RFC 8198), and would go on doing so when the type is back. So
//! a global name with an alias and addresses has them all. That proves too little when such a name says NODATA now: for
//! AAAA because no such endpoint is well, or for anything else because it is not an alias at the moment (a record that lists
//! CNAME proves no NODATA, RFC 6840 §4.3). Such answers carry a second record of the same name which lacks the type asked
//! for and the alias, and which is kept no longer than the answer itself. Its content does not depend on health
//! either, only whether it is sent.

use std::collections::BTreeSet;

use koinon_types::names::{Record, Target};

use super::super::BlockId;
use super::super::block::{Anchor, Owner, Place, Section, Writer};
use super::super::denial::{Denials, Link, Side};
use super::super::index::NodeId;
use super::super::tree::{Node, Tree};
use super::Compiler;
use crate::dnssec::nsec;
use crate::wire::name::Name;
use crate::wire::rdata::Rdata;
use crate::wire::{Rcode, rtype};

/// What an NSEC record says.
pub(super) struct Exists {
    next: Name,
    types: BTreeSet<u16>,
}

impl Compiler<'_> {
    /// Writes the NSEC records of all signed zones.
    pub(super) fn compile_proofs(&mut self) {
        let is_signed: Vec<bool> = self.tree.zones.iter().map(|zone| zone.keys.is_some()).collect();
        let mut denials = Denials::arrange(self.tree, &is_signed);
        let mut blocks = vec![Vec::new(); is_signed.len()];
        for zone in (0..is_signed.len()).filter(|zone| is_signed[*zone]) {
            let records = &self.table.records;
            let links = denials.chain(self.tree, zone, &|id, node| exist(self.tree, id, node, records));
            blocks[zone] = self.write_chain(zone, links);
        }
        denials.settle(self.tree, &blocks);
        self.denials = denials;
    }

    fn write_chain(&mut self, zone: usize, links: Vec<Link>) -> Vec<BlockId> {
        let first = links.first().map_or(0, |link| link.node);
        let next: Vec<NodeId> = links.iter().skip(1).map(|link| link.node).chain([first]).collect();
        let mut blocks = Vec::with_capacity(links.len());
        for (Link { node, side, types }, next) in links.into_iter().zip(next) {
            let next = self.tree.name(next);
            let block = self.write_proof(zone, node, self.nsec_ttl(zone), &nsec(&next, &types));
            blocks.push(block);
            let own = self.tree.node(node);
            if side == Side::Own && (own.cut.is_some() || own.record.is_some()) {
                self.exists.insert(node, Exists { next, types });
            }
        }
        blocks
    }

    /// An NSEC record, to be appended to answers.
    fn write_proof(&mut self, zone: usize, node: NodeId, ttl: u32, data: &Rdata) -> BlockId {
        let apex = &self.tree.zones[zone].apex;
        let owner = self.tree.name(node);
        let mut writer = Writer::appended(Anchor::Within(apex), self.signer(zone));
        let place = Place { shown: Owner::Name(&owner), held: owner.wire() };
        writer.set(Section::Authority, place, rtype::NSEC, ttl, std::slice::from_ref(data));
        let block = writer.finish(Rcode::NoError, true).expect("three names and a bitmap fit any message");
        self.store.block(block)
    }

    /// Source: RFC 9077 §3.
    fn nsec_ttl(&self, zone: usize) -> u32 {
        let zone = &self.tree.zones[zone];
        zone.ttl.min(zone.soa.minimum)
    }

    /// TTL and data of the NSEC record of a delegation or global name. `without` leaves out what stands in the way of proving
    /// NODATA for a type: the type and the alias.
    pub(super) fn nsec_data(&self, node: NodeId, without: Option<u16>) -> Option<(u32, Rdata)> {
        let Exists { next, types } = self.exists.get(&node)?;
        let own = self.tree.node(node);
        let ttl = self.nsec_ttl(own.zone);
        let Some(record) = own.record else { return Some((ttl, nsec(next, types))) };
        let left: BTreeSet<u16> = types.iter().copied().filter(|number| is_left(*number, without)).collect();
        let ttl_max = self.table.records[record].ttl.unstable;
        Some((ttl.min(ttl_max), nsec(next, &left)))
    }

    /// The proof that a global name has not the type asked for now, or no other type than its own.
    pub(super) fn narrowed(&mut self, zone: usize, node: NodeId, asked: Option<u16>) -> Option<BlockId> {
        self.signer(zone)?;
        let asked = asked.filter(|asked| [rtype::A, rtype::AAAA].contains(asked));
        let suffices = |exists: &Exists| exists.types.iter().all(|number| is_left(*number, asked));
        if self.exists.get(&node).is_none_or(suffices) {
            return Some(self.denials.own(node));
        }
        if let Some(block) = self.narrowed.get(&(node, asked)) {
            return Some(*block);
        }
        let (ttl, data) = self.nsec_data(node, asked)?;
        let block = self.write_proof(zone, node, ttl, &data);
        self.store.replace(block, self.denials.own(node));
        self.narrowed.insert((node, asked), block);
        Some(block)
    }

    /// Whether a global name can be an alias.
    pub(super) fn may_alias(&self, id: NodeId) -> bool {
        let node = self.tree.node(id);
        node.record.is_some_and(|record| may_alias(self.tree, id, node, &self.table.records[record]))
    }

    /// The proof that a name does not exist, if its zone is signed.
    pub(super) fn covering(&self, zone: usize, name: &Name) -> Option<BlockId> {
        self.signer(zone)?;
        let encloser = self.tree.index.closest_encloser(name.wire(), name.n_labels())?;
        Some(self.denials.cover(&self.tree.index, encloser, name.wire()))
    }

    /// The proofs that neither a name nor a wildcard for it exists, if its zone is signed.
    pub(super) fn missing(&self, zone: usize, name: &Name) -> Vec<BlockId> {
        let encloser = self.tree.index.closest_encloser(name.wire(), name.n_labels());
        let Some(encloser) = encloser.filter(|_| self.signer(zone).is_some()) else { return Vec::new() };
        let mut proofs = vec![self.denials.cover(&self.tree.index, encloser, name.wire())];
        proofs.extend(Some(self.denials.no_wildcard(encloser)).filter(|proof| !proofs.contains(proof)));
        proofs
    }
}

fn is_left(number: u16, without: Option<u16>) -> bool {
    number != rtype::CNAME && Some(number) != without
}

/// Every type that a name can answer, whatever health says.
fn exist(tree: &Tree, id: NodeId, node: &Node, records: &[Record]) -> BTreeSet<u16> {
    let sets = node.sets.iter().map(|set| set.rtype);
    if node.cut.is_some() {
        return sets.filter(|number| [rtype::NS, rtype::DS].contains(number)).collect();
    }
    let mut types: BTreeSet<u16> = sets.collect();
    if tree.zones[node.zone].node == id {
        types.insert(rtype::SOA);
    }
    let Some(record) = node.record.map(|number| &records[number]) else { return types };
    for endpoint in &record.endpoints {
        match endpoint.target {
            Target::Ip(ip) => {
                types.insert(if ip.is_ipv4() { rtype::A } else { rtype::AAAA });
            }
            Target::Hostname(_) => {}
        }
    }
    if may_alias(tree, id, node, record) {
        types.extend([rtype::A, rtype::AAAA, rtype::CNAME]);
    }
    types
}

/// Whether a global name can be an alias: one of its endpoints is a name, and no other data stands beside it.
fn may_alias(tree: &Tree, id: NodeId, node: &Node, record: &Record) -> bool {
    let is_alone = node.sets.is_empty() && tree.zones[node.zone].node != id;
    let is_alias = |target: &Target| match target {
        Target::Ip(_) => false,
        Target::Hostname(name) => name.parse::<Name>().is_ok(),
    };
    is_alone && record.endpoints.iter().any(|endpoint| is_alias(&endpoint.target))
}
