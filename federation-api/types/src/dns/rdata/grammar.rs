//! What the data of each type is made of, as one table: it reads text, checks bytes and writes text.

use super::super::name::{Name, suffixes, wire_length};
use super::super::rtype;
use super::fields::{Field, from_base64, from_hex, quoted, to_base64, to_hex};
use super::params;
use super::{Base, InvalidRdata};

/// One part of a type's data. Parts that take all that is left come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    U8,
    U16,
    Ipv4,
    Ipv6,
    /// A name that RFC 1035 lets a server compress; it ends the data.
    Compressible,
    /// A name that is always written in full (RFC 3597 §4).
    Name,
    /// A string with its length before it.
    String,
    /// One or more of them.
    Strings,
    /// The property of a CAA record (RFC 8659 §4.1.1): letters and digits with their length before them.
    Tag,
    /// A string that ends with the data.
    Rest,
    Hex,
    Base64,
    /// Parameters of a service (RFC 9460 §2.1).
    Params,
}

impl Part {
    fn is_name(self) -> bool {
        match self {
            Self::Compressible | Self::Name => true,
            Self::U8
            | Self::U16
            | Self::Ipv4
            | Self::Ipv6
            | Self::String
            | Self::Strings
            | Self::Tag
            | Self::Rest
            | Self::Hex
            | Self::Base64
            | Self::Params => false,
        }
    }
}

/// A type that people may name.
pub(super) struct Kind {
    pub(super) mnemonic: &'static str,
    pub(super) number: u16,
    /// Shape: empty for types that are never data of a zone.
    pub(super) parts: &'static [Part],
    /// What its data looks like, for refusals.
    pub(super) form: &'static str,
}

const fn kind(mnemonic: &'static str, number: u16, parts: &'static [Part], form: &'static str) -> Kind {
    Kind { mnemonic, number, parts, form }
}

/// How a type without a notation of its own is written.
pub(super) const GENERIC: &str = r"`\# <length> <hex>`";

const DS: (&[Part], &str) =
    (&[Part::U16, Part::U8, Part::U8, Part::Hex], "`<key tag> <algorithm> <digest type> <hex>`");
const KEY: (&[Part], &str) =
    (&[Part::U16, Part::U8, Part::U8, Part::Base64], "`<flags> <protocol> <algorithm> <base64>`");
const TLSA: (&[Part], &str) =
    (&[Part::U8, Part::U8, Part::U8, Part::Hex], "`<usage> <selector> <matching type> <hex>`");
const SVCB: (&[Part], &str) = (
    &[Part::U16, Part::Name, Part::Params],
    "`<priority> <name> [<key>[=<value>] …]`, without keys when the priority is 0",
);

/// Every type by its mnemonic, in the order of numbers.
pub(super) const KINDS: &[Kind] = &[
    kind("A", rtype::A, &[Part::Ipv4], "an IPv4 address"),
    kind("NS", rtype::NS, &[Part::Compressible], "one name"),
    kind("CNAME", rtype::CNAME, &[Part::Compressible], "one name"),
    kind("SOA", rtype::SOA, &[], ""),
    kind("PTR", rtype::PTR, &[Part::Compressible], "one name"),
    kind("HINFO", rtype::HINFO, &[Part::String, Part::String], "`\"<processor>\" \"<system>\"`"),
    kind("MX", rtype::MX, &[Part::U16, Part::Compressible], "`<preference> <name>`"),
    kind(
        "TXT",
        rtype::TXT,
        &[Part::Strings],
        "one or more strings of at most 255 bytes, quoted when they hold spaces",
    ),
    kind("RP", 17, &[Part::Name, Part::Name], "`<mailbox as a name> <name>`"),
    kind("AFSDB", 18, &[Part::U16, Part::Name], "`<subtype> <name>`"),
    kind("AAAA", rtype::AAAA, &[Part::Ipv6], "an IPv6 address"),
    kind(
        "SRV",
        rtype::SRV,
        &[Part::U16, Part::U16, Part::U16, Part::Name],
        "`<priority> <weight> <port> <name>`",
    ),
    kind(
        "NAPTR",
        35,
        &[Part::U16, Part::U16, Part::String, Part::String, Part::String, Part::Name],
        "`<order> <preference> \"<flags>\" \"<service>\" \"<regexp>\" <name>`",
    ),
    kind("DNAME", rtype::DNAME, &[Part::Name], "one name"),
    kind("OPT", rtype::OPT, &[], ""),
    kind("DS", rtype::DS, DS.0, DS.1),
    kind("SSHFP", 44, &[Part::U8, Part::U8, Part::Hex], "`<algorithm> <fingerprint type> <hex>`"),
    kind("RRSIG", rtype::RRSIG, &[], ""),
    kind("NSEC", rtype::NSEC, &[], ""),
    kind("DNSKEY", rtype::DNSKEY, KEY.0, KEY.1),
    kind("NSEC3", rtype::NSEC3, &[], ""),
    kind("NSEC3PARAM", rtype::NSEC3PARAM, &[], ""),
    kind("TLSA", 52, TLSA.0, TLSA.1),
    kind("SMIMEA", 53, TLSA.0, TLSA.1),
    kind("CDS", rtype::CDS, DS.0, DS.1),
    kind("CDNSKEY", rtype::CDNSKEY, KEY.0, KEY.1),
    kind("OPENPGPKEY", 61, &[Part::Base64], "`<base64>`"),
    kind("SVCB", rtype::SVCB, SVCB.0, SVCB.1),
    kind("HTTPS", rtype::HTTPS, SVCB.0, SVCB.1),
    kind("IXFR", rtype::IXFR, &[], ""),
    kind("AXFR", rtype::AXFR, &[], ""),
    kind("ANY", rtype::ANY, &[], ""),
    kind("URI", 256, &[Part::U16, Part::U16, Part::Rest], "`<priority> <weight> \"<target>\"`"),
    kind(
        "CAA",
        rtype::CAA,
        &[Part::U8, Part::Tag, Part::Rest],
        "`<flags> <tag> \"<value>\"` with a tag such as issue, issuewild or iodef",
    ),
];

