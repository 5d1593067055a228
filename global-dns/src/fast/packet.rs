//! Reads the queries that nearly everybody sends, and nothing else.
//!
//! A usual query has one question of class IN with an ordinary type, and at most one more record, an OPT of
//! version 0. Whatever differs in any way is left to the edge, which reads it in full and says what is wrong
//! with it; so this reader may be strict and short.

use crate::cookies::{CLIENT, Cookie};
use crate::snapshot::{Edns, Head, Question};
use crate::subnet::Subnet;
use crate::wire::name::{LABEL_MAX, NAME_MAX};
use crate::wire::{CLASS_IN, HEADER, flag, option, rtype};

/// Bytes of OPT before its options: root name, type, class, TTL, length (RFC 6891 §6.1.2).
const OPT_FIXED: usize = 11;

/// Room for one lower-cased name; kept by the thread, so that no query has to clear it.
///
/// It is longer than a name so that eight bytes can always be written at once.
pub(crate) type NameBuffer = [u8; NAME_MAX + 9];

/// A usual query.
pub(crate) struct Usual<'a> {
    pub(crate) head: Head<'a>,
    pub(crate) question: Question<'a>,
}

/// Reads a usual query, lower-casing its name into `lower`; `None` leaves it to the edge.
pub(crate) fn read<'a>(packet: &'a [u8], lower: &'a mut NameBuffer) -> Option<Usual<'a>> {
    let header: &[u8; HEADER] = packet.first_chunk()?;
    // Query, opcode 0, not truncated; one question, no answer, no authority, at most one additional record.
    let usual = header[2] & (flag::QR | flag::OPCODE_MASK | flag::TC) == 0
        && header[4..10] == [0, 1, 0, 0, 0, 0]
        && header[10] == 0
        && header[11] <= 1;
    if !usual {
        return None;
    }
    let (name_length, n_labels) = measure(&packet[HEADER..])?;
    let question_end = HEADER + name_length + 4;
    let question = packet.get(HEADER..question_end)?;
    let [type_high, type_low, class_high, class_low] = *question.last_chunk()?;
    let asked = u16::from_be_bytes([type_high, type_low]);
    if u16::from_be_bytes([class_high, class_low]) != CLASS_IN || is_special(asked) {
        return None;
    }
    let edns = match header[11] {
        0 if packet.len() == question_end => None,
        1 => Some(read_opt(&packet[question_end..])?),
        _ => return None,
    };
    let dnssec_ok = edns.is_some_and(|edns| edns.dnssec_ok);
    lower_case(&question[..name_length], lower);
    Some(Usual {
        head: Head { id: [header[0], header[1]], flags: [header[2], header[3]], question, edns },
        question: Question { name: &lower[..name_length], n_labels, rtype: asked, dnssec_ok },
    })
}

/// Types that need more than a lookup, ANY excepted: it is compiled like any other.
fn is_special(asked: u16) -> bool {
    matches!(asked, rtype::OPT | rtype::RRSIG | rtype::NSEC)
        || (rtype::META_FIRST..rtype::ANY).contains(&asked)
}

/// Length and labels of the name at the front; `None` for anything but a plain name.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    let mut n_labels = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((at, n_labels));
        }
        at += length;
        n_labels += 1;
        if length > LABEL_MAX || at >= NAME_MAX {
            return None;
        }
    }
}

/// Reads an OPT record that is exactly `bytes`, of version 0, with well-formed options.
fn read_opt(bytes: &[u8]) -> Option<Edns> {
    let (fixed, mut options) = bytes.split_first_chunk::<OPT_FIXED>()?;
    let [root, type_high, type_low, payload_high, payload_low, _, version, flags, _, length_high, length_low] =
        *fixed;
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    if [root, type_high, type_low] != [0, 0, rtype::OPT as u8] || version != 0 || options.len() != length {
        return None;
    }
    let mut edns = Edns {
        payload: u16::from_be_bytes([payload_high, payload_low]),
        dnssec_ok: flags & 0x80 != 0,
        cookie: None,
        wants_nsid: false,
        wants_keepalive: false,
        subnet: None,
    };
    while !options.is_empty() {
        let (head, rest) = options.split_first_chunk::<4>()?;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([head[2], head[3]])))?;
        match u16::from_be_bytes([head[0], head[1]]) {
            option::COOKIE if edns.cookie.is_none() => edns.cookie = Some(read_cookie(data)?),
            option::NSID => edns.wants_nsid = true,
            option::TCP_KEEPALIVE => edns.wants_keepalive = true,
            option::CLIENT_SUBNET if edns.subnet.is_none() => edns.subnet = Some(read_subnet(data)?),
            _ => {}
        }
        options = rest;
    }
    Some(edns)
}

/// Reads a cookie: the client's half alone, or with one of ours. Others' are left to the edge.
fn read_cookie(data: &[u8]) -> Option<Cookie> {
    let (client, server) = data.split_first_chunk::<CLIENT>()?;
    let server = if server.is_empty() { None } else { Some(server.try_into().ok()?) };
    Some(Cookie { client: *client, server })
}

/// Reads a client's network. What RFC 7871 §6 rules out, the edge calls malformed.
fn read_subnet(data: &[u8]) -> Option<Subnet> {
    let ([family_high, family_low, n_bits, scope], address) = data.split_first_chunk::<4>()?;
    let family = u16::from_be_bytes([*family_high, *family_low]);
    if *scope != 0 { None } else { Subnet::from_parts(family, *n_bits, address) }
}

