//! From the tree to programs: what each name says to each type, written down in advance.
//!
//! A name's answer is a chain of aliases inside its zone (often none) and what stands at the chain's end. The
//! chain does not depend on the type asked for, so it is walked once per name; then one block is written for
//! each type at its end and one for all other types. In a signed zone every block has a twin for those who want
//! signatures.

mod write;

mod proofs;

mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_types::names::NameTable;

use super::block::{Anchor, Owner, Place, Section, Writer};
use super::denial::Denials;
use super::health::RecordView;
use super::index::NodeId;
use super::redirect::Redirect;
use super::store::{Denies, Pair, Store};
use super::tree::{Found, RrSet, Tree};
use super::{Below, BlockId, Node, ProgramId};
use crate::dnssec::{Signatures, Unsigned};
use crate::wire::name::Name;
use crate::wire::rdata::{self, Rdata};
use crate::wire::{Rcode, rtype};
use proofs::Exists;
use write::Said;

/// Longest chain of aliases followed on behalf of a client; it asks on from there itself. Real chains have two
/// or three links, and eight keep an answer well inside one datagram.
pub(super) const CHAIN_LENGTH_MAX: usize = 8;

/// TTL of the answer to ANY: long enough that a client does not ask again at once, short enough to forget a
/// change of mind (RFC 8482 §4.2).
const ANY_TTL: u32 = 3600;

/// What was compiled.
pub(super) struct Compiled {
    pub(super) store: Store,
    /// One per name of the index.
    pub(super) nodes: Vec<Node>,
    pub(super) denials: Denials,
}

/// Compiles every name of a tree.
pub(super) struct Compiler<'a> {
    tree: &'a mut Tree,
    table: &'a NameTable,
    /// What was decided for each record of the table; none for those that are not served.
    views: &'a [Option<RecordView>],
    store: Store,
    /// As of when signatures are made.
    now: Timestamp,
    denials: Denials,
    /// What exists at names whose NSEC records are needed in other forms too: delegations and global names of signed zones.
    exists: BTreeMap<NodeId, Exists>,
    /// NSEC records of global names that leave some types out.
    narrowed: BTreeMap<(NodeId, Option<u16>), BlockId>,
    any: ProgramId,
    /// Per zone, what all its names share.
    shared: Vec<Shared>,
}

#[derive(Clone, Copy)]
struct Shared {
    no_data: ProgramId,
    missing: ProgramId,
}

/// What stands at the end of a chain of aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Data, possibly none: an empty non-terminal.
    Node(NodeId),
    /// NXDOMAIN.
    Missing,
    /// A referral.
    Delegated(NodeId),
    /// YXDOMAIN: below this redirected name, the name would become longer than names can be.
    TooLong(NodeId),
    /// Nothing that we can add: another zone, a loop, or a chain too long.
    Open,
}

/// The way from the question's name to the end of its chain.
struct Chain {
    /// The first belongs to the question's name.
    links: Vec<Link>,
    end: End,
    /// Who holds what stands at the end.
    held: Name,
    /// In a signed zone: what proves that the names behind the first do not exist which wildcards cover.
    proofs: Vec<BlockId>,
}

/// One alias of a chain.
struct Link {
    ttl: u32,
    target: Name,
    /// Who holds it: the name itself or a wildcard.
    held: Name,
    /// What it is synthesised from, unless it is a record of its own.
    source: Option<Redirect>,
}

/// What the blocks of one name have in common.
struct Context<'a> {
    anchor: Anchor<'a>,
    name: &'a str,
    zone: usize,
    chain: &'a Chain,
    /// The name is one, so that an NSEC record is appended to what it synthesises.
    is_wildcard: bool,
}

impl Context<'_> {
    /// Writes the chain.
    fn start(&self, writer: &mut Writer<'_>) {
        let mut owner = Owner::Question;
        let mut written = Vec::new();
        for Link { ttl, target, held, source } in &self.chain.links {
            let data = Rdata::pointing(target.clone());
            match source {
                Some(source) => {
                    if !written.contains(&&source.owner) {
                        source.write(writer);
                        written.push(&source.owner);
                    }
                    // It follows from the record that it is made from, and has no signature (RFC 6672 §5.3.1).
                    writer.record(Section::Answer, owner, rtype::CNAME, *ttl, &data);
                }
                None => {
                    let place = Place { shown: owner, held: held.wire() };
                    writer.set(Section::Answer, place, rtype::CNAME, *ttl, &[data]);
                }
            }
            owner = Owner::Name(target);
        }
    }

    /// Who owns the records at the end of the chain.
    fn place(&self) -> Place<'_> {
        let shown = self.chain.links.last().map_or(Owner::Question, |link| Owner::Name(&link.target));
        Place { shown, held: self.chain.held.wire() }
    }

    /// An answer of this name, with what proves its chain.
    fn said(&self, rcode: Rcode) -> Said<'_> {
        let proofs = self.chain.proofs.clone();
        Said { proofs, ..Said::new(self.zone, self.anchor, rcode) }
    }
}

