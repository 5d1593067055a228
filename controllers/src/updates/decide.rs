//! What becomes of an update: all of it is done, or nothing and why not.
//!
//! ```text
//! prerequisites hold? (RFC 2136 §3.2) ─► can it be read? (§3.4.1) ─► may it be done? (§3.3) ─► do it (§3.4.2)
//! ```
//! RFC 2136 wants some changes passed over in silence, such as an alias beside other records. What it does not know of,
//! records that are not the zone's own list, is refused with the whole update: a change is never half made.

use std::collections::{BTreeMap, BTreeSet};

use koinon_types::dns::name::Name;
use koinon_types::dns::rdata::{self, Rdata};
use koinon_types::dns::rtype;
use koinon_types::names::{Update, UpdateCode, UpdateRecord};

use super::contents::{Contents, Entry, Fixed, Origin};

/// Most records of a zone that updates may make. The zone is one object, of which the store takes 1.5 MiB: some 19,000 records
/// as short as that of an address. Half of them leaves room for longer ones, and for people to write some more.
const RECORDS_MAX: usize = 10_000;

const CLASS_IN: u16 = 1;
const CLASS_NONE: u16 = 254;
const CLASS_ANY: u16 = 255;

/// Why an update is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What its sender is told.
    pub(super) code: UpdateCode,
    /// What is told to whoever reads the log.
    pub(super) why: String,
}

fn refusal(code: UpdateCode, why: impl Into<String>) -> Refusal {
    Refusal { code, why: why.into() }
}

fn refused(record: &UpdateRecord, why: &str) -> Refusal {
    refusal(UpdateCode::Refused, format!("{} {}: {why}", record.name, rdata::type_text(record.rtype)))
}

/// Decides on an update of this zone.
///
/// # Errors
/// When nothing of it is done.
pub(super) fn decide(mut zone: Contents, update: &Update) -> Result<Contents, Refusal> {
    check_prerequisites(&zone, &update.prerequisites)?;
    for change in &update.changes {
        check_form(&zone, change)?;
    }
    for change in &update.changes {
        check_rights(&zone, update, change)?;
        match (change.class, change.rtype) {
            (CLASS_ANY, rtype::ANY) => delete_name(&mut zone, change)?,
            (CLASS_ANY, _) => delete_set(&mut zone, change)?,
            (CLASS_NONE, _) => delete_record(&mut zone, change)?,
            _ => add(&mut zone, change)?,
        }
    }
    if zone.n_changeable() > RECORDS_MAX {
        let why = format!("the zone would have more than {RECORDS_MAX} records");
        return Err(refusal(UpdateCode::Refused, why));
    }
    Ok(zone)
}

/// Source: RFC 2136 §3.2.5.
fn check_prerequisites(zone: &Contents, prerequisites: &[UpdateRecord]) -> Result<(), Refusal> {
    let mut sets: BTreeMap<(&Name, u16), BTreeSet<&Rdata>> = BTreeMap::new();
    for wanted in prerequisites {
        let unmet = |code, what: &str| {
            Err(refusal(code, format!("{} {} {what}", wanted.name, rdata::type_text(wanted.rtype))))
        };
        if wanted.ttl != 0 {
            return unmet(UpdateCode::FormErr, "has a TTL in a prerequisite");
        }
        if !wanted.name.is_within(&zone.apex) {
            return unmet(UpdateCode::NotZone, "lies outside of the zone");
        }
        // An empty non-terminal is not in use (RFC 2136 §2.4.4).
        let in_use = !zone.at(&wanted.name).is_empty();
        let is_set = zone.set(&wanted.name, wanted.rtype).next().is_some();
        match (wanted.class, wanted.rtype) {
            (CLASS_ANY | CLASS_NONE, _) if wanted.data.is_some() => {
                return unmet(UpdateCode::FormErr, "has data with class ANY or NONE");
            }
            (CLASS_ANY, rtype::ANY) if !in_use => return unmet(UpdateCode::NxDomain, "should be in use"),
            (CLASS_NONE, rtype::ANY) if in_use => return unmet(UpdateCode::YxDomain, "should not be in use"),
            (CLASS_ANY | CLASS_NONE, rtype::ANY) => {}
            (CLASS_ANY, _) if !is_set => return unmet(UpdateCode::NxRrset, "should be there"),
            (CLASS_NONE, _) if is_set => return unmet(UpdateCode::YxRrset, "should not be there"),
            (CLASS_ANY | CLASS_NONE, _) => {}
            (CLASS_IN, _) if !is_meta(wanted.rtype) => match &wanted.data {
                Some(data) => drop(sets.entry((&wanted.name, wanted.rtype)).or_default().insert(data)),
                None => return unmet(UpdateCode::FormErr, "has no data"),
            },
            _ => return unmet(UpdateCode::FormErr, "is no prerequisite"),
        }
    }
    for ((name, number), wanted) in sets {
        let own: BTreeSet<&Rdata> = zone.set(name, number).map(|entry| &entry.data).collect();
        if own != wanted {
            let why = format!("{name} {} should be another set", rdata::type_text(number));
            return Err(refusal(UpdateCode::NxRrset, why));
        }
    }
    Ok(())
}

