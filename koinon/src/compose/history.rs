//! The page behind `koinon dns history`: what names answered, since when and why.

use std::sync::Arc;

use koinon_api_server::request::Query as Asked;
use koinon_api_server::{Page, Visit};
use koinon_controllers::names::journal::{History, Query};
use koinon_machinery::Value;
use koinon_machinery::status::Status;
use serde_json::json;

/// Where the history is read.
pub(crate) const HISTORY: &str = "/koinon/history";

/// Changes in one answer: what a person pages through, and a few megabytes.
const LIMIT_MAX: usize = 10_000;

/// The page; `name` or `zone` say whose history, `since` (Unix milliseconds) and `limit` how much of it.
///
/// Shape: `{"changes": […]}`, the oldest first.
pub(super) fn page(history: History) -> Page {
    let answer = move |visit: Visit| {
        let history = history.clone();
        async move {
            let query = query(&visit.query)?;
            // Files are read and parsed: not where others wait.
            let reading = tokio::task::spawn_blocking(move || history.read(&query));
            let read = reading.await.map_err(|error| Status::internal(&error.to_string()))?;
            let changes = read.map_err(|error| Status::internal(&format!("read the history: {error}")))?;
            Ok::<Value, Status>(json!({"changes": changes}))
        }
    };
    Page {
        path: HISTORY.to_owned(),
        body_bytes_max: None,
        answer: Arc::new(move |visit| Box::pin(answer(visit))),
    }
}

fn query(asked: &Asked) -> Result<Query, Status> {
    let name = |field: &str| {
        let text = asked.text(field).trim_end_matches('.').to_ascii_lowercase();
        (!text.is_empty()).then_some(text)
    };
    let number = |field: &str, otherwise: i64| match asked.text(field) {
        "" => Ok(otherwise),
        text => text
            .parse::<i64>()
            .map_err(|_| Status::bad_request(format!("{field}: {text} is no number; a number is expected"))),
    };
    let limit = usize::try_from(number("limit", 100)?).unwrap_or_default().clamp(1, LIMIT_MAX);
    Ok(Query { name: name("name"), zone: name("zone"), since_ms: number("since", 0)?, limit })
}