impl<'a> Compiler<'a> {
    /// Compiles all names, in the order of their numbers.
    ///
    /// # Errors
    /// When the system gives no randomness to sign with.
    pub(super) fn compile(
        tree: &'a mut Tree,
        table: &'a NameTable,
        views: &'a [Option<RecordView>],
        signatures: Arc<Signatures>,
        now: Timestamp,
    ) -> Result<Compiled, Unsigned> {
        let mut store = Store::new(signatures);
        let any = store.fixed(Pair::unsigned(write::any_block()), None);
        let mut compiler = Self {
            tree,
            table,
            views,
            store,
            now,
            denials: Denials::default(),
            exists: BTreeMap::new(),
            narrowed: BTreeMap::new(),
            any,
            shared: Vec::new(),
        };
        compiler.compile_proofs();
        for zone in 0..compiler.tree.zones.len() {
            let shared = compiler.compile_shared(zone);
            compiler.shared.push(shared);
        }
        let ids = 0..compiler.tree.nodes.len() as NodeId;
        let nodes = ids.map(|id| compiler.compile_name(id)).collect();
        compiler.store.sign()?;
        Ok(Compiled { store: compiler.store, nodes, denials: compiler.denials })
    }

    /// The negative answers of a zone, good for any name in it.
    fn compile_shared(&mut self, zone: usize) -> Shared {
        let apex = self.tree.zones[zone].apex.clone();
        let mut negative = |rcode, denies| {
            let said = Said { denies, ..Said::new(zone, Anchor::Within(&apex), rcode) };
            let pair = self.pair(&said, |writer| self.write_soa(writer, zone, u32::MAX));
            self.keep(&apex.to_string(), "SOA", pair)
        };
        Shared {
            no_data: negative(Rcode::NoError, Denies::Type),
            missing: negative(Rcode::NxDomain, Denies::Name),
        }
    }

    fn compile_name(&mut self, id: NodeId) -> Node {
        let node = self.tree.node(id);
        let zone = node.zone;
        if let Some(cut) = node.cut {
            return self.compile_delegated(id, cut);
        }
        if let Some(above) = node.redirected {
            let program = self.compile_redirect(above);
            return self.store.node(zone, &[], program, Below::Program(program));
        }
        let below = match (node.set(rtype::DNAME), node.wildcard) {
            (Some(_), _) => Below::Program(self.compile_redirect(id)),
            (None, Some(wildcard)) => Below::Wildcard(wildcard),
            (None, None) => Below::Program(self.shared[zone].missing),
        };
        let name = self.tree.name(id);
        let encloser = if name.is_wildcard() { name.parent() } else { None };
        let anchor = encloser.as_ref().map_or(Anchor::Exactly(&name), Anchor::Within);
        let chain = self.follow(id);
        let is_wildcard = encloser.is_some();
        let context = Context { anchor, name: &name.to_string(), zone, chain: &chain, is_wildcard };
        let mut by_type = Vec::new();
        let otherwise = self.compile_end(&context, &mut by_type);
        if !chain.links.is_empty() {
            self.compile_alias_itself(&context, &mut by_type);
        }
        if let Some(program) = self.compile_parent_ds(id, &context) {
            by_type.retain(|(rtype, _)| *rtype != rtype::DS);
            by_type.push((rtype::DS, program));
        }
        self.store.node(zone, &by_type, otherwise, below)
    }

    /// What is said at and below a delegation: the referral, but DS at the cut itself (RFC 4035 §3.1.4.1).
    fn compile_delegated(&mut self, id: NodeId, cut: NodeId) -> Node {
        let zone = self.tree.node(id).zone;
        let name = self.tree.name(cut);
        let referral = self.store.referrals.get(&cut).copied().unwrap_or_else(|| {
            let said =
                Said { is_authoritative: false, ..Said::new(zone, Anchor::Within(&name), Rcode::NoError) };
            let pair = self.pair(&said, |writer| self.write_referral(writer, cut));
            self.keep(&name.to_string(), "NS", pair)
        });
        self.store.referrals.insert(cut, referral);
        let mut by_type = Vec::new();
        if id == cut {
            let program = match self.tree.node(id).set(rtype::DS).cloned() {
                Some(set) => self.set(zone, Anchor::Exactly(&name), &name, &set),
                None => self.shared[zone].no_data,
            };
            by_type.push((rtype::DS, program));
        }
        self.store.node(zone, &by_type, referral, Below::Program(referral))
    }