/// Lower-cases a wire name eight bytes at a time.
///
/// Length bytes are at most 63 and so are never mistaken for letters, which begin at 65.
fn lower_case(name: &[u8], lower: &mut NameBuffer) {
    let (words, rest) = name.as_chunks::<8>();
    let (out, _) = lower.as_chunks_mut::<8>();
    for (word, out) in words.iter().zip(&mut *out) {
        *out = lower_word(u64::from_le_bytes(*word)).to_le_bytes();
    }
    for (byte, out) in rest.iter().zip(&mut lower[words.len() * 8..]) {
        *out = byte.to_ascii_lowercase();
    }
}

/// Sets bit 5 of every byte between `A` and `Z`.
///
/// With the eighth bit masked off, adding 0x3f carries into it from `A` (0x41) on and adding 0x25 from above
/// `Z` (0x5b) on; bytes that had it set themselves are no letters.
fn lower_word(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let seven = word & !HIGH;
    let from_a = seven + 0x3f * ONES;
    let above_z = seven + 0x25 * ONES;
    let upper = from_a & !above_z & !word & HIGH;
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(tail: &[u8]) -> Vec<u8> {
        [&b"\xab\xcd\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00\x04ShOp\x07Example\x00"[..], tail].concat()
    }

    fn with_opt(opt: &[u8]) -> Vec<u8> {
        let mut packet = query(b"\x00\x01\x00\x01");
        packet[11] = 1;
        packet.extend(opt);
        packet
    }

    #[test]
    fn lower_cases_letters_and_nothing_else() {
        for byte in 0..=255u8 {
            let word = lower_word(u64::from_le_bytes([byte; 8]));
            assert_eq!(word.to_le_bytes(), [byte.to_ascii_lowercase(); 8], "{byte}");
        }
        for length in 0..NAME_MAX {
            let name: Vec<u8> = (0..length).map(|at| b'A' + (at % 58) as u8).collect();
            let mut lower = [0; NAME_MAX + 9];
            lower_case(&name, &mut lower);
            assert_eq!(lower[..length], name.to_ascii_lowercase());
        }
    }

    #[test]
    fn reads_a_usual_query_and_keeps_its_case() {
        let packet = query(b"\x00\x1c\x00\x01");
        let mut lower = [0xff; NAME_MAX + 9];
        let usual = read(&packet, &mut lower).unwrap();
        assert_eq!(usual.question.name, b"\x04shop\x07example\x00");
        assert_eq!((usual.question.n_labels, usual.question.rtype), (2, rtype::AAAA));
        assert_eq!(usual.head.question, &packet[12..]);
        assert_eq!((usual.head.id, usual.head.flags), ([0xab, 0xcd], [1, 0x10]));
        assert_eq!(usual.head.edns, None);
    }

    #[test]
    fn reads_edns_with_options() {
        let packet =
            with_opt(b"\x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x10\x00\x0a\x00\x08abcdefgh\x00\x03\x00\x00");
        let mut lower = [0; NAME_MAX + 9];
        let usual = read(&packet, &mut lower).unwrap();
        let cookie = Some(Cookie { client: *b"abcdefgh", server: None });
        let wanted = Edns {
            payload: 4096,
            dnssec_ok: true,
            cookie,
            wants_nsid: true,
            wants_keepalive: false,
            subnet: None,
        };
        assert_eq!(usual.head.edns, Some(wanted));
    }

    #[test]
    fn leaves_everything_unusual_to_the_edge() {
        let edited = |at: usize, byte: u8| {
            let mut packet = query(b"\x00\x01\x00\x01");
            packet[at] = byte;
            packet
        };
        let unusual = [
            (edited(2, 0x81), "a response"),
            (edited(2, 0x29), "another opcode"),
            (edited(2, 0x03), "a truncated query"),
            (edited(5, 0), "no question"),
            (edited(5, 2), "two questions"),
            (edited(7, 1), "an answer"),
            (edited(9, 1), "an authority record"),
            (edited(11, 1), "a missing record"),
            (edited(11, 2), "two additional records"),
            (edited(12, 0xc0), "a pointer for a name"),
            (query(b"\x00\x01\x00\x03"), "class CHAOS"),
            (query(b"\x00\xfc\x00\x01"), "a transfer"),
            (query(b"\x00\x29\x00\x01"), "a question for OPT"),
            (query(b"\x00\x01\x00\x01!"), "trailing bytes"),
            (query(b"\x00\x01\x00"), "a question cut short"),
            (with_opt(b"\x00\x00\x29\x10\x00\x00\x01\x00\x00\x00\x00"), "EDNS version 1"),
            (
                with_opt(b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x08"),
                "an option cut short",
            ),
            (with_opt(b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x01\x00"), "half an option"),
            (with_opt(b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x07\x00\x0a\x00\x03abc"), "half a cookie"),
            (
                with_opt(b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x14\x00\x0a\x00\x10abcdefghijklmnop"),
                "a cookie of somebody else's making",
            ),
            (
                with_opt(b"\x00\x00\xfa\x10\x00\x00\x00\x00\x00\x00\x00"),
                "an additional record that is not OPT",
            ),
            (with_opt(b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00!"), "bytes after OPT"),
        ];
        for (packet, what) in unusual {
            assert!(read(&packet, &mut [0; NAME_MAX + 9]).is_none(), "{what}");
        }
        let whole = with_opt(b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00");
        for length in 0..whole.len() {
            assert!(read(&whole[..length], &mut [0; NAME_MAX + 9]).is_none(), "cut to {length} bytes");
        }
    }

    #[test]
    fn asks_any_on_the_usual_path() {
        assert!(read(&query(b"\x00\xff\x00\x01"), &mut [0; NAME_MAX + 9]).is_some());
    }
}
