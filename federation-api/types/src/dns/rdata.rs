//! Record data: from master-file notation (RFC 1035 §5.1, RFC 3597 §5) to checked wire bytes, and back.
//!
//! The types that people put into a zone are read by their own syntax, which one table describes; every other type
//! is written in the generic one, `\# <length> <hex>`, and served as opaque bytes. Names that RFC 1035 lets a server
//! compress are kept apart from the bytes before them, so that the answer's compiler can point at names already
//! written.

mod grammar;

mod fields;

mod params;

use super::name::{Base, InvalidName, Name};
use super::rtype;
use grammar::{GENERIC, KINDS, Part};

/// The data of one record: opaque bytes, then a name that may be compressed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rdata {
    /// What precedes the name, or all of it.
    pub fixed: Box<[u8]>,
    /// The name that ends it, for NS, CNAME, PTR and MX (RFC 3597 §4 forbids compressing others).
    pub name: Option<Name>,
}

/// Why a static record cannot be served as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRdata {
    /// Neither a mnemonic we read nor `TYPE<number>`.
    #[error("type {0:?} is not known; write it as TYPE<number> with data `\\# <length> <hex>`")]
    UnknownType(String),
    /// A type that no zone may hold, or that comes from elsewhere.
    #[error("type {kind} cannot be a static record: {reason}")]
    NotHere {
        /// The type.
        kind: String,
        /// Why.
        reason: &'static str,
    },
    /// The text does not follow the type's syntax.
    #[error("data {data:?} is not valid: {expected} is expected")]
    Syntax {
        /// What was written.
        data: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// The parameters of an SVCB or HTTPS record break a rule of theirs; the text says which, and what is right.
    #[error("parameters are not valid: {0}")]
    Params(String),
    /// A name in the data is none.
    #[error("data holds a bad name")]
    Name(#[from] InvalidName),
}

impl Rdata {
    /// An address record's data.
    pub fn address(address: std::net::IpAddr) -> Self {
        match address {
            std::net::IpAddr::V4(v4) => Self::opaque(&v4.octets()),
            std::net::IpAddr::V6(v6) => Self::opaque(&v6.octets()),
        }
    }

    /// Data that is one name: NS, CNAME, PTR.
    pub fn pointing(name: Name) -> Self {
        Self { fixed: Box::default(), name: Some(name) }
    }

    /// Data without a name that may be compressed.
    pub fn opaque(bytes: &[u8]) -> Self {
        Self { fixed: bytes.into(), name: None }
    }

    /// All bytes, names in full.
    pub fn wire(&self) -> Vec<u8> {
        [&self.fixed[..], self.name.as_ref().map_or(&[][..], Name::wire)].concat()
    }

    /// The name in data of this type whose addresses a client asks for next: that of NS, MX, SRV, SVCB and HTTPS.
    pub fn target(&self, number: u16) -> Option<Name> {
        let has_target = [rtype::NS, rtype::MX, rtype::SRV, rtype::SVCB, rtype::HTTPS].contains(&number);
        has_target.then(|| grammar::target(number, &self.wire())).flatten()
    }
}

/// The number of a type written as mnemonic or `TYPE<number>`, if a static record may have it.
///
/// # Errors
/// For unknown mnemonics, for Q and meta types, and for types that the zone itself provides.
pub fn type_number(kind: &str) -> Result<u16, InvalidRdata> {
    let number = question_number(kind).ok_or_else(|| InvalidRdata::UnknownType(kind.to_owned()))?;
    let reason = match number {
        0 | rtype::OPT | rtype::META_FIRST..=rtype::META_LAST => "it exists in queries only",
        rtype::SOA => "it is the zone's `soa`",
        rtype::RRSIG | rtype::NSEC | rtype::NSEC3 | rtype::NSEC3PARAM => {
            "it belongs to whoever signs the zone; leave it out"
        }
        _ => return Ok(number),
    };
    Err(InvalidRdata::NotHere { kind: kind.to_owned(), reason })
}

/// The number of a type written as mnemonic or `TYPE<number>` (RFC 3597 §5), whatever it is.
pub fn question_number(kind: &str) -> Option<u16> {
    let upper = kind.to_ascii_uppercase();
    match KINDS.iter().find(|known| known.mnemonic == upper) {
        Some(known) => Some(known.number),
        None => upper.strip_prefix("TYPE").and_then(|digits| digits.parse().ok()),
    }
}

/// How a type is written: its mnemonic, or `TYPE<number>` (RFC 3597 §5).
pub fn type_text(number: u16) -> String {
    grammar::find(number).map_or_else(|| format!("TYPE{number}"), |kind| kind.mnemonic.to_owned())
}

/// The mnemonics that static records may have, in the order of their numbers.
pub fn mnemonics() -> Vec<&'static str> {
    KINDS.iter().filter(|kind| !kind.parts.is_empty()).map(|kind| kind.mnemonic).collect()
}