    /// What is said below a redirected name.
    fn compile_redirect(&mut self, id: NodeId) -> ProgramId {
        if let Some((program, _)) = self.store.redirects.get(&id) {
            return *program;
        }
        match self.redirect(id) {
            Some(redirect) => self.store.redirect(id, redirect, write::failure()),
            None => self.store.fixed(Pair::unsigned(write::failure()), None),
        }
    }

    /// Where a name redirects to.
    fn redirect(&self, id: NodeId) -> Option<Redirect> {
        let set = self.tree.node(id).set(rtype::DNAME)?;
        let target = Name::from_wire(&set.data.first()?.fixed)?;
        Some(Redirect { owner: self.tree.name(id), target, ttl: set.ttl })
    }

    /// DS of an apex is answered for the zone above, when that is ours and reaches down to it.
    fn compile_parent_ds(&mut self, id: NodeId, context: &Context<'_>) -> Option<ProgramId> {
        let node = self.tree.node(id);
        let parent = self.tree.node(node.parent?);
        let above = parent.zone;
        if above == node.zone || !parent.reaches_below() {
            return None;
        }
        let name = self.tree.name(id);
        let set = node.parent_ds.clone();
        match (set, self.denials.above(id)) {
            (Some(set), _) => Some(self.set(above, context.anchor, &name, &set)),
            (None, None) => Some(self.shared[above].no_data),
            (None, Some(proof)) => {
                let said = Said { proofs: vec![proof], ..Said::new(above, context.anchor, Rcode::NoError) };
                let pair = self.pair(&said, |writer| self.write_soa(writer, above, u32::MAX));
                Some(self.keep(context.name, "DS", pair))
            }
        }
    }

    /// DS of a delegation that an alias points at: this side of the cut answers it (RFC 4035 §3.1.4.1).
    fn compile_cut_ds(&mut self, context: &Context<'_>, cut: NodeId, by_type: &mut Vec<(u16, ProgramId)>) {
        let name = self.tree.name(cut);
        if context.chain.links.last().is_none_or(|link| link.target != name) {
            return;
        }
        let program = match self.tree.node(cut).set(rtype::DS).cloned() {
            Some(set) => {
                let pair = self.pair(&context.said(Rcode::NoError), |writer| {
                    context.start(writer);
                    writer.set(Section::Answer, context.place(), rtype::DS, set.ttl, &set.data);
                });
                self.keep(context.name, "DS", pair)
            }
            None => self.no_data(context, cut),
        };
        by_type.push((rtype::DS, program));
    }

    /// CNAME and ANY at an alias: the alias, not followed (RFC 8482 §4.2).
    fn compile_alias_itself(&mut self, context: &Context<'_>, by_type: &mut Vec<(u16, ProgramId)>) {
        let Link { ttl, target, held, .. } = &context.chain.links[0];
        let place = Place { shown: Owner::Question, held: held.wire() };
        let said = Said::new(context.zone, context.anchor, Rcode::NoError);
        let pair = self.pair(&said, |writer| {
            writer.set(Section::Answer, place, rtype::CNAME, *ttl, &[Rdata::pointing(target.clone())]);
        });
        let program = self.keep(context.name, "CNAME", pair);
        by_type.retain(|(rtype, _)| ![rtype::CNAME, rtype::ANY].contains(rtype));
        by_type.extend([(rtype::CNAME, program), (rtype::ANY, program)]);
    }

    /// Walks the aliases from a name, staying in its zone.
    fn follow(&self, id: NodeId) -> Chain {
        let zone = self.tree.node(id).zone;
        let start = self.tree.name(id);
        let mut chain = Chain { links: Vec::new(), end: End::Open, held: start.clone(), proofs: Vec::new() };
        let mut found = Found::Node(id);
        loop {
            let shown = chain.links.last().map_or(&start, |link| &link.target).clone();
            chain.held = shown.clone();
            let end = match found {
                Found::Node(at) if self.tree.node(at).zone == zone => {
                    chain.held = self.tree.name(at);
                    if chain.held != shown {
                        chain.proofs.extend(self.covering(zone, &shown));
                    }
                    self.alias(at).ok_or(End::Node(at))
                }
                Found::Redirected(at) if self.tree.node(at).zone == zone => {
                    self.synthesis(at, &shown).ok_or(End::TooLong(at))
                }
                Found::Missing(missing) if missing == zone => Err(End::Missing),
                Found::Delegated(cut) if self.tree.node(cut).zone == zone => Err(End::Delegated(cut)),
                Found::Node(_)
                | Found::Redirected(_)
                | Found::Missing(_)
                | Found::Delegated(_)
                | Found::Elsewhere => Err(End::Open),
            };
            let link = match end {
                Ok(link) => link,
                Err(end) => return Chain { end, ..chain },
            };
            let is_loop = chain.links.iter().any(|seen| seen.target == link.target) || link.target == start;
            found = self.tree.find(&link.target);
            chain.links.push(link);
            if is_loop || chain.links.len() == CHAIN_LENGTH_MAX {
                return chain;
            }
        }
    }

