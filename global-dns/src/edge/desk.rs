//! What every conversation answers from, whatever it travels over.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use tokio::sync::{Semaphore, mpsc};
use tracing::info;

use super::framed::PREFIX;
use super::handler::{RESPONSE_MAX, Reply, Transport, respond};
use super::transfer::{Plan, pack};
use super::update::{Courier, Pending};
use crate::fast::now;
use crate::metrics::Metrics;
use crate::node::{Node, Speaker};
use crate::snapshot::Snapshot;
use crate::wire::Rcode;

/// Transfers at one time. Each holds a thread and a few messages, and at most a version of its zone that is no longer served;
/// as many secondaries of one zone hear of a change at once, and a slow one must not keep the others waiting.
const TRANSFERS_MAX: usize = 16;

/// How long a transfer waits for its turn: longer than most take, and shorter than secondaries wait for an answer.
const TURN_MAX: Duration = Duration::from_secs(20);

/// How long a transfer may take in all, so that a reader that takes a message every few seconds gives its place back: a
/// zone of 100,000 names and 10 MB then needs no more than 0.2 Mbit/s.
const TRANSFER_MAX: Duration = Duration::from_secs(600);

/// What is needed to answer. Each conversation has one of its own.
#[derive(Clone)]
pub(crate) struct Desk {
    snapshot: Arc<ArcSwap<Snapshot>>,
    node: Node,
    /// Takes updates to who does them.
    courier: Courier,
    turns: Arc<Semaphore>,
    /// Shared: there are more than a hundred handles, and a desk per connection.
    pub(crate) metrics: Arc<Metrics>,
}

/// Whose message it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) peer: SocketAddr,
    pub(crate) transport: Transport,
    /// How long the connection may be idle, where clients may ask.
    pub(crate) idle_max: Option<Duration>,
}

/// What is said to a message.
pub(crate) enum Said {
    /// The message was appended.
    Message,
    /// Messages will be, with their length before them.
    Later(Work),
}

/// What takes a while.
pub(crate) enum Work {
    /// A zone is to be sent.
    Zone(Box<Plan>),
    /// An update is to be done, and its outcome told.
    Update(Box<Pending>),
}

thread_local! {
    /// Room for a response being written, so that connections keep only what they have to send.
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; RESPONSE_MAX]);
}

// === impl Desk ===

impl Desk {
    pub(crate) fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        node: Node,
        courier: Courier,
        metrics: Metrics,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(TRANSFERS_MAX));
        Self { snapshot, node, courier, turns, metrics: Arc::new(metrics) }
    }

    /// Answers a message at the end of `out`; `None` when nothing may be said.
    pub(crate) fn answer(&mut self, packet: &[u8], caller: Caller, out: &mut BytesMut) -> Option<Said> {
        let Caller { peer, transport, idle_max } = caller;
        let snapshot = self.snapshot.load();
        let speaker = Speaker { idle_max, ..self.node.speaker(now()) };
        let client = peer.ip().to_canonical();
        let reply = ROOM.with_borrow_mut(|room| {
            let reply = respond(&snapshot, packet, client, transport, &speaker, room)?;
            if let Reply::Message { length, .. } = &reply {
                out.extend_from_slice(&room[..*length]);
            }
            Some(reply)
        });
        match reply? {
            Reply::Message { rcode, .. } => {
                self.metrics.answered(transport, rcode, 1);
                Some(Said::Message)
            }
            Reply::Transfer(plan) => Some(Said::Later(Work::Zone(plan))),
            Reply::Update(pending) => Some(Said::Later(Work::Update(pending))),
        }
    }

    /// Does what takes a while, and sends what comes of it.
    ///
    /// # Errors
    /// When it does not arrive as a whole.
    pub(crate) async fn work(
        &self,
        work: Work,
        caller: Caller,
        messages: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<()> {
        match work {
            Work::Zone(plan) => self.transfer(plan, caller, messages).await,
            Work::Update(pending) => self.update(pending, caller, messages).await,
        }
    }

    async fn update(
        &self,
        pending: Box<Pending>,
        caller: Caller,
        messages: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<()> {
        let (mut courier, mut node) = (self.courier.clone(), self.node.clone());
        let mut out = vec![0; PREFIX + RESPONSE_MAX];
        let (length, rcode) = courier.settle(pending, &mut node, &mut out[PREFIX..]).await;
        self.metrics.answered(caller.transport, rcode, 1);
        out.truncate(PREFIX + length);
        let prefix = u16::try_from(length).map_err(io::Error::other)?;
        out[..PREFIX].copy_from_slice(&prefix.to_be_bytes());
        messages.send(out).await.map_err(|_| io::Error::other("the client went"))
    }

    /// Sends a zone, message by message. The reader sets the pace: packing waits for it, and ends with it.
    async fn transfer(
        &self,
        plan: Box<Plan>,
        caller: Caller,
        messages: mpsc::Sender<Vec<u8>>,
    ) -> io::Result<()> {
        let turn = tokio::time::timeout(TURN_MAX, self.turns.acquire()).await.map_err(io::Error::from)?;
        let sending = tokio::time::timeout(TRANSFER_MAX, send(plan, messages));
        let transferred = sending.await.map_err(io::Error::from).flatten();
        drop(turn);
        self.metrics.transferred(&transferred);
        match &transferred {
            Ok(()) => self.metrics.answered(caller.transport, Rcode::NoError, 1),
            // An operator who waits for a zone at a secondary looks here.
            Err(error) => info!(peer = %caller.peer, %error, "a zone transfer broke off"),
        }
        transferred
    }
}

async fn send(plan: Box<Plan>, messages: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    let packing = tokio::task::spawn_blocking(move || {
        pack(*plan, now, &mut |message: Vec<u8>| match messages.blocking_send(message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    });
    match packing.await {
        Ok(ControlFlow::Continue(())) => Ok(()),
        // Without the last SOA the client knows that it does not have everything.
        Ok(ControlFlow::Break(())) => {
            Err(io::Error::other("the client went, or the zone could not be packed"))
        }
        Err(error) => Err(io::Error::other(error)),
    }
}
