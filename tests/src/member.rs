//! A real member cluster on loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok
//! in the place of kubelets, so that Deployments become Ready without containers.
//!
//! Every member has its own loopback address, its own etcd and its own processes, so that one can be killed,
//! stopped or cut off while the others go on. Its endpoints ([`Member::endpoint`]) are a small server beside
//! the control plane, which fails and returns on its own.

mod balancer;
mod endpoints;
mod files;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::address::Address;
use crate::assets;
use crate::clock::eventually;
use crate::kubectl::Kubectl;
use crate::process::{Process, unless_ended};
use crate::usage;
use crate::world::World;
use endpoints::Endpoints;
use files::Files;

/// Ports on the member's own address: the ones that people know.
const API_PORT: u16 = 6443;
const ETCD_PORT: u16 = 2379;
const ETCD_PEER_PORT: u16 = 2380;
const CONTROLLER_MANAGER_PORT: u16 = 10257;
const SCHEDULER_PORT: u16 = 10259;
const KWOK_PORT: u16 = 10247;

/// Where the endpoints answer HTTP; a Service's port in tests.
pub const ENDPOINT_PORT: u16 = 8080;

/// Three members together take under 20 s on two idle cores; a busy machine may take several times that.
const READY_MAX: Duration = Duration::from_secs(180);

/// A peer that says nothing for this long is hung, as far as a test is concerned.
const READ_MAX: Duration = Duration::from_secs(10);

/// The first address of the Service range.
const SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// How large a member is.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Fake nodes.
    pub n_nodes: usize,
    /// Of each node, as a quantity.
    pub cpu: &'static str,
    /// Of each node, as a quantity.
    pub memory: &'static str,
    /// Of each node.
    pub n_pods: u32,
    /// Which parts run.
    pub parts: Parts,
}

/// Which parts of a member run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Everything that makes workloads Ready.
    All,
    /// The API and its etcd: objects are stored and nothing acts on them.
    Api,
}

impl Default for Shape {
    fn default() -> Self {
        Self { n_nodes: 3, cpu: "32", memory: "128Gi", n_pods: 110, parts: Parts::All }
    }
}

/// One member cluster.
pub struct Member {
    name: String,
    shape: Shape,
    address: Address,
    folder: PathBuf,
    files: Files,
    kubectl: Kubectl,
    processes: BTreeMap<Part, Process>,
    endpoints: Endpoints,
    balancer: JoinHandle<()>,
}

/// The processes of a member, in the order they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    Kwok,
}

/// A client from a kubeconfig, which gives up on a peer that says nothing for ten seconds.
///
/// # Errors
/// When the kubeconfig cannot be used.
pub async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    client_with(kubeconfig, Some(READ_MAX)).await
}

async fn client_with(kubeconfig: &Path, read_timeout: Option<Duration>) -> Result<kube::Client> {
    let parsed = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("failed to read {}", kubeconfig.display()))?;
    let mut config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("failed to use {}", kubeconfig.display()))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = read_timeout;
    kube::Client::try_from(config).context("failed to make a client")
}

// === impl Member ===

