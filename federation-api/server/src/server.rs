//! A server as a whole: opening it, serving connections, closing it.
//!
//! ```text
//! open: load the store ─► namespaces, roles, bindings that every cluster has ─► rights compiled and kept up to date
//! serve: accept until asked to stop ─► streams end ─► requests in flight end
//! shutdown: what is queued is written ─► watches of this process end ─► the store closes
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::future::BoxFuture;
use koinon_machinery::Value;
use koinon_machinery::status::{Reason, Status};
use koinon_store::{MemoryStore, OpenError, Store};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admission::Admission;
use crate::api::Api;
use crate::authenticate::User;
use crate::authorize::bootstrap;
use crate::built_in::services::Addresses;
use crate::documents::Documents;
use crate::identity::{Authority, IdentityError};
use crate::lifecycle;
use crate::limit::Limits;
use crate::listen;
use crate::local::Client;
use crate::metrics;
use crate::registry::{Registry, ResourceRef, Scope};
use crate::request::Query;
use crate::rest::page::Unfinished;
use crate::storage::Storage;

mod rights;

/// The namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What the server's own writes are filed under.
const MANAGER: &str = "bootstrap";

/// What the writes of the loops are filed under.
const LIFECYCLE: &str = "lifecycle";

/// The content of `/metrics`, in the text format of Prometheus.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// A question about health: `Err` says in a few words what is wrong.
pub type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A condition of readiness, shown under its name by `/readyz`.
#[derive(Clone)]
pub struct Probe {
    /// The name.
    pub name: String,
    /// Whether it holds.
    pub check: Check,
}

/// A request for a page.
#[derive(Clone, Debug)]
pub struct Visit {
    /// What follows the path.
    pub query: Query,
    /// What was posted; none for a question.
    pub body: Option<Bytes>,
    /// Who asks.
    pub user: User,
}

/// Answers a visit, in its own time.
pub type Ask = Arc<dyn Fn(Visit) -> BoxFuture<'static, Result<Value, Status>> + Send + Sync>;

/// A path of whoever composes the server: about the process, answered with JSON to those who may `get` or `post` it.
#[derive(Clone)]
pub struct Page {
    /// The path, such as `/koinon/resolve`; never one that Kubernetes uses.
    pub path: String,
    /// Bytes that may be posted to it; without it, it can only be asked.
    pub body_bytes_max: Option<usize>,
    /// The answer to a visit.
    pub answer: Ask,
}

/// What a group may do with pages from the start.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The name of its ClusterRole and ClusterRoleBinding.
    pub role: &'static str,
    /// The group.
    pub group: &'static str,
    /// Verbs (`get`, `post`) and paths.
    pub paths: Vec<(&'static str, &'static str)>,
}

/// A bearer token that was agreed on when the server was set up.
#[derive(Debug, Clone)]
pub struct StaticToken {
    /// The token.
    pub token: String,
    /// For whom it stands.
    pub user: User,
}

/// What a server is made of.
pub struct Config {
    /// Where objects are kept.
    pub store: Arc<dyn Store>,
    /// The kinds that are served.
    pub registry: Registry,
    /// The rules that every write must pass, besides those of the kinds.
    pub admissions: Vec<Arc<dyn Admission>>,
    /// Who vouches for clients and for the server.
    pub authority: Authority,
    /// Tokens besides those of ServiceAccounts.
    pub tokens: Vec<StaticToken>,
    /// The content of `/metrics`; without it the path is not served.
    pub metrics: Option<Render>,
    /// What must hold for `/readyz` to say so.
    pub probes: Vec<Probe>,
    /// Paths besides those of Kubernetes.
    pub pages: Vec<Page>,
    /// Who may visit them, besides administrators.
    pub grants: Vec<Grant>,
}

/// Why a server cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The store cannot be used.
    #[error("open the store of the API server")]
    Store(#[from] OpenError),
    /// An object that every cluster has cannot be written.
    #[error("write {object}")]
    Bootstrap {
        /// The object.
        object: String,
        /// What the server said.
        #[source]
        source: Box<Status>,
    },
}

/// A server that is open: its clients work, and it can serve listeners.
pub struct Server {
    pub(crate) api: Arc<Api>,
    stop: watch::Sender<bool>,
    /// What goes on by itself; ends when the server is dropped.
    loops: Mutex<JoinSet<()>>,
}

// === impl Config ===

impl Config {
    /// A server that keeps everything in memory and nothing for longer than it runs.
    pub fn in_memory(registry: Registry, authority: Authority) -> Self {
        Self::new(Arc::new(MemoryStore::new()), registry, authority)
    }

