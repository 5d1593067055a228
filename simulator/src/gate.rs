//! The gate in front of every socket of a member: open, closed, or open and silent, slow or rude.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
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
    /// Connections are accepted and reset, and those that are open are cut.
    Reset,
    /// Everything goes on, but each step of a connection waits this long first: an answer takes one or two of them longer.
    Slow(Duration),
}

/// Whether a gate lets anybody through.
pub(crate) type Mode = Option<Fault>;

/// Connections waiting to be accepted.
const BACKLOG: u32 = 128;

/// Connections through one gate: more than any client of a simulated member opens.
const CONNECTIONS_MAX: usize = 512;

/// The shortest wait of a slow connection, so that slowness of nothing costs little.
const SLOW_MIN: Duration = Duration::from_millis(1);

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
        if matches!(now, Some(Fault::Refused | Fault::Reset)) {
            connections.shutdown().await;
        }
        if now == Some(Fault::Refused) {
            listener = None;
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
                if now == Some(Fault::Reset) {
                    // With nothing to linger for, the close is a reset; a socket that refuses that is closed all the same.
                    let _ = stream.set_zero_linger();
                    continue;
                }
                let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                let (serve, mode) = (serve.clone(), mode.clone());
                connections.spawn(async move {
                    as_allowed(mode, serve(stream)).await;
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

/// Works as the gate allows from moment to moment, until the work is done.
async fn as_allowed(mut mode: watch::Receiver<Mode>, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    loop {
        let now = *mode.borrow_and_update();
        tokio::select! {
            done = step(now, work.as_mut()) => if done {
                return;
            },
            changed = mode.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Goes on with the work as one mode allows; whether it is done.
async fn step(mode: Mode, mut work: Pin<&mut impl Future<Output = ()>>) -> bool {
    match mode {
        // Whoever refuses or resets cuts the connection from outside.
        None | Some(Fault::Refused | Fault::Reset) => {
            work.await;
            true
        }
        Some(Fault::Hung) => pending().await,
        Some(Fault::Slow(wait)) => {
            tokio::time::sleep(wait.max(SLOW_MIN)).await;
            poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready())).await
        }
    }
}
