//! Keeps one session per member: connects those that join, and sees those that leave to the door.
//!
//! A session is whatever [`run`] is given to start one; the composition root passes the syncer's. It runs while its `Cluster`
//! exists and starts over when its credentials change. One member's session knows nothing of another's.
//!
//! A `Cluster` that is deleted stays until its member is settled, by a finalizer. From then on this controller alone gives the
//! member's orders: the member leaves the [`Fleet`], so nobody else finds them, and every order becomes a tombstone, which
//! deletes the object there or takes our marks off it, as `spec.onUnjoin` says. What was ordered before a restart of the host is
//! read from the bindings. When every tombstone is confirmed the finalizer goes, and with it the Cluster.
//!
//! A member that does not answer cannot be settled. Who does not want to wait for it says so with the annotation
//! [`ABANDON`]; its objects then stay as they are, marks included.

mod credentials;
mod leave;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use koinon_api_server::ResourceRef;
use koinon_api_server::local::{Client, Event};
use koinon_machinery::status::Status;
use koinon_model::name::ClusterName;
use koinon_types::sync::{DesiredSet, MemberReport};
use koinon_types::v1alpha1::{self, ClusterSpec};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::fleet::Fleet;
use crate::observations::Observations;
use crate::resources;

use credentials::Credentials;
use leave::Leaving;

/// Keeps a `Cluster` until its member is settled.
pub const FINALIZER: &str = "koinon.io/member";

/// On a `Cluster` that is being deleted, with the value `true`: do not wait for a member that does not answer.
pub const ABANDON: &str = "koinon.io/abandon";

/// From one look at what failed or is leaving to the next; events come at once, this heals what they miss.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How to reach one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The member.
    pub cluster: ClusterName,
    /// Its kubeconfig, as text.
    pub kubeconfig: String,
    /// The context of that kubeconfig; the current one when absent.
    pub context: Option<String>,
}

/// What the controller works with.
pub struct Links {
    /// The host, in process.
    pub client: Client,
    /// The members that are served, with their orders.
    pub fleet: Fleet,
    /// What members say about objects.
    pub observations: Observations,
    /// Where it is told that a member cannot even be asked.
    pub reports: mpsc::Sender<MemberReport>,
}

/// Keeps the sessions until the host stops.
///
/// `start` gives the session of one member: it works on the orders until the third argument turns true, and may be dropped.
pub async fn run<S, F>(links: Links, start: S)
where
    S: Fn(Settings, DesiredSet, watch::Receiver<bool>) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut clusters = links.client.watch(&resources::clusters());
    let mut secrets = links.client.watch(&resources::secrets());
    let mut news = links.observations.subscribe();
    let mut ticks = tokio::time::interval(RETRY_INTERVAL);
    let mut members =
        Members { links, start, sessions: BTreeMap::new(), leaving: BTreeMap::new(), again: BTreeSet::new() };
    loop {
        tokio::select! {
            event = clusters.next() => match event {
                Some(Event::Applied(cluster) | Event::Deleted(cluster)) => members.look(cluster.name()).await,
                Some(Event::Synced) => {}
                None => return,
            },
            event = secrets.next() => match event {
                Some(Event::Applied(secret) | Event::Deleted(secret)) => {
                    members.secret_changed(secret.namespace(), secret.name()).await;
                }
                Some(Event::Synced) => {}
                None => return,
            },
            said = news.changed() => for cluster in members.take_feedback(&said) {
                members.look(cluster.as_str()).await;
            },
            _ = ticks.tick() => members.tick().await,
        }
    }
}

struct Members<S> {
    links: Links,
    start: S,
    sessions: BTreeMap<ClusterName, Session>,
    leaving: BTreeMap<ClusterName, Leaving>,
    /// Clusters whose last look failed.
    again: BTreeSet<ClusterName>,
}

struct Session {
    credentials: Credentials,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.task.abort();
    }
}