impl Member {
    /// Starts a member and waits until its nodes are Ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start(world: &World, name: &str, shape: Shape) -> Result<Self> {
        world.be_alone().await?;
        let folder = world.room(name)?;
        let address = Address::claim()?;
        let files = Files::write(&folder, name, address.port(API_PORT), SERVICE_IP)?;
        let client = client_with(&files.kubeconfig, None).await?;
        let mut member = Self {
            name: name.to_owned(),
            shape,
            kubectl: Kubectl::new(&files.kubeconfig, &folder.join("kubectl-cache"))?,
            endpoints: Endpoints::start(name, address.port(ENDPOINT_PORT)).await?,
            balancer: tokio::spawn(balancer::run(client, address.ip())),
            address,
            folder,
            files,
            processes: BTreeMap::new(),
        };
        member.start_again().await?;
        Ok(member)
    }

    /// Starts several members at once, in the order of `names`.
    ///
    /// # Errors
    /// When one does not get ready.
    pub async fn start_all(world: &World, names: &[&str], shape: &Shape) -> Result<Vec<Self>> {
        world.be_alone().await?;
        let starts = names.iter().map(|name| Self::start(world, name, shape.clone()));
        futures::future::try_join_all(starts).await
    }

    /// Starts whatever does not run, endpoints too, on the same data and addresses; waits until ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_again(&mut self) -> Result<()> {
        self.endpoints.start_again().await?;
        self.start_part(Part::Etcd)?;
        self.start_part(Part::ApiServer)?;
        match self.shape.parts {
            Parts::Api => self.wait_for_api().await,
            Parts::All => {
                self.wait_for_api().await?;
                for part in [Part::ControllerManager, Part::Scheduler, Part::Kwok] {
                    self.start_part(part)?;
                }
                self.create_nodes().await?;
                self.wait_ready().await
            }
        }
    }

    /// Waits until the API says ready, every node is Ready and pods can be created.
    ///
    /// # Errors
    /// When that does not happen.
    pub async fn wait_ready(&self) -> Result<()> {
        self.wait_for_api().await?;
        let client = self.client().await?;
        let nodes: Api<Node> = Api::all(client.clone());
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        let what = format!("{} has {} Ready nodes", self.name, self.shape.n_nodes);
        let ready = eventually(READY_MAX, what, async || {
            let listed = nodes.list(&ListParams::default()).await?;
            let n_ready = listed.items.iter().filter(|node| is_ready(node)).count();
            if n_ready != self.shape.n_nodes {
                bail!("{n_ready} are Ready");
            }
            accounts.get("default").await.map(drop).context("pods have no ServiceAccount yet")
        });
        unless_ended(self.processes.values(), ready).await
    }

    /// Loses the API alone: the apiserver is killed, its endpoints still answer.
    ///
    /// # Errors
    /// When the kernel does not let go of it.
    pub async fn stop_api(&mut self) -> Result<()> {
        let process = self.processes.remove(&Part::ApiServer).context("it has no apiserver to stop")?;
        process.kill().await
    }

    /// Loses everything: every process is killed, its endpoints refuse connections.
    ///
    /// # Errors
    /// When the kernel does not let go of a process.
    pub async fn kill(&mut self) -> Result<()> {
        self.endpoints.stop().await;
        // The apiserver goes before its etcd, as it would when the power goes: no last words.
        for (_, process) in std::mem::take(&mut self.processes).into_iter().rev() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Hangs everything: connections stay open and nothing answers, endpoints included.
    pub fn pause(&self) {
        self.endpoints.hang();
        self.signal_all(Signal::STOP);
    }

    /// Lets a paused member go on where it was.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn resume(&mut self) -> Result<()> {
        self.signal_all(Signal::CONT);
        self.start_again().await
    }

    /// Loses or regains the endpoints alone; the API goes on.
    ///
    /// # Errors
    /// When the endpoints cannot listen again.
    pub async fn serve_endpoints(&mut self, serving: Serving) -> Result<()> {
        match serving {
            Serving::Refused => self.endpoints.stop().await,
            Serving::Status(status) => {
                self.endpoints.set_status(status);
                self.endpoints.start_again().await?;
            }
        }
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address: the API's, the endpoints', and what its load balancers give to Services.
    pub fn ip(&self) -> Ipv4Addr {
        self.address.ip()
    }

    /// Where its endpoints answer HTTP.
    pub fn endpoint(&self) -> SocketAddr {
        self.address.port(ENDPOINT_PORT)
    }

    /// How many requests its endpoints have answered.
    pub fn n_answered(&self) -> u64 {
        self.endpoints.n_answered()
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.files.kubeconfig
    }

    /// kubectl against the member.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// A typed client as the administrator.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> Result<kube::Client> {
        client(&self.files.kubeconfig).await
    }

    /// Resident memory of each process. Units: MiB.
    ///
    /// # Errors
    /// When a process is gone.
    pub fn resident_mib(&self) -> Result<BTreeMap<&'static str, f64>> {
        let measured = self
            .processes
            .iter()
            .map(|(part, process)| Ok((part.program(), usage::resident_mib(process.id())?)));
        measured.collect()
    }

    async fn wait_for_api(&self) -> Result<()> {
        let client = self.client().await?;
        let ready = eventually(READY_MAX, format!("the API of {} gets ready", self.name), async || {
            let request =
                http::Request::get("/readyz").body(Vec::new()).context("the request is well formed")?;
            client.request_text(request).await.map(drop).context("it is not")
        });
        unless_ended(self.processes.values(), ready).await
    }

    async fn create_nodes(&self) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client().await?);
        for index in 0..self.shape.n_nodes {
            let name = format!("{}-{index}", self.name);
            let node = self.node(&name).with_context(|| format!("failed to describe the node {name}"))?;
            match nodes.create(&PostParams::default(), &node).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error).with_context(|| format!("failed to create the node {name}")),
            }
        }
        Ok(())
    }

    fn node(&self, name: &str) -> Result<Node> {
        let Shape { cpu, memory, n_pods, .. } = &self.shape;
        let resources = json!({"cpu": cpu, "memory": memory, "pods": n_pods.to_string()});
        let node = json!({
            "metadata": {
                "name": name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {"kubernetes.io/hostname": name, "type": "kwok"},
            },
            "status": {"allocatable": resources, "capacity": resources},
        });
        Ok(serde_json::from_value(node)?)
    }

    fn signal_all(&self, signal: Signal) {
        for process in self.processes.values() {
            process.signal(signal);
        }
    }

    fn start_part(&mut self, part: Part) -> Result<()> {
        if self.processes.get(&part).is_some_and(|process| process.exit().is_none()) {
            return Ok(());
        }
        let mut command = Command::new(assets::kubernetes(part.program())?);
        command.args(self.arguments(part)?).current_dir(&self.folder);
        let name = format!("{} of {}", part.program(), self.name);
        let log = self.folder.join(format!("{}.log", part.program()));
        self.processes.insert(part, Process::start(&name, command, &log)?);
        Ok(())
    }

    fn arguments(&self, part: Part) -> Result<Vec<String>> {
        let ip = self.address.ip();
        let Files { authority, certificate, key, token_key, token_public_key, tokens, kubeconfig } =
            &self.files;
        let etcd = format!("http://{}", self.address.port(ETCD_PORT));
        let peer = format!("http://{}", self.address.port(ETCD_PEER_PORT));
        let controller = |port: u16| {
            [
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--bind-address={ip}"),
                format!("--secure-port={port}"),
                format!("--cert-dir={}", self.folder.display()),
                "--leader-elect=false".to_owned(),
            ]
        };
        Ok(match part {
            Part::Etcd => vec![
                format!("--data-dir={}", self.folder.join("etcd").display()),
                format!("--listen-client-urls={etcd}"),
                format!("--advertise-client-urls={etcd}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--log-level=warn".to_owned(),
            ],
            Part::ApiServer => vec![
                format!("--etcd-servers={etcd}"),
                format!("--bind-address={ip}"),
                format!("--advertise-address={ip}"),
                format!("--secure-port={API_PORT}"),
                format!("--tls-cert-file={}", certificate.display()),
                format!("--tls-private-key-file={}", key.display()),
                format!("--token-auth-file={}", tokens.display()),
                "--authorization-mode=Node,RBAC".to_owned(),
                // No Node runs pods here, so nobody needs to find this server as a Service.
                "--endpoint-reconciler-type=none".to_owned(),
                "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", token_public_key.display()),
                format!("--service-account-signing-key-file={}", token_key.display()),
            ],
            Part::ControllerManager => {
                let mut arguments = controller(CONTROLLER_MANAGER_PORT).to_vec();
                arguments.push(format!("--root-ca-file={}", authority.display()));
                arguments.push(format!("--service-account-private-key-file={}", token_key.display()));
                arguments
            }
            Part::Scheduler => controller(SCHEDULER_PORT).to_vec(),
            Part::Kwok => vec![
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--config={}", assets::kubernetes("kwok-stages.yaml")?.display()),
                "--manage-all-nodes=true".to_owned(),
                // A kwok that is started again waits until the leases of the one before it are over, and so do its pods.
                "--node-lease-duration-seconds=6".to_owned(),
                format!("--node-ip={ip}"),
                format!("--server-address={}", self.address.port(KWOK_PORT)),
            ],
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.balancer.abort();
    }
}

/// What the endpoints of a member do while its API goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Connections are refused.
    Refused,
    /// Every request is answered with this status.
    Status(u16),
}

// === impl Part ===

impl Part {
    fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
        }
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
