//! Campaigns: searches for what breaks, which run as long as they are told to and print what they really did.

mod fuzz_dns;
mod time;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use crate::workspace::Workspace;

pub(crate) use time::read as read_time;

/// What can be searched.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// The DNS server's readers, by inputs that a fuzzer makes from those it found before
    FuzzDns,
}

/// Runs the campaign `name` for about this long, not counting what is built first.
pub(crate) fn run(workspace: &Workspace, name: Name, time: Duration) -> Result<()> {
    match name {
        Name::FuzzDns => fuzz_dns::run(workspace, time),
    }
}
