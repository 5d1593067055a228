//! What a zone holds as plain records: what a secondary is given, and what its serial stands for.
//!
//! A secondary can neither choose by weights nor look at health, so it gets the default view: for each global name the
//! endpoints that may be answered now, all of them and without weights. One alias among addresses gives way to them,
//! and of several the heaviest stands, because a zone holds an alias alone or not at all (RFC 1034 §3.6.2). What
//! records cannot say is lost: a name whose owner wants no data when all is down does not exist at a secondary, unless
//! the zone is signed.

mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use koinon_model::time::Timestamp;
use koinon_types::names::{NameTable, Record, Target};
use signed::Batch;

use super::Snapshot;
use super::block::Soa;
use super::health::RecordView;
use super::index::NodeId;
use super::tree::{Node, RrSet, Tree, ZoneHead, grow};
use crate::dnssec::Unsigned;
use crate::wire::name::Name;
use crate::wire::rdata::Rdata;
use crate::wire::rtype;

/// One record of a zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// In wire format, lower-cased.
    pub(crate) owner: &'a [u8],
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    pub(crate) data: &'a Rdata,
}

/// A zone's content, told from every other that it ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// What its SOA says: the generation in which its content changed last.
    pub serial: u32,
    /// Of all its records but the serial; for a signed zone of its keys, and as of when transfers are signed, instead of
    /// the signatures. That two contents have one digest is as likely as 2⁻⁶⁴; a secondary would then wait for the change
    /// after, or for its refresh.
    digest: u64,
}

/// The version of each zone.
pub type Versions = BTreeMap<Name, Version>;

/// Finds every zone's version and writes its serial into the tree: the one it had `before`, as long as its content is
/// the same, otherwise `serial`.
pub(super) fn settle_versions(
    tree: &mut Tree,
    table: &NameTable,
    views: &[Option<RecordView>],
    before: &Versions,
    serial: u32,
    now: Timestamp,
) -> Versions {
    let mut hashers = vec![DefaultHasher::new(); tree.zones.len()];
    for (zone, hasher) in tree.zones.iter().zip(&mut hashers) {
        zone.ttl.hash(hasher);
        Soa { serial: 0, ..zone.soa.clone() }.data().fixed.hash(hasher);
        if let Some(keys) = &zone.keys {
            keys.hash_at(now, hasher);
        }
    }
    // Nothing ever breaks off.
    let _ = visit(tree, table, views, &mut |Visited { zone, owner, set, .. }| {
        for data in &set.data {
            let name = data.name.as_ref().map(Name::wire);
            (owner, set.rtype, set.ttl, &data.fixed, name).hash(&mut hashers[zone]);
        }
        Ok(())
    });
    let mut versions = Versions::new();
    for (zone, hasher) in tree.zones.iter_mut().zip(hashers) {
        let digest = hasher.finish();
        let same = before.get(&zone.apex).copied().filter(|known| known.digest == digest);
        let version = same.unwrap_or(Version { serial, digest });
        zone.soa.serial = version.serial;
        versions.insert(zone.apex.clone(), version);
    }
    versions
}

impl Snapshot {
    /// The version of the zone with this apex; none when that is no apex of ours.
    pub(crate) fn version(&self, apex: &Name) -> Option<Version> {
        self.versions.get(apex).copied()
    }

    /// Every zone's version.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Gives every record of these zones to `sink`, each with its zone's place in `apexes`, signed where the zone is; a zone's
    /// SOA comes before its other records. Of what is no zone of ours nothing is given.
    ///
    /// The tree is grown again from the table, which takes a good part of the time that building the snapshot took;
    /// keeping it would double the memory of every snapshot for something that happens once per change.
    ///
    /// # Errors
    /// When a key does not sign; part of the records was given then.
    pub(crate) fn contents(&self, apexes: &[&Name], sink: &mut Sink<'_>) -> Result<(), Unsigned> {
        // The seed hides the index from clients, and none will meet this one. What was numbered once can be again.
        let Ok(mut tree) = grow(&self.table, [0, 0], 0) else { return Ok(()) };
        for zone in &mut tree.zones {
            zone.soa.serial = self.version(&zone.apex).map_or(0, |version| version.serial);
        }
        let wanted: BTreeMap<&Name, usize> = apexes.iter().copied().zip(0..).collect();
        let places: Vec<Option<usize>> =
            tree.zones.iter().map(|zone| wanted.get(&zone.apex).copied()).collect();
        let mut batch = Batch::new(self, &tree, &places, sink);
        for (number, ZoneHead { apex, soa, ttl, .. }) in tree.zones.iter().enumerate() {
            let set = RrSet { rtype: rtype::SOA, ttl: *ttl, data: vec![soa.data()] };
            batch.add(number, apex.wire(), &set, Standing::Authoritative)?;
        }
        visit(&tree, &self.table, &self.records, &mut |Visited { zone, owner, set, standing }| {
            batch.add(zone, owner, set, standing)
        })?;
        for zone in 0..tree.zones.len() {
            self.add_denials(&mut batch, &tree, zone)?;
        }
        batch.flush()
    }
}

