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
use super::respond::{Names, names, respond};
use crate::cookies::Keys;
use crate::metrics::{Metrics, Tally};
use crate::node::{Node, Speaker};
use crate::snapshot::Snapshot;

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
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) bailouts: mpsc::Sender<Bailout>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) node: Node,
    pub(crate) metrics: Metrics,
}

/// The clock, read once per batch.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Worker {
    /// Answers until told to stop, or until the socket fails for good.
    pub(crate) fn run(self) {
        let mut snapshots = Cache::new(&*self.snapshot);
        let mut batch = Batch::new();
        let mut names = names();
        let mut keys = Keys::of(&self.node.secret, now());
        let mut tally = Tally::default();
        let mut n_batches = 0u32;
        while !self.stop.load(Ordering::Relaxed) {
            let n_received = match batch.receive(self.socket.as_fd()) {
                Ok(n_received) => n_received,
                Err(error) if is_passing(&error) => {
                    tally.flush(&self.metrics);
                    // Lets go of a snapshot that was replaced while nobody asked.
                    snapshots.load();
                    continue;
                }
                Err(error) => {
                    error!(%error, socket = ?self.socket, "DNS socket failed; its thread ends");
                    return;
                }
            };
            let snapshot = snapshots.load();
            let now = now();
            keys.keep_up(&self.node.secret, now);
            let speaker = Speaker { nsid: &self.node.nsid, keys: &keys, now };
            self.answer(snapshot, &speaker, &mut batch, n_received, &mut names, &mut tally, n_batches);
            n_batches = n_batches.wrapping_add(1);
            if n_received < WIDTH || n_batches.is_multiple_of(BATCHES_PER_FLUSH) {
                tally.flush(&self.metrics);
            }
        }
        tally.flush(&self.metrics);
    }

    /// Answers what a receive brought. One batch in so many is timed.
    fn answer(
        &self,
        snapshot: &Snapshot,
        speaker: &Speaker<'_>,
        batch: &mut Batch,
        n_received: usize,
        names: &mut Names,
        tally: &mut Tally,
        n_batches: u32,
    ) {
        let started = n_batches.is_multiple_of(BATCHES_PER_FLUSH).then(Instant::now);
        let (queries, out) = batch.exchange(n_received);
        let responses = respond(snapshot, &queries[..n_received], speaker, names, out);
        for (at, response) in responses[..n_received].iter().enumerate() {
            if let Some((length, rcode)) = *response {
                tally.answered(rcode);
                batch.answer(at, length);
            } else {
                let (packet, peer) = batch.query(at);
                self.bail_out(packet, peer, tally);
            }
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
