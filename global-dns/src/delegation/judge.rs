//! Judges what the network says about a zone: what is as it must be, what is not, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::IpAddr;

use hickory_proto::rr::Name;

use super::{AskError, ChildView, Ds, ParentSays, ParentView, View, Wanted};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: String,
    /// What came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; empty when nothing is to be done.
    pub remedy: String,
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is as it must be.
    Good,
    /// It works, or this machine cannot tell.
    Odd,
    /// Resolvers fail, or will.
    Bad,
}

/// Judges a zone, from the parent down.
///
/// Shape: the parent's checks first, then one line per server's address, then what concerns all servers.
#[must_use]
pub fn judge(view: &View, wanted: &Wanted) -> Vec<Check> {
    let mut checks = match &view.parent {
        Ok(parent) => above(view, parent, wanted),
        Err(why) => vec![bad(
            "parent",
            why.to_string(),
            "see that the resolver works, and that the name is registered",
        )],
    };
    let trusted = trusted(view, wanted);
    for (name, addresses) in &view.addresses {
        if addresses.is_empty() {
            let remedy = format!("give {name} an address, or take it out of the name servers");
            checks.push(bad(format!("server {name}"), "it has no address", &remedy));
        }
        for ip in addresses {
            let what = format!("server {name} {ip}");
            match view.children.get(ip) {
                Some(child) => checks.push(server(what, child, view, wanted, &trusted)),
                None => checks.push(odd(what, "not asked: there are too many servers", "name fewer servers")),
            }
        }
    }
    checks.push(serials(view));
    checks.push(families(view));
    checks
}

fn above(view: &View, parent: &ParentView, wanted: &Wanted) -> Vec<Check> {
    let says: Vec<(&IpAddr, &ParentSays)> =
        parent.servers.iter().filter_map(|(ip, says)| Some((ip, says.as_ref().ok()?))).collect();
    let what = format!("parent {}", parent.apex);
    if says.is_empty() {
        let why = parent.servers.values().find_map(|says| says.as_ref().err());
        let why = why.map_or_else(|| "its servers have no address".to_owned(), ToString::to_string);
        return vec![bad(what, format!("no server answers: {why}"), "try again from another network")];
    }
    let found = format!("{} of {} servers answer", says.len(), parent.servers.len());
    let mut checks = vec![good(what, found)];
    if says.iter().any(|(_, says)| !says.is_delegated) {
        let names = list(wanted.name_servers.keys());
        let remedy = format!("have the zone delegated to {names}");
        checks.push(bad("NS at the parent", "the parent does not delegate the zone", &remedy));
        return checks;
    }
    checks.push(delegation(&says, wanted));
    checks.extend(glue(&view.zone, &says, wanted));
    checks.push(ds(&says, wanted));
    checks
}

/// The name servers that the parent names.
fn delegation(says: &[(&IpAddr, &ParentSays)], wanted: &Wanted) -> Check {
    let what = "NS at the parent";
    let names: BTreeSet<Name> = wanted.name_servers.keys().cloned().collect();
    for (ip, says) in says {
        if says.name_servers != names {
            let found = format!("{ip} says {}", list(&says.name_servers));
            let remedy = format!("have the parent name exactly {}", list(&names));
            return bad(what, found, &remedy);
        }
    }
    good(what, list(&names))
}

/// The addresses that come with the delegation, which names within the zone cannot do without.
fn glue(zone: &Name, says: &[(&IpAddr, &ParentSays)], wanted: &Wanted) -> Vec<Check> {
    let inside = wanted.name_servers.iter().filter(|(name, _)| zone.zone_of(name));
    let check = |(name, addresses): (&Name, &BTreeSet<IpAddr>)| {
        let what = format!("glue {name}");
        for (ip, says) in says {
            let found = says.glue.get(name).cloned().unwrap_or_default();
            if found != *addresses {
                let remedy = format!("have the parent give {name} the addresses {}", list(addresses));
                return bad(what, format!("{ip} says {}", list(&found)), &remedy);
            }
        }
        good(what, list(addresses))
    };
    inside.map(check).collect()
}

/// The DS records.
fn ds(says: &[(&IpAddr, &ParentSays)], wanted: &Wanted) -> Check {
    let what = "DS at the parent";
    let sets: BTreeSet<&BTreeSet<Ds>> = says.iter().map(|(_, says)| &says.ds).collect();
    let found = sets.iter().map(|set| tags(set)).collect::<Vec<_>>().join("; ");
    if sets.iter().all(|set| **set == wanted.ds) {
        return good(what, found);
    }
    if sets.len() > 1 && sets.contains(&wanted.ds) {
        return odd(what, format!("servers differ: {found}"), "wait until all servers of the parent have it");
    }
    if wanted.ds.is_empty() && wanted.is_signed {
        let remedy = "wait: the status of the zone will say when the parent may have a DS record";
        return bad(what, found, remedy);
    }
    let missing: Vec<&Ds> = wanted.ds.iter().filter(|ds| sets.iter().any(|set| !set.contains(ds))).collect();
    let extra: BTreeSet<Ds> = sets.iter().flat_map(|set| set.difference(&wanted.ds)).cloned().collect();
    let mut remedies = Vec::new();
    if !missing.is_empty() {
        remedies.push(format!("give the parent the DS record {}", list(missing)));
    }
    if !extra.is_empty() {
        remedies.push(format!("have it remove the DS record of {}", tags(&extra)));
    }
    bad(what, found, &remedies.join("; "))
}

