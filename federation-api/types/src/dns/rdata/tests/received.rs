//! Data as it comes in messages, with its names compressed or not.

use crate::dns::rdata::{parse, received, text};
use crate::dns::rtype;

/// `\x03www\x07example\x00` and then the data.
fn message(data: &[u8]) -> (Vec<u8>, std::ops::Range<usize>) {
    let message = [&b"\x03www\x07example\x00"[..], data, b"and more"].concat();
    (message, 13..13 + data.len())
}

#[test]
fn names_in_data_are_written_in_full() {
    for (number, data, wanted) in [
        (rtype::CNAME, &b"\xc0\x00"[..], "www.example."),
        (rtype::MX, b"\x00\x0a\x04mail\xc0\x04", "10 mail.example."),
        (rtype::SRV, b"\x00\x01\x00\x02\x00\x50\xc0\x00", "1 2 80 www.example."),
        (rtype::SRV, b"\x00\x01\x00\x02\x00\x50\x01a\x00", "1 2 80 a."),
        (rtype::A, b"\xc0\x00\x02\x01", "192.0.2.1"),
        (rtype::TXT, b"\x02\xc0\x00", r#""\192\000""#),
        (4711, b"\xc0\x00", r"\# 2 C000"),
    ] {
        let (message, place) = message(data);
        let read = received(number, &message, place).unwrap_or_else(|| panic!("{number} {data:?}"));
        assert_eq!(text(number, &read), wanted, "{number} {data:?}");
        assert_eq!(parse(number, wanted).unwrap(), read, "{wanted}");
    }
}

#[test]
fn what_is_no_data_of_its_type_is_not_read() {
    for (number, data) in [
        (rtype::A, &b"\xc0\x00\x02"[..]),
        (rtype::A, b"\xc0\x00\x02\x01\x00"),
        // A pointer to itself, to something later, beyond the data.
        (rtype::CNAME, b"\xc0\x0d"),
        (rtype::CNAME, b"\xc0\x10"),
        (rtype::CNAME, b"\x01a"),
        (rtype::CNAME, b"\xc0"),
        (rtype::CNAME, b"\xc0\x00\x00"),
        (rtype::MX, b"\x00\x0a"),
        (rtype::TXT, b""),
    ] {
        let (message, place) = message(data);
        assert_eq!(received(number, &message, place), None, "{number} {data:?}");
    }
}
