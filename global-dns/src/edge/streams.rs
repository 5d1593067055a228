//! DNS over TCP (RFC 7766): messages with their length before them, answered in order, pipelined or not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tracing::warn;

use super::handler::{RESPONSE_MAX, Transport, respond};
use crate::cookies::Keys;
use crate::fast::now;
use crate::metrics::Metrics;
use crate::node::{Node, Speaker};
use crate::snapshot::Snapshot;

/// A connection holds two buffers of at most 64 KiB: this many hold 128 MiB at worst, and far less in practice.
const CONNECTIONS_MAX: usize = 1024;

/// How long a client may stay silent between messages, or take over one. RFC 7766 §6.2.3 asks for a few seconds.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// After a failed accept (no file descriptors, most likely), the next attempt waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until asked to stop.
pub(crate) async fn run(
    listener: TcpListener,
    snapshot: Arc<ArcSwap<Snapshot>>,
    node: Node,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "failed to accept a DNS connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A full house closes the door at once, so that the client asks another server.
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (snapshot, node) = (Arc::clone(&snapshot), node.clone());
        let (metrics, mut stop) = (metrics.clone(), stop.clone());
        tokio::spawn(async move {
            metrics.connections.increment(1);
            tokio::select! {
                // How a connection ends interests nobody: clients come and go.
                _ = converse(stream, peer, &snapshot, &node, &metrics) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            metrics.connections.decrement(1);
            drop(permit);
        });
    }
}

async fn converse(
    mut stream: TcpStream,
    peer: SocketAddr,
    snapshot: &ArcSwap<Snapshot>,
    node: &Node,
    metrics: &Metrics,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let client = peer.ip().to_canonical();
    let mut keys = Keys::of(&node.secret, now());
    let (mut packet, mut out) = (Vec::new(), vec![0; 2 + RESPONSE_MAX]);
    loop {
        let reading = tokio::time::timeout(IDLE_MAX, read(&mut stream, &mut packet));
        if !reading.await.map_err(io::Error::from)?? {
            return Ok(());
        }
        let now = now();
        keys.keep_up(&node.secret, now);
        let speaker = Speaker { nsid: &node.nsid, keys: &keys, now };
        let answered = respond(&snapshot.load(), &packet, client, Transport::Tcp, &speaker, &mut out[2..]);
        let Some((length, rcode)) = answered else { return Ok(()) };
        metrics.answered(Transport::Tcp, rcode, 1);
        let prefix = u16::try_from(length).map_err(io::Error::other)?;
        out[..2].copy_from_slice(&prefix.to_be_bytes());
        tokio::time::timeout(IDLE_MAX, stream.write_all(&out[..2 + length]))
            .await
            .map_err(io::Error::from)??;
    }
}

/// Reads one message; false when the client is done.
async fn read(stream: &mut TcpStream, packet: &mut Vec<u8>) -> io::Result<bool> {
    let mut prefix = [0; 2];
    match stream.read_exact(&mut prefix).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    packet.resize(u16::from_be_bytes(prefix).into(), 0);
    stream.read_exact(packet).await?;
    Ok(true)
}
