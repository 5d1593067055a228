//! kill -9 at any moment, two hundred times under load: no acknowledged write is lost, no watcher sees one twice, and what
//! runs in a member goes on as if nothing had happened.
#![expect(clippy::print_stdout, reason = "cargo shows it when a test fails, or with --nocapture")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use koinon_simulator::{Config, Member};
use koinon_tests::address::Address;
use koinon_tests::clock::{back_off, eventually};
use koinon_tests::host::Host;
use koinon_tests::kubectl::Kubectl;
use koinon_tests::world::{World, story};
use kube::api::{Api, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;
use tokio::task::JoinHandle;

/// How often the host is killed.
const CYCLES: u64 = 200;

/// Tasks that write at the same time, so that commits are groups.
const WRITERS: u64 = 6;

/// Objects of each writer.
const OBJECTS: u64 = 4;

/// The longest a cycle's load lasts; where in it the kill comes is drawn.
const LOAD_MS_MAX: u64 = 120;

/// Wherever this begins, the same moments are drawn.
const SEED: u64 = 0x6b6f_696e_6f6e;

/// What one object was told, and what the host confirmed.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    attempted: u64,
    acknowledged: u64,
}

/// Shape: one entry per object that was ever written.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<String, Told>>>);

#[test]
fn a_killed_host_loses_no_acknowledged_write() {
    story("a_killed_host_loses_no_acknowledged_write", Duration::from_secs(900), async |world| {
        let mut host = Host::start(world, "host", &["--dns=off"]).await?;
        let bystander = Bystander::join(world, &host).await?;
        let before = bystander.look().await?;
        let (ledger, seen) = (Ledger::default(), Seen::default());
        let mut random = SEED;
        let mut slowest = Duration::ZERO;
        let watcher = watch_for_ever(configs(&host).await?, seen.clone());
        for cycle in 0..CYCLES {
            let writers = start_writers(&host, &ledger).await?;
            back_off(Duration::from_millis(draw(&mut random) % LOAD_MS_MAX)).await;
            host.kill().await?;
            for writer in writers {
                writer.abort();
                // Aborted, or ended by the host's end: either way it writes no more.
                let _ = writer.await;
            }
            slowest = slowest.max(host.start_again().await?);
            nothing_is_lost(&host, &ledger).await.with_context(|| format!("after kill {cycle}"))?;
            seen.verdict().with_context(|| format!("after kill {cycle}"))?;
        }
        the_watcher_has_caught_up(&host, &seen).await?;
        watcher.abort();
        let after = bystander.look().await?;
        ensure!(after == before, "the member was disturbed: {after:?} after {before:?}");
        bystander.still_follows(&host).await?;
        let acknowledged: u64 = ledger.lock().values().map(|told| told.acknowledged).sum();
        ensure!(acknowledged > CYCLES, "only {acknowledged} writes were acknowledged: this proves nothing");
        println!(
            "{CYCLES} kills, {acknowledged} acknowledged writes, {} events; slowest restart {slowest:?}",
            seen.lock().n_events
        );
        Ok(())
    });
}

/// A member that runs something while the host is killed.
struct Bystander {
    kubectl: Kubectl,
    _member: Member,
    /// Keeps the address ours.
    _address: Address,
}

/// What it runs, and where it goes.
const WORKLOAD: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
---
apiVersion: koinon.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web, namespace: default}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
";

/// A simulated rollout takes a second on two busy cores.
const ROLLOUT_MAX: Duration = Duration::from_secs(30);

// === impl Bystander ===

impl Bystander {
    /// Joins a member and waits until it runs the workload.
    async fn join(world: &World, host: &Host) -> Result<Self> {
        let address = Address::claim()?;
        let member = Member::start(Config::new("bystander", address.ip())).await?;
        let folder = world.room("bystander")?;
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, member.kubeconfig())?;
        host.join("bystander", &kubeconfig, &[]).await?;
        host.kubectl().apply(WORKLOAD).await?;
        let kubectl = Kubectl::new(&kubeconfig, &folder.join("kubectl-cache"))?;
        host.kubectl().run(["rollout", "status", "deployment/web", "--timeout=30s"]).await?;
        Ok(Self { kubectl, _member: member, _address: address })
    }

    /// Versions and identities of everything that belongs to the workload: whatever touches one of them changes this.
    async fn look(&self) -> Result<Vec<String>> {
        let path = "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{'\\n'}{end}";
        let seen = self.kubectl.run(["get", "deployments,replicasets,pods", "-o", path]).await?;
        let seen: Vec<String> = seen.lines().map(str::to_owned).collect();
        ensure!(seen.len() == 5, "it runs {seen:?}");
        Ok(seen)
    }

    /// Sees that orders still reach it.
    async fn still_follows(&self, host: &Host) -> Result<()> {
        host.kubectl().run(["set", "image", "deployment/web", "web=registry.example/web:2"]).await?;
        eventually(ROLLOUT_MAX, "the member has the new image", async || {
            let path = "jsonpath={.spec.template.spec.containers[0].image}";
            let image = self.kubectl.run(["get", "deployment", "web", "-o", path]).await?;
            ensure!(image == "registry.example/web:2", "it has {image}");
            anyhow::Ok(())
        })
        .await
    }
}

