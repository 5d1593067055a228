//! Updates that come as DNS messages, on their way from the servers that take them to the one who applies them.
//!
//! ```text
//! host's DNS server ─────────────────► admit ─► controllers::updates
//! node's DNS server ─► /koinon/updates ─┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::{Page, Visit};
use koinon_controllers::updates::{QUEUE, Request};
use koinon_dns::update::admit;
use koinon_machinery::status::Status;
use koinon_types::names::{NameTableReceiver, UpdateCode, UpdateMessage, UpdateOutcome, UpdateRequest};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info};

use super::names::now;
use crate::host::Host;

/// Where nodes hand on updates.
pub(super) const UPDATES: &str = "/koinon/updates";

/// Bytes of one post: a DNS message of 64 KiB in base64, and who sent it.
const POST_BYTES_MAX: usize = 128 << 10;

/// How long a node waits for the host. Its client has given up by then.
const POST_MAX: Duration = Duration::from_secs(5);

/// Updates that a node has under way to the host at once: as many as the host lets wait.
const UNDER_WAY_MAX: usize = QUEUE;

/// Hands admitted updates to whoever applies them.
#[derive(Clone)]
pub(super) struct Intake {
    table: NameTableReceiver,
    requests: mpsc::Sender<Request>,
}

// === impl Intake ===

impl Intake {
    /// Takes what the table admits. Shape: the intake, and what it admitted.
    pub(super) fn new(table: NameTableReceiver) -> (Self, mpsc::Receiver<Request>) {
        let (requests, admitted) = mpsc::channel(QUEUE);
        (Self { table, requests }, admitted)
    }

    /// Checks an update again and queues it; the outcome comes by `answer`.
    fn take(&self, UpdateRequest { message, answer }: UpdateRequest) {
        let table = self.table.borrow().clone();
        let admitted = match admit(&message, &table, now()) {
            // The host has just started and knows no zones yet.
            Err(_) if table.generation == 0 => Err(UpdateCode::ServFail),
            admitted => admitted,
        };
        match admitted {
            Ok(update) => {
                if let Err(full) = self.requests.try_send(Request { update, answer }) {
                    let _ = full.into_inner().answer.send(UpdateOutcome::failed(UpdateCode::ServFail));
                }
            }
            Err(code) => {
                info!(client = %message.client, ?code, "did not look at an update");
                let _ = answer.send(UpdateOutcome::failed(code));
            }
        }
    }

    /// Takes what the host's own server hands on.
    pub(super) async fn run(self, mut requests: mpsc::Receiver<UpdateRequest>) {
        while let Some(request) = requests.recv().await {
            self.take(request);
        }
    }

    /// Takes what nodes post.
    pub(super) fn page(&self) -> Page {
        let intake = self.clone();
        let answer = move |visit: Visit| {
            let intake = intake.clone();
            async move {
                let message: UpdateMessage = serde_json::from_slice(&visit.body.unwrap_or_default())
                    .map_err(|error| Status::bad_request(format!("the update cannot be read: {error}")))?;
                let (answer, outcome) = oneshot::channel();
                intake.take(UpdateRequest { message, answer });
                let outcome = outcome.await.map_err(|_| Status::unavailable("the host is stopping"))?;
                serde_json::to_value(outcome).map_err(|error| Status::internal(&error.to_string()))
            }
        };
        Page {
            path: UPDATES.to_owned(),
            body_bytes_max: Some(POST_BYTES_MAX),
            answer: Arc::new(move |visit| Box::pin(answer(visit))),
        }
    }
}

/// Hands the updates of a node to the host, as its server takes them.
pub(super) async fn forward(host: Host, mut requests: mpsc::Receiver<UpdateRequest>) {
    let room = Arc::new(tokio::sync::Semaphore::new(UNDER_WAY_MAX));
    let mut under_way = tokio::task::JoinSet::new();
    while let Some(UpdateRequest { message, answer }) = requests.recv().await {
        while under_way.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let host = host.clone();
        under_way.spawn(async move {
            let outcome = match tokio::time::timeout(POST_MAX, post(&host, &message)).await {
                Ok(Ok(outcome)) => outcome,
                // That the host is away is told by who follows it.
                Ok(Err(error)) => {
                    debug!(error = format!("{error:#}"), "the host did not take an update");
                    UpdateOutcome::failed(UpdateCode::ServFail)
                }
                Err(_) => UpdateOutcome::failed(UpdateCode::ServFail),
            };
            let _ = answer.send(outcome);
            drop(permit);
        });
    }
}

async fn post(host: &Host, message: &UpdateMessage) -> anyhow::Result<UpdateOutcome> {
    Ok(serde_json::from_value(host.post(UPDATES, &serde_json::to_value(message)?).await?)?)
}
