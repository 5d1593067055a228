//! `koinon dns`: more servers of the host's names, and zone files in and out.

mod export;

mod import;

mod serve;

use crate::args::{DnsArgs, DnsCommand};
use crate::exit::Outcome;

/// Serves names, or imports or exports a zone file.
pub(crate) async fn run(args: DnsArgs) -> anyhow::Result<Outcome> {
    match args.command {
        DnsCommand::Serve(args) => serve::run(*args).await,
        DnsCommand::Import(args) => import::run(args).await,
        DnsCommand::Export(args) => export::run(args).await,
    }
}
