//! Record data: from master-file notation (RFC 1035 §5.1, RFC 3597 §5) to checked wire bytes.
//!
//! The types people put into a zone by hand are read by their own syntax; every other type is written in the
//! generic one, `\# <length> <hex>`, and served as opaque bytes. Names that RFC 1035 lets a server compress are
//! kept apart from the bytes before them, so that the answer's compiler can point at names already written.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::name::{InvalidName, Name, unescape, wire_length};
use super::rtype;

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

    fn opaque(bytes: &[u8]) -> Self {
        Self { fixed: bytes.into(), name: None }
    }
}

/// The number of a type written as mnemonic or `TYPE<number>`, if a static record may have it.
///
/// # Errors
/// For unknown mnemonics, for Q and meta types, and for types that the zone itself provides.
pub fn type_number(kind: &str) -> Result<u16, InvalidRdata> {
    let upper = kind.to_ascii_uppercase();
    let known = KNOWN.iter().find(|(mnemonic, _)| *mnemonic == upper).map(|(_, number)| *number);
    let generic = || upper.strip_prefix("TYPE").and_then(|digits| digits.parse().ok());
    let number = known.or_else(generic).ok_or_else(|| InvalidRdata::UnknownType(kind.to_owned()))?;
    let reason = match number {
        0 | rtype::OPT | rtype::META_FIRST..=rtype::META_LAST => "it exists in queries only",
        rtype::SOA => "it is the zone's `soa`",
        rtype::DNAME => "a whole subtree cannot be aliased; use a wildcard CNAME",
        _ => return Ok(number),
    };
    Err(InvalidRdata::NotHere { kind: kind.to_owned(), reason })
}

/// How a type is written: its mnemonic, or `TYPE<number>` (RFC 3597 §5).
pub fn type_text(number: u16) -> String {
    let known = KNOWN.iter().find(|(_, known)| *known == number);
    known.map_or_else(|| format!("TYPE{number}"), |(mnemonic, _)| (*mnemonic).to_owned())
}

/// Mnemonics people may write in a question or a zone.
const KNOWN: [(&str, u16); 17] = [
    ("A", rtype::A),
    ("NS", rtype::NS),
    ("CNAME", rtype::CNAME),
    ("SOA", rtype::SOA),
    ("PTR", rtype::PTR),
    ("HINFO", rtype::HINFO),
    ("MX", rtype::MX),
    ("TXT", rtype::TXT),
    ("AAAA", rtype::AAAA),
    ("SRV", rtype::SRV),
    ("DNAME", rtype::DNAME),
    ("OPT", rtype::OPT),
    ("DS", rtype::DS),
    ("IXFR", rtype::IXFR),
    ("AXFR", rtype::AXFR),
    ("ANY", rtype::ANY),
    ("CAA", rtype::CAA),
];

/// Reads a static record's data.
///
/// # Errors
/// When the text does not follow the type's syntax; the error says what would be accepted.
pub fn parse(number: u16, data: &str) -> Result<Rdata, InvalidRdata> {
    let fields = fields(data).ok_or_else(|| syntax(data, "balanced quotes, and `;` inside quotes only"))?;
    if let Some((first, rest)) = fields.split_first()
        && first.text == r"\#"
        && !first.quoted
    {
        let bytes = generic(rest).ok_or_else(|| syntax(data, r"`\# <length> <hex of that many bytes>`"))?;
        return structure(number, &bytes, data);
    }
    let bytes = match number {
        rtype::A => {
            one(&fields).and_then(|text| text.parse::<Ipv4Addr>().ok()).map(|ip| ip.octets().to_vec())
        }
        rtype::AAAA => {
            one(&fields).and_then(|text| text.parse::<Ipv6Addr>().ok()).map(|ip| ip.octets().to_vec())
        }
        rtype::NS | rtype::CNAME | rtype::PTR => match one(&fields) {
            Some(text) => return Ok(Rdata::pointing(text.parse()?)),
            None => None,
        },
        rtype::MX => numbers_then_name::<1>(&fields)?,
        rtype::SRV => numbers_then_name::<3>(&fields)?,
        rtype::TXT => strings(&fields),
        rtype::CAA => caa(&fields),
        rtype::DS => ds(&fields),
        _ => None,
    };
    structure(number, &bytes.ok_or_else(|| syntax(data, form(number)))?, data)
}

fn syntax(data: &str, expected: &'static str) -> InvalidRdata {
    InvalidRdata::Syntax { data: data.to_owned(), expected }
}

/// What a type's data looks like, for refusals.
fn form(number: u16) -> &'static str {
    match number {
        rtype::A => "an IPv4 address",
        rtype::AAAA => "an IPv6 address",
        rtype::NS | rtype::CNAME | rtype::PTR => "one name",
        rtype::MX => "`<preference> <name>`",
        rtype::SRV => "`<priority> <weight> <port> <name>`",
        rtype::TXT => "one or more strings of at most 255 bytes, quoted when they hold spaces",
        rtype::CAA => "`<flags> <tag> \"<value>\"`",
        rtype::DS => "`<key tag> <algorithm> <digest type> <hex>`",
        _ => r"`\# <length> <hex>`",
    }
}

