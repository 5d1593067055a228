//! From `apply` on the host to present in two real members: latency, throughput, and what they cost.
//!
//! Members are kube-apiserver and etcd alone, so that what is measured is propagation and not pods. The same load is
//! written straight to the members by a bare client in the same run, on the same busy machine.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use k8s_openapi::api::apps::v1::Deployment;
use koinon_tests::clock::{back_off, eventually};
use koinon_tests::host::Host;
use koinon_tests::load::arrivals::Arrivals;
use koinon_tests::load::deployments::{NAMESPACE, apply, apply_all};
use koinon_tests::load::report::{line, percentile_ms, write};
use koinon_tests::member::{Member, Parts, Shape};
use koinon_tests::usage::{cpu_seconds, resident_mib, stored_bytes};
use koinon_tests::world::World;
use kube::api::Api;
use serde_json::json;

/// Measures propagation.
#[derive(Parser)]
struct Arguments {
    /// Deployments in all; the bar for memory is at 2,305
    #[arg(long, default_value_t = 2305)]
    deployments: usize,
    /// Deployments applied one at a time for the idle latency
    #[arg(long, default_value_t = 200)]
    idle: usize,
    /// Requests in flight, per server
    #[arg(long, default_value_t = 16)]
    clients: usize,
}

/// Where everything of this namespace goes: to both members.
const POLICY: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: load}
---
apiVersion: koinon.io/v1alpha1
kind: PropagationPolicy
metadata: {name: all, namespace: load}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
";

/// Between two idle applies: longer than one takes, so that each finds the host idle.
const IDLE_PAUSE: Duration = Duration::from_millis(50);

/// Thousands of Deployments at the slowest pace that is worth a figure.
const ARRIVE_MAX: Duration = Duration::from_secs(300);

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let world = World::new("bench-propagation")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&world, &arguments))
}

async fn measure(world: &World, arguments: &Arguments) -> Result<()> {
    let shape = Shape { n_nodes: 0, parts: Parts::Api, ..Shape::default() };
    let members = Member::start_all(world, &["one", "two"], &shape).await?;
    let host = Host::start(world, "host", &["--dns=off"]).await?;
    for member in &members {
        host.join(member.name(), member.kubeconfig(), &[]).await?;
    }
    host.kubectl().apply(POLICY).await?;
    let server: Api<Deployment> = Api::namespaced(host.client().await?, NAMESPACE);
    let mut arrivals = Vec::new();
    for member in &members {
        // The namespace travels with the first Deployment; a watch need not wait for it.
        arrivals.push(Arrivals::watch(Api::namespaced(member.client().await?, NAMESPACE)).await?);
    }
    back_off(Duration::from_secs(2)).await;
    let rss_idle = resident_mib(host.pid()?)?;

    let idle = measure_idle(&server, &mut arrivals, arguments.idle).await?;
    let before = Cost::read(&host).await?;
    let names: Vec<String> =
        (arguments.idle..arguments.deployments).map(|n| format!("load-{n:05}")).collect();
    let start = Instant::now();
    apply_all(&[server], &names, arguments.clients).await?;
    let mut last = start;
    for arrivals in &mut arrivals {
        last = last.max(arrivals.all(&names, ARRIVE_MAX).await?);
    }
    let sustained = rate(names.len(), last.duration_since(start));
    settle(&host).await?;
    let cost = Cost::read(&host).await?.since(&before, names.len());
    let rss_full = resident_mib(host.pid()?)?;
    let direct = measure_direct(&members, names.len().min(1000), arguments.clients).await?;

    let (p50, p99) = (percentile_ms(&idle, 50), percentile_ms(&idle, 99));
    println!("{}", line("propagation to 2 members", "measured", "bar"));
    println!("{}", line("idle, apply to present in both, p50", &format!("{p50:.1} ms"), "–"));
    println!("{}", line("idle, apply to present in both, p99", &format!("{p99:.1} ms"), "≤ 60 ms"));
    println!("{}", line("sustained", &format!("{sustained:.0} /s"), "≥ 60 /s"));
    println!("{}", line("a bare client straight to both members", &format!("{direct:.0} /s"), "–"));
    println!("{}", line("share of the bare client", &format!("{:.2}", sustained / direct), "≥ 0.45"));
    println!(
        "{}",
        line("host CPU per 1,000 Deployments", &format!("{:.2} s", cost.cpu_s_per_1000), "≤ 10 s")
    );
    println!("{}", line("host writes per Deployment", &format!("{:.2}", cost.writes), "≤ 5"));
    println!("{}", line("stored bytes per Deployment", &format!("{:.0}", cost.stored_bytes), "≤ 6144"));
    println!("{}", line("RSS idle", &format!("{rss_idle:.1} MiB"), "≤ 60 MiB"));
    println!(
        "{}",
        line(&format!("RSS at {}", arguments.deployments), &format!("{rss_full:.1} MiB"), "≤ 200 MiB")
    );
    let file = write(
        "propagation",
        &json!({
            "idle_ms": {"p50": p50, "p99": p99},
            "sustained_per_s": sustained,
            "direct_per_s": direct,
            "host_cpu_s_per_1000": cost.cpu_s_per_1000,
            "host_writes_per_deployment": cost.writes,
            "stored_bytes_per_deployment": cost.stored_bytes,
            "rss_mib": {"idle": rss_idle, "at_2305": rss_full},
            "deployments": arguments.deployments,
        }),
    )?;
    println!("written to {}", file.display());
    Ok(())
}

