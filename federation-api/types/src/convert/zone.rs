//! DNS zones, from wire to the name table's shape.

use std::collections::BTreeMap;
use std::net::IpAddr;

use koinon_machinery::validate::FieldError;
use koinon_model::labels::LabelSelector;
use koinon_model::served_name::Host;
use serde_json::Value;

use super::catalog::{CheckedCatalog, catalog};
use super::dnssec::{CheckedDnssec, dnssec};
use super::transfer::{CheckedTransfer, transfer};
use super::updates::{CheckedUpdater, updates};
use super::{Invalid, name, parts, seconds, selector, unless};
use crate::dns::name::{Base, Name};
use crate::dns::rdata::{self, InvalidRdata};
use crate::dns::rtype;
use crate::{names, v1alpha1};

/// Time to live of a static record that gives none.
pub const RECORD_TTL_SECONDS: u32 = 300;

/// A zone whose every part makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedZone {
    /// The zone as the name table carries it, but for its transfers, updates and signatures.
    pub zone: names::Zone,
    /// Its transfers, whose keys are still to be read.
    pub transfer: CheckedTransfer,
    /// Who may change it by DNS updates, whose keys are still to be read.
    pub updates: Vec<CheckedUpdater>,
    /// Which zones it lists, if it is a catalog.
    pub catalog: Option<CheckedCatalog>,
    /// How it is to be signed, its keys still to be found; none for unsigned.
    pub dnssec: Option<CheckedDnssec>,
    /// The apex.
    pub apex: Host,
    /// The namespaces whose records may lie in it; an empty selector means all.
    pub allowed_namespaces: LabelSelector,
}

/// Reads a DnsZone.
///
/// # Errors
/// Every field that makes no sense.
pub fn dns_zone(object: &Value) -> Result<CheckedZone, Invalid> {
    let (meta, spec): (_, v1alpha1::DnsZoneSpec) = parts(object)?;
    let mut errors = Vec::new();
    let apex = name::host(&meta.name, "metadata.name", &mut errors);
    let allowed = spec.allowed_namespaces.as_ref();
    let allowed_namespaces = allowed
        .map(|wire| {
            selector::labels(&wire.label_selector, "spec.allowedNamespaces.labelSelector", &mut errors)
        })
        .unwrap_or_default();
    let soa = soa(&spec.soa, &mut errors);
    let transfer = transfer(spec.transfer.as_ref(), &mut errors);
    let catalog = catalog(&spec, &mut errors);
    let dnssec = dnssec(spec.dnssec.as_ref(), &mut errors);
    let Some(apex) = apex else { return Err(errors) };
    let name_servers = name_servers(&spec.name_servers, &apex, &mut errors);
    let records = records(&spec.records, &apex, &mut errors);
    let updates = updates(spec.updates.as_ref(), &apex, &mut errors);
    let zone = names::Zone {
        apex: apex.to_string(),
        soa,
        name_servers,
        records,
        transfer: names::Transfer::default(),
        updates: names::Updates { generation: meta.generation, allow: Vec::new() },
        signing: None,
    };
    unless(errors, CheckedZone { zone, transfer, updates, catalog, dnssec, apex, allowed_namespaces })
}

fn soa(wire: &v1alpha1::Soa, errors: &mut Vec<FieldError>) -> names::Soa {
    let mut host = |text: &str, field: &str| {
        name::host(text, &format!("spec.soa.{field}"), errors)
            .map(|host| host.to_string())
            .unwrap_or_default()
    };
    let or = |given: Option<i64>, default: i64| seconds(given.unwrap_or(default));
    names::Soa {
        mname: host(&wire.mname, "mname"),
        rname: host(&wire.rname, "rname"),
        refresh: or(wire.refresh_seconds, 7_200),
        retry: or(wire.retry_seconds, 900),
        expire: or(wire.expire_seconds, 1_209_600),
        minimum: or(wire.negative_ttl_seconds, 30),
        ttl: or(wire.ttl_seconds, 3_600),
    }
}

