//! `koinon server`: runs the host until it is asked to stop.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{ServerArgs, Switch};
use crate::compose::host::{self, Settings};
use crate::compose::{dns, observe};
use crate::exit::Outcome;
use crate::render;

/// Warnings, and what an operator should know of members and the host. That a member cannot be dialled is told by its
/// session, once, and not by the client at each attempt.
pub(crate) const LOG_DEFAULT: &str =
    "warn,kube_client=off,koinon=info,koinon_syncer=info,koinon_controllers=info";

/// Runs the host.
pub(crate) async fn run(args: ServerArgs) -> anyhow::Result<Outcome> {
    observe::log(LOG_DEFAULT);
    let serving = match args.dns {
        Switch::On => Some(args.names.into()),
        Switch::Off => None,
    };
    let settings = Settings {
        data_dir: args.data_dir,
        listen: args.listen,
        advertise: args.advertise,
        serving,
        guard: args.guard.into(),
        key_encryption_file: args.key_encryption_file,
        lookup: args.lookup.into(),
    };
    // Signals are caught before anything is started, so that none is missed meanwhile.
    let mut terminate = signal(SignalKind::terminate()).context("catch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("catch SIGINT")?;
    let mut host = host::start(settings).await?;
    let names = host.dns_address().map_or(String::new(), |address| format!(", names at {address}"));
    render::print(&format!(
        "koinon {} is ready: API at https://{}{names}{}, kubeconfig {}\n",
        env!("CARGO_PKG_VERSION"),
        host.api_address(),
        dns::describe(host.dns_secure()),
        host.kubeconfig().display(),
    ));
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = host.ended() => ended,
    };
    host.stop().await;
    ended.map(|()| Outcome::Ok)
}