async fn configs(host: &Host) -> Result<Api<ConfigMap>> {
    Ok(Api::namespaced(host.client().await?, "default"))
}

async fn start_writers(host: &Host, ledger: &Ledger) -> Result<Vec<JoinHandle<()>>> {
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (configs, ledger) = (configs(host).await?, ledger.clone());
        writers.push(tokio::spawn(async move {
            for turn in 0.. {
                let name = format!("w{writer}-{}", turn % OBJECTS);
                if write(&configs, &ledger, &name).await.is_err() {
                    return;
                }
            }
        }));
    }
    Ok(writers)
}

async fn write(configs: &Api<ConfigMap>, ledger: &Ledger, name: &str) -> Result<()> {
    let value = {
        let mut told = ledger.lock();
        let told = told.entry(name.to_owned()).or_default();
        told.attempted += 1;
        told.attempted
    };
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value.to_string()}});
    configs.patch(name, &PatchParams::apply("writer").force(), &Patch::Apply(object)).await?;
    if let Some(told) = ledger.lock().get_mut(name) {
        told.acknowledged = told.acknowledged.max(value);
    }
    Ok(())
}

/// Every object holds at least what was acknowledged and at most what was asked for.
async fn nothing_is_lost(host: &Host, ledger: &Ledger) -> Result<()> {
    let listed = configs(host).await?.list(&ListParams::default()).await?;
    let stored: BTreeMap<String, u64> = listed.items.iter().filter_map(read).collect();
    for (name, told) in ledger.lock().iter() {
        let value = stored.get(name).copied().unwrap_or_default();
        ensure!(
            value >= told.acknowledged,
            "{name} is at {value}, and {} was acknowledged",
            told.acknowledged
        );
        ensure!(value <= told.attempted, "{name} is at {value}, and only {} was asked for", told.attempted);
    }
    Ok(())
}

fn read(config: &ConfigMap) -> Option<(String, u64)> {
    let value = config.data.as_ref()?.get("value")?.parse().ok()?;
    Some((config.metadata.name.clone()?, value))
}

// === impl Ledger ===

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the watcher has seen over all restarts.
#[derive(Default)]
struct Events {
    version: Option<u64>,
    values: BTreeMap<String, u64>,
    n_events: u64,
    wrong: Option<String>,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Events>>);

// === impl Seen ===

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verdict(&self) -> Result<()> {
        match &self.lock().wrong {
            None => Ok(()),
            Some(wrong) => bail!("the watcher saw {wrong}"),
        }
    }

    /// Takes one event in; versions only grow, so an event that comes twice is seen.
    fn take(&self, config: &ConfigMap) {
        let mut events = self.lock();
        let version = config.metadata.resource_version.as_deref().and_then(|text| text.parse().ok());
        let (Some(version), Some((name, value))) = (version, read(config)) else { return };
        if events.version.is_some_and(|last| version <= last) {
            events.wrong = Some(format!("version {version} after {:?}", events.version));
        }
        if events.values.get(&name).is_some_and(|last| value <= *last) {
            events.wrong = Some(format!("{name} at {value} after {:?}", events.values.get(&name)));
        }
        events.version = Some(version);
        events.values.insert(name, value);
        events.n_events += 1;
    }
}

/// Watches from the beginning of history, and after every end from where it was.
fn watch_for_ever(configs: Api<ConfigMap>, seen: Seen) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut version = String::from("1");
        loop {
            if let Ok(stream) = configs.watch(&WatchParams::default(), &version).await {
                let mut stream = std::pin::pin!(stream);
                while let Some(Ok(event)) = stream.next().await {
                    match event {
                        WatchEvent::Added(config) | WatchEvent::Modified(config) => {
                            seen.take(&config);
                            version = config.metadata.resource_version.unwrap_or(version);
                        }
                        WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                        WatchEvent::Deleted(_) => {}
                        WatchEvent::Error(error) => seen.lock().wrong = Some(error.to_string()),
                    }
                }
            }
            back_off(Duration::from_millis(20)).await;
        }
    })
}

async fn the_watcher_has_caught_up(host: &Host, seen: &Seen) -> Result<()> {
    let configs = configs(host).await?;
    eventually(Duration::from_secs(20), "the watcher has seen the last state", async || {
        let listed = configs.list(&ListParams::default()).await?;
        let stored: BTreeMap<String, u64> = listed.items.iter().filter_map(read).collect();
        seen.verdict()?;
        ensure!(seen.lock().values == stored, "it has not");
        anyhow::Ok(())
    })
    .await
}

/// Draws the next number: splitmix64, which needs no more than a counter.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
