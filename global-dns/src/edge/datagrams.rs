//! The datagrams that the fast path left: read in full, answered one by one from a bounded queue.

use std::os::fd::AsFd as _;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

use super::handler::{RESPONSE_MAX, Reply, Transport, respond};
use super::update::{Courier, Pending};
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
    courier: Courier,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let (mut out, mut updates) = (vec![0; RESPONSE_MAX], JoinSet::new());
    loop {
        let bailout = tokio::select! {
            bailout = bailouts.recv() => bailout,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(bailout) = bailout else { return };
        let Bailout { packet, peer, socket } = &bailout;
        let now = now();
        let answered =
            respond(&snapshot.load(), packet, peer.ip(), Transport::Udp, &node.speaker(now), &mut out);
        let (length, rcode) = match answered {
            Some(Reply::Message { length, rcode }) => (length, rcode),
            Some(Reply::Update(pending)) => {
                while updates.try_join_next().is_some() {}
                let Some(room) = courier.enter() else {
                    metrics.dropped(Drop::QueueFull, 1);
                    continue;
                };
                let update = Update { pending, room, bailout };
                updates.spawn(update.settle(courier.clone(), node.clone(), metrics.clone()));
                continue;
            }
            // A zone does not travel in datagrams: it is refused, or the SOA alone is said.
            Some(Reply::Transfer(_)) | None => {
                metrics.dropped(Drop::Ignored, 1);
                continue;
            }
        };
        if let Some(limiter) = &mut limiter {
            let verdict = limiter.judge(peer.ip(), Kind::of(rcode), length, now);
            metrics.limited(limiter.take());
            // What comes here is mostly in error, and an error is no hint to use TCP.
            if verdict != Verdict::Give {
                continue;
            }
        }
        metrics.answered(Transport::Udp, rcode, 1);
        if send_one(socket.as_fd(), peer, &out[..length]).is_err() {
            metrics.dropped(Drop::SendFailed, 1);
        }
    }
}

/// An update that came in a datagram; the host takes its time, and other datagrams do not wait for it.
struct Update {
    pending: Box<Pending>,
    /// Given back when it is answered.
    room: OwnedSemaphorePermit,
    bailout: Bailout,
}

impl Update {
    /// Has it done and answers. Whoever signs asks for itself, so the answer is not limited.
    async fn settle(self, mut courier: Courier, mut node: Node, metrics: Metrics) {
        let mut out = vec![0; RESPONSE_MAX];
        let (length, rcode) = courier.settle(self.pending, &mut node, &mut out).await;
        metrics.answered(Transport::Udp, rcode, 1);
        if send_one(self.bailout.socket.as_fd(), &self.bailout.peer, &out[..length]).is_err() {
            metrics.dropped(Drop::SendFailed, 1);
        }
        drop(self.room);
    }
}
