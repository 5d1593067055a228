//! What changed between two tables of names, for those who have the earlier one: a table of 100,000 names is tens of
//! megabytes, and most changes concern one name.
//!
//! A change says in full what is new, never by how much. Applied to the table that it was made from it gives the other one;
//! to any other it is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NameTable, Record, Zone};

/// The way from one generation of the table to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableChange {
    /// The generation that it was made from.
    pub from: u64,
    /// The generation that it leads to.
    pub generation: u64,
    /// Zones that are new or different, sorted by apex.
    pub zones: Vec<ZoneChange>,
    /// Apexes of zones that are gone, sorted.
    pub gone_zones: Vec<String>,
    /// Global names that are new or different, sorted by host.
    pub records: Vec<Record>,
    /// Hosts of global names that are gone, sorted.
    pub gone_records: Vec<String>,
}

/// A zone that is new or different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneChange {
    /// The zone, of whose static records only those are here that are new.
    pub zone: Zone,
    /// How many of the static records there were stay before them.
    pub n_before: usize,
    /// How many of them stay behind.
    pub n_behind: usize,
}

/// A change was made from another table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the change leads from another table than the one at hand")]
pub struct Foreign;

impl TableChange {
    /// The change from `before` to `after`.
    pub fn between(before: &NameTable, after: &NameTable) -> Self {
        let zones: BTreeMap<&str, &Zone> = before.zones.iter().map(|zone| (&*zone.apex, zone)).collect();
        let records: BTreeMap<&str, &Record> =
            before.records.iter().map(|record| (&*record.host, record)).collect();
        let changed_zones = after.zones.iter().filter_map(|zone| {
            let old = zones.get(&*zone.apex).copied();
            (old != Some(zone)).then(|| ZoneChange::between(old, zone))
        });
        let changed = after.records.iter().filter(|record| records.get(&*record.host) != Some(record));
        Self {
            from: before.generation,
            generation: after.generation,
            zones: changed_zones.collect(),
            gone_zones: missing(zones.keys(), after.zones.iter().map(|zone| &*zone.apex)),
            records: changed.cloned().collect(),
            gone_records: missing(records.keys(), after.records.iter().map(|record| &*record.host)),
        }
    }

    /// What it holds, static records and global names alike: a measure of its size.
    pub fn n_entries(&self) -> usize {
        let statics: usize = self.zones.iter().map(|change| 1 + change.zone.records.len()).sum();
        statics + self.gone_zones.len() + self.records.len() + self.gone_records.len()
    }

    /// The table that it leads to.
    ///
    /// # Errors
    /// When it was made from another one than `before`.
    pub fn apply(self, before: &NameTable) -> Result<NameTable, Foreign> {
        if before.generation != self.from {
            return Err(Foreign);
        }
        let mut zones: BTreeMap<&str, &Zone> = before.zones.iter().map(|zone| (&*zone.apex, zone)).collect();
        for apex in &self.gone_zones {
            zones.remove(&**apex).ok_or(Foreign)?;
        }
        let changed: Result<Vec<Zone>, Foreign> =
            self.zones.into_iter().map(|change| change.apply(before)).collect();
        let changed = changed?;
        zones.extend(changed.iter().map(|zone| (&*zone.apex, zone)));
        let mut records: BTreeMap<&str, &Record> =
            before.records.iter().map(|record| (&*record.host, record)).collect();
        for host in &self.gone_records {
            records.remove(&**host).ok_or(Foreign)?;
        }
        records.extend(self.records.iter().map(|record| (&*record.host, record)));
        Ok(NameTable {
            generation: self.generation,
            zones: zones.into_values().cloned().collect(),
            records: records.into_values().cloned().collect(),
        })
    }
}

/// Those of the sorted names `before` that are not among the sorted names `after`.
fn missing<'a>(
    before: impl Iterator<Item = &'a &'a str>,
    after: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let mut after = after.peekable();
    let is_missing = |name: &&&str| {
        while after.next_if(|other| *other < **name).is_some() {}
        after.peek() != Some(*name)
    };
    before.filter(is_missing).map(|name| (*name).to_owned()).collect()
}