    /// A server over `store` without anything that is optional.
    pub fn new(store: Arc<dyn Store>, registry: Registry, authority: Authority) -> Self {
        let (admissions, tokens, probes, pages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let grants = Vec::new();
        Self { store, registry, admissions, authority, tokens, metrics: None, probes, pages, grants }
    }
}

// === impl Server ===

impl Server {
    /// Loads the store and writes what every cluster has.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn open(config: Config) -> Result<Self, ServerError> {
        metrics::describe();
        let storage = Storage::open(config.store, &config.registry)?;
        let (stop, stopped) = watch::channel(false);
        let documents = Documents::new(&config.registry);
        let api = Arc::new(Api {
            registry: config.registry,
            storage,
            admissions: config.admissions,
            policy: ArcSwap::default(),
            authority: config.authority,
            tokens: config.tokens,
            random: rustls::crypto::ring::default_provider().secure_random,
            unfinished: Unfinished::default(),
            services: Addresses::default(),
            documents,
            limits: Limits::new(),
            probes: config.probes,
            pages: config.pages,
            metrics: config.metrics,
            stop: stopped,
        });
        let client = Client::new(Arc::clone(&api), MANAGER);
        bootstrap_objects(&client, &api.registry, &config.grants).await?;
        api.policy.store(Arc::new(rights::compile(&client)));
        let mut loops = lifecycle::start(&Client::new(Arc::clone(&api), LIFECYCLE));
        loops.spawn(rights::follow(Arc::clone(&api), client));
        Ok(Self { api, stop, loops: Mutex::new(loops) })
    }

    /// A client inside the process, whose writes are filed under `manager`.
    pub fn client(&self, manager: &'static str) -> Client {
        Client::new(Arc::clone(&self.api), manager)
    }

    /// The certificate authority.
    pub fn authority(&self) -> &Authority {
        &self.api.authority
    }

    /// Serves HTTPS on `listener` under `names` until `stop` says so, then lets requests in flight finish.
    ///
    /// Once it was stopped, a server serves nothing any more; its clients work until [`Server::shutdown`].
    ///
    /// # Errors
    /// When the certificate for `names` cannot be made.
    pub async fn serve(
        &self,
        listener: TcpListener,
        names: &[String],
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), IdentityError> {
        let tls = listen::tls(&self.api.authority, names)?;
        let serving = listen::serve(listener, tls, Arc::clone(&self.api), self.stop.subscribe());
        tokio::pin!(serving);
        tokio::select! {
            () = &mut serving => return Ok(()),
            // A sender that is gone asks for the end as well.
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.stop.send_replace(true);
        serving.await;
        Ok(())
    }

    /// Ends every stream, writes what is queued and closes the store.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        self.api.storage.shutdown().await;
    }
}

/// Writes what every cluster starts with, and brings up to date what the server manages itself.
async fn bootstrap_objects(
    client: &Client,
    registry: &Registry,
    grants: &[Grant],
) -> Result<(), ServerError> {
    let namespaces = ResourceRef::new("", "v1", "namespaces", "Namespace", Scope::Cluster);
    let mut objects: Vec<(ResourceRef, Value)> = NAMESPACES
        .iter()
        .map(|name| {
            (namespaces.clone(), json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        })
        .collect();
    objects.extend(bootstrap::objects(registry, grants));
    objects.retain(|(resource, _)| client.serves(resource));
    // All at once, so that the store makes them durable in few steps: an empty host starts in this time.
    let writes = objects.into_iter().map(|(resource, object)| async move {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        settle(client, &resource, &name, object).await.map_err(|status| ServerError::Bootstrap {
            object: format!("{resource} {name}"),
            source: Box::new(status),
        })
    });
    futures::future::try_join_all(writes).await.map(drop)
}

/// Creates an object, or gives it back the rules it should have unless its owner has said no.
async fn settle(client: &Client, resource: &ResourceRef, name: &str, object: Value) -> Result<(), Status> {
    let Some(stored) = client.get(resource, "", name) else {
        return match client.create(resource, object).await {
            Err(status) if status.reason != Reason::AlreadyExists => Err(status),
            _ => Ok(()),
        };
    };
    let mut new = Value::clone(&stored.value());
    let keeps = new["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] == "true";
    if !keeps {
        return Ok(());
    }
    for part in ["rules", "subjects"] {
        if let Some(wanted) = object.get(part) {
            new[part] = wanted.clone();
        }
    }
    client.update(resource, new).await.map(drop)
}
