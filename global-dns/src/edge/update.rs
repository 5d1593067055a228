//! Updates at the edge: who may, then the host does it, and the answer waits until this server serves what was done.
//!
//! ```text
//! update ─► key and zone ─► host (durable there) ─► snapshot that has it ─► signed answer
//! ```
//! So whoever has the answer and asks this server sees the change. A change that is durable and that this server does not
//! serve in time is answered NOERROR all the same: it is done, and a sender that tried again would be told so.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use koinon_types::names::{UpdateCode, UpdateMessage, UpdateOutcome, UpdateRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::warn;

use super::handler::RESPONSE_MAX;
use super::tsig::Signer;
use crate::fast::now;
use crate::node::Node;
use crate::snapshot::{Answer, Edns, Head, Snapshot, write};
use crate::update;
use crate::wire::Rcode;

/// Updates on their way to the host: as many as it lets wait.
pub(crate) const QUEUE: usize = 64;

/// How long the host may take. Most clients have given up by then and ask again; the host tells them how it ended.
const HOST_MAX: Duration = Duration::from_secs(5);

/// How long a durable change may take to be served here. It takes some tens of milliseconds, and clients such as ExternalDNS
/// wait two seconds for the whole.
const SERVED_MAX: Duration = Duration::from_secs(1);

/// An update that may be asked for, with what its answer needs.
pub(crate) struct Pending {
    request: UpdateMessage,
    /// The zone's apex as sent.
    apex: Vec<u8>,
    id: [u8; 2],
    flags: [u8; 2],
    question: Vec<u8>,
    edns: Option<Edns>,
    signer: Signer,
}

/// Where updates are taken from clients and their outcomes told; clones are the same.
#[derive(Clone)]
pub(crate) struct Courier {
    requests: mpsc::Sender<UpdateRequest>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// Says when there is another snapshot.
    swapped: watch::Receiver<u64>,
    /// Says which snapshot secondaries can copy.
    archived: watch::Receiver<u64>,
    /// Room for those that came by datagrams, whose senders nobody holds back.
    room: Arc<Semaphore>,
}

// === impl Pending ===

impl Pending {
    pub(crate) fn new(head: &Head<'_>, apex: &[u8], packet: &[u8], client: IpAddr, signer: Signer) -> Self {
        Self {
            request: UpdateMessage { message: packet.to_vec(), client },
            apex: apex.to_vec(),
            id: head.id,
            flags: head.flags,
            question: head.question.to_vec(),
            edns: head.edns,
            signer,
        }
    }

    /// Writes the answer. Shape: its length.
    fn answer(mut self, rcode: Rcode, node: &mut Node, out: &mut [u8]) -> usize {
        let head = Head { id: self.id, flags: self.flags, question: &self.question, edns: self.edns };
        let speaker = node.speaker(now());
        let options = speaker.options(head.edns, self.request.client);
        let limit = RESPONSE_MAX - self.signer.room();
        let length = write(out, &head, &Answer::bare(rcode), &options, limit);
        self.signer.sign(out, length, speaker.now)
    }
}

// === impl Courier ===

impl Courier {
    pub(crate) fn new(
        requests: mpsc::Sender<UpdateRequest>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        swapped: watch::Receiver<u64>,
        archived: watch::Receiver<u64>,
    ) -> Self {
        Self { requests, snapshot, swapped, archived, room: Arc::new(Semaphore::new(QUEUE)) }
    }

    /// Room for one more update by datagram; none when there are too many.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Has an update done and writes the answer into `out`, which holds [`RESPONSE_MAX`] bytes.
    ///
    /// Shape: its length and code.
    pub(crate) async fn settle(
        &mut self,
        pending: Box<Pending>,
        node: &mut Node,
        out: &mut [u8],
    ) -> (usize, Rcode) {
        let outcome = self.ask(pending.request.clone()).await;
        if let Some(generation) = outcome.generation
            && !self.is_served(&pending.apex, generation).await
        {
            warn!(client = %pending.request.client, generation, "an update is done and not served here yet");
        }
        let rcode = rcode(outcome.code);
        (pending.answer(rcode, node, out), rcode)
    }

    /// Asks the host.
    async fn ask(&self, message: UpdateMessage) -> UpdateOutcome {
        let (answer, outcome) = oneshot::channel();
        let failed = UpdateOutcome::failed(UpdateCode::ServFail);
        if self.requests.try_send(UpdateRequest { message, answer }).is_err() {
            return failed;
        }
        match tokio::time::timeout(HOST_MAX, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => failed,
        }
    }

    /// Waits until the zone is served as of this generation of its spec, or no longer at all, also to who copies it: clients such
    /// as ExternalDNS read back by AXFR. False when that takes too long.
    async fn is_served(&mut self, apex: &[u8], generation: i64) -> bool {
        let deadline = Instant::now() + SERVED_MAX;
        loop {
            self.swapped.mark_unchanged();
            let snapshot = self.snapshot.load_full();
            let zone = update::find(snapshot.table(), apex);
            if zone.is_none_or(|(zone, _)| zone.updates.generation >= generation) {
                let archived = self.archived.wait_for(|archived| *archived >= snapshot.generation());
                return tokio::time::timeout_at(deadline, archived)
                    .await
                    .is_ok_and(|archived| archived.is_ok());
            }
            match tokio::time::timeout_at(deadline, self.swapped.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return false,
            }
        }
    }
}

fn rcode(code: UpdateCode) -> Rcode {
    match code {
        UpdateCode::NoError => Rcode::NoError,
        UpdateCode::FormErr => Rcode::FormErr,
        UpdateCode::ServFail => Rcode::ServFail,
        UpdateCode::NxDomain => Rcode::NxDomain,
        UpdateCode::Refused => Rcode::Refused,
        UpdateCode::YxDomain => Rcode::YxDomain,
        UpdateCode::YxRrset => Rcode::YxRrset,
        UpdateCode::NxRrset => Rcode::NxRrset,
        UpdateCode::NotAuth => Rcode::NotAuth,
        UpdateCode::NotZone => Rcode::NotZone,
    }
}