impl ZoneChange {
    fn between(before: Option<&Zone>, after: &Zone) -> Self {
        let old = before.map_or(&[][..], |zone| &zone.records);
        let new = &after.records;
        let n_before = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let (old, new) = (&old[n_before..], &new[n_before..]);
        let n_behind = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
        let records = new[..new.len() - n_behind].to_vec();
        Self { zone: Zone { records, ..after.clone() }, n_before, n_behind }
    }

    fn apply(self, before: &NameTable) -> Result<Zone, Foreign> {
        let Self { zone, n_before, n_behind } = self;
        let old = before.zones.iter().find(|old| old.apex == zone.apex);
        let old = old.map_or(&[][..], |zone| &zone.records);
        let behind = old.len().checked_sub(n_behind).filter(|&at| at >= n_before).ok_or(Foreign)?;
        let records = [&old[..n_before], &zone.records, &old[behind..]].concat();
        Ok(Zone { records, ..zone })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, from_value, json};

    use super::*;

    /// A zone's number and the data of its static records; a name's number and TTL.
    type Part = (u8, Vec<u8>);
    type Named = (u8, u32);

    fn table(generation: u64, zones: &[Part], records: &[Named]) -> NameTable {
        let zones: BTreeMap<String, Value> = zones
            .iter()
            .map(|(number, records)| {
                let apex = format!("{number}.example");
                let records: Vec<Value> = records
                    .iter()
                    .map(|data| json!({"name": apex, "kind": "TXT", "ttl": 60, "data": data.to_string()}))
                    .collect();
                let soa = json!({"mname": "ns", "rname": "host", "refresh": 1, "retry": 1, "expire": 1,
                    "minimum": 1, "ttl": 1});
                (apex.clone(), json!({"apex": apex, "soa": soa, "name_servers": [], "records": records}))
            })
            .collect();
        let records: BTreeMap<String, Value> = records
            .iter()
            .map(|(number, ttl)| {
                let host = format!("{number}.example");
                let record = json!({"source": {"namespace": "shop", "name": host}, "host": host, "zone": "example",
                    "endpoints": [], "addresses_max": 1, "ttl": {"stable": ttl, "unstable": 5}, "unstable": false,
                    "on_all_down": "All", "healthy_share_min_percent": 0, "check": null});
                (host, record)
            })
            .collect();
        let told = json!({"generation": generation, "zones": zones.into_values().collect::<Vec<_>>(),
            "records": records.into_values().collect::<Vec<_>>()});
        from_value(told).expect("a table")
    }

    fn parts() -> impl Strategy<Value = (Vec<Part>, Vec<Named>)> {
        let zones = prop::collection::vec((0..4_u8, prop::collection::vec(0..4_u8, 0..6)), 0..4);
        (zones, prop::collection::vec((0..12_u8, 0..3_u32), 0..12))
    }

    proptest! {
        #[test]
        fn a_change_leads_from_one_table_to_the_other(one in parts(), two in parts()) {
            let (one, two) = (table(1, &one.0, &one.1), table(2, &two.0, &two.1));
            let change = TableChange::between(&one, &two);
            let told = serde_json::to_string(&change).expect("it can be written");
            let change: TableChange = serde_json::from_str(&told).expect("it can be read");
            prop_assert_eq!(change.clone().apply(&one), Ok(two.clone()));
            prop_assert_eq!(change.apply(&two), Err(Foreign));
        }
    }

    #[test]
    fn one_record_among_many_makes_a_small_change() {
        let data: Vec<u8> = (0..200).collect();
        let changed: Vec<u8> = data.iter().map(|&data| if data == 100 { 255 } else { data }).collect();
        let names: Vec<(u8, u32)> = (0..200).map(|number| (number, 30)).collect();
        let before = table(1, &[(0, data.clone())], &names);
        let statics = TableChange::between(&before, &table(2, &[(0, changed)], &names));
        assert_eq!((statics.n_entries(), statics.zones[0].n_before, statics.zones[0].n_behind), (2, 100, 99));
        let fewer = TableChange::between(&before, &table(2, &[(0, data)], &names[1..]));
        assert_eq!((fewer.n_entries(), fewer.gone_records), (1, vec!["0.example".to_owned()]));
    }
}
