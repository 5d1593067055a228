//! How commands find other name servers.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use koinon_dns::delegation::Lookup;

/// The port of name servers.
const PORT: u16 = 53;

/// How the host looks parents of signed zones up.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct HostLookupArgs {
    /// Resolver that the parents of signed zones are found with, to see their DS records (default: the first of /etc/resolv.conf)
    #[arg(long, value_name = "IP[:PORT]", value_parser = address)]
    pub(crate) dns_resolver: Option<SocketAddr>,
    /// Port at which name servers of others are asked, where it is another than 53
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    pub(crate) dns_peer_port: u16,
}

/// How a command looks names up.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LookupArgs {
    /// Resolver that servers are found with (default: the first of /etc/resolv.conf)
    #[arg(long, value_name = "IP[:PORT]", value_parser = address)]
    pub(crate) resolver: Option<SocketAddr>,
    /// Port at which name servers are asked, where it is another than 53
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    pub(crate) port: u16,
}

impl From<HostLookupArgs> for Lookup {
    fn from(args: HostLookupArgs) -> Self {
        Self { resolver: args.dns_resolver.unwrap_or_else(of_system), port: args.dns_peer_port }
    }
}

impl From<LookupArgs> for Lookup {
    fn from(args: LookupArgs) -> Self {
        Self { resolver: args.resolver.unwrap_or_else(of_system), port: args.port }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>();
    let alone = || text.parse::<IpAddr>().map(|ip| (ip, PORT).into());
    with_port.or_else(|_| alone()).map_err(|_| "an IP address, with :PORT or without, is expected".to_owned())
}

/// The system's first resolver; the local one where the system names none, as resolv.conf(5) says.
pub(crate) fn of_system() -> SocketAddr {
    let text = std::fs::read("/etc/resolv.conf").unwrap_or_default();
    let config = resolv_conf::Config::parse(text).ok();
    let first = config.and_then(|config| config.nameservers.first().map(IpAddr::from));
    (first.unwrap_or(IpAddr::from([127, 0, 0, 1])), PORT).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_an_address_with_or_without_a_port() {
        for (text, meant) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]:54", "[2001:db8::1]:54"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()).as_deref(), Ok(meant));
        }
        assert!(address("dns.example").is_err());
    }
}