impl<S, F> Members<S>
where
    S: Fn(Settings, DesiredSet, watch::Receiver<bool>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    /// Brings one member's session to what its Cluster says.
    async fn look(&mut self, name: &str) {
        // The host stores no Cluster under another name; see `types::convert`.
        let Ok(name) = ClusterName::try_from(name) else { return };
        self.again.remove(&name);
        let Some(cluster) = self.links.client.get(&resources::clusters(), "", name.as_str()) else {
            return self.forget(&name).await;
        };
        let outcome = if cluster.is_deleting() { self.see_off(&name).await } else { self.serve(&name).await };
        if let Err(error) = outcome {
            warn!(cluster = %name, error = %error.message, "failed to look after the member");
            self.again.insert(name);
        }
    }

    async fn secret_changed(&mut self, namespace: &str, name: &str) {
        let uses = |session: &&ClusterName| {
            self.sessions.get(*session).is_some_and(|s| s.credentials.are_in(namespace, name))
        };
        let affected: Vec<ClusterName> = self.sessions.keys().filter(uses).cloned().collect();
        for cluster in affected {
            self.look(cluster.as_str()).await;
        }
    }

    async fn tick(&mut self) {
        let ended = self.sessions.iter().filter(|(_, session)| session.task.is_finished());
        let mut due: BTreeSet<ClusterName> = ended.map(|(name, _)| name.clone()).collect();
        due.append(&mut self.again);
        due.extend(self.leaving.keys().cloned());
        for cluster in due {
            self.look(cluster.as_str()).await;
        }
    }

    /// A member that stays.
    async fn serve(&mut self, name: &ClusterName) -> Result<(), Status> {
        let Some(cluster) = self.links.client.get(&resources::clusters(), "", name.as_str()) else {
            return Ok(());
        };
        if !cluster.finalizers().any(|finalizer| finalizer == FINALIZER) {
            let mut finalizers: Vec<&str> = cluster.finalizers().collect();
            finalizers.push(FINALIZER);
            self.write_finalizers(name, &finalizers, cluster.resource_version()).await?;
        }
        let spec: ClusterSpec = v1alpha1::read(&cluster.value(), "spec").unwrap_or_default();
        let credentials = Credentials::find(&self.links.client, &spec.connection);
        let orders = self.links.fleet.ensure(name);
        self.connect(name, credentials, orders).await;
        Ok(())
    }

    /// Makes sure that a session with these credentials runs.
    async fn connect(&mut self, name: &ClusterName, credentials: Credentials, orders: DesiredSet) {
        if let Some(session) = self.sessions.get(name)
            && session.credentials == credentials
            && !session.task.is_finished()
        {
            return;
        }
        // Orders have one reader: the old session is gone before the new one begins.
        self.disconnect(name).await;
        info!(cluster = %name, "starting the member's session");
        let (stop, stopped) = watch::channel(false);
        let task = match credentials.settings(name) {
            Ok(settings) => tokio::spawn((self.start)(settings, orders, stopped)),
            Err(problem) => {
                let reports = self.links.reports.clone();
                tokio::spawn(credentials::complain(name.clone(), problem, reports))
            }
        };
        self.sessions.insert(name.clone(), Session { credentials, stop, task });
    }

    async fn disconnect(&mut self, name: &ClusterName) {
        if let Some(mut session) = self.sessions.remove(name) {
            session.stop.send_replace(true);
            session.task.abort();
            // It was aborted, so this waits for its current step only; how it ended is of no interest any more.
            let _ = (&mut session.task).await;
        }
    }

    /// A member whose Cluster is gone.
    async fn forget(&mut self, name: &ClusterName) {
        self.disconnect(name).await;
        self.leaving.remove(name);
        self.links.fleet.remove(name);
        self.links.observations.forget(name.as_str());
    }

    async fn write_finalizers(
        &self,
        name: &ClusterName,
        finalizers: &[&str],
        version: u64,
    ) -> Result<(), Status> {
        let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": version.to_string()}});
        let clusters: ResourceRef = resources::clusters();
        let written = self.links.client.patch_merge(&clusters, "", name.as_str(), patch, None).await;
        // With the last finalizer the Cluster goes, and there is nothing left to answer with.
        let is_gone = self.links.client.get(&clusters, "", name.as_str()).is_none();
        if is_gone { Ok(()) } else { written.map(drop) }
    }
}

#[cfg(test)]
mod tests;
