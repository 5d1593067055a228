//! The datagrams that the fast path left: read in full, answered one by one from a bounded queue.

use std::os::fd::AsFd as _;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::handler::{RESPONSE_MAX, Reply, Transport, respond};
use crate::fast::{Bailout, now, send_one};
use crate::limit::{Kind, Limiter, Verdict};
use crate::metrics::{Drop, Metrics};
use crate::node::Node;
use crate::snapshot::Snapshot;

/// Datagrams that wait for the edge: a burst of a tenth of a second at the rate of one thread. What does not fit is
/// dropped and asked again by its resolver; a longer queue would only answer late.
pub(crate) const QUEUE: usize = 1024;

/// Answers until asked to stop.
pub(crate) async fn run(
    mut bailouts: mpsc::Receiver<Bailout>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    mut node: Node,
    mut limiter: Option<Limiter>,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let mut out = vec![0; RESPONSE_MAX];
    loop {
        let bailout = tokio::select! {
            bailout = bailouts.recv() => bailout,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(Bailout { packet, peer, socket }) = bailout else { return };
        let now = now();
        let answered =
            respond(&snapshot.load(), &packet, peer.ip(), Transport::Udp, &node.speaker(now), &mut out);
        // A zone does not travel in datagrams: it is refused, or the SOA alone is said.
        let Some(Reply::Message { length, rcode }) = answered else {
            metrics.dropped(Drop::Ignored, 1);
            continue;
        };
        if let Some(limiter) = &mut limiter {
            let verdict = limiter.judge(peer.ip(), Kind::of(rcode), now);
            metrics.limited(limiter.take());
            // What comes here is mostly in error, and an error is no hint to use TCP.
            if verdict != Verdict::Give {
                continue;
            }
        }
        metrics.answered(Transport::Udp, rcode, 1);
        if send_one(socket.as_fd(), &peer, &out[..length]).is_err() {
            metrics.dropped(Drop::SendFailed, 1);
        }
    }
}
