//! A zone to its zone file, one record a line.

use koinon_types::names::{StaticRecord, Zone};

use crate::wire::name::Name;
use crate::wire::rdata;

/// Writes a zone with this serial. What cannot be read (nothing that came through the door) becomes a comment.
pub fn write(zone: &Zone, serial: u32) -> String {
    let soa = &zone.soa;
    let dotted = |name: &str| name.parse::<Name>().map_or_else(|_| name.to_owned(), |name| name.dotted());
    let mut text = format!("$ORIGIN {}\n", dotted(&zone.apex));
    text.push_str(&format!(
        "@ {} IN SOA {} {} {serial} {} {} {} {}\n",
        soa.ttl,
        dotted(&soa.mname),
        dotted(&soa.rname),
        soa.refresh,
        soa.retry,
        soa.expire,
        soa.minimum
    ));
    for server in &zone.name_servers {
        text.push_str(&format!("@ {} IN NS {}\n", soa.ttl, dotted(&server.name)));
    }
    for server in &zone.name_servers {
        for address in &server.addresses {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            let is_given = |record: &StaticRecord| {
                record.name == server.name && record.kind == kind && record.data == address.to_string()
            };
            let Some(owner) = relative(&server.name, &zone.apex) else { continue };
            if !zone.records.iter().any(is_given) {
                text.push_str(&format!("{owner} {} IN {kind} {address}\n", soa.ttl));
            }
        }
    }
    for record in &zone.records {
        let StaticRecord { name, kind, ttl, data } = record;
        match line(record, &zone.apex) {
            Some(line) => text.push_str(&line),
            None => {
                text.push_str(&format!("; not valid: {name} {ttl} IN {kind} {}\n", data.replace('\n', " ")));
            }
        }
    }
    text
}

fn line(record: &StaticRecord, apex: &str) -> Option<String> {
    let owner = relative(&record.name, apex)?;
    let number = rdata::type_number(&record.kind).ok()?;
    let data = rdata::parse(number, &record.data).ok()?;
    Some(format!("{owner} {} IN {} {}\n", record.ttl, rdata::type_text(number), rdata::text(number, &data)))
}

/// The name relative to the apex, `@` for the apex itself; none outside.
fn relative(name: &str, apex: &str) -> Option<String> {
    let (name, apex): (Name, Name) = (name.parse().ok()?, apex.parse().ok()?);
    if name == apex {
        return Some("@".to_owned());
    }
    Some(name.substitute(&apex, &Name::root())?.to_string())
}
