//! One file per command; each gathers from the host, shapes what was found and prints it. No decisions are taken here.

mod demo;
mod dns;
mod explain;
mod join;
mod resolve;
mod server;
mod simulate;
mod status;
mod unjoin;

use std::future::Future;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::args::{Cli, Command};
use crate::exit::Outcome;

/// Paths of the host's API that several commands use.
pub(crate) mod paths {
    /// Clusters of the fleet.
    pub(crate) const CLUSTERS: &str = "/apis/koinon.io/v1alpha1/clusters";
    /// Bindings of all namespaces.
    pub(crate) const BINDINGS: &str = "/apis/koinon.io/v1alpha1/resourcebindings";
    /// Bindings of cluster-scoped objects.
    pub(crate) const CLUSTER_BINDINGS: &str = "/apis/koinon.io/v1alpha1/clusterresourcebindings";
    /// Global names of all namespaces.
    pub(crate) const RECORDS: &str = "/apis/koinon.io/v1alpha1/globalrecords";
    /// Zones.
    pub(crate) const ZONES: &str = "/apis/koinon.io/v1alpha1/dnszones";
}

/// Runs one command to its end.
///
/// # Errors
/// Whatever kept the command from doing what was asked, said for the person who asked.
pub(crate) fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Server(args) => in_threads(server::run(args)),
        Command::Demo(args) => in_threads(demo::run(args)),
        Command::Simulate(args) => in_threads(simulate::run(args)),
        Command::Join(args) => in_runtime(join::run(args)),
        Command::Unjoin(args) => in_runtime(unjoin::run(args)),
        Command::Status(args) => in_runtime(status::run(args)),
        Command::Explain(args) => in_runtime(explain::run(args)),
        Command::Resolve(args) => in_runtime(resolve::run(args)),
        Command::Dns(args) => in_threads(dns::run(args)),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "koinon", &mut std::io::stdout());
            Ok(Outcome::Ok)
        }
    }
}

/// A short command needs one thread.
fn in_runtime<F: Future<Output = anyhow::Result<Outcome>>>(command: F) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start")?;
    runtime.block_on(command)
}

/// What serves needs them all.
fn in_threads<F: Future<Output = anyhow::Result<Outcome>>>(command: F) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start")?;
    let outcome = runtime.block_on(command);
    // A blocking call that hangs (a disk, a name lookup) must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}