/// Takes a record and the place of the zone it is in.
type Sink<'a> = dyn FnMut(usize, Entry<'_>) + 'a;

/// A set of a zone.
#[derive(Clone, Copy)]
struct Visited<'a> {
    zone: usize,
    owner: &'a [u8],
    set: &'a RrSet,
    standing: Standing,
}

/// Whether a zone is authoritative for a set, and so signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Authoritative,
    /// NS records of a delegation, and addresses below it.
    Delegated,
}

type Visitor<'a> = dyn FnMut(Visited<'_>) -> Result<(), Unsigned> + 'a;

/// Visits every set of every zone but the SOAs, in the order of the tree, which equal tables share.
fn visit(
    tree: &Tree,
    table: &NameTable,
    views: &[Option<RecordView>],
    visitor: &mut Visitor<'_>,
) -> Result<(), Unsigned> {
    for (id, node) in tree.nodes.iter().enumerate() {
        let owner = tree.index.name(id as NodeId);
        for set in &node.sets {
            let is_delegated = node.cut.is_some_and(|cut| cut as usize != id || set.rtype != rtype::DS);
            let standing = if is_delegated { Standing::Delegated } else { Standing::Authoritative };
            visitor(Visited { zone: node.zone, owner, set, standing })?;
        }
        for set in default_sets(table, views, node) {
            visitor(Visited { zone: node.zone, owner, set: &set, standing: Standing::Authoritative })?;
        }
        visit_parent_side(tree, node, owner, visitor)?;
    }
    Ok(())
}

/// Visits what the zone above an apex holds about it: the delegation that the tree leaves out because the child is served
/// here too, the addresses of its servers, and its DS.
fn visit_parent_side(
    tree: &Tree,
    node: &Node,
    owner: &[u8],
    visitor: &mut Visitor<'_>,
) -> Result<(), Unsigned> {
    let above = node.parent.map(|parent| tree.node(parent));
    let Some(zone) =
        above.filter(|above| above.zone != node.zone && above.reaches_below()).map(|above| above.zone)
    else {
        return Ok(());
    };
    if let Some(set) = &node.parent_ds {
        visitor(Visited { zone, owner, set, standing: Standing::Authoritative })?;
    }
    let Some(servers) = node.set(rtype::NS) else { return Ok(()) };
    let standing = Standing::Delegated;
    visitor(Visited { zone, owner, set: servers, standing })?;
    for server in servers.data.iter().filter_map(|data| data.name.as_ref()) {
        let Some(glue) = tree.index.find(server.wire()).map(|id| tree.node(id)) else { continue };
        for set in [rtype::A, rtype::AAAA].into_iter().filter_map(|rtype| glue.set(rtype)) {
            if glue.zone == node.zone {
                visitor(Visited { zone, owner: server.wire(), set, standing })?;
            }
        }
    }
    Ok(())
}

/// What a secondary answers for the global name at a node, if there is one.
fn default_sets(table: &NameTable, views: &[Option<RecordView>], node: &Node) -> Vec<RrSet> {
    let Some(number) = node.record else { return Vec::new() };
    views[number].as_ref().map_or_else(Vec::new, |view| default_view(&table.records[number], view))
}

/// What a secondary answers for a global name.
fn default_view(record: &Record, view: &RecordView) -> Vec<RrSet> {
    let mut addresses: BTreeMap<u16, BTreeSet<Rdata>> = BTreeMap::new();
    let mut alias: Option<(u32, Name)> = None;
    for (_, endpoint) in view.answered(record) {
        match &endpoint.target {
            Target::Ip(ip) => {
                let rtype = if ip.is_ipv4() { rtype::A } else { rtype::AAAA };
                addresses.entry(rtype).or_default().insert(Rdata::address(*ip));
            }
            Target::Hostname(target) => {
                let heavier = alias.as_ref().is_none_or(|(weight, _)| endpoint.weight > *weight);
                if heavier && let Ok(target) = target.parse() {
                    alias = Some((endpoint.weight, target));
                }
            }
        }
    }
    if let (true, Some((_, target))) = (addresses.is_empty(), alias) {
        return vec![RrSet { rtype: rtype::CNAME, ttl: view.ttl, data: vec![Rdata::pointing(target)] }];
    }
    let set = |(rtype, data): (u16, BTreeSet<Rdata>)| RrSet {
        rtype,
        ttl: view.ttl,
        data: data.into_iter().collect(),
    };
    addresses.into_iter().map(set).collect()
}
