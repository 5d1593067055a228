//! Applies updates that come as DNS messages (RFC 2136) to the zones' own lists, `DnsZone.spec.records`.
//!
//! ```text
//! Update ─► sent before? ─► too many? ─► gather zone and global names ─► decide ─► write the object ─► outcome
//!                                             ▲                                       │ changed meanwhile
//!                                             └───────────────────────────────────────┘
//! ```
//! The object is the only place of records, so what kubectl shows and what an update sees never differ; a write passes the
//! same door as everybody's. One update at a time: each sees what the one before it did.

mod contents;
mod decide;
mod memory;

use koinon_api_server::local::Client;
use koinon_machinery::status::Reason;
use koinon_types::convert;
use koinon_types::names::{NameTable, NameTableReceiver, Update, UpdateCode, UpdateOutcome};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::{clock, resources};
use contents::Contents;
use decide::{Refusal, decide};
use memory::Memory;

/// The field manager that changed records are filed under.
pub const MANAGER: &str = "koinon-dns-update";

/// Updates that wait for their turn: some tenths of a second of work. Who finds no room is told to try again.
pub const QUEUE: usize = 64;

/// How often a write is tried anew because somebody else wrote in between: each time somebody got through.
const TRIES_MAX: usize = 8;

/// An update and where to tell how it ended.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub update: Update,
    /// Where the outcome goes.
    pub answer: oneshot::Sender<UpdateOutcome>,
}

/// What the controller works with.
pub struct Links {
    /// The host, in process, as [`MANAGER`].
    pub client: Client,
    /// Which names are GlobalRecords'.
    pub table: NameTableReceiver,
    /// What is asked.
    pub requests: mpsc::Receiver<Request>,
}

/// Applies updates until the host stops; the one at hand is finished.
pub async fn run(mut links: Links, mut stop: watch::Receiver<bool>) {
    let mut memory = Memory::default();
    loop {
        let request = tokio::select! {
            request = links.requests.recv() => request,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(Request { update, answer }) = request else { return };
        let outcome = serve(&links, &mut memory, &update).await;
        // Whoever asked may have given up; asked again, it is told what is remembered.
        let _ = answer.send(outcome);
    }
}

async fn serve(links: &Links, memory: &mut Memory, update: &Update) -> UpdateOutcome {
    if let Some(outcome) = memory.recall(update) {
        return outcome;
    }
    let key = update.grants.first().map_or("", |grant| &grant.key.name);
    let now = clock::now();
    if !memory.admits(key, now) {
        warn!(zone = %update.apex, key, client = %update.client, "too many updates with one key");
        return UpdateOutcome::failed(UpdateCode::ServFail);
    }
    let outcome = match apply(links, update).await {
        Ok(generation) => {
            info!(zone = %update.apex, key, client = %update.client, generation, "applied an update");
            UpdateOutcome { code: UpdateCode::NoError, generation: Some(generation) }
        }
        Err(Refusal { code, why }) => {
            info!(zone = %update.apex, key, client = %update.client, ?code, why, "did not apply an update");
            UpdateOutcome::failed(code)
        }
    };
    memory.keep(update, outcome, now);
    outcome
}

/// Does an update. Shape: the generation of the zone's spec that has it.
///
/// # Errors
/// When nothing of it was done.
async fn apply(links: &Links, update: &Update) -> Result<i64, Refusal> {
    let mut why = String::new();
    for _ in 0..TRIES_MAX {
        let table = links.table.borrow().clone();
        let object = match plan(&links.client, &table, update)? {
            Planned::Nothing { generation } => return Ok(generation),
            Planned::Write(object) => object,
        };
        match links.client.update(&resources::zones(), object).await {
            Ok(stored) => return Ok(stored.generation()),
            Err(status) if status.reason == Reason::Conflict => why = status.message,
            Err(status) => {
                // What the door refuses stays refused; anything else is the host's own trouble.
                let is_settled = matches!(status.reason, Reason::Invalid | Reason::RequestEntityTooLarge);
                let code = if is_settled { UpdateCode::Refused } else { UpdateCode::ServFail };
                return Err(Refusal { code, why: status.message });
            }
        }
    }
    Err(Refusal { code: UpdateCode::ServFail, why })
}

/// What an update makes of a zone.
enum Planned {
    /// Nothing that is not there already.
    Nothing { generation: i64 },
    /// This object.
    Write(Value),
}

fn plan(client: &Client, table: &NameTable, update: &Update) -> Result<Planned, Refusal> {
    let apex = update.apex.to_string();
    let stored = client.get(&resources::zones(), "", &apex).filter(|zone| !zone.is_deleting());
    let Some(stored) = stored else {
        return Err(Refusal { code: UpdateCode::NotAuth, why: "there is no such zone".to_owned() });
    };
    let object = stored.value();
    let read = convert::dns_zone(&object).ok();
    let Some(contents) = read.and_then(|checked| Contents::of(&checked.zone, &table.records)) else {
        return Err(Refusal { code: UpdateCode::ServFail, why: "the zone cannot be read".to_owned() });
    };
    let after = decide(contents, update)?;
    let before = object["spec"]["records"].as_array().map_or(&[][..], Vec::as_slice);
    let records = after.records(before);
    if records == before {
        return Ok(Planned::Nothing { generation: stored.generation() });
    }
    let mut object = Value::clone(&object);
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        put(spec, records);
    }
    Ok(Planned::Write(object))
}

/// Writes the list; one that is empty is left out, as whoever writes a zone by hand would.
fn put(spec: &mut Map<String, Value>, records: Vec<Value>) {
    if records.is_empty() {
        spec.remove("records");
    } else {
        spec.insert("records".to_owned(), records.into());
    }
}

#[cfg(test)]
mod tests;
