//! The heartbeat of one member: asks `/readyz` once a second and says what came back.
//!
//! It has a connection of its own, so that a member that is busy with our work is not mistaken for a dead one. It judges
//! nothing: what the outcomes mean is decided by `koinon_policies::health` from their history.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use koinon_types::sync::{ApiOutcome, ApiProbe};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::member::{Failure, Member};

/// Probes forever, one outcome per interval, until the receiver is gone.
pub async fn run(member: Member, interval: Duration, deadline: Duration, outcomes: mpsc::Sender<ApiProbe>) {
    let mut ticks = tokio::time::interval(interval);
    // After a stall of our own, one probe is enough: a burst would be read as several failures in a row.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let started = Instant::now();
        let result = member.ready(deadline).await;
        let probe = outcome(result.err().as_ref(), now_ms(), started.elapsed());
        if outcomes.send(probe).await.is_err() {
            return;
        }
    }
}

/// What one attempt says about the member.
pub fn outcome(failure: Option<&Failure>, at_ms: i64, took: Duration) -> ApiProbe {
    let outcome = match failure {
        None => ApiOutcome::Reachable,
        Some(Failure::Hung { .. }) => ApiOutcome::Hung,
        Some(Failure::Refused(_) | Failure::Reset(_)) => ApiOutcome::Refused,
        Some(Failure::Certificate(_)) => ApiOutcome::Certificate,
        Some(Failure::Configuration(_)) => ApiOutcome::Misconfigured,
        Some(Failure::Unauthorized(_) | Failure::Forbidden(_)) => ApiOutcome::Unauthorized,
        Some(
            Failure::NotFound { .. }
            | Failure::Conflict(_)
            | Failure::Invalid(_)
            | Failure::Throttled { .. }
            | Failure::Gone(_)
            | Failure::Server { .. }
            | Failure::Protocol(_),
        ) => ApiOutcome::NotReady,
    };
    let message = failure.map(ToString::to_string).unwrap_or_default();
    ApiProbe { outcome, message, at_ms, latency_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
}

/// The wall clock in Unix milliseconds, which evidence is stamped with.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
