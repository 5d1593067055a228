//! The host as one process: what is opened, started and stopped, in which order.
//!
//! ```text
//! listeners ─► store, authority, kinds ─► server ─► controllers, members' sessions, names ─► kubeconfig ─► ready
//! stop: every loop ends ─► requests in flight end ─► what is queued is written, the store closes
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use koinon_api_server::identity::Authority;
use koinon_api_server::{Config, Server};
use koinon_controllers::authors::Authors;
use koinon_dns::delegation::Lookup;
use koinon_dns::serve::SecureAddresses;
use koinon_store::RedbStore;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::dns::Serving;
use super::private::{make_private, write_private};
use super::{fleet, keys, kinds, names, observe};

/// The user of admin.kubeconfig, and the group that may do everything.
const ADMIN: (&str, &str) = ("koinon-admin", "system:masters");

/// Loops notice the end at once; a member that hangs must not hold it up.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How a host is run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Its folder.
    pub(crate) data_dir: PathBuf,
    /// Where the API listens.
    pub(crate) listen: SocketAddr,
    /// Names by which clients reach it, besides its addresses.
    pub(crate) advertise: Vec<String>,
    /// How names are served, if they are.
    pub(crate) serving: Option<Serving>,
    /// How much of the names may be taken away unasked.
    pub(crate) guard: koinon_controllers::names::guard::Settings,
    /// What keys of signed zones are sealed with; none draws it and keeps it.
    pub(crate) key_encryption_file: Option<PathBuf>,
    /// How parents of signed zones are found.
    pub(crate) lookup: Lookup,
}

/// A host that serves.
pub(crate) struct Running {
    api_address: SocketAddr,
    dns_address: Option<SocketAddr>,
    dns_secure: SecureAddresses,
    kubeconfig: PathBuf,
    server: Arc<Server>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
}

/// Starts a host and returns when it serves.
///
/// # Errors
/// When it cannot, with what to do about it.
pub(crate) async fn start(settings: Settings) -> anyhow::Result<Running> {
    let data_dir = &settings.data_dir;
    make_private(data_dir).with_context(|| {
        format!("make the data folder {}; choose another with --data-dir", data_dir.display())
    })?;
    let listener = listen(settings.listen).await?;
    let api_address = listener.local_addr().context("ask for the API's address")?;
    let render = observe::metrics()?;
    let store = open_store(data_dir).await?;
    let authority = Authority::open(&data_dir.join("pki"))?;
    let (stop, stopped) = watch::channel(false);
    let (mut ends, dns) = names::start(&settings, stopped.clone())?;
    let mut config = Config::new(Arc::new(store), kinds::registry()?, authority);
    let authors = Authors::default();
    config.admissions = vec![koinon_controllers::kinds::admission(), Arc::new(authors.clone())];
    config.metrics = Some(render);
    config.pages = std::mem::take(&mut ends.pages);
    config.grants = vec![names::grant()];
    let server = Arc::new(Server::open(config).await?);
    let mut tasks = Tasks { set: JoinSet::new() };
    let server_names = server_names(&settings, api_address);
    let kubeconfig = write_kubeconfig(&server, data_dir, api_address, "admin.kubeconfig", ADMIN)?;
    write_kubeconfig(&server, data_dir, api_address, "dns-node.kubeconfig", names::NODES)?;
    tasks.spawn("API", {
        let (server, stopped) = (Arc::clone(&server), stopped.clone());
        async move { server.serve(listener, &server_names, stopped).await.context("serve the API") }
    });
    let dns_secure = dns.as_ref().map(|dns| dns.secure().clone()).unwrap_or_default();
    let dns_address = dns.as_ref().map(koinon_dns::serve::Running::address);
    if let Some(dns) = dns {
        tasks.spawn("DNS server", async move {
            dns.run().await;
            Ok(())
        });
    }
    let master = keys::master(&settings, &server.client("names"))?;
    let keys = fleet::Keys { master, lookup: settings.lookup };
    fleet::start(&server, ends, (settings.guard, authors, keys), &stopped, &mut tasks);
    Ok(Running { api_address, dns_address, dns_secure, kubeconfig, server, stop, tasks: tasks.set })
}

// === impl Running ===

impl Running {
    /// Where the API listens.
    pub(crate) fn api_address(&self) -> SocketAddr {
        self.api_address
    }

    /// Where names are served, if they are.
    pub(crate) fn dns_address(&self) -> Option<SocketAddr> {
        self.dns_address
    }

    /// Where names are served over encrypted transports.
    pub(crate) fn dns_secure(&self) -> &SecureAddresses {
        &self.dns_secure
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Waits until a part ends by itself, which none should.
    ///
    /// # Errors
    /// Always: with the part and why it ended.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        match self.tasks.join_next().await {
            Some(Ok((part, Ok(())))) => Err(anyhow!("the {part} ended unasked")),
            Some(Ok((part, Err(error)))) => Err(error.context(format!("the {part} ended"))),
            Some(Err(error)) => Err(anyhow!(error).context("a part of the host ended badly")),
            None => Err(anyhow!("no part of the host runs")),
        }
    }

    /// Stops everything and closes the store.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_MAX, drained).await.is_err() {
            self.tasks.abort_all();
        }
        self.server.shutdown().await;
    }
}

/// The long-lived parts of a host.
pub(super) struct Tasks {
    set: JoinSet<(&'static str, anyhow::Result<()>)>,
}

// === impl Tasks ===

impl Tasks {
    pub(super) fn spawn(
        &mut self,
        part: &'static str,
        run: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.set.spawn(async move { (part, run.await) });
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address} for the API; choose another address with --listen"))
}

/// Reads what the folder holds; a large store takes a while, and signals must still be heard.
async fn open_store(data_dir: &Path) -> anyhow::Result<RedbStore> {
    let path = data_dir.join("store.redb");
    let opening = tokio::task::spawn_blocking(move || RedbStore::open(&path));
    Ok(opening.await.context("open the store")??)
}

/// The names and addresses that the API's certificate is for.
fn server_names(settings: &Settings, address: SocketAddr) -> Vec<String> {
    let mut names = settings.advertise.clone();
    names.extend(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]);
    if !address.ip().is_unspecified() {
        names.push(address.ip().to_string());
    }
    names
}

/// Writes the kubeconfig of a user and their group, for the address that reaches this host from where it runs.
fn write_kubeconfig(
    server: &Server,
    data_dir: &Path,
    address: SocketAddr,
    file: &str,
    (user, group): (&str, &str),
) -> anyhow::Result<PathBuf> {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => "[::1]".to_owned(),
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    let url = format!("https://{ip}:{}", address.port());
    let text = server.authority().kubeconfig(&url, user, group)?;
    let path = data_dir.join(file);
    write_private(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}
