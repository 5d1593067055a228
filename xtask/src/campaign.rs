//! Campaigns: trials and searches that run as long as they are told to, and print what they really did.

mod floods;
mod fuzz_dns;
mod time;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use crate::workspace::Workspace;

pub(crate) use time::read as read_time;

/// What can be tried.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// A DNS node under floods of every kind, with legitimate clients beside them
    Floods,
    /// The DNS server's readers, by inputs that a fuzzer makes from those it found before
    FuzzDns,
}

/// Runs the campaign `name` for about this long, not counting what is built first.
pub(crate) fn run(workspace: &Workspace, name: Name, time: Duration) -> Result<()> {
    match name {
        Name::Floods => floods::run(workspace, time),
        Name::FuzzDns => fuzz_dns::run(workspace, time),
    }
}
