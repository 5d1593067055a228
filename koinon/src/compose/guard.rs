//! The page where people see what of the names is held back, and let it pass.

use std::sync::Arc;

use koinon_api_server::{Page, Visit};
use koinon_controllers::names::guard::{Desk, Held};
use koinon_machinery::Value;
use koinon_machinery::status::Status;
use serde::Deserialize;
use serde_json::json;

/// Where losses are shown and acknowledged.
pub(crate) const GUARD: &str = "/koinon/guard";

/// Bytes of an acknowledgement: a digest and some JSON.
const BODY_BYTES_MAX: usize = 4096;

/// What is posted.
#[derive(Deserialize)]
struct Posted {
    digest: String,
}

/// The page. Shape: `{"held": […]}` when it is read, the loss that passed when a digest is posted.
pub(super) fn page(desk: Desk) -> Page {
    let answer = move |visit: Visit| {
        let desk = desk.clone();
        async move {
            let Some(body) = visit.body else { return Ok(json!({"held": *desk.held()})) };
            let posted: Posted = serde_json::from_slice(&body)
                .map_err(|_| Status::bad_request("a digest is expected: {\"digest\": \"…\"}".to_owned()))?;
            let passed = desk.acknowledge(posted.digest.clone(), visit.user.name.clone()).await;
            passed.map_or_else(|held| Err(refusal(&posted.digest, &held)), |passed| written(&passed))
        }
    };
    Page {
        path: GUARD.to_owned(),
        body_bytes_max: Some(BODY_BYTES_MAX),
        answer: Arc::new(move |visit| Box::pin(answer(visit))),
    }
}

fn written(passed: &Held) -> Result<Value, Status> {
    serde_json::to_value(passed).map_err(|error| Status::internal(&error.to_string()))
}

fn refusal(digest: &str, held: &[Held]) -> Status {
    let known: Vec<String> = held.iter().map(|held| format!("{} ({})", held.digest, held.zone)).collect();
    let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
    Status::bad_request(format!("nothing with the digest {digest} is held; what is held is: {known}"))
}
