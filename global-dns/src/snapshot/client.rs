//! Who asks: the address that a query came from, and the network that its resolver asks for.

use std::fmt;
use std::net::IpAddr;

use super::choice::{mix, site};
use crate::subnet::{Subnet, mask};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    address: IpAddr,
    subnet: Option<Subnet>,
}

/// Where a client is taken to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// At the address that asks.
    Asking(IpAddr),
    /// In the network that a resolver asks for, whose first address this is. What is said may depend on so many of its bits
    /// and no more.
    Told {
        /// The first address.
        first: IpAddr,
        /// Bits at most.
        n_bits_max: u8,
    },
}

impl Client {
    /// A client that asks from an address, for a network when it says one.
    pub fn new(address: IpAddr, subnet: Option<Subnet>) -> Self {
        Self { address, subnet }
    }

    /// Where its query comes from.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The network that it asks for.
    pub fn subnet(&self) -> Option<Subnet> {
        self.subnet
    }

    /// Where it is taken to be.
    pub(crate) fn whereabouts(&self) -> Whereabouts {
        match self.subnet.and_then(Subnet::place) {
            Some((first, n_bits_max)) => Whereabouts::Told { first, n_bits_max },
            None => Whereabouts::Asking(self.address.to_canonical()),
        }
    }

    /// The site whose sequence of weighted answers it walks.
    ///
    /// It is where the query comes from; and where the answer holds for some network only, together with that, so that each
    /// network of one resolver has a place of its own, and all clients of a network the same.
    pub(crate) fn site(&self, scope: u8) -> u64 {
        match self.whereabouts() {
            Whereabouts::Told { first, .. } if scope > 0 => {
                let network = bits(first) & mask(scope);
                site(self.address) ^ mix((network >> 64) as u64 ^ u64::from(scope))
            }
            Whereabouts::Told { .. } | Whereabouts::Asking(_) => site(self.address),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.subnet, self.whereabouts()) {
            (Some(subnet), Whereabouts::Told { .. }) => write!(f, "{subnet}"),
            (_, whereabouts) => write!(f, "{}", whereabouts.address()),
        }
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self { address, subnet: None }
    }
}

impl Whereabouts {
    pub(crate) fn address(self) -> IpAddr {
        match self {
            Self::Asking(address) | Self::Told { first: address, .. } => address,
        }
    }

    /// The scope of an answer that depends on so many bits; 0 where nobody is told.
    pub(super) fn scope(self, n_bits: u8) -> u8 {
        match self {
            Self::Asking(_) => 0,
            Self::Told { n_bits_max, .. } => n_bits.min(n_bits_max),
        }
    }
}

/// The bits of an address from the left.
pub(super) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