/// Reads a static record's data; names are absolute, with or without the final dot.
///
/// # Errors
/// When the text does not follow the type's syntax; the error says what would be accepted.
pub fn parse(number: u16, data: &str) -> Result<Rdata, InvalidRdata> {
    parse_at(number, data, Base::Root)
}

/// Reads a static record's data, its names as `base` says.
///
/// # Errors
/// When the text does not follow the type's syntax; the error says what would be accepted.
pub fn parse_at(number: u16, data: &str, base: Base<'_>) -> Result<Rdata, InvalidRdata> {
    let fields =
        fields::split(data).ok_or_else(|| syntax(data, "balanced quotes, and `;` inside quotes only"))?;
    if let Some((first, rest)) = fields.split_first()
        && first.plain() == Some(r"\#")
    {
        let bytes =
            fields::generic(rest).ok_or_else(|| syntax(data, r"`\# <length> <hex of that many bytes>`"))?;
        return structure(number, &bytes, data);
    }
    let (parts, form) = grammar::find(number).map_or((&[][..], GENERIC), |kind| (kind.parts, kind.form));
    let bytes = if parts.is_empty() { None } else { grammar::read(parts, &fields, base)? };
    structure(number, &bytes.ok_or_else(|| syntax(data, form))?, data)
}

/// Reads the data that lies in these bytes of a message, with names as its sender may have compressed them.
///
/// Shape: `None` when it is not data of this type.
pub fn received(number: u16, message: &[u8], place: std::ops::Range<usize>) -> Option<Rdata> {
    let message = message.get(..place.end)?;
    match grammar::find(number).filter(|kind| !kind.parts.is_empty()) {
        None => Some(Rdata::opaque(message.get(place.start..)?)),
        Some(kind) => structure(number, &grammar::expand(kind.parts, message, place.start)?, "").ok(),
    }
}

/// Writes data as a master file does: names with their final dot, types without a mnemonic in the generic form.
pub fn text(number: u16, rdata: &Rdata) -> String {
    let bytes = rdata.wire();
    let own = grammar::find(number).filter(|kind| !kind.parts.is_empty());
    own.and_then(|kind| grammar::text(kind.parts, &bytes))
        .unwrap_or_else(|| format!(r"\# {} {}", bytes.len(), fields::to_hex(&bytes)).trim_end().to_owned())
}

fn syntax(data: &str, expected: &'static str) -> InvalidRdata {
    InvalidRdata::Syntax { data: data.to_owned(), expected }
}

/// Checks wire bytes against the type's shape, lower-cases names and sets a compressible one apart.
fn structure(number: u16, bytes: &[u8], data: &str) -> Result<Rdata, InvalidRdata> {
    let Some(kind) = grammar::find(number).filter(|kind| !kind.parts.is_empty()) else {
        let fits = u16::try_from(bytes.len()).is_ok();
        return if fits { Ok(Rdata::opaque(bytes)) } else { Err(syntax(data, GENERIC)) };
    };
    let lower = grammar::lower_names(kind.parts, bytes).ok_or_else(|| syntax(data, kind.form))?;
    let bytes = &lower[..];
    let slices = grammar::divide(kind.parts, bytes).ok_or_else(|| syntax(data, kind.form))?;
    match (kind.parts, slices.as_slice()) {
        ([.., Part::Compressible], [.., wire]) => {
            let name = Name::from_wire(wire).ok_or_else(|| syntax(data, kind.form))?;
            Ok(Rdata { fixed: bytes[..bytes.len() - wire.len()].into(), name: Some(name) })
        }
        ([Part::U16, Part::Name, Part::Params], [priority, _, params]) => {
            let priority = u16::from_be_bytes([priority[0], priority[1]]);
            params::check(priority, params).map_err(InvalidRdata::Params)?;
            Ok(Rdata::opaque(bytes))
        }
        _ => Ok(Rdata::opaque(bytes)),
    }
}

#[cfg(test)]
mod tests;
