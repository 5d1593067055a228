//! One thread of the fast path: receive a batch, answer it from one snapshot, send, repeat.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Cache};
use koinon_model::time::Timestamp;
use tokio::sync::mpsc;
use tracing::error;

use super::batch::{Batch, Peer, WIDTH};
use super::respond::{Names, Response, names, respond};
use crate::limit::{Limit, Limiter};
use crate::metrics::{Metrics, Tally};
use crate::node::Node;
use crate::snapshot::{Lane, Seed, Snapshot};

/// Batches between two times that a busy thread hands its numbers over: a few milliseconds at full load.
const BATCHES_PER_FLUSH: u32 = 64;

/// A datagram that the fast path leaves to the edge.
pub(crate) struct Bailout {
    pub(crate) packet: Vec<u8>,
    pub(crate) peer: Peer,
    pub(crate) socket: Arc<UdpSocket>,
}

/// What a thread works with.
pub(crate) struct Worker {
    pub(crate) socket: Arc<UdpSocket>,
    /// What it counts its answers in.
    pub(crate) lane: Lane,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) bailouts: mpsc::Sender<Bailout>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) node: Node,
    pub(crate) limit: Option<Limit>,
    pub(crate) seed: Seed,
    pub(crate) metrics: Metrics,
}

/// The clock, read once per batch.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What one thread keeps from batch to batch.
struct Bench {
    batch: Batch,
    names: Box<Names>,
    node: Node,
    limiter: Option<Limiter>,
    tally: Tally,
    n_batches: u32,
}

// === impl Worker ===

impl Worker {
    /// Answers until told to stop, or until the socket fails for good.
    pub(crate) fn run(self) {
        let mut snapshots = Cache::new(&*self.snapshot);
        let mut bench = Bench {
            batch: Batch::new(),
            names: names(),
            node: self.node.clone(),
            limiter: self.limit.map(|limit| Limiter::new(limit, self.seed)),
            tally: Tally::default(),
            n_batches: 0,
        };
        while !self.stop.load(Ordering::Relaxed) {
            let n_received = match bench.batch.receive(self.socket.as_fd()) {
                Ok(n_received) => n_received,
                Err(error) if is_passing(&error) => {
                    bench.tally.flush(&self.metrics);
                    // Lets go of a snapshot that was replaced while nobody asked.
                    snapshots.load();
                    continue;
                }
                Err(error) => {
                    error!(%error, socket = ?self.socket, "DNS socket failed; its thread ends");
                    return;
                }
            };
            self.answer(snapshots.load(), &mut bench, n_received);
            bench.n_batches = bench.n_batches.wrapping_add(1);
            if n_received < WIDTH || bench.n_batches.is_multiple_of(BATCHES_PER_FLUSH) {
                bench.tally.flush(&self.metrics);
            }
        }
        bench.tally.flush(&self.metrics);
    }

    /// Answers what a receive brought. One batch in so many is timed.
    fn answer(&self, snapshot: &Snapshot, bench: &mut Bench, n_received: usize) {
        let Bench { batch, names, node, limiter, tally, n_batches } = bench;
        let started = n_batches.is_multiple_of(BATCHES_PER_FLUSH).then(Instant::now);
        let speaker = node.speaker(now());
        let (queries, out) = batch.exchange(n_received);
        let responses =
            respond(snapshot, &queries[..n_received], &speaker, self.lane, limiter.as_mut(), names, out);
        for (at, response) in responses[..n_received].iter().enumerate() {
            match *response {
                Response::Ready { length, rcode } => {
                    tally.answered(rcode);
                    batch.answer(at, length);
                }
                Response::Withheld => {}
                Response::Left => {
                    let (packet, peer) = batch.query(at);
                    self.bail_out(packet, peer, tally);
                }
            }
        }
        if let Some(limiter) = limiter {
            tally.limited(limiter.take());
        }
        tally.send_failed += batch.send(self.socket.as_fd()) as u64;
        if let Some(started) = started {
            tally.sample = Some((started.elapsed() / n_received.max(1) as u32, n_received));
        }
    }

    /// Leaves a datagram to the edge, if that can keep up.
    fn bail_out(&self, packet: &[u8], peer: &Peer, tally: &mut Tally) {
        tally.bailouts += 1;
        let bailout = Bailout { packet: packet.to_vec(), peer: *peer, socket: self.socket.clone() };
        if self.bailouts.try_send(bailout).is_err() {
            tally.queue_full += 1;
        }
    }
}

/// Whether the next receive may well succeed: the timeout, a signal, or an error of one earlier answer.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}