/// Applies one Deployment at a time, each when the last has arrived.
async fn measure_idle(
    server: &Api<Deployment>,
    arrivals: &mut [Arrivals],
    n: usize,
) -> Result<Vec<Duration>> {
    let mut samples = Vec::with_capacity(n);
    for number in 0..n {
        let name = format!("load-{number:05}");
        let start = Instant::now();
        apply(server, &name).await?;
        let mut last = start;
        for arrivals in arrivals.iter_mut() {
            last = last.max(arrivals.all(std::slice::from_ref(&name), ARRIVE_MAX).await?);
        }
        // The first one carries the namespace with it.
        if number > 0 {
            samples.push(last.duration_since(start));
        }
        back_off(IDLE_PAUSE).await;
    }
    Ok(samples)
}

/// The same load, written straight to both members. Units: Deployments in both, per second.
async fn measure_direct(members: &[Member], n: usize, n_clients: usize) -> Result<f64> {
    let mut servers = Vec::new();
    for member in members {
        member.kubectl().run(["create", "namespace", "direct"]).await?;
        servers.push(Api::namespaced(member.client().await?, "direct"));
    }
    let names: Vec<String> = (0..n).map(|number| format!("direct-{number:05}")).collect();
    let start = Instant::now();
    apply_all(&servers, &names, n_clients).await?;
    Ok(rate(n, start.elapsed()))
}

/// Waits until the host writes nothing more: statuses follow arrivals.
async fn settle(host: &Host) -> Result<()> {
    let mut last = 0;
    eventually(Duration::from_secs(60), "the host settles", async || {
        let before = last;
        back_off(Duration::from_secs(1)).await;
        last = version(host).await?;
        anyhow::ensure!(last - before < 10, "it is at {last} after {before}");
        anyhow::Ok(())
    })
    .await
}

/// The version of the host's store: every write has its own.
async fn version(host: &Host) -> Result<u64> {
    let configs: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(host.client().await?, NAMESPACE);
    let listed = configs.list(&kube::api::ListParams::default()).await?;
    let version = listed.metadata.resource_version.context("a list has no version")?;
    version.parse().context("the host's versions are numbers")
}

/// What the host has spent.
struct Cost {
    cpu_s: f64,
    writes: u64,
    stored: u64,
}

/// What it spent on each Deployment.
struct PerDeployment {
    cpu_s_per_1000: f64,
    writes: f64,
    stored_bytes: f64,
}

// === impl Cost ===

impl Cost {
    async fn read(host: &Host) -> Result<Self> {
        Ok(Self {
            cpu_s: cpu_seconds(host.pid()?)?,
            writes: version(host).await?,
            stored: stored_bytes(&host.data_folder())?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2⁵²")]
    fn since(&self, before: &Self, n: usize) -> PerDeployment {
        let n = n as f64;
        PerDeployment {
            cpu_s_per_1000: (self.cpu_s - before.cpu_s) * 1000.0 / n,
            writes: (self.writes - before.writes) as f64 / n,
            stored_bytes: self.stored.saturating_sub(before.stored) as f64 / n,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2⁵²")]
fn rate(n: usize, time: Duration) -> f64 {
    n as f64 / time.as_secs_f64()
}
