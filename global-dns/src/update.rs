//! What an update asks for (RFC 2136), read from its message; whoever holds the zones decides and applies it.
//!
//! A DNS node looks at who asks and for which zone ([`crate::edge::update`]), and hands the message as it came to the host,
//! which trusts no node with that: it reads and verifies the same message again, here.

use std::net::IpAddr;

use koinon_model::time::Timestamp;
use koinon_types::names::{
    NameTable, TsigKey, Update, UpdateCode, UpdateGrant, UpdateMessage, UpdateRecord, Zone,
};

use crate::edge::message::{Reading, read};
use crate::edge::tsig::{self, Signed};
use crate::wire::name::Name;
use crate::wire::rdata::{self, Rdata};
use crate::wire::{CLASS_ANY, CLASS_IN, HEADER, Rcode};

/// Reads an update that came, and finds what its sender may change by the host's own table.
///
/// A message has at most 64 KiB, so an update has at most 5,461 records of 12 bytes.
///
/// # Errors
/// When it is not to be looked at further.
pub fn admit(sent: &UpdateMessage, table: &NameTable, now: Timestamp) -> Result<Update, UpdateCode> {
    let UpdateMessage { message, client } = sent;
    let Reading::Signed(tsig, reading) = read(message) else { return Err(UpdateCode::Refused) };
    let keys = table.zones.iter().flat_map(|zone| zone.updates.keys());
    let signed = tsig::verify(&tsig, message, keys, now);
    let Signed { key, .. } = signed.map_err(|_| UpdateCode::NotAuth)?;
    let Reading::Update(head, apex) = *reading else { return Err(UpdateCode::FormErr) };
    let (zone, apex) = find(table, apex).ok_or(UpdateCode::NotAuth)?;
    let grants: Vec<UpdateGrant> = zone.updates.grants(*client, key).cloned().collect();
    if grants.is_empty() {
        return Err(UpdateCode::Refused);
    }
    let mut at = HEADER + head.question.len();
    let mut section = |n_records: [u8; 2]| -> Result<Vec<UpdateRecord>, UpdateCode> {
        let records = (0..u16::from_be_bytes(n_records)).map(|_| record(message, &mut at));
        records.collect::<Option<_>>().ok_or(UpdateCode::FormErr)
    };
    let prerequisites = section([message[6], message[7]])?;
    let changes = section([message[8], message[9]])?;
    let expires = tsig.time.saturating_add(tsig.fudge.into()).saturating_mul(1_000);
    Ok(Update {
        apex,
        client: *client,
        grants,
        mac: tsig.mac.to_vec(),
        expires: Timestamp::from_millis(i64::try_from(expires).unwrap_or(i64::MAX)),
        prerequisites,
        changes,
    })
}

/// The zone with this apex, as it was sent.
pub(crate) fn find<'a>(table: &'a NameTable, apex: &[u8]) -> Option<(&'a Zone, Name)> {
    let apex = Name::from_wire(apex)?;
    let text = apex.to_string();
    table.zones.iter().find(|zone| zone.apex == text).map(|zone| (zone, apex))
}

/// Whether a client that has signed with this key, if with any, may ask for an update of the zone, before it is read.
pub(crate) fn verdict(
    table: &NameTable,
    apex: &[u8],
    client: IpAddr,
    key: Option<&TsigKey>,
) -> Result<(), Rcode> {
    let (zone, _) = find(table, apex).ok_or(Rcode::NotAuth)?;
    let is_granted = key.is_some_and(|key| zone.updates.grants(client, key).next().is_some());
    if is_granted { Ok(()) } else { Err(Rcode::Refused) }
}

/// Reads the record at `at`, and moves on behind it.
fn record(message: &[u8], at: &mut usize) -> Option<UpdateRecord> {
    let (name, after) = Name::from_message(message, *at)?;
    let fixed: &[u8; 10] = message.get(after..)?.first_chunk()?;
    let [t0, t1, c0, c1, l0, l1, l2, l3, d0, d1] = *fixed;
    let (rtype, class) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1]));
    let place = after + 10..after + 10 + usize::from(u16::from_be_bytes([d0, d1]));
    *at = place.end;
    let data = match class {
        // There should be none, which is for later to say.
        CLASS_ANY if !place.is_empty() => Some(Rdata::opaque(message.get(place)?)),
        // That of some types may be empty; with classes ANY and NONE, that is none.
        _ if place.is_empty() && class != CLASS_IN => None,
        _ if place.is_empty() => rdata::received(rtype, message, place),
        _ => Some(rdata::received(rtype, message, place)?),
    };
    Some(UpdateRecord { name, rtype, class, ttl: u32::from_be_bytes([l0, l1, l2, l3]), data })
}

#[cfg(test)]
mod tests;