/// What resolvers trust: what the parent has, and before it has anything, what it is to have.
fn trusted(view: &View, wanted: &Wanted) -> BTreeSet<Ds> {
    let says = view.parent.iter().flat_map(|parent| parent.servers.values()).flatten();
    let seen: BTreeSet<Ds> = says.flat_map(|says| says.ds.iter().cloned()).collect();
    if seen.is_empty() { wanted.ds.clone() } else { seen }
}

/// One address of one name server.
fn server(what: String, child: &ChildView, view: &View, wanted: &Wanted, trusted: &BTreeSet<Ds>) -> Check {
    let (udp, tcp) = match (&child.udp, &child.tcp) {
        (Ok(udp), Ok(tcp)) => (udp, tcp),
        (Err(AskError::NoWay(why)), _) | (_, Err(AskError::NoWay(why))) => {
            return odd(what, format!("this machine has no way there: {why}"), "try from another network");
        }
        (Err(why), Err(_)) => {
            return bad(what, why.to_string(), "start the server there, or open port 53 for UDP and TCP");
        }
        (Err(why), Ok(_)) => return bad(what, format!("over UDP: {why}"), "open port 53 for UDP"),
        (Ok(_), Err(why)) => {
            return bad(what, format!("over TCP: {why}"), "open port 53 for TCP, which large answers need");
        }
    };
    if !udp.is_authoritative || !tcp.is_authoritative {
        let found = format!("it does not serve the zone: {}", udp.status);
        return bad(what, found, "have it serve the zone, or take it out of the delegation");
    }
    let names: BTreeSet<Name> = wanted.name_servers.keys().cloned().collect();
    match &child.name_servers {
        Ok(found) if *found == names => {}
        Ok(found) => {
            let remedy = format!("see that it has the zone as it is: NS {}", list(&names));
            return bad(what, format!("it has NS {}", list(found)), &remedy);
        }
        Err(why) => return bad(what, format!("NS: {why}"), "try again"),
    }
    let serial = udp.serial.unwrap_or_default();
    match &child.keys {
        Ok(keys) if keys.is_empty() && !wanted.is_signed && trusted.is_empty() => {
            good(what, format!("answers, serial {serial}"))
        }
        Ok(keys) => match keys.validate(&view.zone, trusted, udp, view.at) {
            Ok(()) => good(what, format!("answers, serial {serial}, signed by {}", keys.tags())),
            Err(why) => {
                bad(what, why, "see the zone's status for its keys; resolvers that validate fail here")
            }
        },
        Err(why) => bad(what, format!("DNSKEY: {why}"), "open port 53 for TCP, which large answers need"),
    }
}

/// Whether all servers have the same version. Each DNS node counts its own, so a difference is no fault in itself.
fn serials(view: &View) -> Check {
    let mut serials: BTreeMap<u32, Vec<IpAddr>> = BTreeMap::new();
    for (ip, child) in &view.children {
        if let Some(serial) = child.udp.as_ref().ok().and_then(|soa| soa.serial) {
            serials.entry(serial).or_default().push(*ip);
        }
    }
    let found = serials.iter().map(|(serial, ips)| format!("{serial} at {}", list(ips)));
    let found = found.collect::<Vec<_>>().join("; ");
    match serials.len() {
        0 => bad("serial", "no server has one", "start the servers"),
        1 => good("serial", found),
        _ => odd(
            "serial",
            found,
            "look again in a minute; DNS nodes of Koinon count their own, secondaries must agree",
        ),
    }
}

/// Whether resolvers with only one of the two families get there.
fn families(view: &View) -> Check {
    let all = || view.addresses.values().flatten();
    let (v4, v6) = (all().filter(|ip| ip.is_ipv4()).count(), all().filter(|ip| ip.is_ipv6()).count());
    let found = format!("{v4} IPv4, {v6} IPv6");
    match (v4, v6) {
        (0, _) => {
            odd("address families", found, "give a server an IPv4 address: many resolvers have no IPv6")
        }
        (_, 0) => {
            odd("address families", found, "give a server an IPv6 address: some resolvers have no IPv4")
        }
        _ => good("address families", found),
    }
}

fn tags(set: &BTreeSet<Ds>) -> String {
    match set.len() {
        0 => "none".to_owned(),
        _ => format!("key {}", list(set.iter().map(|ds| ds.tag))),
    }
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
}

fn good(what: impl Into<String>, found: impl Into<String>) -> Check {
    Check { what: what.into(), verdict: Verdict::Good, found: found.into(), remedy: String::new() }
}

fn odd(what: impl Into<String>, found: impl Into<String>, remedy: &str) -> Check {
    Check { what: what.into(), verdict: Verdict::Odd, found: found.into(), remedy: remedy.to_owned() }
}

fn bad(what: impl Into<String>, found: impl Into<String>, remedy: &str) -> Check {
    Check { what: what.into(), verdict: Verdict::Bad, found: found.into(), remedy: remedy.to_owned() }
}
