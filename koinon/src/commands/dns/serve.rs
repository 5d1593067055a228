//! `koinon dns serve`: serves a host's names from another place, until it is asked to stop.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::DnsServeArgs;
use crate::commands::server::LOG_DEFAULT;
use crate::compose::dns_node::{self, Settings};
use crate::compose::{dns, observe};
use crate::exit::Outcome;
use crate::host::Host;
use crate::render;

/// Runs one DNS node.
pub(crate) async fn run(args: DnsServeArgs) -> anyhow::Result<Outcome> {
    observe::log(LOG_DEFAULT);
    let mut terminate = signal(SignalKind::terminate()).context("catch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("catch SIGINT")?;
    let host = Host::connect(&args.host).await?;
    let follows = host.server().to_owned();
    let settings = Settings {
        node: args.node.clone(),
        data_dir: args.data_dir,
        serving: args.names.into(),
        metrics_listen: args.metrics_listen,
        host,
    };
    let node = dns_node::start(settings).await?;
    render::print(&format!(
        "koinon {} is ready: {} serves names at {}{}, following {follows}\n",
        env!("CARGO_PKG_VERSION"),
        args.node,
        node.address(),
        dns::describe(node.secure()),
    ));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    node.stop().await;
    Ok(Outcome::Ok)
}