    /// The alias that a name is.
    fn alias(&self, id: NodeId) -> Option<Link> {
        let set = self.tree.node(id).set(rtype::CNAME)?;
        let target = set.data.first()?.name.clone()?;
        Some(Link { ttl: set.ttl, target, held: self.tree.name(id), source: None })
    }

    /// The alias that a name below a redirected one becomes; none when it would be too long.
    fn synthesis(&self, above: NodeId, name: &Name) -> Option<Link> {
        let redirect = self.redirect(above)?;
        let target = name.substitute(&redirect.owner, &redirect.target)?;
        Some(Link { ttl: redirect.ttl, target, held: name.clone(), source: Some(redirect) })
    }

    /// Writes the programs for each type at the end of a chain, and answers the one for all others.
    fn compile_end(&mut self, context: &Context<'_>, by_type: &mut Vec<(u16, ProgramId)>) -> ProgramId {
        let pair = match context.chain.end {
            End::Node(id) => return self.compile_data(context, id, by_type),
            End::Missing => {
                let mut said = context.said(Rcode::NxDomain);
                if let Some(link) = context.chain.links.last() {
                    said.proofs.extend(self.missing(context.zone, &link.target));
                }
                self.pair(&said, |writer| {
                    context.start(writer);
                    self.write_soa(writer, context.zone, u32::MAX);
                })
            }
            End::Delegated(cut) => {
                self.compile_cut_ds(context, cut, by_type);
                self.pair(&context.said(Rcode::NoError), |writer| {
                    context.start(writer);
                    // Whoever wants signatures asks on from the end of the chain: what proves the chain stands where the
                    // referral would be, and is more than it.
                    if !writer.is_signed() {
                        self.write_referral(writer, cut);
                    }
                })
            }
            End::TooLong(above) => self.pair(&context.said(Rcode::YxDomain), |writer| {
                context.start(writer);
                if let Some(redirect) = self.redirect(above) {
                    redirect.write(writer);
                }
            }),
            End::Open => self.pair(&context.said(Rcode::NoError), |writer| context.start(writer)),
        };
        self.keep(context.name, "CNAME", pair)
    }

    fn compile_data(
        &mut self,
        context: &Context<'_>,
        id: NodeId,
        by_type: &mut Vec<(u16, ProgramId)>,
    ) -> ProgramId {
        if self.tree.zones[context.zone].node == id {
            let zone = &self.tree.zones[context.zone];
            let pair = self.pair(&context.said(Rcode::NoError), |writer| {
                context.start(writer);
                writer.soa(Section::Answer, &zone.apex, [zone.ttl; 2], &zone.soa);
            });
            by_type.push((rtype::SOA, self.keep(context.name, "SOA", pair)));
        }
        for set in self.tree.node(id).sets.clone() {
            let pair = self.pair(&context.said(Rcode::NoError), |writer| {
                context.start(writer);
                writer.set(Section::Answer, context.place(), set.rtype, set.ttl, &set.data);
                self.write_targets(writer, context, id, &set);
            });
            by_type.push((set.rtype, self.keep(context.name, &rdata::type_text(set.rtype), pair)));
        }
        let otherwise = match self.tree.node(id).record {
            Some(record) => self.compile_record(context, id, record, by_type),
            None => self.no_data(context, id),
        };
        if !by_type.is_empty() && !by_type.iter().any(|(rtype, _)| *rtype == rtype::ANY) {
            by_type.push((rtype::ANY, self.compile_any(context, id)));
        }
        otherwise
    }

    /// ANY: one answer for all names, but where it would have to be signed, one set that is there, or the same answer signed
    /// when there is no set that always is (RFC 8482 §4.1, §4.2).
    fn compile_any(&mut self, context: &Context<'_>, id: NodeId) -> ProgramId {
        if self.tree.zones[context.zone].keys.is_none() || !context.chain.links.is_empty() {
            return self.any;
        }
        let length = |set: &&RrSet| set.data.iter().map(|data| data.wire().len() + 12).sum::<usize>();
        let smallest = self.tree.node(id).sets.iter().min_by_key(length);
        let pair = self.pair(&context.said(Rcode::NoError), |writer| match smallest {
            Some(set) if writer.is_signed() => {
                writer.set(Section::Answer, context.place(), set.rtype, set.ttl, &set.data);
            }
            Some(_) | None => write::any(writer, context.place(), ANY_TTL),
        });
        self.keep(context.name, "ANY", pair)
    }
}