fn name_servers(
    wire: &[v1alpha1::NameServer],
    apex: &Host,
    errors: &mut Vec<FieldError>,
) -> Vec<names::NameServer> {
    if wire.is_empty() {
        errors.push(FieldError::required("spec.nameServers", "at least one name server"));
    }
    let mut servers = Vec::new();
    for (index, server) in wire.iter().enumerate() {
        let path = format!("spec.nameServers[{index}]");
        let mut addresses = Vec::new();
        for (number, text) in server.addresses.iter().enumerate() {
            addresses.extend(address(text, &format!("{path}.addresses[{number}]"), errors));
        }
        let Some(host) = name::host(&server.name, &format!("{path}.name"), errors) else { continue };
        if host.is_within(apex) && server.addresses.is_empty() {
            let accepted = format!("at least one IP address, because the name lies in the zone {apex}");
            errors.push(FieldError::required(format!("{path}.addresses"), accepted));
        }
        servers.push(names::NameServer { name: host.to_string(), addresses });
    }
    servers
}

/// The IP address of this text, or a finding.
pub(super) fn address(text: &str, path: &str, errors: &mut Vec<FieldError>) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    if address.is_none() {
        let accepted = "must be an IP address such as 192.0.2.1 or 2001:db8::1";
        errors.push(FieldError::invalid(path, text, accepted));
    }
    address
}

fn records(
    wire: &[v1alpha1::StaticRecord],
    apex: &Host,
    errors: &mut Vec<FieldError>,
) -> Vec<names::StaticRecord> {
    let origin: Name = apex.as_str().parse().expect("a host is a domain name");
    let mut checked = Vec::new();
    for (index, record) in wire.iter().enumerate() {
        let path = format!("spec.records[{index}]");
        let Some(owner) = owner(&record.name, apex, &format!("{path}.name"), errors) else { continue };
        let Some(number) = number(&record.kind, &format!("{path}.type"), errors) else { continue };
        let data = data(number, &record.data, &origin, &path, errors);
        checked.push(Checked { index, owner, number, data, ttl: record.ttl_seconds });
    }
    let neighbours = Neighbours::of(&checked);
    for (place, record) in checked.iter().enumerate() {
        let (field, accepted) = match clash(&checked, &neighbours, place, apex) {
            None => continue,
            Some(Clash::Type(accepted)) => ("type", accepted.to_owned()),
            Some(Clash::Occluded(above)) => {
                ("name", format!("must not lie below {above}, which a DNAME record redirects"))
            }
        };
        let path = format!("spec.records[{}].{field}", record.index);
        let value = if field == "type" { rdata::type_text(record.number) } else { record.owner.to_string() };
        errors.push(FieldError::invalid(path, value, accepted));
    }
    let told = |record: Checked| names::StaticRecord {
        name: record.owner.to_string(),
        kind: rdata::type_text(record.number),
        ttl: record.ttl.map_or(RECORD_TTL_SECONDS, seconds),
        data: record.data.unwrap_or_default(),
    };
    checked.into_iter().map(told).collect()
}

/// A record that makes sense by itself.
struct Checked {
    /// Its place in the spec.
    index: usize,
    owner: Host,
    number: u16,
    /// None when it is refused already.
    data: Option<String>,
    ttl: Option<i64>,
}

/// Records by owner, so that a zone of thousands is checked in the time of one look at each.
struct Neighbours<'a> {
    /// The places of a name's records, in order.
    at: BTreeMap<&'a Host, Vec<usize>>,
    /// Names whose names below are redirected.
    redirected: BTreeMap<&'a str, &'a Host>,
}

impl<'a> Neighbours<'a> {
    fn of(records: &'a [Checked]) -> Self {
        let (mut at, mut redirected) = (BTreeMap::<_, Vec<usize>>::new(), BTreeMap::new());
        for (place, Checked { owner, number, .. }) in records.iter().enumerate() {
            at.entry(owner).or_default().push(place);
            if *number == rtype::DNAME {
                redirected.insert(owner.as_str(), owner);
            }
        }
        Self { at, redirected }
    }

    /// The redirected name above this one.
    fn above(&self, owner: &Host) -> Option<&'a Host> {
        let text = owner.as_str();
        text.match_indices('.').find_map(|(dot, _)| self.redirected.get(&text[dot + 1..]).copied())
    }
}

