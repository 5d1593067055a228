//! Members that join, change their credentials, and leave.

use std::sync::{Arc, Mutex};

use koinon_api_server::local::Conflicts;
use koinon_machinery::Value;
use koinon_types::sync::{Feedback, ObjectRef, Order, Outcome};

use super::*;
use crate::testing::{self, Host, eventually};

/// A session that a test plays the member of.
#[derive(Clone)]
struct Started {
    settings: Settings,
    orders: DesiredSet,
}

struct Bench {
    host: Host,
    fleet: Fleet,
    observations: Observations,
    reports: mpsc::Receiver<MemberReport>,
    started: Arc<Mutex<Vec<Started>>>,
    task: JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bench {
    async fn new() -> Self {
        let host = testing::host().await;
        host.namespace("koinon-system", json!({})).await;
        let (fleet, observations) = (Fleet::default(), Observations::default());
        let (sender, reports) = mpsc::channel(16);
        let started: Arc<Mutex<Vec<Started>>> = Arc::default();
        let links = Links {
            client: host.client("members"),
            fleet: fleet.clone(),
            observations: observations.clone(),
            reports: sender,
        };
        let starts = Arc::clone(&started);
        let start = move |settings: Settings, orders: DesiredSet, mut stop: watch::Receiver<bool>| {
            starts.lock().unwrap().push(Started { settings, orders });
            async move { drop(stop.wait_for(|stop| *stop).await) }
        };
        let task = tokio::spawn(run(links, start));
        Self { host, fleet, observations, reports, started, task }
    }

    async fn secret(&self, name: &str, kubeconfig: &str) {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(kubeconfig);
        let object = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"namespace": "koinon-system", "name": name}, "data": {"kubeconfig": encoded}});
        let written = self.host.client.apply(&resources::secrets(), object, Conflicts::Yes).await;
        assert!(written.is_ok(), "{:?}", written.err());
    }

    async fn joined(&self, name: &str) -> Started {
        self.secret(name, "first").await;
        self.host.cluster(name).await;
        self.session("first").await
    }

    async fn session(&self, kubeconfig: &str) -> Started {
        let started = || self.started.lock().unwrap().last().cloned();
        eventually("a session", || started().filter(|s| s.settings.kubeconfig == kubeconfig)).await
    }

    fn cluster(&self) -> Value {
        self.host.read(&resources::clusters(), "", "a")
    }

    async fn delete(&self, on_unjoin: &str) {
        let clusters = resources::clusters();
        let patch = json!({"spec": {"onUnjoin": on_unjoin}});
        self.host.client.patch_merge(&clusters, "", "a", patch, None).await.expect("a good patch");
        self.host.client.delete(&clusters, "", "a", None).await.expect("it is there");
    }
}

fn object(name: &str) -> ObjectRef {
    ObjectRef {
        group: String::new(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        namespaced: true,
        namespace: "shop".into(),
        name: name.into(),
    }
}

fn present(name: &str, version: u64) -> Order {
    Order::Present(Arc::new(koinon_types::sync::Desired {
        object: object(name),
        version,
        digest: 1,
        binding: "b".into(),
        template_generation: 1,
        on_conflict: koinon_types::sync::OnConflict::Abort,
        manifest: Arc::new(json!({})),
    }))
}

#[tokio::test]
async fn a_session_runs_while_its_cluster_is_there_and_follows_its_credentials() {
    let bench = Bench::new().await;
    let started = bench.joined("a").await;
    assert_eq!(started.settings.cluster.as_str(), "a");
    eventually("the finalizer", || (bench.cluster()["metadata"]["finalizers"][0] == FINALIZER).then_some(()))
        .await;
    started.orders.publish(present("kept", 1));
    bench.secret("a", "second").await;
    let again = bench.session("second").await;
    assert_eq!(again.orders.len(), 1, "orders outlive a session");
    assert_eq!(bench.started.lock().unwrap().len(), 2, "a status written meanwhile starts nothing");
}

#[tokio::test]
async fn a_member_without_credentials_is_reported_and_started_once_it_has_some() {
    let mut bench = Bench::new().await;
    bench.host.cluster("a").await;
    let report = bench.reports.recv().await.expect("the controller runs");
    assert!(report.api.message.contains("Secret koinon-system/a does not exist"), "{}", report.api.message);
    bench.secret("a", "first").await;
    bench.session("first").await;
}

#[tokio::test]
async fn a_member_leaves_once_every_order_is_settled() {
    for (on_unjoin, preserved) in [("Prune", false), ("Preserve", true)] {
        let bench = Bench::new().await;
        let started = bench.joined("a").await;
        started.orders.publish(present("one", 7));
        bench.delete(on_unjoin).await;
        let wanted = Order::Remove { object: object("one"), version: 8, preserve: preserved };
        eventually("a tombstone", || started.orders.get(&object("one")).filter(|order| *order == wanted))
            .await;
        assert!(bench.fleet.members().is_empty(), "nobody else orders there any more");
        assert!(!bench.cluster().is_null(), "it is not settled yet");
        bench.observations.take(Feedback {
            cluster: "a".into(),
            object: object("one"),
            version: 8,
            outcome: Outcome::Removed,
            observed: None,
        });
        eventually("its end", || bench.cluster().is_null().then_some(())).await;
    }
}

#[tokio::test]
async fn what_was_ordered_before_a_restart_is_read_from_the_bindings() {
    let bench = Bench::new().await;
    bench.host.namespace("shop", json!({})).await;
    let binding = json!({"apiVersion": v1alpha1::API_VERSION, "kind": "ResourceBinding",
        "metadata": {"namespace": "shop", "name": "one-configmap"},
        "spec": {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "one"},
                 "observedGeneration": 1, "clusters": [{"name": "a"}]}});
    bench.host.create(&resources::bindings(), binding).await;
    let started = bench.joined("a").await;
    bench.delete("Prune").await;
    let order = eventually("a tombstone", || started.orders.get(&object("one"))).await;
    assert!(matches!(order, Order::Remove { preserve: false, .. }));
}

#[tokio::test]
async fn a_member_that_does_not_answer_is_left_when_its_owner_says_so() {
    let bench = Bench::new().await;
    let started = bench.joined("a").await;
    started.orders.publish(present("one", 1));
    bench.delete("Prune").await;
    eventually("a tombstone", || started.orders.get(&object("one")).filter(|order| order.version() == 2))
        .await;
    let patch = json!({"metadata": {"annotations": {ABANDON: "true"}}});
    bench.host.client.patch_merge(&resources::clusters(), "", "a", patch, None).await.expect("a good patch");
    eventually("its end", || bench.cluster().is_null().then_some(())).await;
}
