//! What answers on the addresses that load balancers give out: one small HTTP server per port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use crate::gate::{self, Mode};

/// Ports that somebody stands behind.
type Ready = Arc<Mutex<BTreeSet<u16>>>;

/// The largest request that is read: a probe's is a few hundred bytes.
const REQUEST_MAX: usize = 4096;

/// Whoever has not asked by now loses the connection: a probe's own deadline is shorter.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// The endpoints of one member.
pub(crate) struct Endpoints {
    name: String,
    ip: Ipv4Addr,
    mode: watch::Receiver<Mode>,
    ready: Ready,
    open: BTreeMap<u16, tokio::task::AbortHandle>,
    /// Ports that could not be opened when they were last tried: said once, tried at every look.
    failed: BTreeSet<u16>,
    tasks: JoinSet<()>,
}

// === impl Endpoints ===

impl Endpoints {
    pub(crate) fn new(name: &str, ip: Ipv4Addr, mode: watch::Receiver<Mode>) -> Self {
        let (ready, open, tasks) = (Ready::default(), BTreeMap::new(), JoinSet::new());
        Self { name: name.to_owned(), ip, mode, ready, open, failed: BTreeSet::new(), tasks }
    }

    /// Opens and closes ports so that they are these, and says which of them have somebody behind them.
    pub(crate) fn set(&mut self, ports: &BTreeMap<u16, bool>) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) =
            ports.iter().filter(|(_, ready)| **ready).map(|(port, _)| *port).collect();
        self.open.retain(|port, task| {
            let stays = ports.contains_key(port);
            if !stays {
                task.abort();
            }
            stays
        });
        self.failed.retain(|port| ports.contains_key(port));
        for port in ports.keys() {
            if self.open.contains_key(port) {
                continue;
            }
            let address = SocketAddr::new(IpAddr::V4(self.ip), *port);
            let listener = match gate::bind(address) {
                Ok(listener) => listener,
                Err(error) => {
                    if self.failed.insert(*port) {
                        warn!(%address, %error, "cannot serve an endpoint");
                    }
                    continue;
                }
            };
            let (name, ready, port) = (self.name.clone(), Arc::clone(&self.ready), *port);
            let serve = move |stream| answer(stream, name.clone(), Arc::clone(&ready), port);
            let task = self.tasks.spawn(gate::run(listener, address, self.mode.clone(), serve));
            self.failed.remove(&port);
            self.open.insert(port, task);
        }
    }
}

/// Answers one request: 200 and the member's name while somebody stands behind the port, else 503.
async fn answer(mut stream: TcpStream, name: String, ready: Ready, port: u16) {
    let Ok(Some(())) = tokio::time::timeout(REQUEST_DEADLINE, asked(&mut stream)).await else { return };
    let is_ready = ready.lock().unwrap_or_else(PoisonError::into_inner).contains(&port);
    let status = if is_ready { "200 OK" } else { "503 Service Unavailable" };
    let body = format!("{name}\n");
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    // Whoever asked may be gone; nobody else waits for the answer.
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Reads to the end of the request's head, or as much as is read at most; none when the client leaves before.
async fn asked(stream: &mut TcpStream) -> Option<()> {
    let mut request = [0; REQUEST_MAX];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") && length < REQUEST_MAX {
        match stream.read(&mut request[length..]).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => length += read,
        }
    }
    Some(())
}
