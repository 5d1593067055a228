//! A host without a process around it: server, loops, members, and what an owner does to them.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use koinon_api_server::identity::Authority;
use koinon_api_server::local::Client;
use koinon_api_server::{Config, Registry, ResourceRef, Server};
use koinon_controllers::fleet::Fleet;
use koinon_controllers::observations::Observations;
use koinon_controllers::{delivery, kinds, placement};
use koinon_machinery::schema::Schema;
use koinon_model::name::ClusterName;
use koinon_store::MemoryStore;
use koinon_tests::clock;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::members::Members;

/// Everything here takes milliseconds; a busy machine may take its time.
const SOON: Duration = Duration::from_secs(20);

/// Every member, in the order in which tests speak of them.
const MEMBERS: [&str; 3] = ["on-prem", "cloud-a", "cloud-b"];

/// A host, its loops and its members.
pub(super) struct World {
    pub(super) client: Client,
    pub(super) fleet: Fleet,
    pub(super) observations: Observations,
    pub(super) members: Members,
    server: Server,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl World {
    /// A host with three members that are well.
    pub(super) async fn start() -> Result<Self> {
        let registry = Registry::new(Schema::built_in()).with_built_in(|_| true).with_api(kinds::group())?;
        let mut config = Config::new(Arc::new(MemoryStore::new()), registry, Authority::ephemeral()?);
        config.admissions = vec![kinds::admission()];
        let server = Server::open(config).await?;
        let (stop, _) = watch::channel(false);
        let mut world = Self {
            client: server.client("owner"),
            fleet: Fleet::default(),
            observations: Observations::default(),
            members: Members::default(),
            server,
            stop,
            tasks: JoinSet::new(),
        };
        for name in MEMBERS {
            world.join(name).await?;
        }
        world.start_loops();
        world.create("Namespace", json!({"metadata": {"name": "shop"}})).await?;
        Ok(world)
    }

    /// The host's loops end and begin again with nothing but what is stored. The members go on.
    pub(super) async fn restart(&mut self) -> Result<()> {
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
        (self.stop, _) = watch::channel(false);
        (self.fleet, self.observations) = (Fleet::default(), Observations::default());
        self.start_loops();
        self.is_quiet().await.map(drop)
    }

    fn start_loops(&mut self) {
        for name in MEMBERS {
            let name = ClusterName::try_from(name).expect("tests name members well");
            let play = self.members.clone().play(name, self.fleet.clone(), self.observations.clone());
            self.tasks.spawn(play);
        }
        let links = delivery::Links {
            client: self.server.client("delivery"),
            fleet: self.fleet.clone(),
            observations: self.observations.clone(),
        };
        self.tasks.spawn(placement::run(self.server.client("placement"), self.stop.subscribe()));
        self.tasks.spawn(delivery::run(links, self.stop.subscribe()));
    }

    async fn join(&self, name: &str) -> Result<()> {
        let connection = json!({"secretRef": {"namespace": "koinon-system", "name": name}});
        self.create("Cluster", json!({"metadata": {"name": name}, "spec": {"connection": connection}}))
            .await?;
        self.judge(name, "Ready", &json!({})).await
    }

    /// Writes what the judge of the fleet would.
    async fn judge(&self, name: &str, state: &str, more: &Value) -> Result<()> {
        let truth = if state == "Ready" { "True" } else { "False" };
        let mut status = json!({
            "state": state,
            "conditions": [{"type": "Ready", "status": truth, "reason": state, "message": "",
                            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            status[field] = value.clone();
        }
        let cluster = self.get("Cluster", "", name)?;
        let mut object = cluster;
        object["status"] = status;
        said(self.client.update_status(&resource(&self.client, "Cluster")?, object).await)?;
        Ok(())
    }

    /// A member stops answering and is condemned.
    pub(super) async fn lose(&self, name: &str) -> Result<()> {
        self.members.kill(name);
        let taint = json!([{"key": "koinon.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]);
        self.judge(name, "Unreachable", &json!({"taints": taint})).await
    }

    /// A member is condemned while the host doubts its own view.
    pub(super) async fn lose_braked(&self, name: &str, message: &str) -> Result<()> {
        self.members.kill(name);
        let ready = json!([{"type": "Ready", "status": "False", "reason": "Braked", "message": message,
                            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let taint = json!([{"key": "koinon.io/unreachable", "effect": "NoExecute"}]);
        self.judge(name, "Unreachable", &json!({"conditions": ready, "taints": taint})).await
    }

    /// Its API is gone and its endpoints answer.
    pub(super) async fn lose_api(&self, name: &str) -> Result<()> {
        self.members.kill(name);
        self.judge(name, "ControlPlaneOnly", &json!({})).await
    }

    /// A member is back and does first what it was told meanwhile.
    pub(super) async fn regain(&self, name: &str) -> Result<()> {
        self.members.revive(name, &self.fleet, &self.observations);
        self.judge(name, "Ready", &json!({"returnedAt": "2026-01-01T00:00:01Z"})).await
    }

    // === What an owner does ===

    pub(super) async fn create(&self, kind: &str, mut object: Value) -> Result<()> {
        let resource = resource(&self.client, kind)?;
        object["apiVersion"] = resource.api_version().into();
        object["kind"] = kind.into();
        said(self.client.create(&resource, object).await)
    }

    pub(super) async fn patch(&self, kind: &str, name: &str, patch: Value) -> Result<()> {
        let resource = resource(&self.client, kind)?;
        let namespace = if resource.namespaced { "shop" } else { "" };
        said(self.client.patch_merge(&resource, namespace, name, patch, None).await)
    }

    pub(super) async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        let resource = resource(&self.client, kind)?;
        let namespace = if resource.namespaced { "shop" } else { "" };
        said(self.client.delete(&resource, namespace, name, None).await)
    }

    pub(super) fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        let stored = self.client.get(&resource(&self.client, kind)?, namespace, name);
        Ok(Value::clone(&stored.with_context(|| format!("there is no {kind} {name}"))?.value()))
    }

    pub(super) fn binding(&self, name: &str) -> Result<Value> {
        self.get("ResourceBinding", "shop", name)
    }

    // === What is to come of it ===

    /// Waits until a look finds nothing to complain of.
    pub(super) async fn until(
        &self,
        what: impl Display,
        mut look: impl FnMut(&Self) -> Result<()>,
    ) -> Result<()> {
        clock::eventually(SOON, what, async || look(self)).await
    }

    /// Waits until the members run so many replicas of the Deployment `web`, none meaning that it is not there.
    pub(super) async fn runs(&self, wanted: [Option<i64>; 3]) -> Result<()> {
        self.until(format!("the members run {wanted:?}"), |world| {
            let run = MEMBERS.map(|name| world.members.replicas(name));
            ensure!(run == wanted, "they run {run:?}");
            Ok(())
        })
        .await
    }

    /// Waits until `kubectl rollout status` would say that the Deployment `web` is rolled out.
    pub(super) async fn is_rolled_out(&self) -> Result<()> {
        self.until("the Deployment is rolled out", |world| {
            let web = world.get("Deployment", "shop", "web")?;
            let at = |field: &str| web["status"][field].as_i64().unwrap_or(0);
            let wanted = web["spec"]["replicas"].as_i64().unwrap_or(1);
            ensure!(
                web["metadata"]["generation"].as_i64() <= Some(at("observedGeneration"))
                    && at("updatedReplicas") >= wanted
                    && at("replicas") <= at("updatedReplicas")
                    && at("availableReplicas") >= at("updatedReplicas"),
                "its status is {}",
                web["status"]
            );
            Ok(())
        })
        .await
    }

    /// Waits until nothing is written for a while.
    pub(super) async fn is_quiet(&self) -> Result<u64> {
        clock::eventually(SOON, "the host comes to rest", async || {
            let before = self.client.revision();
            let still = async || {
                ensure!(self.client.revision() == before, "revision {}", self.client.revision());
                Ok(())
            };
            clock::throughout(Duration::from_millis(600), "nothing is written", still).await?;
            anyhow::Ok(before)
        })
        .await
    }

    pub(super) async fn end(mut self) {
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
        self.server.shutdown().await;
    }
}

/// The Deployment `web` with ten replicas, and what its pods need.
pub(super) fn web() -> Value {
    let container = json!({"name": "web", "image": "example.org/web:1",
        "envFrom": [{"configMapRef": {"name": "web"}}, {"secretRef": {"name": "web"}}]});
    json!({
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"replicas": 10, "selector": {"matchLabels": {"app": "web"}},
                 "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}},
    })
}

/// Divides Deployments 3:1:1 and places everything else everywhere; what was lost returns at once, half at a time.
pub(super) fn policy(kinds: &[(&str, &str)]) -> Value {
    let selectors: Vec<Value> =
        kinds.iter().map(|(version, kind)| json!({"apiVersion": version, "kind": kind})).collect();
    let weights = json!([
        {"targetCluster": {"clusterNames": ["on-prem"]}, "weight": 3},
        {"targetCluster": {"clusterNames": ["cloud-a", "cloud-b"]}, "weight": 1}]);
    json!({"metadata": {"name": "shop", "namespace": "shop"}, "spec": {
        "resourceSelectors": selectors,
        "placement": {"replicaScheduling": {"type": "Divided", "weights": {"static": weights}}},
        "failback": {"stabilizationSeconds": 0, "pace": {"percent": 50, "intervalSeconds": 0}}}})
}

/// The stored resource of a kind.
fn resource(client: &Client, kind: &str) -> Result<ResourceRef> {
    let found = client.resources().into_iter().find(|resource| *resource.kind == *kind);
    found.with_context(|| format!("{kind} is not served"))
}

fn said<T>(answer: Result<T, koinon_machinery::status::Status>) -> Result<()> {
    answer.map(drop).map_err(|status| anyhow::anyhow!("{}", status.message))
}
