//! The zones as a tree of names with their data, before anything is compiled.
//!
//! Every name has a node, and so has every name above it up to the apex (empty non-terminals, RFC 4592 §2.2.2).
//! A zone below another zone of ours takes over its names. What contradicts the rules is left out and listed
//! with the reason; the rest of the table is served all the same.

mod keys;

use std::collections::BTreeMap;

use koinon_types::names::{NameTable, StaticRecord, Zone};

use super::block::Soa;
use super::index::{Full, Index, NodeId, Seed};
use crate::dnssec::Keyring;
use crate::wire::name::{Name, parent, suffixes};
use crate::wire::rdata::{self, Rdata};
use crate::wire::rtype;

/// The names of all zones.
pub(super) struct Tree {
    pub(super) index: Index,
    /// One per name of the index. Shape: a node comes after its parent.
    pub(super) nodes: Vec<Node>,
    pub(super) zones: Vec<ZoneHead>,
    /// What is not served, by name or apex.
    pub(super) refused: BTreeMap<String, String>,
}

/// What a zone says about itself.
pub(super) struct ZoneHead {
    pub(super) apex: Name,
    pub(super) node: NodeId,
    pub(super) soa: Soa,
    /// TTL of SOA and NS.
    pub(super) ttl: u32,
    /// What it is signed with, if it is.
    pub(super) keys: Option<Keyring>,
}

/// One name.
pub(super) struct Node {
    pub(super) zone: usize,
    pub(super) parent: Option<NodeId>,
    pub(super) sets: Vec<RrSet>,
    /// The global name here: its place in the table.
    pub(super) record: Option<usize>,
    /// The child `*`, when it may synthesise answers.
    pub(super) wildcard: Option<NodeId>,
    /// The delegation at or above this name.
    pub(super) cut: Option<NodeId>,
    /// The name above that is redirected with all below it, by a DNAME record.
    pub(super) redirected: Option<NodeId>,
    /// DS records that the parent zone holds for this apex.
    pub(super) parent_ds: Option<RrSet>,
}

/// All records of one type at one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RrSet {
    pub(super) rtype: u16,
    /// The lowest of its records' (RFC 2181 §5.2).
    pub(super) ttl: u32,
    /// Shape: sorted, without duplicates.
    pub(super) data: Vec<Rdata>,
}

impl Node {
    /// Whether names below it are its zone's to speak of: neither delegated nor redirected.
    pub(super) fn reaches_below(&self) -> bool {
        self.cut.is_none() && self.redirected.is_none() && self.set(rtype::DNAME).is_none()
    }

    pub(super) fn set(&self, rtype: u16) -> Option<&RrSet> {
        self.sets.iter().find(|set| set.rtype == rtype)
    }
}

/// Builds the tree of a table; `serial` goes into every SOA.
pub(super) fn grow(table: &NameTable, seed: Seed, serial: u32) -> Result<Tree, Full> {
    let mut tree =
        Tree { index: Index::new(seed), nodes: Vec::new(), zones: Vec::new(), refused: BTreeMap::new() };
    let zones = tree.plant_zones(table, serial)?;
    for &(number, zone) in &zones {
        tree.enter_name_servers(number, zone)?;
        tree.enter_keys(number, zone);
    }
    for &(number, zone) in &zones {
        for record in &zone.records {
            if let Err(reason) = tree.enter_static(number, record)? {
                tree.refuse(&record.name, &format!("{} record: {reason}", record.kind));
            }
        }
    }
    tree.settle_redirects();
    tree.settle_aliases();
    tree.mark_boundaries();
    for (number, record) in table.records.iter().enumerate() {
        if let Err(reason) = tree.enter_record(number, &record.host)? {
            tree.refuse(&record.host, &reason);
        }
    }
    tree.mark_wildcards();
    Ok(tree)
}

/// What was found for a name that somebody points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This node answers, as itself or as the wildcard that covers the name.
    Node(NodeId),
    /// It lies at or below this delegation.
    Delegated(NodeId),
    /// It lies below this name, which a DNAME record redirects.
    Redirected(NodeId),
    /// It does not exist, in this zone.
    Missing(usize),
    /// It lies in no zone of ours.
    Elsewhere,
}

impl Tree {
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn name(&self, id: NodeId) -> Name {
        Name::from_wire(self.index.name(id)).expect("the index holds whole names only")
    }

