//! `koinon dns`: zone files in and out of the host.

mod export;

mod import;

use crate::args::{DnsArgs, DnsCommand};
use crate::exit::Outcome;

/// Imports or exports a zone file.
pub(crate) async fn run(args: DnsArgs) -> anyhow::Result<Outcome> {
    match args.command {
        DnsCommand::Import(args) => import::run(args).await,
        DnsCommand::Export(args) => export::run(args).await,
    }
}