/// Checks wire bytes against the type's shape and sets a compressible name apart.
fn structure(number: u16, bytes: &[u8], data: &str) -> Result<Rdata, InvalidRdata> {
    let split_at = |at: usize| {
        let (fixed, name) = bytes.split_at_checked(at)?;
        Some(Rdata { fixed: fixed.into(), name: Some(Name::from_wire(name)?) })
    };
    let whole = |fits: bool| fits.then(|| Rdata::opaque(bytes));
    let rdata = match number {
        rtype::A => whole(bytes.len() == 4),
        rtype::AAAA => whole(bytes.len() == 16),
        rtype::NS | rtype::CNAME | rtype::PTR => split_at(0),
        rtype::MX => split_at(2),
        rtype::SRV => whole(bytes.get(6..).is_some_and(|name| wire_length(name) == Some(name.len()))),
        rtype::TXT => whole(is_strings(bytes)),
        rtype::CAA => whole(bytes.get(1).is_some_and(|&tag| tag > 0 && bytes.len() >= 2 + usize::from(tag))),
        rtype::DS => whole(bytes.len() > 4),
        _ => whole(bytes.len() <= usize::from(u16::MAX)),
    };
    rdata.ok_or_else(|| syntax(data, form(number)))
}

/// Whether `bytes` is a sequence of at least one length-prefixed string.
fn is_strings(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((&length, after)) = rest.split_first() {
        match after.get(usize::from(length)..) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    !bytes.is_empty()
}

/// One blank-separated field, escapes not yet resolved.
struct Field<'a> {
    text: &'a str,
    quoted: bool,
}

impl Field<'_> {
    fn unescaped(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.text.len());
        let mut rest = self.text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            if byte == b'\\' {
                let (escaped, after) = unescape(after)?;
                bytes.push(escaped);
                rest = after;
            } else {
                bytes.push(byte);
                rest = after;
            }
        }
        Some(bytes)
    }
}

/// Splits at blanks outside quotes. Parentheses only group lines in a master file, so they count as blanks; an
/// unquoted `;` would start a comment there, which in a field of its own is always a mistake.
fn fields(data: &str) -> Option<Vec<Field<'_>>> {
    let bytes = data.as_bytes();
    let is_blank = |byte: u8| byte.is_ascii_whitespace() || byte == b'(' || byte == b')';
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if is_blank(bytes[at]) {
            at += 1;
            continue;
        }
        let quoted = bytes[at] == b'"';
        let from = at + usize::from(quoted);
        at = from;
        while at < bytes.len() && if quoted { bytes[at] != b'"' } else { !is_blank(bytes[at]) } {
            if !quoted && (bytes[at] == b';' || bytes[at] == b'"') {
                return None;
            }
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        if at > bytes.len() || (quoted && at == bytes.len()) {
            return None;
        }
        fields.push(Field { text: data.get(from..at)?, quoted });
        at += usize::from(quoted);
    }
    Some(fields)
}

fn one<'a>(fields: &[Field<'a>]) -> Option<&'a str> {
    match fields {
        [Field { text, quoted: false }] => Some(text),
        _ => None,
    }
}

fn generic(fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let (length, hex) = fields.split_first()?;
    let bytes = from_hex(hex)?;
    (length.text.parse::<u16>().ok()? == u16::try_from(bytes.len()).ok()?).then_some(bytes)
}

fn from_hex(fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = fields
        .iter()
        .flat_map(|field| field.text.chars())
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect::<Option<_>>()?;
    let (pairs, odd) = digits.as_chunks::<2>();
    odd.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// `N` numbers of 16 bits, then a name.
fn numbers_then_name<const N: usize>(fields: &[Field<'_>]) -> Result<Option<Vec<u8>>, InvalidName> {
    let Some((numbers, [name])) = fields.split_at_checked(N) else { return Ok(None) };
    let mut bytes = Vec::new();
    for number in numbers {
        let Ok(number) = number.text.parse::<u16>() else { return Ok(None) };
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(name.text.parse::<Name>()?.wire());
    Ok(Some(bytes))
}

fn strings(fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for field in fields {
        let string = field.unescaped()?;
        bytes.push(u8::try_from(string.len()).ok()?);
        bytes.extend(string);
    }
    Some(bytes)
}

/// Source: RFC 8659 §4.1.1; the tag is letters and digits.
fn caa(fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let [flags, tag, value] = fields else { return None };
    let tag = tag.text.as_bytes();
    if !tag.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mut bytes = vec![flags.text.parse::<u8>().ok()?, u8::try_from(tag.len()).ok()?];
    bytes.extend(tag);
    bytes.extend(value.unescaped()?);
    Some(bytes)
}

/// Source: RFC 4034 §5.1.
fn ds(fields: &[Field<'_>]) -> Option<Vec<u8>> {
    let [tag, algorithm, digest_type, hex @ ..] = fields else { return None };
    let mut bytes = tag.text.parse::<u16>().ok()?.to_be_bytes().to_vec();
    bytes.push(algorithm.text.parse().ok()?);
    bytes.push(digest_type.text.parse().ok()?);
    bytes.extend(from_hex(hex)?);
    Some(bytes)
}

#[cfg(test)]
mod tests;
