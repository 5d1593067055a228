//! From the tree to programs: what each name says to each type, written down in advance.
//!
//! A name's answer is a chain of aliases inside its zone (often none) and what stands at the chain's end. The
//! chain does not depend on the type asked for, so it is walked once per name; then one block is written for
//! each type at its end and one for all other types.

mod write;

mod records;

use koinon_types::names::NameTable;

use super::block::{Anchor, Owner, Section, Writer};
use super::health::RecordView;
use super::index::NodeId;
use super::redirect::Redirect;
use super::store::Store;
use super::tree::{Found, Tree};
use super::{Below, Node, ProgramId};
use crate::wire::name::Name;
use crate::wire::rdata::{self, Rdata};
use crate::wire::{Rcode, rtype};

/// Longest chain of aliases followed on behalf of a client; it asks on from there itself. Real chains have two
/// or three links, and eight keep an answer well inside one datagram.
pub(super) const CHAIN_LENGTH_MAX: usize = 8;

/// TTL of the answer to ANY: long enough that a client does not ask again at once, short enough to forget a
/// change of mind (RFC 8482 §4.2).
const ANY_TTL: u32 = 3600;

/// Compiles every name of a tree.
pub(super) struct Compiler<'a> {
    tree: &'a mut Tree,
    table: &'a NameTable,
    /// What was decided for each record of the table; none for those that are not served.
    views: &'a [Option<RecordView>],
    store: Store,
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
}

/// One alias of a chain.
struct Link {
    ttl: u32,
    target: Name,
    /// What it is synthesised from, unless it is a record of its own.
    source: Option<Redirect>,
}

/// What the blocks of one name have in common.
struct Context<'a> {
    anchor: Anchor<'a>,
    name: &'a str,
    zone: usize,
    chain: &'a Chain,
}

impl Context<'_> {
    /// A writer with the chain already written.
    fn start(&self) -> Writer<'_> {
        let mut writer = Writer::new(self.anchor);
        let mut owner = Owner::Question;
        let mut written = Vec::new();
        for Link { ttl, target, source } in &self.chain.links {
            if let Some(source) = source.as_ref().filter(|source| !written.contains(&&source.owner)) {
                source.write(&mut writer);
                written.push(&source.owner);
            }
            writer.record(Section::Answer, owner, rtype::CNAME, *ttl, &Rdata::pointing(target.clone()));
            owner = Owner::Name(target);
        }
        writer
    }

    /// Who owns the records at the end of the chain.
    fn owner(&self) -> Owner<'_> {
        self.chain.links.last().map_or(Owner::Question, |link| Owner::Name(&link.target))
    }
}

impl<'a> Compiler<'a> {
    /// Compiles all names, in the order of their numbers.
    pub(super) fn compile(
        tree: &'a mut Tree,
        table: &'a NameTable,
        views: &'a [Option<RecordView>],
    ) -> (Store, Vec<Node>) {
        let mut store = Store::default();
        let any = store.fixed(&write::any_block(), None);
        let mut compiler = Self { tree, table, views, store, any, shared: Vec::new() };
        for zone in 0..compiler.tree.zones.len() {
            let shared = compiler.compile_shared(zone);
            compiler.shared.push(shared);
        }
        let ids = 0..compiler.tree.nodes.len() as NodeId;
        let nodes = ids.map(|id| compiler.compile_name(id)).collect();
        (compiler.store, nodes)
    }

