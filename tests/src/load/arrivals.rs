//! When Deployments are there, as the members' own watches tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, WatchEvent, WatchParams};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The moments at which Deployments were first seen in one member.
pub struct Arrivals {
    seen: watch::Receiver<Arc<BTreeMap<String, Instant>>>,
    task: JoinHandle<()>,
}

// === impl Arrivals ===

impl Arrivals {
    /// Watches a member from now on.
    ///
    /// # Errors
    /// When the watch cannot be opened.
    pub async fn watch(deployments: Api<Deployment>) -> Result<Self> {
        let version = deployments.list(&kube::api::ListParams::default()).await?.metadata.resource_version;
        let version = version.context("a list has no version")?;
        let (tell, seen) = watch::channel(Arc::default());
        let task = tokio::spawn(follow(deployments, version, tell));
        Ok(Self { seen, task })
    }

    /// Waits until every one of `names` is there, and gives the moment of the last.
    ///
    /// # Errors
    /// When that takes longer than `deadline`.
    pub async fn all(&mut self, names: &[String], deadline: Duration) -> Result<Instant> {
        let is_complete =
            |seen: &Arc<BTreeMap<String, Instant>>| names.iter().all(|name| seen.contains_key(name));
        let seen = tokio::time::timeout(deadline, self.seen.wait_for(is_complete)).await;
        let seen = seen.context("not every Deployment arrived")?.context("the watch of a member ended")?;
        let last = names.iter().filter_map(|name| seen.get(name)).max();
        last.copied().context("no Deployment was waited for")
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    deployments: Api<Deployment>,
    mut version: String,
    tell: watch::Sender<Arc<BTreeMap<String, Instant>>>,
) {
    loop {
        let Ok(stream) = deployments.watch(&WatchParams::default(), &version).await else { return };
        let mut stream = std::pin::pin!(stream);
        while let Some(Ok(event)) = stream.next().await {
            match event {
                WatchEvent::Added(deployment) | WatchEvent::Modified(deployment) => {
                    version = deployment.metadata.resource_version.unwrap_or(version);
                    let name = deployment.metadata.name.unwrap_or_default();
                    let now = Instant::now();
                    tell.send_modify(|seen| {
                        Arc::make_mut(seen).entry(name).or_insert(now);
                    });
                }
                WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                WatchEvent::Deleted(_) => {}
                WatchEvent::Error(_) => return,
            }
        }
    }
}