    /// Lists what is not served; the first reason for a name stands, later ones are added.
    pub(super) fn refuse(&mut self, name: &str, reason: &str) {
        let reasons = self.refused.entry(name.to_owned()).or_default();
        if !reasons.is_empty() {
            reasons.push_str("; ");
        }
        reasons.push_str(reason);
    }

    /// Walks from a name to what answers it (RFC 1034 §4.3.2, steps 2 and 3).
    pub(super) fn find(&self, name: &Name) -> Found {
        for (depth, suffix) in suffixes(name.wire()).enumerate() {
            let Some(id) = self.index.find(suffix) else { continue };
            let node = self.node(id);
            if let Some(cut) = node.cut {
                return Found::Delegated(cut);
            }
            if let Some(above) = node.redirected {
                return Found::Redirected(above);
            }
            return match (depth, node.set(rtype::DNAME), node.wildcard) {
                (0, _, _) => Found::Node(id),
                (_, Some(_), _) => Found::Redirected(id),
                (_, None, Some(wildcard)) => Found::Node(wildcard),
                (_, None, None) => Found::Missing(node.zone),
            };
        }
        Found::Elsewhere
    }

    /// The zone a name lies in: the one with the longest apex.
    fn zone_of(&self, wire: &[u8]) -> Option<usize> {
        suffixes(wire).find_map(|suffix| self.index.find(suffix)).map(|id| self.node(id).zone)
    }

    /// The node of a name in a zone, entered with all names above it if it is new.
    fn enter(&mut self, wire: &[u8], zone: usize) -> Result<NodeId, Full> {
        if let Some(id) = self.index.find(wire) {
            return Ok(id);
        }
        let missing: Vec<&[u8]> =
            suffixes(wire).take_while(|suffix| self.index.find(suffix).is_none()).collect();
        let mut above = missing.last().and_then(|top| parent(top)).and_then(|top| self.index.find(top));
        let mut last = 0;
        for suffix in missing.into_iter().rev() {
            last = self.add(suffix, zone, above)?;
            above = Some(last);
        }
        Ok(last)
    }

    fn add(&mut self, wire: &[u8], zone: usize, parent: Option<NodeId>) -> Result<NodeId, Full> {
        let id = self.index.enter(wire)?;
        self.nodes.push(Node {
            zone,
            parent,
            sets: Vec::new(),
            record: None,
            wildcard: None,
            cut: None,
            redirected: None,
            parent_ds: None,
        });
        Ok(id)
    }