/// Source: RFC 2136 §3.4.1.3.
fn check_form(zone: &Contents, change: &UpdateRecord) -> Result<(), Refusal> {
    if !change.name.is_within(&zone.apex) {
        return Err(refusal(UpdateCode::NotZone, format!("{} lies outside of the zone", change.name)));
    }
    let is_bare = change.ttl == 0 && change.data.is_none();
    let is_good = match change.class {
        CLASS_IN => !is_meta(change.rtype) && change.data.is_some(),
        CLASS_ANY => is_bare && (change.rtype == rtype::ANY || !is_meta(change.rtype)),
        CLASS_NONE => change.ttl == 0 && !is_meta(change.rtype) && change.data.is_some(),
        _ => false,
    };
    if is_good {
        return Ok(());
    }
    let what = format!("{} {} is no change", change.name, rdata::type_text(change.rtype));
    Err(refusal(UpdateCode::FormErr, what))
}

/// Types that exist in queries only, or not at all.
fn is_meta(number: u16) -> bool {
    number == 0 || number == rtype::OPT || (rtype::META_FIRST..=rtype::META_LAST).contains(&number)
}

/// Whether the sender may change this: its grants cover it, and it is of the zone's own list.
fn check_rights(zone: &Contents, update: &Update, change: &UpdateRecord) -> Result<(), Refusal> {
    let covers = |rtype: u16| update.grants.iter().any(|grant| grant.covers(&change.name, rtype));
    let is_covered = if change.rtype == rtype::ANY {
        let own = zone.at(&change.name).iter().filter(|entry| !matches!(entry.origin, Origin::Fixed(_)));
        update.grants.iter().any(|grant| grant.covers_name(&change.name)) && own.map(|e| e.rtype).all(covers)
    } else {
        covers(change.rtype)
    };
    if !is_covered {
        return Err(refused(change, "spec.updates.allow does not cover it"));
    }
    if zone.is_global(&change.name) {
        return Err(refused(change, Fixed::Global.owner()));
    }
    Ok(())
}

/// Refuses a change to what stands elsewhere than in the zone's list.
fn check_fixed<'a>(
    change: &UpdateRecord,
    mut touched: impl Iterator<Item = &'a Entry>,
) -> Result<(), Refusal> {
    let fixed = touched.find_map(|entry| match entry.origin {
        Origin::Fixed(why) => Some(why),
        Origin::Written(_) | Origin::Added => None,
    });
    fixed.map_or(Ok(()), |why| Err(refused(change, why.owner())))
}

/// Source: RFC 2136 §3.4.2.2.
fn add(zone: &mut Contents, change: &UpdateRecord) -> Result<(), Refusal> {
    let UpdateRecord { name, rtype: number, ttl, data: Some(data), .. } = change else { return Ok(()) };
    if *number == rtype::SOA && *name != zone.apex {
        return Ok(());
    }
    if zone.find(change).is_some() {
        zone.set_ttl(name, *number, *ttl);
        return Ok(());
    }
    check_fixed(change, zone.set(name, *number))?;
    rdata::type_number(&rdata::type_text(*number)).map_err(|error| refused(change, &error.to_string()))?;
    let is_alias = |number: u16| number == rtype::CNAME;
    if zone.at(name).iter().any(|entry| is_alias(entry.rtype) != is_alias(*number)) {
        return Ok(());
    }
    if matches!(*number, rtype::DNAME | rtype::NS)
        && let Some(global) = zone.global_below(name)
    {
        return Err(refused(change, &format!("it would hide {global}, which is a GlobalRecord's")));
    }
    // Of these a name has one.
    if matches!(*number, rtype::CNAME | rtype::DNAME) {
        zone.remove(name, |entry| entry.rtype == *number);
    }
    zone.add(name.clone(), *number, *ttl, data.clone());
    zone.set_ttl(name, *number, *ttl);
    Ok(())
}

/// Source: RFC 2136 §3.4.2.3, the first and the second case.
fn delete_name(zone: &mut Contents, change: &UpdateRecord) -> Result<(), Refusal> {
    let is_of_apex = |entry: &Entry| matches!(entry.rtype, rtype::SOA | rtype::NS);
    let is_apex = change.name == zone.apex;
    check_fixed(change, zone.at(&change.name).iter().filter(|entry| !(is_apex && is_of_apex(entry))))?;
    zone.remove(&change.name, |_| true);
    Ok(())
}

/// Source: RFC 2136 §3.4.2.3, the last case.
fn delete_set(zone: &mut Contents, change: &UpdateRecord) -> Result<(), Refusal> {
    if change.name == zone.apex && matches!(change.rtype, rtype::SOA | rtype::NS) {
        return Ok(());
    }
    check_fixed(change, zone.set(&change.name, change.rtype))?;
    zone.remove(&change.name, |entry| entry.rtype == change.rtype);
    Ok(())
}

/// Source: RFC 2136 §3.4.2.4.
fn delete_record(zone: &mut Contents, change: &UpdateRecord) -> Result<(), Refusal> {
    let is_last = zone.set(&change.name, change.rtype).count() == 1;
    if change.rtype == rtype::SOA || (change.rtype == rtype::NS && change.name == zone.apex && is_last) {
        return Ok(());
    }
    check_fixed(change, zone.find(change).into_iter())?;
    zone.remove(&change.name, |entry| {
        entry.rtype == change.rtype && Some(&entry.data) == change.data.as_ref()
    });
    Ok(())
}

#[cfg(test)]
mod tests;
