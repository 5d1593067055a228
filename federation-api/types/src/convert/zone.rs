//! DNS zones, from wire to the name table's shape.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use koinon_machinery::validate::FieldError;
use koinon_model::labels::LabelSelector;
use koinon_model::served_name::Host;
use serde_json::Value;

use super::transfer::{CheckedTransfer, transfer};
use super::{Invalid, name, parts, seconds, selector, unless};
use crate::{names, v1alpha1};

/// The types of static records that are served.
const RECORD_TYPES: [&str; 8] = ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"];

/// Time to live of a static record that gives none.
const RECORD_TTL_SECONDS: i64 = 300;

/// A zone whose every part makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedZone {
    /// The zone as the name table carries it, but for its transfers.
    pub zone: names::Zone,
    /// Its transfers, whose keys are still to be read.
    pub transfer: CheckedTransfer,
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
    let Some(apex) = apex else { return Err(errors) };
    let name_servers = name_servers(&spec.name_servers, &apex, &mut errors);
    let records = records(&spec.records, &apex, &mut errors);
    let zone = names::Zone {
        apex: apex.to_string(),
        soa,
        name_servers,
        records,
        transfer: names::Transfer::default(),
    };
    unless(errors, CheckedZone { zone, transfer, apex, allowed_namespaces })
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
    let mut records: Vec<names::StaticRecord> = Vec::new();
    let mut aliases = BTreeSet::new();
    let mut others = BTreeSet::new();
    for (index, record) in wire.iter().enumerate() {
        let path = format!("spec.records[{index}]");
        let Some(owner) = owner(&record.name, apex, &format!("{path}.name"), errors) else { continue };
        let data = data(&record.kind, &record.data, apex, &path, errors);
        let clash = if record.kind == "CNAME" {
            !aliases.insert(owner.clone()) || others.contains(&owner) || owner == *apex
        } else {
            others.insert(owner.clone());
            aliases.contains(&owner)
        };
        if clash {
            let accepted = "a CNAME stands alone at its name, and never at the apex";
            errors.push(FieldError::invalid(format!("{path}.type"), record.kind.as_str(), accepted));
        }
        if record.kind == "NS" && owner == *apex {
            let accepted = "the apex's name servers stand in spec.nameServers";
            errors.push(FieldError::forbidden(format!("{path}.type"), accepted));
        }
        records.push(names::StaticRecord {
            name: owner.to_string(),
            kind: record.kind.clone(),
            ttl: seconds(record.ttl_seconds.unwrap_or(RECORD_TTL_SECONDS)),
            data: data.unwrap_or_default(),
        });
    }
    records
}

/// The absolute name of a record's owner.
fn owner(text: &str, apex: &Host, path: &str, errors: &mut Vec<FieldError>) -> Option<Host> {
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

/// The data of a record with its names made absolute, or findings.
fn data(kind: &str, text: &str, apex: &Host, path: &str, errors: &mut Vec<FieldError>) -> Option<String> {
    let at = format!("{path}.data");
    let mut refuse = |accepted: &str| {
        errors.push(FieldError::invalid(&at, text, accepted));
        None
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |text: &str| text.parse::<u16>().is_ok();
    match kind {
        "A" if text.parse::<Ipv4Addr>().is_err() => refuse("must be an IPv4 address such as 192.0.2.1"),
        "AAAA" if text.parse::<Ipv6Addr>().is_err() => refuse("must be an IPv6 address such as 2001:db8::1"),
        "A" | "AAAA" => Some(text.to_owned()),
        "TXT" if text.is_empty() => refuse("must be text, in double quotes where it holds blanks"),
        "TXT" => Some(text.to_owned()),
        "CAA" => match words.as_slice() {
            [flags, "issue" | "issuewild" | "iodef", _, ..] if flags.parse::<u8>().is_ok() => {
                Some(text.to_owned())
            }
            _ => refuse("must be flags, issue, issuewild or iodef, and a value: 0 issue \"ca.example.net\""),
        },
        "CNAME" | "NS" => match words.as_slice() {
            [target] => absolute(target, apex).or_else(|| refuse(NAME_FORM)),
            _ => refuse(NAME_FORM),
        },
        "MX" => match words.as_slice() {
            [preference, target] if number(preference) => {
                let target = absolute(target, apex).or_else(|| refuse(NAME_FORM))?;
                Some(format!("{preference} {target}"))
            }
            _ => refuse("must be a preference and a name: 10 mail.example.net."),
        },
        "SRV" => match words.as_slice() {
            [priority, weight, port, target] if number(priority) && number(weight) && number(port) => {
                let target = absolute(target, apex).or_else(|| refuse(NAME_FORM))?;
                Some(format!("{priority} {weight} {port} {target}"))
            }
            _ => refuse("must be priority, weight, port and a name: 10 5 443 www.example.net."),
        },
        other => {
            errors.push(FieldError::not_supported(format!("{path}.type"), other, &RECORD_TYPES));
            None
        }
    }
}

/// What a name inside record data may look like.
const NAME_FORM: &str = "must be a name: absolute with a final dot, or a single label relative to the zone";

/// The absolute form of a name in record data. Dotted names without the final dot are refused: in a zone file they
/// are relative, and most who write one mean the opposite.
fn absolute(text: &str, apex: &Host) -> Option<String> {
    match text {
        "@" => Some(apex.to_string()),
        absolute if absolute.ends_with('.') => Host::try_from(absolute).ok().map(|host| host.to_string()),
        dotted if dotted.contains('.') => None,
        label => Host::try_from(format!("{label}.{apex}").as_str()).ok().map(|host| host.to_string()),
    }
}
