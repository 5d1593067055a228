//! What a zone holds, by name: records that an update may change beside those that it has to leave alone.

use std::collections::BTreeMap;

use koinon_types::convert::RECORD_TTL_SECONDS;
use koinon_types::dns::name::Name;
use koinon_types::dns::rdata::{self, Rdata};
use koinon_types::dns::rtype;
use koinon_types::names::{Record, Target, UpdateRecord, Zone};
use serde_json::{Value, json};

/// The records of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) apex: Name,
    names: BTreeMap<Name, Vec<Entry>>,
    /// How many of them an update may change.
    n_changeable: usize,
    /// Where what was removed was written: who removes a record and adds it again changes nothing.
    removed: BTreeMap<(Name, u16, Rdata), usize>,
}

/// One record, whose owner is the key it lies under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) rtype: u16,
    /// Units: seconds.
    pub(super) ttl: u32,
    pub(super) data: Rdata,
    pub(super) origin: Origin,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In `spec.records`, at this index.
    Written(usize),
    /// Nowhere yet: the update adds it.
    Added,
    /// In another part of the zone's spec, or of another object.
    Fixed(Fixed),
}

/// What keeps an update off a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fixed {
    /// It is `spec.soa`.
    Soa,
    /// It is of `spec.nameServers`.
    NameServer,
    /// It is a GlobalRecord's.
    Global,
}

impl Fixed {
    /// Whose it is, for whoever asks why an update was refused.
    pub(super) fn owner(self) -> &'static str {
        match self {
            Self::Soa => "the SOA is the zone's spec.soa",
            Self::NameServer => "the zone's name servers and their addresses are its spec.nameServers",
            Self::Global => "the name is a GlobalRecord's",
        }
    }
}

// === impl Contents ===

impl Contents {
    /// Gathers a zone and the global names in it. A name where static records stand is theirs, as it is served.
    ///
    /// Shape: none when a part cannot be read, which the door excludes.
    pub(super) fn of(zone: &Zone, globals: &[Record]) -> Option<Self> {
        let apex: Name = zone.apex.parse().ok()?;
        let (names, removed) = (BTreeMap::new(), BTreeMap::new());
        let mut contents = Self { apex: apex.clone(), names, n_changeable: 0, removed };
        for (index, record) in zone.records.iter().enumerate() {
            let rtype = rdata::type_number(&record.kind).ok()?;
            let data = rdata::parse(rtype, &record.data).ok()?;
            let entry = Entry { rtype, ttl: record.ttl, data, origin: Origin::Written(index) };
            contents.put(record.name.parse().ok()?, entry);
        }
        for record in globals.iter().filter(|record| record.zone == zone.apex) {
            let host: Name = record.host.parse().ok()?;
            if contents.at(&host).iter().any(|entry| entry.origin != Origin::Fixed(Fixed::Global)) {
                continue;
            }
            for endpoint in &record.endpoints {
                let (rtype, data) = match &endpoint.target {
                    Target::Ip(ip) if ip.is_ipv4() => (rtype::A, Rdata::address(*ip)),
                    Target::Ip(ip) => (rtype::AAAA, Rdata::address(*ip)),
                    Target::Hostname(name) => (rtype::CNAME, Rdata::pointing(name.parse().ok()?)),
                };
                contents.fix(host.clone(), rtype, record.ttl.stable, data, Fixed::Global);
            }
            // A name without endpoints is a GlobalRecord's all the same.
            contents.names.entry(host).or_default();
        }
        let soa = Rdata::opaque(&[]);
        contents.fix(apex.clone(), rtype::SOA, zone.soa.ttl, soa, Fixed::Soa);
        for server in &zone.name_servers {
            let name: Name = server.name.parse().ok()?;
            let data = Rdata::pointing(name.clone());
            contents.fix(apex.clone(), rtype::NS, zone.soa.ttl, data, Fixed::NameServer);
            for address in server.addresses.iter().filter(|_| name.is_within(&apex)) {
                let rtype = if address.is_ipv4() { rtype::A } else { rtype::AAAA };
                contents.fix(name.clone(), rtype, zone.soa.ttl, Rdata::address(*address), Fixed::NameServer);
            }
        }
        Some(contents)
    }

    fn fix(&mut self, owner: Name, rtype: u16, ttl: u32, data: Rdata, why: Fixed) {
        self.put(owner, Entry { rtype, ttl, data, origin: Origin::Fixed(why) });
    }

