//! Members as their clients see them: a real client over TLS, real sockets on loopback, real faults.

mod faults;
mod workloads;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Config, Member};

/// Far longer than anything here takes, on two busy cores.
const PATIENCE: Duration = Duration::from_secs(20);

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Longer than an answer of this process takes, shorter than a test.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A member with two nodes of two CPUs; each test has an address of its own, so that ports do not meet.
async fn member(last: u8) -> Member {
    let config = Config {
        name: "blue".to_owned(),
        ip: Ipv4Addr::new(127, 88, 9, last),
        api_port: 0,
        nodes: 2,
        cpu: "2".to_owned(),
        memory: "4Gi".to_owned(),
        pods: 20,
        ready_delay: Duration::from_millis(20),
    };
    Member::start(config).await.unwrap()
}

async fn client(member: &Member) -> Client {
    let parsed = Kubeconfig::from_yaml(member.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// Waits until a look finds what it looks for.
async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    while !look().await {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        looks.tick().await;
    }
}

/// A Deployment whose pods each ask for this much CPU.
fn shop(replicas: i32, cpu: &str) -> Deployment {
    let spec = json!({
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": template("shop", cpu),
    });
    let object =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": spec});
    serde_json::from_value(object).unwrap()
}

fn template(app: &str, cpu: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "web", "image": "web:1", "resources": {"requests": {"cpu": cpu}}}]}})
}

fn balanced(port: u16) -> Service {
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": {
        "type": "LoadBalancer", "selector": {"app": "shop"}, "ports": [{"port": port}]}});
    serde_json::from_value(object).unwrap()
}

async fn create<K>(client: &Client, object: &K)
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    api::<K>(client).create(&PostParams::default(), object).await.unwrap();
}

async fn patch(client: &Client, change: Value) {
    let patch = Patch::Merge(change);
    api::<Deployment>(client).patch("shop", &PatchParams::default(), &patch).await.unwrap();
}

fn api<K>(client: &Client) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), "default")
}

async fn pods(client: &Client) -> Vec<Pod> {
    api::<Pod>(client).list(&ListParams::default()).await.unwrap().items
}

/// Waits until a Deployment has rolled out as `kubectl rollout status` judges it.
async fn rolled_out(client: &Client, replicas: i32) {
    eventually("the roll-out", async || {
        let shop = api::<Deployment>(client).get("shop").await.unwrap();
        let status = shop.status.unwrap_or_default();
        status.observed_generation >= shop.metadata.generation
            && status.updated_replicas.unwrap_or(0) == replicas
            && status.replicas.unwrap_or(0) == replicas
            && status.available_replicas.unwrap_or(0) == replicas
    })
    .await;
}

/// Asks an endpoint; the status and body, or none when it cannot be reached or says nothing.
async fn ask(address: SocketAddr) -> Option<(u16, String)> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    };
    tokio::time::timeout(ANSWER_MAX, asked).await.ok().flatten()
}