    /// Enters every apex, parents first, so that a name always meets the zones above it.
    fn plant_zones<'a>(&mut self, table: &'a NameTable, serial: u32) -> Result<Vec<(usize, &'a Zone)>, Full> {
        let mut read = Vec::new();
        for zone in &table.zones {
            match read_head(zone, serial) {
                Ok((apex, soa)) => read.push((apex, soa, zone)),
                Err(reason) => self.refuse(&zone.apex, &format!("zone: {reason}")),
            }
        }
        read.sort_by_key(|(apex, _, _)| apex.n_labels());
        let mut planted = Vec::new();
        for (apex, soa, zone) in read {
            let number = self.zones.len();
            let above = apex.parent().and_then(|name| Some((self.zone_of(name.wire())?, name)));
            let parent = match above {
                Some((zone, name)) => Some(self.enter(name.wire(), zone)?),
                None => None,
            };
            if self.index.find(apex.wire()).is_some() {
                self.refuse(&zone.apex, "zone: another zone has the same apex");
                continue;
            }
            let node = self.add(apex.wire(), number, parent)?;
            self.zones.push(ZoneHead { apex, node, soa, ttl: zone.soa.ttl, keys: None });
            planted.push((number, zone));
        }
        Ok(planted)
    }

    /// Enters the apex's NS records and the addresses of those name servers that lie inside.
    fn enter_name_servers(&mut self, number: usize, zone: &Zone) -> Result<(), Full> {
        let apex = self.zones[number].node;
        for server in &zone.name_servers {
            let name: Name = match server.name.parse() {
                Ok(name) => name,
                Err(error) => {
                    self.refuse(&zone.apex, &format!("name server: {error}"));
                    continue;
                }
            };
            let inside = self.zone_of(name.wire()) == Some(number);
            self.put(apex, rtype::NS, zone.soa.ttl, Rdata::pointing(name.clone()));
            for &address in server.addresses.iter().filter(|_| inside) {
                let node = self.enter(name.wire(), number)?;
                let rtype = if address.is_ipv4() { rtype::A } else { rtype::AAAA };
                self.put(node, rtype, zone.soa.ttl, Rdata::address(address));
            }
        }
        Ok(())
    }

    /// Enters one static record, or says why not.
    fn enter_static(&mut self, number: usize, record: &StaticRecord) -> Result<Result<(), String>, Full> {
        let read = || {
            let name: Name = record.name.parse().map_err(|error| format!("{error}"))?;
            let rtype = rdata::type_number(&record.kind).map_err(|error| error.to_string())?;
            let data = rdata::parse(rtype, &record.data).map_err(|error| describe(&error))?;
            Ok((name, rtype, data))
        };
        let (name, rtype, data) = match read() {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let apex = self.zones[number].node;
        if !name.is_within(&self.zones[number].apex) {
            return Ok(Err("the name lies outside its zone".to_owned()));
        }
        if self.zone_of(name.wire()) != Some(number) {
            return Ok(self.enter_parent_side(&name, rtype, record.ttl, data));
        }
        if rtype == rtype::NS && self.index.find(name.wire()) == Some(apex) {
            return Ok(Err("the zone's own name servers belong into `nameServers`".to_owned()));
        }
        if let Some(reason) = self.conflict_with_keys(number, &name, rtype) {
            return Ok(Err(reason.to_owned()));
        }
        if rtype == rtype::NS && name.is_wildcard() {
            return Ok(Err("a wildcard cannot be delegated (RFC 4592 §4.2)".to_owned()));
        }
        if rtype == rtype::DNAME && name.is_wildcard() {
            return Ok(Err("a wildcard cannot be redirected (RFC 4592 §4.4)".to_owned()));
        }
        let node = self.enter(name.wire(), number)?;
        self.put(node, rtype, record.ttl, data);
        Ok(Ok(()))
    }

    /// Takes what a parent zone says about a child zone that is served here too: NS gives way to the child's
    /// own, DS is answered from here (RFC 4035 §3.1.4.1), anything else is hidden.
    fn enter_parent_side(&mut self, name: &Name, rtype: u16, ttl: u32, data: Rdata) -> Result<(), String> {
        let child = self.index.find(name.wire()).filter(|&id| self.zones[self.node(id).zone].node == id);
        match (child, rtype) {
            (Some(_), rtype::NS) => Ok(()),
            (Some(id), rtype::DS) => {
                let set =
                    self.nodes[id as usize].parent_ds.get_or_insert(RrSet { rtype, ttl, data: Vec::new() });
                set.add(ttl, data);
                Ok(())
            }
            _ => Err("the name belongs to another zone that is served here".to_owned()),
        }
    }

    fn put(&mut self, node: NodeId, rtype: u16, ttl: u32, data: Rdata) {
        let sets = &mut self.nodes[node as usize].sets;
        match sets.iter_mut().find(|set| set.rtype == rtype) {
            Some(set) => set.add(ttl, data),
            None => sets.push(RrSet { rtype, ttl, data: vec![data] }),
        }
    }

    /// Drops aliases that stand beside other data or twice (RFC 1034 §3.6.2, RFC 2181 §10.1).
    fn settle_aliases(&mut self) {
        for id in 0..self.nodes.len() {
            let is_apex = self.zones[self.nodes[id].zone].node as usize == id;
            let Some(alias) = self.nodes[id].set(rtype::CNAME) else { continue };
            let reason = if alias.data.len() > 1 {
                "CNAME record: a name has at most one (RFC 2181 §10.1)"
            } else if self.nodes[id].sets.len() > 1 || is_apex {
                "CNAME record: it cannot stand beside other data (RFC 1034 §3.6.2)"
            } else {
                continue;
            };
            self.nodes[id].sets.retain(|set| set.rtype != rtype::CNAME);
            let name = self.name(id as NodeId).to_string();
            self.refuse(&name, reason);
        }
    }

    /// Drops DNAME records that contradict each other or a delegation.
    fn settle_redirects(&mut self) {
        for id in 0..self.nodes.len() {
            let node = &self.nodes[id];
            let Some(redirect) = node.set(rtype::DNAME) else { continue };
            let is_apex = self.zones[node.zone].node as usize == id;
            let reason = if redirect.data.len() > 1 {
                "DNAME record: a name has at most one (RFC 6672 §2.4)"
            } else if !is_apex && node.set(rtype::NS).is_some() {
                "DNAME record: a delegated name cannot be redirected (RFC 6672 §2.3)"
            } else {
                continue;
            };
            self.nodes[id].sets.retain(|set| set.rtype != rtype::DNAME);
            let name = self.name(id as NodeId).to_string();
            self.refuse(&name, reason);
        }
    }

    /// Marks every name at or below a delegation, and every name below one that is redirected, where records of
    /// its own have no place. Of a delegation and a redirection above a name, the upper one counts.
    fn mark_boundaries(&mut self) {
        for id in 0..self.nodes.len() {
            let node = &self.nodes[id];
            let is_apex = self.zones[node.zone].node as usize == id;
            let above = node.parent.filter(|_| !is_apex);
            let cut_above = above.and_then(|above| self.node(above).cut);
            let redirected = above.and_then(|above| {
                let own = self.node(above).set(rtype::DNAME).map(|_| above);
                self.node(above).redirected.or(own).filter(|_| cut_above.is_none())
            });
            if let Some(above) = redirected {
                self.occlude(id, above);
                continue;
            }
            let own = (!is_apex && node.set(rtype::NS).is_some()).then_some(id as NodeId);
            self.nodes[id].cut = cut_above.or(own);
        }
    }

    /// Takes a name's records away, because a name above it is redirected.
    fn occlude(&mut self, id: usize, above: NodeId) {
        self.nodes[id].redirected = Some(above);
        let reason = occluded(&self.name(above));
        let name = self.name(id as NodeId).to_string();
        for set in std::mem::take(&mut self.nodes[id].sets) {
            self.refuse(&name, &format!("{} record: {reason}", rdata::type_text(set.rtype)));
        }
    }

    /// Enters a global name, or says why not.
    fn enter_record(&mut self, number: usize, host: &str) -> Result<Result<(), String>, Full> {
        let name: Name = match host.parse() {
            Ok(name) => name,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let Some(zone) = self.zone_of(name.wire()) else {
            return Ok(Err("no zone served here contains the name".to_owned()));
        };
        match self.find(&name) {
            Found::Delegated(cut) => return Ok(Err(format!("the name is delegated at {}", self.name(cut)))),
            Found::Redirected(above) => return Ok(Err(occluded(&self.name(above)))),
            Found::Node(_) | Found::Missing(_) | Found::Elsewhere => {}
        }
        let id = self.enter(name.wire(), zone)?;
        let node = &mut self.nodes[id as usize];
        if node.record.is_some() {
            return Ok(Err("another global record has the same host".to_owned()));
        }
        let taken =
            [rtype::A, rtype::AAAA, rtype::CNAME].into_iter().find(|&taken| node.set(taken).is_some());
        if let Some(taken) = taken {
            return Ok(Err(format!("its zone has a static {} record there", rdata::type_text(taken))));
        }
        node.record = Some(number);
        Ok(Ok(()))
    }

    /// Tells each name about its child `*`, except at and below delegations, where it is not ours.
    fn mark_wildcards(&mut self) {
        for id in 0..self.nodes.len() {
            let node = &self.nodes[id];
            let (Some(above), None, None) = (node.parent, node.cut, node.redirected) else { continue };
            if self.index.name(id as NodeId).starts_with(b"\x01*")
                && self.nodes[above as usize].zone == node.zone
            {
                self.nodes[above as usize].wildcard = Some(id as NodeId);
            }
        }
    }
}

impl RrSet {
    fn add(&mut self, ttl: u32, data: Rdata) {
        self.ttl = self.ttl.min(ttl);
        if let Err(at) = self.data.binary_search(&data) {
            self.data.insert(at, data);
        }
    }
}

/// Why a name below a redirected one has nothing of its own.
fn occluded(above: &Name) -> String {
    format!("the name lies below {above}, which a DNAME record redirects (RFC 6672 §2.4)")
}

fn read_head(zone: &Zone, serial: u32) -> Result<(Name, Soa), String> {
    let apex: Name = zone.apex.parse().map_err(|error| format!("{error}"))?;
    if apex.is_wildcard() {
        return Err("an apex cannot be a wildcard".to_owned());
    }
    let soa = Soa {
        mname: zone.soa.mname.parse().map_err(|error| format!("soa.mname: {error}"))?,
        rname: zone.soa.rname.parse().map_err(|error| format!("soa.rname: {error}"))?,
        serial,
        refresh: zone.soa.refresh,
        retry: zone.soa.retry,
        expire: zone.soa.expire,
        minimum: zone.soa.minimum,
    };
    Ok((apex, soa))
}

/// An error with its cause in one line.
fn describe(error: &rdata::InvalidRdata) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
