//! Entries to a zone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use koinon_types::names::{NameServer, Soa, StaticRecord, Transfer, Updates, Zone};

use super::lines::{Entry, entries, word};
use super::{Refusal, ZoneFile};
use crate::wire::name::{Base, Name};
use crate::wire::rdata::{self, Rdata};
use crate::wire::rtype;

/// Most refusals that are collected: enough to see what a file is made of, few enough to read.
const REFUSALS_MAX: usize = 50;

/// Longest time to live (RFC 2181 §8).
const TTL_MAX: u64 = 0x7fff_ffff;

/// Reads a zone file; `apex` is where relative names begin, and may be left out when the file gives `$ORIGIN` or an
/// absolute name to its SOA record.
///
/// # Errors
/// Every line that cannot be kept, at most 50 of them.
pub fn read(text: &str, apex: Option<&Name>) -> Result<ZoneFile, Vec<Refusal>> {
    let entries = entries(text).map_err(|refusal| vec![refusal])?;
    let mut reader = Reader { apex: apex.cloned(), origin: apex.cloned(), ..Reader::default() };
    let mut refusals = Vec::new();
    for entry in &entries {
        if refusals.len() == REFUSALS_MAX {
            return Err(refusals);
        }
        refusals.extend(reader.entry(entry).err().map(|reason| Refusal::new(entry.line, reason)));
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    reader.finish().map_err(|refusal| vec![refusal])
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    apex: Option<Name>,
    origin: Option<Name>,
    /// `$TTL`.
    default_ttl: Option<u32>,
    /// The last TTL written in an entry, which RFC 1035 lets the next one inherit.
    last_ttl: Option<u32>,
    owner: Option<Name>,
    soa: Option<Start>,
    records: Vec<Read>,
}

/// The SOA record.
struct Start {
    soa: Soa,
    serial: u32,
}

/// Any other record.
struct Read {
    line: usize,
    owner: Name,
    ttl: u32,
    rtype: u16,
    data: Rdata,
}

impl Reader {
    fn entry(&mut self, entry: &Entry) -> Result<(), String> {
        let (first, rest) = word(&entry.text);
        if first.starts_with('$') && !entry.is_indented {
            return self.directive(first, rest);
        }
        let (owner, rest) = if entry.is_indented {
            let owner =
                self.owner.clone().ok_or("the first record has no owner; begin its line with a name")?;
            (owner, entry.text.as_str())
        } else {
            (self.read_owner(first)?, rest)
        };
        self.owner = Some(owner.clone());
        let Head { ttl, kind, data } = head(rest)?;
        self.last_ttl = ttl.or(self.last_ttl);
        if kind.eq_ignore_ascii_case("SOA") {
            return self.start(&owner, ttl, data);
        }
        let rtype = rdata::type_number(kind).map_err(|error| error.to_string())?;
        let origin = self.origin.as_ref().ok_or(NO_ORIGIN)?;
        let data = rdata::parse_at(rtype, data, Base::Origin(origin)).map_err(|error| describe(&error))?;
        let ttl = ttl.or(self.default_ttl).or(self.last_ttl);
        let ttl = ttl.ok_or("the record has no TTL; give one, or begin the file with $TTL")?;
        self.records.push(Read { line: entry.line, owner, ttl, rtype, data });
        Ok(())
    }

    fn directive(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let (argument, after) = word(rest);
        let is_alone = !argument.is_empty() && word(after).0.is_empty();
        match name.to_ascii_uppercase().as_str() {
            "$ORIGIN" if is_alone => {
                self.origin = Some(self.read_name(argument)?);
                Ok(())
            }
            "$TTL" if is_alone => {
                self.default_ttl = Some(seconds(argument).ok_or_else(|| not_seconds(argument))?);
                Ok(())
            }
            "$ORIGIN" => Err("$ORIGIN takes one name".to_owned()),
            "$TTL" => Err("$TTL takes one time to live, such as 3600 or 1h".to_owned()),
            "$INCLUDE" => Err("$INCLUDE is not followed; put the other file's lines here".to_owned()),
            "$GENERATE" => Err("$GENERATE belongs to another server; write the records out".to_owned()),
            _ => Err(format!("{name} is not known; $ORIGIN and $TTL are")),
        }
    }

    fn read_owner(&self, text: &str) -> Result<Name, String> {
        if text.starts_with('"') {
            return Err(format!("{text} is no owner; names are not quoted"));
        }
        self.read_name(text)
    }

    /// A name, absolute or relative to the origin.
    fn read_name(&self, text: &str) -> Result<Name, String> {
        if let Some(origin) = &self.origin {
            return Name::read(text, Base::Origin(origin)).map_err(|error| error.to_string());
        }
        // Without an origin, a name means the same below any, or is relative.
        let read = |origin: &str| Name::read(text, Base::Origin(&origin.parse().ok()?)).ok();
        match (read("a"), read("b")) {
            (Some(one), Some(other)) if one == other => Ok(one),
            (Some(_), _) => Err(NO_ORIGIN.to_owned()),
            (None, _) => {
                Err(text.parse::<Name>().map_or_else(|error| error.to_string(), |_| NO_ORIGIN.to_owned()))
            }
        }
    }

    /// Reads the SOA record; it may settle the apex, the origin and the TTL.
    fn start(&mut self, owner: &Name, ttl: Option<u32>, data: &str) -> Result<(), String> {
        let apex = self.apex.get_or_insert_with(|| owner.clone()).clone();
        if *owner != apex {
            return Err(format!("the SOA record of {owner} is not that of the zone {apex}"));
        }
        if self.soa.is_some() {
            return Err("the zone has a SOA record already; one is right".to_owned());
        }
        self.origin.get_or_insert(apex);
        let mut words = Vec::new();
        let mut rest = data;
        loop {
            let (next, after) = word(rest);
            if next.is_empty() {
                break;
            }
            words.push(next);
            rest = after;
        }
        let [mname, rname, serial, times @ ..] = words.as_slice() else { return Err(SOA_FORM.to_owned()) };
        let times = times.iter().map(|text| seconds(text)).collect::<Option<Vec<u32>>>();
        let (Some(&[refresh, retry, expire, minimum]), Ok(serial)) = (times.as_deref(), serial.parse())
        else {
            return Err(SOA_FORM.to_owned());
        };
        let ttl = ttl.or(self.default_ttl).or(self.last_ttl).unwrap_or(minimum);
        self.last_ttl.get_or_insert(ttl);
        let (mname, rname) = (self.read_name(mname)?.to_string(), self.read_name(rname)?.to_string());
        let soa = Soa { mname, rname, refresh, retry, expire, minimum, ttl };
        self.soa = Some(Start { soa, serial });
        Ok(())
    }

    /// Sorts the records into the zone's parts.
    fn finish(self) -> Result<ZoneFile, Refusal> {
        let (Some(Start { soa, serial }), Some(apex)) = (self.soa, self.apex) else {
            return Err(Refusal::new(1, "the file has no SOA record, with which a zone begins"));
        };
        let mut file = ZoneFile {
            zone: Zone {
                apex: apex.to_string(),
                soa,
                name_servers: Vec::new(),
                records: Vec::new(),
                transfer: Transfer::default(),
                updates: Updates::default(),
                signing: None,
            },
            lines: Vec::new(),
            notes: vec![format!("serial {serial} is not kept: Koinon counts its own")],
        };
        let is_server = |record: &&Read| record.rtype == rtype::NS && record.owner == apex;
        let mut servers: Vec<Name> = Vec::new();
        for record in self.records.iter().filter(is_server) {
            let Some(name) = record.data.name.clone().filter(|name| !servers.contains(name)) else {
                continue;
            };
            let addresses = addresses(&self.records, &name, &apex);
            if name.is_within(&apex) && addresses.is_empty() {
                let reason =
                    format!("name server {name} lies in the zone, so it needs an A or AAAA record there");
                return Err(Refusal::new(record.line, reason));
            }
            if record.ttl != file.zone.soa.ttl {
                let ttl = file.zone.soa.ttl;
                let note = format!("NS {name}: TTL {} becomes {ttl}, that of the SOA record", record.ttl);
                file.notes.push(note);
            }
            file.zone.name_servers.push(NameServer { name: name.to_string(), addresses });
            servers.push(name);
        }
        let mut places = BTreeSet::new();
        for record in self.records.into_iter().filter(|record| !is_server(&record)) {
            if !record.owner.is_within(&apex) {
                let reason = format!("{} lies outside the zone {apex}; import it with its own", record.owner);
                return Err(Refusal::new(record.line, reason));
            }
            let is_address =
                [rtype::A, rtype::AAAA].contains(&record.rtype) && servers.contains(&record.owner);
            // The name server's entry says it already.
            if is_address && record.ttl == file.zone.soa.ttl {
                continue;
            }
            let told = StaticRecord {
                name: record.owner.to_string(),
                kind: rdata::type_text(record.rtype),
                ttl: record.ttl,
                data: rdata::text(record.rtype, &record.data),
            };
            if !places.insert((record.owner, record.rtype, record.data)) {
                file.notes
                    .push(format!("line {}: {} {} is there already", record.line, told.name, told.kind));
                continue;
            }
            file.zone.records.push(told);
            file.lines.push(record.line);
        }
        Ok(file)
    }
}

/// The addresses of a name server that lies in the zone, sorted: their order says nothing.
fn addresses(records: &[Read], name: &Name, apex: &Name) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for record in records.iter().filter(|record| record.owner == *name && name.is_within(apex)) {
        let fixed = &record.data.fixed;
        let address = match record.rtype {
            rtype::A => fixed.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
            rtype::AAAA => fixed.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
            _ => None,
        };
        addresses.extend(address.filter(|address| !addresses.contains(address)));
    }
    addresses.sort_unstable();
    addresses
}