    /// Adds a record that is not there.
    pub(super) fn add(&mut self, owner: Name, rtype: u16, ttl: u32, data: Rdata) {
        let written = self.removed.remove(&(owner.clone(), rtype, data.clone()));
        let origin = written.map_or(Origin::Added, Origin::Written);
        self.put(owner, Entry { rtype, ttl, data, origin });
    }

    fn put(&mut self, owner: Name, entry: Entry) {
        self.n_changeable += usize::from(!matches!(entry.origin, Origin::Fixed(_)));
        self.names.entry(owner).or_default().push(entry);
    }

    /// Removes the records of a name that are `unwanted` and may be.
    pub(super) fn remove(&mut self, owner: &Name, unwanted: impl Fn(&Entry) -> bool) {
        let Some(entries) = self.names.get_mut(owner) else { return };
        let is_removed = |entry: &mut Entry| !matches!(entry.origin, Origin::Fixed(_)) && unwanted(entry);
        for entry in entries.extract_if(.., is_removed) {
            self.n_changeable -= 1;
            if let Origin::Written(index) = entry.origin {
                self.removed.insert((owner.clone(), entry.rtype, entry.data), index);
            }
        }
        if entries.is_empty() {
            self.names.remove(owner);
        }
    }

    /// Gives every record of a set this time to live, as they have it together (RFC 2181 §5.2).
    pub(super) fn set_ttl(&mut self, owner: &Name, rtype: u16, ttl: u32) {
        let entries = self.names.get_mut(owner).into_iter().flatten();
        for entry in entries.filter(|entry| entry.rtype == rtype && !matches!(entry.origin, Origin::Fixed(_)))
        {
            entry.ttl = ttl;
        }
    }

    /// The records of a name.
    pub(super) fn at(&self, owner: &Name) -> &[Entry] {
        self.names.get(owner).map_or(&[], Vec::as_slice)
    }

    /// The records of a set.
    pub(super) fn set<'a>(&'a self, owner: &Name, rtype: u16) -> impl Iterator<Item = &'a Entry> {
        self.at(owner).iter().filter(move |entry| entry.rtype == rtype)
    }

    /// The record that says the same.
    pub(super) fn find(&self, record: &UpdateRecord) -> Option<&Entry> {
        self.set(&record.name, record.rtype).find(|entry| Some(&entry.data) == record.data.as_ref())
    }

    /// Whether a name is a GlobalRecord's.
    pub(super) fn is_global(&self, owner: &Name) -> bool {
        let is_global = |entry: &Entry| entry.origin == Origin::Fixed(Fixed::Global);
        self.names.get(owner).is_some_and(|entries| entries.is_empty() || entries.iter().any(is_global))
    }

    /// A GlobalRecord's name below this one.
    pub(super) fn global_below(&self, owner: &Name) -> Option<&Name> {
        let mut below = self.names.keys().filter(|name| name.is_within(owner) && *name != owner);
        below.find(|name| self.is_global(name))
    }

    /// Records that an update may change.
    pub(super) fn n_changeable(&self) -> usize {
        self.n_changeable
    }

    /// The zone's `spec.records` after the update: what stays is written as it was and where it was, what is new follows.
    pub(super) fn records(&self, before: &[Value]) -> Vec<Value> {
        let (mut kept, mut added) = (BTreeMap::new(), Vec::new());
        for (owner, entries) in &self.names {
            for entry in entries {
                match entry.origin {
                    Origin::Written(index) => drop(kept.insert(index, entry.ttl)),
                    Origin::Added => added.push(json!({
                        "name": owner.dotted(), "type": rdata::type_text(entry.rtype),
                        "data": rdata::text(entry.rtype, &entry.data), "ttlSeconds": entry.ttl,
                    })),
                    Origin::Fixed(_) => {}
                }
            }
        }
        let mut records = Vec::with_capacity(kept.len() + added.len());
        for (index, ttl) in kept {
            let Some(record) = before.get(index) else { continue };
            let mut record = record.clone();
            if record.get("ttlSeconds").and_then(Value::as_u64).unwrap_or(RECORD_TTL_SECONDS.into())
                != u64::from(ttl)
            {
                record["ttlSeconds"] = ttl.into();
            }
            records.push(record);
        }
        records.extend(added);
        records
    }
}
