//! Keys of signed zones as DNSKEY and DS records know them; algorithm 13 only: ECDSA over P-256 with SHA-256 (RFC 6605).

use sha2::{Digest as _, Sha256, Sha384};

use super::name::Name;

/// The number of the algorithm: short signatures, and every validator knows it (RFC 8624 §3.1).
pub const ALGORITHM: u8 = 13;

/// The protocol that keys are for; there is no other (RFC 4034 §2.1.2).
pub const PROTOCOL: u8 = 3;

/// Flags of a key of the zone, without and with the secure entry point (RFC 4034 §2.1.1).
const FLAGS: [u16; 2] = [256, 257];

/// What a DS record holds of a key (RFC 4509, RFC 6605 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestType {
    /// SHA-256, which RFC 8624 §3.3 asks for.
    Sha256 = 2,
    /// SHA-384.
    Sha384 = 4,
}

/// The data of the DNSKEY record of a public key: x and y, 32 bytes each (RFC 4034 §2.1, RFC 6605 §4).
pub fn dnskey(public: &[u8], is_entry_point: bool) -> Vec<u8> {
    let flags = FLAGS[usize::from(is_entry_point)].to_be_bytes();
    [&flags[..], &[PROTOCOL, ALGORITHM], public].concat()
}

/// The key tag of DNSKEY data (RFC 4034 appendix B).
pub fn key_tag(dnskey: &[u8]) -> u16 {
    let pairs = dnskey.chunks(2);
    let sum: u32 = pairs.map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    (sum + (sum >> 16)) as u16
}

/// The digest of DNSKEY data at `apex` in its DS record (RFC 4034 §5.1.4).
pub fn ds_digest(apex: &Name, dnskey: &[u8], digest_type: DigestType) -> Vec<u8> {
    match digest_type {
        DigestType::Sha256 => {
            Sha256::new().chain_update(apex.wire()).chain_update(dnskey).finalize().to_vec()
        }
        DigestType::Sha384 => {
            Sha384::new().chain_update(apex.wire()).chain_update(dnskey).finalize().to_vec()
        }
    }
}

/// The data of the DS record for DNSKEY data at `apex` (RFC 4034 §5.1); of a CDS record too (RFC 7344 §3.1).
pub fn ds(apex: &Name, dnskey: &[u8], digest_type: DigestType) -> Vec<u8> {
    let head = [ALGORITHM, digest_type as u8];
    [&key_tag(dnskey).to_be_bytes()[..], &head, &ds_digest(apex, dnskey, digest_type)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::rdata;

    fn bytes(kind: &str, text: &str) -> Vec<u8> {
        rdata::parse(rdata::type_number(kind).unwrap(), text).unwrap().wire()
    }

    const EXAMPLE_NET: &str =
        "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";

    #[test]
    fn key_tags_are_those_of_the_rfcs() {
        // RFC 4034 §5.4 and RFC 6605 §6.1.
        let dskey = "256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZ\
            DRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==";
        assert_eq!(key_tag(&bytes("DNSKEY", dskey)), 60485);
        assert_eq!(key_tag(&bytes("DNSKEY", EXAMPLE_NET)), 55648);
    }

    #[test]
    fn ds_records_are_those_of_the_rfcs() {
        let apex: Name = "example.net".parse().unwrap();
        let made = ds(&apex, &bytes("DNSKEY", EXAMPLE_NET), DigestType::Sha256);
        // RFC 6605 §6.1.
        let wanted = "55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17";
        assert_eq!(made, bytes("DS", wanted));
        let long = ds(&apex, &bytes("DNSKEY", EXAMPLE_NET), DigestType::Sha384);
        assert_eq!((&long[..4], long.len()), (&[0xd9, 0x60, 13, 4][..], 4 + 48));
    }
}
