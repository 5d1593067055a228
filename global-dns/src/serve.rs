//! The server as a whole: sockets, threads, the edge and the owner of the snapshot.

mod secure;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use koinon_types::names::{AnswerReport, NameTableReceiver, ProbeReport, UpdateRequest};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::cookies::CookieSecret;
use crate::edge::desk::Desk;
use crate::edge::room::{Room, STAY};
use crate::edge::streams::Speech;
use crate::edge::tls::Identity;
use crate::edge::update::{self, Courier};
use crate::edge::{datagrams, streams};
use crate::fast::{self, BindError, Sockets, Worker, now};
use crate::geo::{self, GeoError};
use crate::history::{self, Archive};
use crate::keep;
use crate::limit::{Limit, Limiter};
use crate::metrics::Metrics;
use crate::node::{Node, Nsid};
use crate::notify;
use crate::publish::{self, Links, Publisher, Setup};
use crate::snapshot::{Lane, Seed, Snapshot};
use secure::Doors;
pub use secure::SecureAddresses;

/// How a server is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens, over UDP and TCP; port 0 takes any.
    pub listen: SocketAddr,
    /// Threads of the fast path, one per core at best.
    pub n_threads: usize,
    /// What its reports are signed with.
    pub vantage: String,
    /// What it calls itself to clients who ask.
    pub nsid: Nsid,
    /// What its cookies are made with: the same on every node.
    pub secret: CookieSecret,
    /// How answers over UDP are limited, if they are.
    pub limit: Option<Limit>,
    /// Key of the index of names; random per process, so that nobody can aim at one slot.
    pub seed: Seed,
    /// Location databases; of what several know, the first is believed.
    pub geo_dbs: Vec<PathBuf>,
    /// Where it listens over encrypted transports, if it does.
    pub secure: Option<Secure>,
    /// The folder that keeps the last table for the next start, if one is to.
    pub data_dir: Option<PathBuf>,
}

