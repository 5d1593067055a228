//! `koinon simulate`: one simulated cluster on a socket, until it is asked to stop.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use koinon_simulator::{Config, Member};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::SimulateArgs;
use crate::compose::observe;
use crate::exit::Outcome;
use crate::render;

/// What a node of the simulated cluster has.
const NODE: (&str, &str, u32) = ("8", "32Gi", 110);

/// How long a simulated pod takes to become ready.
const READY_DELAY: Duration = Duration::from_millis(300);

/// Runs the cluster.
pub(crate) async fn run(args: SimulateArgs) -> anyhow::Result<Outcome> {
    observe::log("warn");
    let IpAddr::V4(ip) = args.listen.ip() else {
        bail!("--listen {}: a simulated cluster has an IPv4 address, such as 127.88.0.1", args.listen);
    };
    let mut terminate = signal(SignalKind::terminate()).context("catch SIGTERM")?;
    let (cpu, memory, pods) = NODE;
    let config = Config {
        api_port: args.listen.port(),
        nodes: args.nodes,
        cpu: cpu.to_owned(),
        memory: memory.to_owned(),
        pods,
        ready_delay: READY_DELAY,
        ..Config::new(&args.name, ip)
    };
    let member = Member::start(config).await.with_context(|| format!("start {}", args.name))?;
    let kubeconfig = args.kubeconfig.unwrap_or_else(|| format!("{}.kubeconfig", args.name).into());
    std::fs::write(&kubeconfig, member.kubeconfig())
        .with_context(|| format!("write {}", kubeconfig.display()))?;
    render::print(&format!(
        "{} is ready: API at https://{}, {} nodes, kubeconfig {}\n",
        args.name,
        member.api_address(),
        args.nodes,
        kubeconfig.display()
    ));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    member.stop().await;
    Ok(Outcome::Ok)
}