/// Why a record cannot stand where it does.
enum Clash<'a> {
    /// Its type, with what would be accepted.
    Type(&'static str),
    /// All names below this one are redirected.
    Occluded(&'a Host),
}

/// What keeps a record from standing among the others.
fn clash<'a>(
    records: &'a [Checked],
    neighbours: &Neighbours<'a>,
    place: usize,
    apex: &Host,
) -> Option<Clash<'a>> {
    let Checked { owner, number, .. } = &records[place];
    let is_apex = owner == apex;
    let here = neighbours.at.get(owner).map_or(&[][..], Vec::as_slice);
    let beside = |kind: u16| here.iter().any(|other| *other != place && records[*other].number == kind);
    let is_first = |kind: u16| here.iter().find(|other| records[**other].number == kind) == Some(&place);
    if let Some(above) = neighbours.above(owner) {
        return Some(Clash::Occluded(above));
    }
    let is_wildcard = owner.as_str().starts_with("*.");
    let accepted = match *number {
        rtype::CNAME if is_apex || here.len() > 1 => {
            "a CNAME stands alone at its name, and never at the apex"
        }
        rtype::NS if is_apex => {
            return Some(Clash::Type(
                "must be another type: the apex's name servers stand in spec.nameServers",
            ));
        }
        rtype::NS if is_wildcard => "a wildcard cannot be delegated (RFC 4592 section 4.2)",
        rtype::DNAME if is_wildcard => "a wildcard cannot be redirected (RFC 4592 section 4.4)",
        rtype::DNAME if !is_first(rtype::DNAME) => "a name has at most one DNAME (RFC 6672 section 2.4)",
        rtype::DNAME if !is_apex && beside(rtype::NS) => {
            "a delegated name cannot be redirected (RFC 6672 section 2.3)"
        }
        _ => return None,
    };
    Some(Clash::Type(accepted))
}

/// The number of a record's type, or a finding.
pub(super) fn number(kind: &str, path: &str, errors: &mut Vec<FieldError>) -> Option<u16> {
    match rdata::type_number(kind) {
        Ok(number) => return Some(number),
        Err(InvalidRdata::NotHere { reason, .. }) => errors.push(FieldError::invalid(path, kind, reason)),
        Err(_) => {
            let accepted = [&rdata::mnemonics()[..], &["TYPE<number>"]].concat();
            errors.push(FieldError::not_supported(path, kind, &accepted));
        }
    }
    None
}

/// The absolute name of a record's owner, or a finding.
pub(super) fn owner(text: &str, apex: &Host, path: &str, errors: &mut Vec<FieldError>) -> Option<Host> {
    let absolute = match text {
        "@" => return Some(apex.clone()),
        absolute if absolute.ends_with('.') => absolute.to_owned(),
        // Nobody means shop.example.com.example.com.
        doubled if Host::try_from(doubled).is_ok_and(|host| host.is_within(apex)) => {
            let accepted = format!("end an absolute name with a dot: {doubled}.");
            errors.push(FieldError::invalid(path, doubled, accepted));
            return None;
        }
        relative => format!("{relative}.{apex}"),
    };
    let Ok(owner) = Host::try_from(absolute.as_str()) else {
        let accepted = "must be @, a name relative to the zone, or an absolute name with a final dot";
        errors.push(FieldError::invalid(path, text, accepted));
        return None;
    };
    if !owner.is_within(apex) {
        errors.push(FieldError::invalid(path, text, format!("must lie in the zone {apex}")));
        return None;
    }
    Some(owner)
}

/// The data of a record with its names made absolute, or a finding. Dotted names without the final dot are refused:
/// in a zone file they are relative, and most who write one mean the opposite.
fn data(number: u16, text: &str, origin: &Name, path: &str, errors: &mut Vec<FieldError>) -> Option<String> {
    let accepted = match rdata::parse_at(number, text, Base::OriginOfLabels(origin)) {
        Ok(data) => return Some(rdata::text(number, &data)),
        Err(InvalidRdata::Syntax { expected, .. }) => format!("must be {expected}"),
        Err(InvalidRdata::Name(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    errors.push(FieldError::invalid(format!("{path}.data"), text, accepted));
    None
}
