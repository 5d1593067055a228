//! The one place of this crate that reads the wall clock, and waits for a time.

use koinon_model::time::Timestamp;
use tokio::time::Instant;

/// Now.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Waits until it is due; for ever when nothing is.
pub(crate) async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
