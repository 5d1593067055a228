//! DNS over TCP (RFC 7766): messages with their length before them, answered in order, pipelined or not.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tracing::{info, warn};

use super::handler::{RESPONSE_MAX, Reply, Transport, respond};
use super::transfer::{Plan, pack};
use super::update::Desk;
use crate::fast::now;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::snapshot::Snapshot;
use crate::wire::Rcode;

/// A connection holds two buffers of at most 64 KiB: this many hold 128 MiB at worst, and far less in practice.
const CONNECTIONS_MAX: usize = 1024;

/// How long a client may stay silent between messages, or take over one. RFC 7766 §6.2.3 asks for a few seconds.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// After a failed accept (no file descriptors, most likely), the next attempt waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Transfers at one time. Each holds a thread and a few messages, and at most a version of its zone that is no longer served;
/// as many secondaries of one zone hear of a change at once, and a slow one must not keep the others waiting.
const TRANSFERS_MAX: usize = 16;

/// How long a transfer waits for its turn: longer than most take, and shorter than secondaries wait for an answer.
const TURN_MAX: Duration = Duration::from_secs(20);

/// How long a transfer may take in all, so that a reader that takes a message every few seconds gives its place back: a
/// zone of 100,000 names and 10 MB then needs no more than 0.2 Mbit/s.
const TRANSFER_MAX: Duration = Duration::from_secs(600);

/// Messages that are packed ahead of a reader: 64 KiB, as much as a socket takes at once.
const MESSAGES_AHEAD: usize = 4;

/// Accepts connections until asked to stop.
pub(crate) async fn run(
    listener: TcpListener,
    snapshot: Arc<ArcSwap<Snapshot>>,
    node: Node,
    desk: Desk,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let turns = Arc::new(Semaphore::new(TRANSFERS_MAX));
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
        let (snapshot, mut node, turns) = (Arc::clone(&snapshot), node.clone(), Arc::clone(&turns));
        let mut desk = desk.clone();
        let (metrics, mut stop) = (metrics.clone(), stop.clone());
        tokio::spawn(async move {
            metrics.connections.increment(1);
            tokio::select! {
                // How a connection ends interests nobody: clients come and go.
                _ = converse(stream, peer, &snapshot, &mut node, &mut desk, &turns, &metrics) => {}
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
    node: &mut Node,
    desk: &mut Desk,
    turns: &Semaphore,
    metrics: &Metrics,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let client = peer.ip().to_canonical();
    let (mut packet, mut out) = (Vec::new(), vec![0; 2 + RESPONSE_MAX]);
    loop {
        let reading = tokio::time::timeout(IDLE_MAX, read(&mut stream, &mut packet));
        if !reading.await.map_err(io::Error::from)?? {
            return Ok(());
        }
        match respond(&snapshot.load(), &packet, client, Transport::Tcp, &node.speaker(now()), &mut out[2..])
        {
            None => return Ok(()),
            Some(Reply::Message { length, rcode }) => {
                metrics.answered(Transport::Tcp, rcode, 1);
                let prefix = u16::try_from(length).map_err(io::Error::other)?;
                out[..2].copy_from_slice(&prefix.to_be_bytes());
                write(&mut stream, &out[..2 + length]).await?;
            }
            Some(Reply::Update(pending)) => {
                let (length, rcode) = desk.settle(pending, node, &mut out[2..]).await;
                metrics.answered(Transport::Tcp, rcode, 1);
                let prefix = u16::try_from(length).map_err(io::Error::other)?;
                out[..2].copy_from_slice(&prefix.to_be_bytes());
                write(&mut stream, &out[..2 + length]).await?;
            }
            Some(Reply::Transfer(plan)) => {
                let turn = tokio::time::timeout(TURN_MAX, turns.acquire()).await.map_err(io::Error::from)?;
                let transfer = tokio::time::timeout(TRANSFER_MAX, transfer(&mut stream, *plan));
                let transferred = transfer.await.map_err(io::Error::from).flatten();
                drop(turn);
                metrics.transferred(&transferred);
                if let Err(error) = &transferred {
                    // An operator who waits for a zone at a secondary looks here.
                    info!(%peer, %error, "a zone transfer broke off");
                }
                transferred?;
                metrics.answered(Transport::Tcp, Rcode::NoError, 1);
            }
        }
    }
}

/// Sends a zone. The reader sets the pace: packing waits for it, and ends with it.
async fn transfer(stream: &mut TcpStream, plan: Plan) -> io::Result<()> {
    let (sender, mut messages) = mpsc::channel(MESSAGES_AHEAD);
    let packing = tokio::task::spawn_blocking(move || {
        pack(plan, now, &mut |message: Vec<u8>| match sender.blocking_send(message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    });
    while let Some(message) = messages.recv().await {
        write(stream, &message).await?;
    }
    match packing.await {
        Ok(ControlFlow::Continue(())) => Ok(()),
        // Without the last SOA the client knows that it does not have everything.
        Ok(ControlFlow::Break(())) => Err(io::Error::other("the zone could not be packed")),
        Err(error) => Err(io::Error::other(error)),
    }
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    tokio::time::timeout(IDLE_MAX, stream.write_all(bytes)).await.map_err(io::Error::from)?
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
