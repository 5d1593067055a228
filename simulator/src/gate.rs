//! The gate in front of every socket of a member: open, closed, or open and silent.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How a member fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Connections are refused, and those that are open are cut.
    Refused,
    /// Connections are accepted and nothing answers; those that are open fall silent.
    Hung,
}

/// Whether a gate lets anybody through.
pub(crate) type Mode = Option<Fault>;

/// Connections waiting to be accepted.
const BACKLOG: u32 = 128;

/// Connections through one gate: more than any client of a simulated member opens.
const CONNECTIONS_MAX: usize = 512;

/// After a failed bind (the port is still closing), the next attempt waits this long.
const BIND_PAUSE: Duration = Duration::from_millis(20);

/// Binds an address, also right after another listener on it was closed.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections to `address` as the mode allows, until the task is dropped. `first` is its first listener.
pub(crate) async fn run<S, F>(
    first: TcpListener,
    address: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    serve: S,
) where
    S: Fn(TcpStream) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut listener = Some(first);
    let mut connections = JoinSet::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let now = *mode.borrow_and_update();
        if now == Some(Fault::Refused) {
            listener = None;
            connections.abort_all();
            while connections.join_next().await.is_some() {}
            if mode.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(open) = &listener else {
            match bind(address) {
                Ok(open) => listener = Some(open),
                Err(_) => tokio::time::sleep(BIND_PAUSE).await,
            }
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                let (serve, mode) = (serve.clone(), mode.clone());
                connections.spawn(async move {
                    unless_hung(mode, serve(stream)).await;
                    drop(permit);
                });
            }
            changed = mode.changed() => if changed.is_err() {
                return;
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Works while the gate is open, and holds still while it hangs.
async fn unless_hung(mut mode: watch::Receiver<Mode>, work: impl Future<Output = ()>) {
    let mut work = std::pin::pin!(work);
    loop {
        let is_hung = *mode.borrow_and_update() == Some(Fault::Hung);
        tokio::select! {
            () = &mut work, if !is_hung => return,
            changed = mode.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
