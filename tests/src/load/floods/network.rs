//! Addresses of many networks, all of them local.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where the server under test listens.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The network that floods of datagrams come from.
pub(super) fn flooding(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 66, host)
}

/// One of the networks that connections come from: enough of them to fill any room that gives each its share.
pub(super) fn connecting(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 100 + (number % N_NETWORKS) as u8, 1 + (number / N_NETWORKS % 200) as u8)
}

const N_NETWORKS: usize = 32;

/// Where clients are that have nothing to do with it.
pub(super) fn elsewhere(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 19, 7, host)
}

/// Makes the addresses local, and lets this process and its children open as many files as it may.
///
/// # Errors
/// When this is no network namespace of our own, or `ip` is missing.
pub fn prepare() -> Result<()> {
    for arguments in ["link set lo up", "route replace local 198.18.0.0/15 dev lo"] {
        let status = Command::new("ip").args(arguments.split(' ')).status();
        let status = status.context("failed to run ip (package iproute2)")?;
        ensure!(status.success(), "`ip {arguments}` failed; run this by `unshare --map-root-user --net`");
    }
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("failed to raise the limit of files")
}
