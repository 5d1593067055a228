//! The client's network as a resolver tells it (EDNS Client Subnet, RFC 7871).
//!
//! What a query says is kept as it was said, because the response repeats it (§7.2.1). Where the client is taken to be is
//! narrowed to [`V4_MAX`] or [`V6_MAX`] bits first, so that whatever follows holds for the whole network that the
//! response's scope names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Most bits of an IPv4 client that an answer depends on, as RFC 7871 §11.1 advises for privacy: also the bound of how many
/// answers a resolver has to keep of one name.
pub(crate) const V4_MAX: u8 = 24;

/// Most bits of an IPv6 client that an answer depends on (RFC 7871 §11.1).
pub(crate) const V6_MAX: u8 = 56;

/// Longest option: family, both prefix lengths, an IPv6 address.
pub(crate) const OPTION_MAX: usize = 4 + 16;

/// A client's network, as said in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    family: Family,
    /// Bits of the address that are said; the source prefix length.
    n_bits: u8,
    /// The address from the left, zero behind its bits. As bytes, because a number of 128 bits is aligned to 16, and this is part
    /// of every query.
    bytes: [u8; 16],
}

/// Says that a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network such as 192.0.2.0/24 or 2001:db8::/56")]
pub struct InvalidSubnet(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Nothing is said: what BIND's tools send for a prefix of no bits.
    None,
    V4,
    V6,
}

impl Subnet {
    /// Takes a network apart into what a query says of it; none when it has more bits than an address.
    pub fn new(address: IpAddr, n_bits: u8) -> Option<Self> {
        let (family, bits, n_bits_max) = match address {
            IpAddr::V4(v4) => (Family::V4, u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (Family::V6, v6.to_bits(), 128),
        };
        (n_bits <= n_bits_max).then(|| Self { family, n_bits, bytes: (bits & mask(n_bits)).to_be_bytes() })
    }

    /// What a family and a prefix of whole bytes say; none for anything that RFC 7871 §6 rules out, bits behind the prefix
    /// included.
    pub(crate) fn from_parts(family: u16, n_bits: u8, address: &[u8]) -> Option<Self> {
        let (family, n_bits_max) = match family {
            0 => (Family::None, 0),
            1 => (Family::V4, 32),
            2 => (Family::V6, 128),
            _ => return None,
        };
        if n_bits > n_bits_max || address.len() != usize::from(n_bits.div_ceil(8)) {
            return None;
        }
        let mut bytes = [0; 16];
        bytes[..address.len()].copy_from_slice(address);
        let is_rest_zero = u128::from_be_bytes(bytes) & !mask(n_bits) == 0;
        is_rest_zero.then_some(Self { family, n_bits, bytes })
    }

    /// The first address of the network, as far as answers depend on it, and how many of its bits that are; none when
    /// nothing is said of the client, who wants it so (RFC 7871 §7.1.2).
    pub(crate) fn place(self) -> Option<(IpAddr, u8)> {
        let n_bits_max = match self.family {
            Family::V4 => V4_MAX,
            Family::V6 => V6_MAX,
            Family::None => return None,
        };
        if self.n_bits == 0 {
            return None;
        }
        Some((self.address(n_bits_max)?, n_bits_max))
    }

    /// The first so many bits as an address.
    fn address(self, n_bits: u8) -> Option<IpAddr> {
        let bits = u128::from_be_bytes(self.bytes) & mask(n_bits);
        match self.family {
            Family::V4 => Some(IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32))),
            Family::V6 => Some(IpAddr::V6(Ipv6Addr::from_bits(bits))),
            Family::None => None,
        }
    }

    /// Length of the option in a response, its head included.
    pub(crate) fn length(self) -> usize {
        4 + 4 + usize::from(self.n_bits.div_ceil(8))
    }

    /// Writes the data of the option for a response whose answer holds for the first `scope` bits. Shape: its length.
    pub(crate) fn write(self, scope: u8, out: &mut [u8; OPTION_MAX]) -> usize {
        let family: u16 = match self.family {
            Family::None => 0,
            Family::V4 => 1,
            Family::V6 => 2,
        };
        out[..2].copy_from_slice(&family.to_be_bytes());
        out[2] = self.n_bits;
        // Who says nothing is told nothing (RFC 7871 §7.2.1).
        out[3] = if self.n_bits == 0 { 0 } else { scope };
        out[4..].copy_from_slice(&self.bytes);
        4 + usize::from(self.n_bits.div_ceil(8))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address(self.n_bits) {
            None => f.write_str("no network"),
            Some(address) => write!(f, "{address}/{}", self.n_bits),
        }
    }
}

impl FromStr for Subnet {
    type Err = InvalidSubnet;

    fn from_str(text: &str) -> Result<Self, InvalidSubnet> {
        let read = || {
            let (address, n_bits) = text.split_once('/')?;
            Self::new(address.parse().ok()?, n_bits.parse().ok()?)
        };
        read().ok_or_else(|| InvalidSubnet(text.to_owned()))
    }
}

/// Ones in the first bits of 128.
pub(crate) fn mask(n_bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(n_bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rfc_7871_allows_is_a_subnet() {
        for (what, family, n_bits, address, is_good) in [
            ("a /24", 1, 24, &[192, 0, 2][..], true),
            ("a /20 whose last byte is half used", 1, 20, &[192, 0, 0x20], true),
            ("a /56 of IPv6", 2, 56, &[0x20, 1, 0xd, 0xb8, 0, 0, 1], true),
            ("no bits", 1, 0, &[], true),
            ("no family and no bits", 0, 0, &[], true),
            ("no family and bits", 0, 8, &[10], false),
            ("an unknown family", 3, 8, &[10], false),
            ("more bits than an address has", 1, 33, &[1, 2, 3, 4, 5], false),
            ("an address too short", 1, 24, &[192, 0], false),
            ("an address too long", 1, 24, &[192, 0, 2, 0], false),
            ("a bit behind the prefix", 1, 20, &[192, 0, 0x21], false),
        ] {
            assert_eq!(Subnet::from_parts(family, n_bits, address).is_some(), is_good, "{what}");
        }
    }

    #[test]
    fn a_client_is_taken_to_be_in_a_network_of_bounded_length() {
        for (address, n_bits, place) in [
            ("192.0.2.77", 32, Some(("192.0.2.0", 24))),
            ("192.0.2.77", 16, Some(("192.0.0.0", 24))),
            ("2001:db8:1:2ff::1", 128, Some(("2001:db8:1:200::", 56))),
            ("192.0.2.77", 0, None),
        ] {
            let subnet = Subnet::new(address.parse().unwrap(), n_bits).unwrap();
            let wanted = place.map(|(first, n_bits)| (first.parse().unwrap(), n_bits));
            assert_eq!(subnet.place(), wanted, "{address}/{n_bits}");
        }
    }
}
