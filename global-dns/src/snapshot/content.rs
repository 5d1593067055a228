//! What a zone holds as plain records: what a secondary is given, and what its serial stands for.
//!
//! A secondary can neither choose by weights nor look at health, so it gets the default view: for each global name the
//! endpoints that may be answered now, all of them and without weights. One alias among addresses gives way to them,
//! and of several the heaviest stands, because a zone holds an alias alone or not at all (RFC 1034 §3.6.2). What
//! records cannot say is lost: a name whose owner wants no data when all is down does not exist at a secondary.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use koinon_types::names::{NameTable, Record, Target};

use super::Snapshot;
use super::block::Soa;
use super::health::RecordView;
use super::index::NodeId;
use super::tree::{Node, RrSet, Tree, ZoneHead, grow};
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
    /// Of all its records but the serial. That two contents have one digest is as likely as 2⁻⁶⁴; a secondary would
    /// then wait for the change after, or for its refresh.
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
) -> Versions {
    let mut hashers = vec![DefaultHasher::new(); tree.zones.len()];
    for (zone, hasher) in tree.zones.iter().zip(&mut hashers) {
        zone.ttl.hash(hasher);
        soa_data(&Soa { serial: 0, ..zone.soa.clone() }).fixed.hash(hasher);
    }
    visit(tree, table, views, &mut |zone, entry| {
        let Entry { owner, rtype, ttl, data } = entry;
        let name = data.name.as_ref().map(Name::wire);
        (owner, rtype, ttl, &data.fixed, name).hash(&mut hashers[zone]);
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

    /// Gives every record of these zones to `sink`, each with its zone's place in `apexes`; a zone's SOA comes before its
    /// other records. Of what is no zone of ours nothing is given.
    ///
    /// The tree is grown again from the table, which takes a good part of the time that building the snapshot took;
    /// keeping it would double the memory of every snapshot for something that happens once per change.
    pub(crate) fn contents(&self, apexes: &[&Name], sink: &mut dyn FnMut(usize, Entry<'_>)) {
        // The seed hides the index from clients, and none will meet this one. What was numbered once can be again.
        let Ok(tree) = grow(&self.table, [0, 0], 0) else { return };
        let wanted: BTreeMap<&Name, usize> = apexes.iter().copied().zip(0..).collect();
        let places: Vec<Option<usize>> =
            tree.zones.iter().map(|zone| wanted.get(&zone.apex).copied()).collect();
        for (zone, place) in tree.zones.iter().zip(&places) {
            if let (Some(place), Some(version)) = (place, self.version(&zone.apex)) {
                let ZoneHead { apex, soa, ttl, .. } = zone;
                let data = soa_data(&Soa { serial: version.serial, ..soa.clone() });
                sink(*place, Entry { owner: apex.wire(), rtype: rtype::SOA, ttl: *ttl, data: &data });
            }
        }
        visit(&tree, &self.table, &self.records, &mut |zone, entry| {
            if let Some(place) = places[zone] {
                sink(place, entry);
            }
        });
    }
}

/// Takes a record and the number of the zone it is in.
type Sink<'a> = dyn FnMut(usize, Entry<'_>) + 'a;

/// Visits every record of every zone but the SOAs, in the order of the tree, which equal tables share.
fn visit(tree: &Tree, table: &NameTable, views: &[Option<RecordView>], sink: &mut Sink<'_>) {
    for (id, node) in tree.nodes.iter().enumerate() {
        let owner = tree.index.name(id as NodeId);
        for set in &node.sets {
            visit_set(node.zone, owner, set, sink);
        }
        if let Some(number) = node.record
            && let Some(view) = &views[number]
        {
            for set in default_view(&table.records[number], view) {
                visit_set(node.zone, owner, &set, sink);
            }
        }
        visit_parent_side(tree, node, owner, sink);
    }
}

/// Visits what the zone above an apex holds about it: the delegation that the tree leaves out because the child is served
/// here too, the addresses of its servers, and its DS.
fn visit_parent_side(tree: &Tree, node: &Node, owner: &[u8], sink: &mut Sink<'_>) {
    let Some(above) = node.parent.map(|parent| tree.node(parent).zone).filter(|above| *above != node.zone)
    else {
        return;
    };
    if let Some(set) = &node.parent_ds {
        visit_set(above, owner, set, sink);
    }
    let Some(servers) = node.set(rtype::NS) else { return };
    visit_set(above, owner, servers, sink);
    for server in servers.data.iter().filter_map(|data| data.name.as_ref()) {
        let Some(glue) = tree.index.find(server.wire()).map(|id| tree.node(id)) else { continue };
        for set in [rtype::A, rtype::AAAA].into_iter().filter_map(|rtype| glue.set(rtype)) {
            if glue.zone == node.zone {
                visit_set(above, server.wire(), set, sink);
            }
        }
    }
}

fn visit_set(zone: usize, owner: &[u8], set: &RrSet, sink: &mut Sink<'_>) {
    for data in &set.data {
        sink(zone, Entry { owner, rtype: set.rtype, ttl: set.ttl, data });
    }
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

/// The data of a SOA record, its two names whole.
fn soa_data(soa: &Soa) -> Rdata {
    let mut fixed = [soa.mname.wire(), soa.rname.wire()].concat();
    for number in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
        fixed.extend(number.to_be_bytes());
    }
    Rdata { fixed: fixed.into(), name: None }
}
