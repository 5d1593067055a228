//! Loopback addresses of one's own, so that ports need no luck.
//!
//! Every address of 127.0.0.0/8 is local on Linux. Each member and each host claims one whole address and uses
//! fixed ports on it; two claims never meet, whichever process makes them, because a claim is a bound port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};

/// The port whose listener is the claim; nothing ever connects to it.
const CLAIM_PORT: u16 = 6999;

/// Claims start here, away from 127.0.0.x where people run things by hand.
const FIRST: u32 = 0x7f4d_0001;

/// More claims than any test run holds at once.
const N_ADDRESSES: u32 = 4096;

/// One loopback address that nobody else uses until this is dropped.
#[derive(Debug)]
pub struct Address {
    ip: Ipv4Addr,
    _claim: TcpListener,
}

// === impl Address ===

impl Address {
    /// Claims a free address.
    ///
    /// # Errors
    /// When all of them are taken.
    pub fn claim() -> Result<Self> {
        // Starting apart saves most collisions between processes; the claim itself settles the rest.
        let offset = std::process::id() * 16 % N_ADDRESSES;
        for step in 0..N_ADDRESSES {
            let ip = Ipv4Addr::from(FIRST + (offset + step) % N_ADDRESSES);
            let has_final_octet = !matches!(ip.octets()[3], 0 | 255);
            if !has_final_octet {
                continue;
            }
            if let Ok(claim) = TcpListener::bind((ip, CLAIM_PORT)) {
                return Ok(Self { ip, _claim: claim });
            }
        }
        bail!("failed to claim a loopback address: {N_ADDRESSES} are taken");
    }

    /// The address.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// A port on the address.
    pub fn port(&self, port: u16) -> SocketAddr {
        (self.ip, port).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_never_meet() {
        let one = Address::claim().unwrap();
        let two = Address::claim().unwrap();
        assert_ne!(one.ip(), two.ip());
        assert!(one.ip().is_loopback() && two.ip().is_loopback());
    }
}
