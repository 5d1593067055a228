//! `koinon dns`: more servers of the host's names, zone files in and out, what is held back and what has changed, and a look
//! at zones from outside.

mod acknowledge;

mod doctor;

mod export;

mod history;

mod import;

mod serve;

use crate::args::{DnsArgs, DnsCommand};
use crate::exit::Outcome;

/// Does what was asked about names.
pub(crate) async fn run(args: DnsArgs) -> anyhow::Result<Outcome> {
    match args.command {
        DnsCommand::Serve(args) => serve::run(*args).await,
        DnsCommand::Import(args) => import::run(args).await,
        DnsCommand::Export(args) => export::run(args).await,
        DnsCommand::Acknowledge(args) => acknowledge::run(args).await,
        DnsCommand::History(args) => history::run(args).await,
        DnsCommand::Doctor(args) => doctor::run(args).await,
    }
}