const NO_ORIGIN: &str = "a relative name has no origin; begin the file with $ORIGIN, or name the zone";

const SOA_FORM: &str = "SOA is `<primary server> <mailbox> <serial> <refresh> <retry> <expire> <minimum>`";

/// What stands between a record's owner and its data.
struct Head<'a> {
    ttl: Option<u32>,
    kind: &'a str,
    data: &'a str,
}

/// Reads TTL and class, each once in any order, and the type.
fn head(text: &str) -> Result<Head<'_>, String> {
    let (mut ttl, mut class) = (None, None);
    let mut rest = text;
    loop {
        let (next, after) = word(rest);
        rest = after;
        if next.is_empty() {
            return Err("the record has no type".to_owned());
        }
        if ttl.is_none() && next.starts_with(|first: char| first.is_ascii_digit()) {
            ttl = Some(seconds(next).ok_or_else(|| not_seconds(next))?);
            continue;
        }
        let upper = next.to_ascii_uppercase();
        let is_class = ["IN", "CH", "HS", "CS"].contains(&upper.as_str()) || upper.starts_with("CLASS");
        match (is_class, class) {
            (true, None) if ["IN", "CLASS1"].contains(&upper.as_str()) => class = Some(()),
            (true, None) => return Err(format!("class {next} is not served; IN is")),
            (true, Some(())) => return Err(format!("the class is given twice, the second time as {next}")),
            (false, _) => return Ok(Head { ttl, kind: next, data: rest.trim() }),
        }
    }
}

fn not_seconds(text: &str) -> String {
    format!("{text} is no time; seconds up to {TTL_MAX}, or numbers with units such as 1h30m or 2w are")
}

/// Reads a time: seconds, or numbers with units.
fn seconds(text: &str) -> Option<u32> {
    let mut total: u64 = 0;
    let mut number: Option<u64> = None;
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            let digit = u64::from(byte - b'0');
            number = Some(number.unwrap_or(0) * 10 + digit).filter(|number| *number <= TTL_MAX);
            number?;
            continue;
        }
        let unit = match byte.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.saturating_add(number.take()? * unit);
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    // A number without a unit stands alone, or it would be unclear what it counts.
    if number.is_some() && !is_plain || text.is_empty() {
        return None;
    }
    total = total.saturating_add(number.unwrap_or(0));
    u32::try_from(total).ok().filter(|total| u64::from(*total) <= TTL_MAX)
}

/// An error with its cause in one line.
fn describe(error: &rdata::InvalidRdata) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
