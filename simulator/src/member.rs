//! One simulated member: started, broken, healed, stopped.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::identity::{Authority, IdentityError};
use koinon_api_server::{Registry, Server, ServerError};
use koinon_machinery::schema::Schema;
use koinon_machinery::status::Status;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::debug;

use crate::behave;
use crate::endpoints::Endpoints;
use crate::gate::{self, Fault, Mode};
use crate::kinds;

/// How a member is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name.
    pub name: String,
    /// Its own address on loopback: the API's, and that of its load balancers.
    pub ip: Ipv4Addr,
    /// Where the API listens there; 0 takes any port.
    pub api_port: u16,
    /// Nodes.
    pub nodes: u32,
    /// Of each node, as a quantity.
    pub cpu: String,
    /// Of each node, as a quantity.
    pub memory: String,
    /// Of each node.
    pub pods: u32,
    /// From when a pod has a node to when it is ready.
    pub ready_delay: Duration,
}

// === impl Config ===

impl Config {
    /// A member of three nodes as small clouds have them, on any port, whose pods are ready after a tenth of a second.
    pub fn new(name: &str, ip: Ipv4Addr) -> Self {
        Self {
            name: name.to_owned(),
            ip,
            api_port: 0,
            nodes: 3,
            cpu: "8".to_owned(),
            memory: "32Gi".to_owned(),
            pods: 110,
            ready_delay: Duration::from_millis(100),
        }
    }
}

/// Why a member does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Its certificates cannot be made.
    #[error("make the member's identity")]
    Identity(#[from] IdentityError),
    /// Its API server does not open.
    #[error("open the member's API server")]
    Server(#[from] ServerError),
    /// Its nodes cannot be written.
    #[error("write the node {name}: {}", status.message)]
    Node {
        /// The node.
        name: String,
        /// What the server said.
        status: Box<Status>,
    },
}

/// A running member.
pub struct Member {
    name: String,
    ip: Ipv4Addr,
    api_address: SocketAddr,
    kubeconfig: String,
    server: Arc<Server>,
    api: watch::Sender<Mode>,
    data_plane: watch::Sender<Mode>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

// === impl Member ===

impl Member {
    /// Starts a member; its API serves and its nodes exist when this returns.
    ///
    /// # Errors
    /// When its address is taken, or its server does not open.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let listen = |address: SocketAddr| {
            gate::bind(address).map_err(|source| StartError::Listen { address, source })
        };
        let public = listen(SocketAddr::new(IpAddr::V4(config.ip), config.api_port))?;
        let private = listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
        let at = |listener: &TcpListener| {
            listener.local_addr().map_err(|source| StartError::Listen {
                address: SocketAddr::new(IpAddr::V4(config.ip), 0),
                source,
            })
        };
        let (api_address, inner) = (at(&public)?, at(&private)?);
        let registry = Registry::new(Schema::built_in()).with_built_in(|_| true);
        let server =
            Server::open(koinon_api_server::Config::in_memory(registry, Authority::ephemeral()?)).await?;
        let server = Arc::new(server);
        let kubeconfig = server.authority().kubeconfig(
            &format!("https://{api_address}"),
            "administrator",
            "system:masters",
        )?;
        create_nodes(&server, &config).await?;
        let ((api, api_mode), (data_plane, data_mode)) = (watch::channel(None), watch::channel(None));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(Arc::clone(&server), private, config.ip, stopped.clone()));
        tasks.spawn(gate::run(public, api_address, api_mode, move |stream| forward(stream, inner)));
        let endpoints = Endpoints::new(&config.name, config.ip, data_mode);
        tasks.spawn(behave::run(
            server.client("simulator"),
            config.ip,
            config.ready_delay,
            endpoints,
            stopped,
        ));
        let (name, ip) = (config.name, config.ip);
        Ok(Self { name, ip, api_address, kubeconfig, server, api, data_plane, stop, tasks })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Where its API listens.
    pub fn api_address(&self) -> SocketAddr {
        self.api_address
    }

    /// A kubeconfig of its administrator, as text.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Loses it: API and endpoints fail, what it holds stays.
    pub fn fail(&self, fault: Fault) {
        self.api.send_replace(Some(fault));
        self.data_plane.send_replace(Some(fault));
    }

    /// Loses its API; its endpoints go on.
    pub fn fail_api(&self, fault: Fault) {
        self.api.send_replace(Some(fault));
    }

    /// Loses its endpoints; its API goes on.
    pub fn fail_endpoints(&self, fault: Fault) {
        self.data_plane.send_replace(Some(fault));
    }

    /// Lets everything be reached again.
    pub fn heal(&self) {
        self.api.send_replace(None);
        self.data_plane.send_replace(None);
    }

    /// Stops it for good.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
        self.server.shutdown().await;
    }
}

async fn create_nodes(server: &Server, config: &Config) -> Result<(), StartError> {
    let client = server.client("simulator");
    for number in 0..config.nodes {
        let name = format!("{}-{number}", config.name);
        let room = json!({"cpu": config.cpu, "memory": config.memory, "pods": config.pods.to_string()});
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"capacity": room, "allocatable": room,
                "conditions": [{"type": "Ready", "status": "True", "reason": "Simulated", "message": "always"}]},
        });
        let written = async {
            client.create(&kinds::nodes(), node.clone()).await?;
            client.update_status(&kinds::nodes(), node).await
        };
        written.await.map_err(|status| StartError::Node { name, status: Box::new(status) })?;
    }
    Ok(())
}

async fn serve(server: Arc<Server>, listener: TcpListener, ip: Ipv4Addr, stop: watch::Receiver<bool>) {
    if let Err(error) = server.serve(listener, &[ip.to_string(), "localhost".to_owned()], stop).await {
        debug!(%error, "the member's API ended");
    }
}

/// Carries bytes between a client and the API server behind the gate.
async fn forward(mut client: TcpStream, server: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    // Answers are written whole; waiting to fill a segment only delays them. A refusal is no reason not to serve.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}
