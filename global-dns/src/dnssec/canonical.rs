//! The form of a set over which it is signed: names in full and lower case, records in the order of their data.
//!
//! Source: RFC 4034 §6 as corrected by RFC 6840 §5.1.

use crate::wire::name::wire_length;
use crate::wire::rdata::Rdata;
use crate::wire::{CLASS_IN, rtype};

/// Where the names are in data of a type whose names count as lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// So many bytes, then so many names.
    After { n_bytes: usize, n_names: usize },
    /// Two numbers, three strings, a name (NAPTR).
    AfterStrings,
    /// Nowhere.
    None,
}

/// The types of RFC 4034 §6.2 (item 3), without those that no zone may hold or that the server itself makes.
fn names(number: u16) -> Names {
    const MD: u16 = 3;
    const MF: u16 = 4;
    const MB: u16 = 7;
    const MG: u16 = 8;
    const MR: u16 = 9;
    const MINFO: u16 = 14;
    const RP: u16 = 17;
    const AFSDB: u16 = 18;
    const RT: u16 = 21;
    const PX: u16 = 26;
    const NAPTR: u16 = 35;
    const KX: u16 = 36;
    match number {
        rtype::NS | rtype::CNAME | rtype::PTR | rtype::DNAME | MD | MF | MB | MG | MR => {
            Names::After { n_bytes: 0, n_names: 1 }
        }
        rtype::SOA | MINFO | RP => Names::After { n_bytes: 0, n_names: 2 },
        rtype::MX | AFSDB | RT | KX => Names::After { n_bytes: 2, n_names: 1 },
        PX => Names::After { n_bytes: 2, n_names: 2 },
        rtype::SRV => Names::After { n_bytes: 6, n_names: 1 },
        NAPTR => Names::AfterStrings,
        _ => Names::None,
    }
}

/// The canonical form of a record's data. What does not follow its type's shape stays as it is.
pub(super) fn data(number: u16, data: &Rdata) -> Vec<u8> {
    let mut bytes = data.wire();
    let (mut at, n_names) = match names(number) {
        Names::None => return bytes,
        Names::After { n_bytes, n_names } => (n_bytes, n_names),
        Names::AfterStrings => {
            let mut at = 4;
            for _ in 0..3 {
                at += 1 + bytes.get(at).map_or(0, |length| usize::from(*length));
            }
            (at, 1)
        }
    };
    for _ in 0..n_names {
        let Some(length) = bytes.get(at..).and_then(wire_length) else { break };
        // Lengths of labels are below 64 and no letters.
        bytes[at..at + length].make_ascii_lowercase();
        at += length;
    }
    bytes
}

/// Appends the canonical form of a set to `out`. `owner` is lower case, and a wildcard where the set is one's.
pub(super) fn append(out: &mut Vec<u8>, owner: &[u8], number: u16, ttl: u32, set: &[Rdata]) {
    let mut sorted: Vec<Vec<u8>> = set.iter().map(|one| data(number, one)).collect();
    sorted.sort();
    sorted.dedup();
    for data in sorted {
        out.extend_from_slice(owner);
        out.extend(number.to_be_bytes());
        out.extend(CLASS_IN.to_be_bytes());
        out.extend(ttl.to_be_bytes());
        // Data is at most 65,535 bytes by its parser.
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_old_types_are_lower_cased_and_in_new_ones_kept() {
        let name = b"\x03FoO\x03BAR\x00";
        let lower = b"\x03foo\x03bar\x00";
        let cases: [(u16, &[u8]); 7] = [
            (rtype::SRV, b"\x00\x01\x00\x02\x00\x50"),
            (rtype::DNAME, b""),
            (17, b"\x01A\x00"),
            (18, b"\x00\x01"),
            (26, b"\x00\x01\x01X\x00"),
            (35, b"\x00\x01\x00\x02\x01U\x03E2U\x02!!"),
            (36, b"\x00\x01"),
        ];
        for (number, before) in cases {
            let canonical = data(number, &Rdata::opaque(&[before, name].concat()));
            assert!(canonical.ends_with(lower), "{number}: {canonical:?}");
        }
        for number in [rtype::TXT, rtype::SVCB, rtype::HTTPS, 4711] {
            let written = [&b"\x00\x01"[..], name].concat();
            assert_eq!(data(number, &Rdata::opaque(&written)), written, "{number}");
        }
    }

    #[test]
    fn what_has_not_its_types_shape_stays_as_it_is() {
        for bytes in [&b""[..], b"\x00", b"\x00\x01\xc0\x0c", b"\x00\x01\x40AB\x00"] {
            for number in [rtype::MX, rtype::SRV, 35, 26] {
                assert_eq!(data(number, &Rdata::opaque(bytes)), bytes, "{number}");
            }
        }
    }

    #[test]
    fn records_of_a_set_are_in_the_order_of_their_data_and_once() {
        let set = [b"\x02bb", b"\x02aa", b"\x02bb"].map(|text| Rdata::opaque(text));
        let mut out = Vec::new();
        append(&mut out, b"\x01a\x00", rtype::TXT, 60, &set);
        let record = |data: &[u8]| [b"\x01a\x00\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x03", data].concat();
        assert_eq!(out, [record(b"\x02aa"), record(b"\x02bb")].concat());
    }
}