/// The type of this number, if it has a mnemonic.
pub(super) fn find(number: u16) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.number == number)
}

/// Reads fields as these parts. Shape: `None` when they do not fit.
pub(super) fn read(
    parts: &[Part],
    fields: &[Field<'_>],
    base: Base<'_>,
) -> Result<Option<Vec<u8>>, InvalidRdata> {
    let mut bytes = Vec::new();
    let mut left = fields;
    for part in parts {
        let taken = match part {
            Part::Strings | Part::Hex | Part::Base64 | Part::Params => std::mem::take(&mut left),
            Part::U8
            | Part::U16
            | Part::Ipv4
            | Part::Ipv6
            | Part::Compressible
            | Part::Name
            | Part::String
            | Part::Tag
            | Part::Rest => {
                let Some((field, after)) = left.split_first() else { return Ok(None) };
                left = after;
                std::slice::from_ref(field)
            }
        };
        match read_part(*part, taken, base)? {
            Some(read) => bytes.extend(read),
            None => return Ok(None),
        }
    }
    Ok(left.is_empty().then_some(bytes))
}

fn read_part(part: Part, fields: &[Field<'_>], base: Base<'_>) -> Result<Option<Vec<u8>>, InvalidRdata> {
    let plain = || fields.first().and_then(Field::plain);
    let string = || fields.first().and_then(Field::string);
    Ok(match part {
        Part::U8 => plain().and_then(|text| Some(vec![text.parse().ok()?])),
        Part::U16 => plain().and_then(|text| Some(text.parse::<u16>().ok()?.to_be_bytes().to_vec())),
        Part::Ipv4 => {
            plain().and_then(|text| Some(text.parse::<std::net::Ipv4Addr>().ok()?.octets().to_vec()))
        }
        Part::Ipv6 => {
            plain().and_then(|text| Some(text.parse::<std::net::Ipv6Addr>().ok()?.octets().to_vec()))
        }
        Part::Compressible | Part::Name => match plain() {
            Some(text) => Some(Name::read(text, base)?.wire().to_vec()),
            None => None,
        },
        Part::String => string().and_then(|string| measured(&string)),
        Part::Strings => {
            let strings = fields.iter().map(|field| measured(&field.string()?)).collect::<Option<Vec<_>>>();
            strings.map(|strings| strings.concat())
        }
        Part::Tag => plain().and_then(|text| measured(text.as_bytes())),
        Part::Rest => string(),
        Part::Hex => from_hex(fields),
        Part::Base64 => from_base64(fields),
        Part::Params => Some(params::read(fields).map_err(InvalidRdata::Params)?),
    })
}

/// A string with its length before it, if that fits a byte.
pub(super) fn measured(string: &[u8]) -> Option<Vec<u8>> {
    Some([&[u8::try_from(string.len()).ok()?], string].concat())
}

/// Divides bytes into these parts. Shape: one slice per part, which together are `bytes`; `None` when they do not
/// fit.
pub(super) fn divide<'a>(parts: &[Part], bytes: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let mut left = bytes;
    let mut slices = Vec::with_capacity(parts.len());
    for part in parts {
        let (slice, after) = left.split_at_checked(length(*part, left)?)?;
        slices.push(slice);
        left = after;
    }
    left.is_empty().then_some(slices)
}

/// The data with its names in lower case: two records that differ in nothing else are one (RFC 4034 §6.2).
pub(super) fn lower_names(parts: &[Part], bytes: &[u8]) -> Option<Vec<u8>> {
    let slices = divide(parts, bytes)?;
    let lower = parts
        .iter()
        .zip(slices)
        .map(|(part, slice)| if part.is_name() { slice.to_ascii_lowercase() } else { slice.to_vec() });
    Some(lower.collect::<Vec<_>>().concat())
}

/// How many bytes of `left` this part takes.
fn length(part: Part, left: &[u8]) -> Option<usize> {
    Some(match part {
        Part::U8 => 1,
        Part::U16 => 2,
        Part::Ipv4 => 4,
        Part::Ipv6 => 16,
        Part::Compressible | Part::Name => wire_length(left)?,
        Part::String => 1 + usize::from(*left.first()?),
        Part::Tag => {
            let length = 1 + usize::from(*left.first()?);
            let is_word = left.get(1..length)?.iter().all(u8::is_ascii_alphanumeric);
            (is_word && length > 1).then_some(length)?
        }
        Part::Strings => strings(left).filter(|strings| !strings.is_empty()).map(|_| left.len())?,
        Part::Hex | Part::Base64 => (!left.is_empty()).then_some(left.len())?,
        Part::Rest | Part::Params => left.len(),
    })
}

/// Writes the data that begins at `at` of a message and ends with it in full, as a sender may have compressed names.
///
/// Shape: `None` when the bytes are not these parts.
pub(super) fn expand(parts: &[Part], message: &[u8], mut at: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for part in parts {
        let after = if part.is_name() {
            let (name, after) = Name::from_message(message, at)?;
            bytes.extend_from_slice(name.wire());
            after
        } else {
            let after = at + length(*part, message.get(at..)?)?;
            bytes.extend_from_slice(message.get(at..after)?);
            after
        };
        at = after;
    }
    (at == message.len()).then_some(bytes)
}

/// The strings that `bytes` is a sequence of.
fn strings(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut strings = Vec::new();
    let mut rest = bytes;
    while let Some((&length, after)) = rest.split_first() {
        let (string, after) = after.split_at_checked(usize::from(length))?;
        strings.push(string);
        rest = after;
    }
    Some(strings)
}

/// Writes data as text. Shape: `None` when the bytes are not these parts.
pub(super) fn text(parts: &[Part], bytes: &[u8]) -> Option<String> {
    let slices = divide(parts, bytes)?;
    let mut words = Vec::with_capacity(parts.len());
    for (part, slice) in parts.iter().zip(slices) {
        words.push(match part {
            Part::U8 => slice[0].to_string(),
            Part::U16 => u16::from_be_bytes([slice[0], slice[1]]).to_string(),
            Part::Ipv4 => std::net::Ipv4Addr::from(*slice.first_chunk::<4>()?).to_string(),
            Part::Ipv6 => std::net::Ipv6Addr::from(*slice.first_chunk::<16>()?).to_string(),
            Part::Compressible | Part::Name => Name::from_wire(slice)?.dotted(),
            Part::String => quoted(&slice[1..]),
            Part::Strings => {
                let strings: Vec<String> = strings(slice)?.into_iter().map(quoted).collect();
                strings.join(" ")
            }
            Part::Tag => String::from_utf8_lossy(&slice[1..]).into_owned(),
            Part::Rest => quoted(slice),
            Part::Hex => to_hex(slice),
            Part::Base64 => to_base64(slice),
            Part::Params if slice.is_empty() => continue,
            Part::Params => params::text(slice)?,
        });
    }
    Some(words.join(" "))
}

/// The last name in data, for types whose clients ask for its addresses next (RFC 1035 §3.3, RFC 2782, RFC 9460
/// §4.1).
pub(super) fn target(number: u16, bytes: &[u8]) -> Option<Name> {
    let parts = find(number)?.parts;
    let slices = divide(parts, bytes)?;
    let at = parts.iter().rposition(|part| matches!(part, Part::Compressible | Part::Name))?;
    let name = Name::from_wire(slices[at])?;
    (suffixes(name.wire()).count() > 1).then_some(name)
}
