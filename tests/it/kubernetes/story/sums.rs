//! What must hold at every moment: sampled ten times a second while the story goes on.
//!
//! Over the clusters that the host calls Ready, the replicas ordered never exceed what the owner wants by more than
//! the surge; and while replicas return to a cluster, those ready never fall below what the owner wants.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use koinon_tests::host::Host;
use koinon_tests::member::Member;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use tokio::task::JoinHandle;

use super::shop::REPLICAS;

/// From one sample to the next.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// A member that does not answer within this time tells nothing in this sample.
const ANSWER_MAX: Duration = Duration::from_millis(400);

/// Replicas that may be ordered above the wanted sum while others still run: what the host allows itself, a quarter.
const SURGE: i32 = (REPLICAS + 3) / 4;

/// Violations that are kept: the first ones tell what happened.
const VIOLATIONS_MAX: usize = 10;

/// What the sampler has seen.
#[derive(Default)]
struct Seen {
    n_samples: u64,
    applied_most: i32,
    violations: Vec<String>,
    watching_ready: bool,
}

/// A sampler in the background.
pub(super) struct Sums {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

struct Source {
    name: String,
    deployments: Api<Deployment>,
}

// === impl Sums ===

impl Sums {
    /// Starts to sample.
    pub(super) async fn watch(host: &Host, members: &[Member]) -> Result<Self> {
        let kind = GroupVersionKind::gvk("koinon.io", "v1alpha1", "Cluster");
        let resource = ApiResource::from_gvk_with_plural(&kind, "clusters");
        let clusters = Api::<DynamicObject>::all_with(host.client().await?, &resource);
        let mut sources = Vec::new();
        for member in members {
            let deployments = Api::namespaced(member.client().await?, "shop");
            sources.push(Source { name: member.name().to_owned(), deployments });
        }
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(sample_for_ever(clusters, sources, Arc::clone(&seen)));
        Ok(Self { seen, task })
    }

    /// From now on, ready replicas must not fall below the wanted sum.
    pub(super) fn ready_must_hold(&self) {
        lock(&self.seen).watching_ready = true;
    }

    /// Ready replicas may fall: a cluster is about to be lost.
    pub(super) fn ready_may_fall(&self) {
        lock(&self.seen).watching_ready = false;
    }

    /// Fails with what did not hold; otherwise says what was seen.
    pub(super) fn verdict(&self) -> Result<String> {
        let seen = lock(&self.seen);
        ensure!(seen.violations.is_empty(), "the sums did not hold: {}", seen.violations.join("; "));
        ensure!(seen.n_samples > 0, "no sample was taken");
        Ok(format!("{} samples, at most {} replicas ordered", seen.n_samples, seen.applied_most))
    }
}

impl Drop for Sums {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn sample_for_ever(clusters: Api<DynamicObject>, sources: Vec<Source>, seen: Arc<Mutex<Seen>>) {
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let before = ready_clusters(&clusters).await.unwrap_or_default();
        let once = read_all(&sources, &before).await;
        // Members are not read at one instant. What was the same twice was so in between, everywhere at once.
        let twice = read_all(&sources, &before).await;
        let after = ready_clusters(&clusters).await.unwrap_or_default();
        if before == after && once == twice && once.iter().all(Option::is_some) {
            let copies: Vec<(i32, i32)> = once.into_iter().flatten().collect();
            note(&mut lock(&seen), &before, &copies);
        }
    }
}

/// The copies of the clusters that are meant; `None` for a member that does not tell.
async fn read_all(sources: &[Source], meant: &[String]) -> Vec<Option<(i32, i32)>> {
    let reads = sources.iter().filter(|source| meant.contains(&source.name)).map(read);
    futures::future::join_all(reads).await
}

async fn ready_clusters(clusters: &Api<DynamicObject>) -> Result<Vec<String>> {
    let parameters = kube::api::ListParams::default();
    let listing = clusters.list(&parameters);
    let listed = tokio::time::timeout(ANSWER_MAX, listing).await.context("the host does not answer")??;
    let ready = listed.items.into_iter().filter(|cluster| cluster.data["status"]["state"] == "Ready");
    Ok(ready.filter_map(|cluster| cluster.metadata.name).collect())
}

/// Replicas ordered and ready; `None` when the member does not tell.
async fn read(source: &Source) -> Option<(i32, i32)> {
    let answer = tokio::time::timeout(ANSWER_MAX, source.deployments.get_opt("shop")).await.ok()?.ok()?;
    let Some(deployment) = answer else { return Some((0, 0)) };
    let applied = deployment.spec.and_then(|spec| spec.replicas).unwrap_or_default();
    let ready = deployment.status.and_then(|status| status.ready_replicas).unwrap_or_default();
    Some((applied, ready))
}

fn note(seen: &mut Seen, clusters: &[String], copies: &[(i32, i32)]) {
    let (applied, ready) = copies.iter().fold((0, 0), |sums, copy| (sums.0 + copy.0, sums.1 + copy.1));
    seen.n_samples += 1;
    seen.applied_most = seen.applied_most.max(applied);
    let shown = || {
        let each =
            clusters.iter().zip(copies).map(|(name, (applied, ready))| format!("{name} {ready}/{applied}"));
        format!("{} after {} samples", each.collect::<Vec<_>>().join(", "), seen.n_samples)
    };
    if applied > REPLICAS + SURGE {
        let violation = format!("{applied} ordered: {}", shown());
        seen.violations.push(violation);
    }
    if seen.watching_ready && ready < REPLICAS {
        let violation = format!("{ready} ready: {}", shown());
        seen.violations.push(violation);
    }
    seen.violations.truncate(VIOLATIONS_MAX);
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
