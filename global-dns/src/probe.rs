//! Active probes: each endpoint of a checked name is asked at its interval, and its verdict follows thresholds.
//!
//! One task per endpoint sends what it found after every probe; whoever owns the verdicts starts and stops them as
//! the table changes. A probe that cannot be carried out here (no file descriptor) says nothing about the endpoint.

mod ask;

mod dns;
mod grpc;
mod http;
mod tls;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use koinon_model::health::EndpointVerdict;
use koinon_policies::health::{Answered, EndpointHistory, EndpointThresholds, judge_endpoint, pause};
use koinon_types::names::{Check, ProbeOutcome, Target};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing::warn;

use self::ask::{Asker, Met};
use crate::fast::now;
use crate::metrics::Metrics;
use crate::snapshot::{ProbeVerdict, Probed};

/// Probes under way at once: half of the file descriptors that a process usually has. When all of them hang for half a
/// second, a thousand endpoints are still asked each second.
pub(crate) const AT_ONCE_MAX: usize = 512;

/// A new endpoint is asked within this time, so that it is soon judged and a thousand of them are not asked at once.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// What is probed and how; equal values need no new task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) probed: Probed,
    pub(crate) check: Check,
    /// The name served, for the Host header.
    pub(crate) host: String,
}

/// What one more probe led to.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) probed: Probed,
    pub(crate) verdict: ProbeVerdict,
    pub(crate) times: Times,
}

/// When an endpoint was asked. Units: Unix milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// The last time.
    pub(crate) probed_ms: i64,
    /// The last time that it answered well; none when it never did.
    pub(crate) answered_ms: Option<i64>,
}

/// What the probes of one node share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) findings: mpsc::Sender<Finding>,
    /// A permit per probe under way.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
}

/// Probes one endpoint, first after `wait`, until it is aborted or nobody listens.
pub(crate) async fn run(assignment: Assignment, wait: Duration, shared: Shared) {
    let Assignment { probed, check, host } = assignment;
    let thresholds =
        EndpointThresholds { failures: check.failure_threshold, successes: check.success_threshold };
    let mut history = EndpointHistory::default();
    let (mut reason, mut since_ms, mut answered_ms) = (String::new(), now().as_millis(), None);
    let asker = match Asker::new(&check, &host) {
        Ok(asker) => asker,
        // The door has checked what can be checked without this node.
        Err(error) => {
            warn!(record = %probed.record.name, cluster = probed.cluster, error, "cannot probe an endpoint");
            return;
        }
    };
    let mut due = Instant::now() + wait;
    loop {
        tokio::time::sleep_until(due).await;
        let Ok(permit) = shared.room.acquire().await else { return };
        // From start to start. A host that was asleep does not owe its endpoints the probes of that time.
        let started = Instant::now();
        due = started + pause(history, interval(&check));
        let timeout = Duration::from_millis(check.timeout_ms);
        let asked = tokio::time::timeout(timeout, asker.ask(&probed.target)).await;
        drop(permit);
        let met = asked.unwrap_or_else(|_| Met::Bad(format!("no answer within {} ms", check.timeout_ms)));
        let answered = match met {
            Met::Good => {
                shared.metrics.probes_passed.increment(1);
                Answered::Yes
            }
            Met::Bad(why) => {
                shared.metrics.probes_failed.increment(1);
                reason = why;
                Answered::No
            }
            Met::Nothing => {
                shared.metrics.probes_unmade.increment(1);
                continue;
            }
        };
        let probed_ms = now().as_millis();
        if answered == Answered::Yes {
            answered_ms = Some(probed_ms);
        }
        let before = history.verdict;
        history = judge_endpoint(history, answered, thresholds);
        due = started + pause(history, interval(&check));
        if history.verdict != before {
            since_ms = probed_ms;
        }
        let outcome = match history.verdict {
            EndpointVerdict::Up => ProbeOutcome::Passing,
            EndpointVerdict::Down => ProbeOutcome::Failing { reason: reason.clone() },
            EndpointVerdict::Unknown => ProbeOutcome::Unknown,
        };
        let verdict = ProbeVerdict { outcome, since_ms, wavers: history.against > 0 };
        let times = Times { probed_ms, answered_ms };
        if shared.findings.send(Finding { probed: probed.clone(), verdict, times }).await.is_err() {
            return;
        }
    }
}

fn interval(check: &Check) -> Duration {
    Duration::from_millis(check.interval_ms.max(1))
}

/// How long a node waits before it first asks an endpoint: another time for each endpoint and on each node.
pub(crate) fn first_wait(assignment: &Assignment, vantage: &str) -> Duration {
    let mut hasher = DefaultHasher::new();
    (vantage, &assignment.probed).hash(&mut hasher);
    let within = interval(&assignment.check).min(FIRST_WITHIN);
    within.mul_f64((hasher.finish() >> 32) as f64 / f64::from(u32::MAX))
}

/// Whether an endpoint can be probed: an alias is somebody else's to resolve.
pub(crate) fn is_probeable(target: &Target) -> bool {
    matches!(target, Target::Ip(_))
}

#[cfg(test)]
mod tests;