    /// The negative answers of a zone, good for any name in it.
    fn compile_shared(&mut self, zone: usize) -> Shared {
        let apex = self.tree.zones[zone].apex.clone();
        let mut negative = |rcode| {
            let mut writer = Writer::new(Anchor::Within(&apex));
            self.write_soa(&mut writer, zone, u32::MAX);
            self.keep(&apex.to_string(), "SOA", writer.finish(rcode, true))
        };
        Shared { no_data: negative(Rcode::NoError), missing: negative(Rcode::NxDomain) }
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
        let context = Context { anchor, name: &name.to_string(), zone, chain: &chain };
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
            let mut writer = Writer::new(Anchor::Within(&name));
            self.write_referral(&mut writer, cut);
            self.keep(&name.to_string(), "NS", writer.finish(Rcode::NoError, false))
        });
        self.store.referrals.insert(cut, referral);
        let mut by_type = Vec::new();
        if id == cut {
            let program = match self.tree.node(id).set(rtype::DS).cloned() {
                Some(set) => self.set(Anchor::Exactly(&name), &name.to_string(), &set),
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
            Some(redirect) => self.store.redirect(id, redirect, &write::failure()),
            None => self.store.fixed(&write::failure(), None),
        }
    }

    /// Where a name redirects to.
    fn redirect(&self, id: NodeId) -> Option<Redirect> {
        let set = self.tree.node(id).set(rtype::DNAME)?;
        let target = Name::from_wire(&set.data.first()?.fixed)?;
        Some(Redirect { owner: self.tree.name(id), target, ttl: set.ttl })
    }

    /// DS of an apex is answered for the zone above, when that is ours.
    fn compile_parent_ds(&mut self, id: NodeId, context: &Context<'_>) -> Option<ProgramId> {
        let node = self.tree.node(id);
        let above = self.tree.node(node.parent?).zone;
        if above == node.zone {
            return None;
        }
        match node.parent_ds.clone() {
            Some(set) => Some(self.set(context.anchor, context.name, &set)),
            None => Some(self.shared[above].no_data),
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
                let mut writer = context.start();
                for data in &set.data {
                    writer.record(Section::Answer, context.owner(), rtype::DS, set.ttl, data);
                }
                self.keep(context.name, "DS", writer.finish(Rcode::NoError, true))
            }
            None => self.no_data(context),
        };
        by_type.push((rtype::DS, program));
    }

    /// CNAME and ANY at an alias: the alias, not followed (RFC 8482 §4.2).
    fn compile_alias_itself(&mut self, context: &Context<'_>, by_type: &mut Vec<(u16, ProgramId)>) {
        let Link { ttl, target, .. } = &context.chain.links[0];
        let mut writer = Writer::new(context.anchor);
        writer.record(Section::Answer, Owner::Question, rtype::CNAME, *ttl, &Rdata::pointing(target.clone()));
        let program = self.keep(context.name, "CNAME", writer.finish(Rcode::NoError, true));
        by_type.retain(|(rtype, _)| ![rtype::CNAME, rtype::ANY].contains(rtype));
        by_type.extend([(rtype::CNAME, program), (rtype::ANY, program)]);
    }

    /// Walks the aliases from a name, staying in its zone.
    fn follow(&self, id: NodeId) -> Chain {
        let zone = self.tree.node(id).zone;
        let start = self.tree.name(id);
        let mut links: Vec<Link> = Vec::new();
        let mut found = Found::Node(id);
        loop {
            let end = match found {
                Found::Node(at) if self.tree.node(at).zone == zone => match self.alias(at) {
                    Some(link) => Ok(link),
                    None => Err(End::Node(at)),
                },
                Found::Redirected(at) if self.tree.node(at).zone == zone => {
                    let name = links.last().map_or(&start, |link| &link.target);
                    self.synthesis(at, name).ok_or(End::TooLong(at))
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
                Err(end) => return Chain { links, end },
            };
            let is_loop = links.iter().any(|seen| seen.target == link.target) || link.target == start;
            found = self.tree.find(&link.target);
            links.push(link);
            if is_loop || links.len() == CHAIN_LENGTH_MAX {
                return Chain { links, end: End::Open };
            }
        }
    }

    /// The alias that a name is.
    fn alias(&self, id: NodeId) -> Option<Link> {
        let set = self.tree.node(id).set(rtype::CNAME)?;
        let target = set.data.first()?.name.clone()?;
        Some(Link { ttl: set.ttl, target, source: None })
    }

    /// The alias that a name below a redirected one becomes; none when it would be too long.
    fn synthesis(&self, above: NodeId, name: &Name) -> Option<Link> {
        let redirect = self.redirect(above)?;
        let target = name.substitute(&redirect.owner, &redirect.target)?;
        Some(Link { ttl: redirect.ttl, target, source: Some(redirect) })
    }

    /// Writes the programs for each type at the end of a chain, and answers the one for all others.
    fn compile_end(&mut self, context: &Context<'_>, by_type: &mut Vec<(u16, ProgramId)>) -> ProgramId {
        let (writer, rcode) = match context.chain.end {
            End::Node(id) => return self.compile_data(context, id, by_type),
            End::Missing => {
                let mut writer = context.start();
                self.write_soa(&mut writer, context.zone, u32::MAX);
                (writer, Rcode::NxDomain)
            }
            End::Delegated(cut) => {
                self.compile_cut_ds(context, cut, by_type);
                let mut writer = context.start();
                self.write_referral(&mut writer, cut);
                (writer, Rcode::NoError)
            }
            End::TooLong(above) => {
                let mut writer = context.start();
                if let Some(redirect) = self.redirect(above) {
                    redirect.write(&mut writer);
                }
                (writer, Rcode::YxDomain)
            }
            End::Open => (context.start(), Rcode::NoError),
        };
        let block = writer.finish(rcode, true);
        self.keep(context.name, "CNAME", block)
    }

    fn compile_data(
        &mut self,
        context: &Context<'_>,
        id: NodeId,
        by_type: &mut Vec<(u16, ProgramId)>,
    ) -> ProgramId {
        let zone = &self.tree.zones[context.zone];
        if zone.node == id {
            let mut writer = context.start();
            writer.soa(Section::Answer, &zone.apex, zone.ttl, &zone.soa);
            let block = writer.finish(Rcode::NoError, true);
            by_type.push((rtype::SOA, self.keep(context.name, "SOA", block)));
        }
        for set in self.tree.node(id).sets.clone() {
            let mut writer = context.start();
            for data in &set.data {
                writer.record(Section::Answer, context.owner(), set.rtype, set.ttl, data);
            }
            self.write_targets(&mut writer, context, id, &set);
            let block = writer.finish(Rcode::NoError, true);
            by_type.push((set.rtype, self.keep(context.name, &rdata::type_text(set.rtype), block)));
        }
        let otherwise = match self.tree.node(id).record {
            Some(record) => self.compile_record(context, record, by_type),
            None => self.no_data(context),
        };
        if !by_type.is_empty() && !by_type.iter().any(|(rtype, _)| *rtype == rtype::ANY) {
            by_type.push((rtype::ANY, self.any));
        }
        otherwise
    }
}