/// The encrypted transports.
#[derive(Clone, Debug)]
pub struct Secure {
    /// What clients are shown.
    pub identity: Identity,
    /// Where to listen over TLS (RFC 7858).
    pub tls: Vec<SocketAddr>,
    /// Where to listen over HTTPS (RFC 8484).
    pub https: Vec<SocketAddr>,
    /// Where to listen over QUIC (RFC 9250).
    pub quic: Vec<SocketAddr>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A location database cannot be used.
    #[error(transparent)]
    Geo(#[from] GeoError),
}

/// A server that answers.
pub struct Running {
    address: SocketAddr,
    secure: SecureAddresses,
    snapshot: Arc<ArcSwap<Snapshot>>,
    stop_threads: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Taken by whoever applies updates.
    updates: Option<mpsc::Receiver<UpdateRequest>>,
    tasks: JoinSet<()>,
}

/// Starts a server: until `table` says what to serve it serves what an earlier run kept, or refuses everything.
///
/// # Errors
/// When the address cannot be listened on, or a location database cannot be used.
pub fn start(
    config: Config,
    table: NameTableReceiver,
    probes: mpsc::Sender<ProbeReport>,
    answers: mpsc::Sender<AnswerReport>,
    stop: watch::Receiver<bool>,
) -> Result<Running, StartError> {
    let Config { listen, n_threads, vantage, nsid, secret, limit, seed, geo_dbs, secure, data_dir } = config;
    let opened = geo::Opened::read(geo_dbs)?;
    let Sockets { address, tcp, udp } = fast::bind(listen, n_threads.max(1))?;
    let listener = TcpListener::from_std(tcp).map_err(|source| failed(address, "TCP", source))?;
    let doors = secure.map(Doors::bind).transpose()?;
    let kept = data_dir.as_deref().map(keep::load).unwrap_or_default();
    // Serials grow with generations, also across restarts: nobody changes names more than once a second for long.
    let generation = u64::try_from(now().as_seconds()).unwrap_or_default();
    let snapshot = Arc::new(ArcSwap::from_pointee(publish::first(&kept, &opened.atlas, seed, generation)));
    let archive = Arc::<ArcSwap<Archive>>::default();
    let node = Node::new(nsid, secret, Arc::clone(&archive), now());
    let (bailouts, left) = mpsc::channel(datagrams::QUEUE);
    let (requests, updates) = mpsc::channel(update::QUEUE);
    let (swaps, swapped) = watch::channel(generation);
    let (follower, followed) = watch::channel(0);
    let courier = Courier::new(requests, Arc::clone(&snapshot), swapped.clone(), followed.clone());
    let metrics = Metrics::new();
    let mut running = Running::new(address, doors.as_ref(), &snapshot, updates);
    for (number, socket) in udp.into_iter().enumerate() {
        running.answer(Worker {
            socket: Arc::new(socket),
            lane: Lane::of_thread(number),
            snapshot: Arc::clone(&snapshot),
            bailouts: bailouts.clone(),
            stop: Arc::clone(&running.stop_threads),
            node: node.clone(),
            limit: limit.map(|limit| limit.share(n_threads)),
            seed,
            metrics: metrics.clone(),
        })?;
    }
    let tasks = &mut running.tasks;
    let limiter = limit.map(|limit| Limiter::new(limit, seed));
    tasks.spawn(datagrams::run(
        left,
        Arc::clone(&snapshot),
        node.clone(),
        limiter,
        courier.clone(),
        metrics.clone(),
        stop.clone(),
    ));
    let desk = Desk::new(Arc::clone(&snapshot), node, courier, metrics.clone());
    let room = Room::new(secure::connections_max(), STAY);
    tasks.spawn(streams::run(listener, Speech::Tcp, desk.clone(), room.clone(), stop.clone()));
    if let Some(doors) = doors {
        doors.open(tasks, &desk, &room, &stop);
    }
    let keeper = data_dir.map(|folder| keep::start(folder, kept.clone(), tasks, stop.clone()));
    let changes = Changes { address: address.ip(), snapshot: Arc::clone(&snapshot), archive, swapped };
    changes.follow(tasks, follower, followed, &metrics, &stop);
    let setup = Setup { vantage, seed, last_good: kept.last_good, keeper, swaps };
    let (atlases, atlas) = watch::channel(Arc::clone(&opened.atlas));
    tasks.spawn(geo::watch(opened, atlases, stop.clone()));
    let links = Links { table, atlas, probes, answers };
    tasks.spawn(Publisher::run(setup, snapshot, links, metrics, stop));
    Ok(running)
}

/// What secondaries are told of.
struct Changes {
    address: IpAddr,
    snapshot: Arc<ArcSwap<Snapshot>>,
    archive: Arc<ArcSwap<Archive>>,
    /// Changes with every snapshot.
    swapped: watch::Receiver<u64>,
}

impl Changes {
    /// Keeps the archive up with the snapshots, and secondaries with the archive.
    fn follow(
        self,
        tasks: &mut JoinSet<()>,
        follower: watch::Sender<u64>,
        followed: watch::Receiver<u64>,
        metrics: &Metrics,
        stop: &watch::Receiver<bool>,
    ) {
        let Self { address, snapshot, archive, swapped } = self;
        let (of, into) = (Arc::clone(&snapshot), Arc::clone(&archive));
        tasks.spawn(history::run(of, into, swapped, follower, stop.clone()));
        tasks.spawn(notify::run(address, snapshot, archive, followed, metrics.clone(), stop.clone()));
    }
}

fn failed(address: SocketAddr, transport: &'static str, source: std::io::Error) -> BindError {
    BindError { address, transport, remedy: "raise the limits of threads and open files", source }
}

// === impl Running ===

impl Running {
    fn new(
        address: SocketAddr,
        doors: Option<&Doors>,
        snapshot: &Arc<ArcSwap<Snapshot>>,
        updates: mpsc::Receiver<UpdateRequest>,
    ) -> Self {
        Self {
            address,
            secure: doors.map(Doors::addresses).unwrap_or_default(),
            snapshot: Arc::clone(snapshot),
            stop_threads: Arc::default(),
            threads: Vec::new(),
            updates: Some(updates),
            tasks: JoinSet::new(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens over encrypted transports.
    pub fn secure(&self) -> &SecureAddresses {
        &self.secure
    }

    /// Reads what is served now; stays valid, and up to date, as long as it is held.
    pub fn snapshots(&self) -> impl Fn() -> Arc<Snapshot> + Send + Sync + use<> {
        let snapshot = Arc::clone(&self.snapshot);
        move || snapshot.load_full()
    }

    /// The updates that clients ask for, to be applied by one reader. Given once; with nobody to apply them they fail.
    pub fn updates(&mut self) -> Option<mpsc::Receiver<UpdateRequest>> {
        self.updates.take()
    }

    /// Starts a thread of the fast path.
    fn answer(&mut self, worker: Worker) -> Result<(), BindError> {
        let thread = std::thread::Builder::new().name(format!("dns-{}", self.threads.len()));
        let spawned = thread.spawn(move || worker.run());
        self.threads.push(spawned.map_err(|source| failed(self.address, "UDP", source))?);
        Ok(())
    }

    /// Serves until asked to stop, then lets threads finish the batch at hand.
    pub async fn run(mut self) {
        // Nobody takes them any more.
        self.updates = None;
        while self.tasks.join_next().await.is_some() {}
        self.stop_threads.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A thread that panicked has said so already.
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop_threads.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests;
