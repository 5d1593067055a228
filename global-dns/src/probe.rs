//! Active probes: each endpoint of a checked name is asked at its interval, and its verdict follows thresholds.
//!
//! One task per endpoint sends what it found after every probe; whoever owns the verdicts starts and stops them as
//! the table changes. A probe that cannot be carried out here (no file descriptor) says nothing about the endpoint.

mod ask;

use std::time::Duration;

use koinon_model::health::EndpointVerdict;
use koinon_policies::health::{Answered, EndpointHistory, EndpointThresholds, judge_endpoint};
use koinon_types::names::{Check, ProbeOutcome, Target};
use tokio::sync::mpsc;

use crate::fast::now;
use crate::metrics::Metrics;
use crate::snapshot::{ProbeVerdict, Probed};

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
    /// When the endpoint was probed, Unix milliseconds.
    pub(crate) at_ms: i64,
}

/// Probes one endpoint until it is aborted or nobody listens.
pub(crate) async fn run(assignment: Assignment, findings: mpsc::Sender<Finding>, metrics: Metrics) {
    let Assignment { probed, check, host } = assignment;
    let thresholds =
        EndpointThresholds { failures: check.failure_threshold, successes: check.success_threshold };
    let mut history = EndpointHistory::default();
    let (mut reason, mut since_ms) = (String::new(), now().as_millis());
    let mut ticks = tokio::time::interval(Duration::from_millis(check.interval_ms.max(1)));
    // A host that was asleep does not owe its endpoints the probes of that time.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let timeout = Duration::from_millis(check.timeout_ms);
        let asked = tokio::time::timeout(timeout, ask::ask(&probed.target, &check, &host)).await;
        let answered =
            match asked.unwrap_or_else(|_| Err(format!("no answer within {} ms", check.timeout_ms))) {
                Ok(()) => {
                    metrics.probes_passed.increment(1);
                    Answered::Yes
                }
                Err(why) => {
                    metrics.probes_failed.increment(1);
                    reason = why;
                    Answered::No
                }
            };
        let at_ms = now().as_millis();
        let before = history.verdict;
        history = judge_endpoint(history, answered, thresholds);
        if history.verdict != before {
            since_ms = at_ms;
        }
        let outcome = match history.verdict {
            EndpointVerdict::Up => ProbeOutcome::Passing,
            EndpointVerdict::Down => ProbeOutcome::Failing { reason: reason.clone() },
            EndpointVerdict::Unknown => ProbeOutcome::Unknown,
        };
        let verdict = ProbeVerdict { outcome, since_ms, wavers: history.against > 0 };
        if findings.send(Finding { probed: probed.clone(), verdict, at_ms }).await.is_err() {
            return;
        }
    }
}

/// Whether an endpoint can be probed: an alias is somebody else's to resolve.
pub(crate) fn is_probeable(target: &Target) -> bool {
    matches!(target, Target::Ip(_))
}
