//! NSEC data: the next name, and which types a name has.

use std::collections::BTreeSet;

use crate::wire::name::Name;
use crate::wire::rdata::Rdata;

/// The data of an NSEC record (RFC 4034 §4.1). The next name is never compressed.
pub(crate) fn nsec(next: &Name, types: &BTreeSet<u16>) -> Rdata {
    let mut data = next.wire().to_vec();
    let mut window: Option<u8> = None;
    let mut bits = [0_u8; 32];
    for number in types {
        let [high, low] = number.to_be_bytes();
        if window != Some(high) {
            append(&mut data, window, &bits);
            bits = [0; 32];
            window = Some(high);
        }
        bits[usize::from(low / 8)] |= 0x80 >> (low % 8);
    }
    append(&mut data, window, &bits);
    Rdata::opaque(&data)
}

/// Appends one window of the bitmap, without the zeros at its end.
fn append(data: &mut Vec<u8>, window: Option<u8>, bits: &[u8; 32]) {
    let length = bits.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if let (Some(window), 1..) = (window, length) {
        data.extend([window, length as u8]);
        data.extend_from_slice(&bits[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_example_of_rfc_4034() {
        // RFC 4034 §4.3: A MX RRSIG NSEC TYPE1234, next host.example.com.
        let next: Name = "host.example.com".parse().unwrap();
        let written = nsec(&next, &[1, 15, 46, 47, 1234].into());
        let bitmap = [&[0x00, 0x06, 0x40, 0x01, 0x00, 0x00, 0x00, 0x03, 0x04, 0x1b][..], &[0; 26], &[0x20]];
        assert_eq!(written.fixed[..], [next.wire(), &bitmap.concat()].concat());
    }

    #[test]
    fn writes_no_window_without_types() {
        let next: Name = "a".parse().unwrap();
        assert_eq!(nsec(&next, &BTreeSet::new()).fixed[..], *b"\x01a\x00");
    }
}
