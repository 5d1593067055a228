//! What a session counts and times.
//!
//! Labels: `cluster`, bounded by the number of members; `outcome`, a fixed set.

use std::time::Duration;

use koinon_types::sync::MemberReport;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::execute::End;

/// Orders carried out, by how they ended.
pub const ORDERS_TOTAL: &str = "koinon_syncer_orders_total";
/// Time from taking an order to the member's answer.
pub const ORDER_SECONDS: &str = "koinon_syncer_order_seconds";
/// Copies that were found changed behind our back.
pub const DRIFT_TOTAL: &str = "koinon_syncer_drift_total";
/// Orders that wait for the member.
pub const PENDING_ORDERS: &str = "koinon_syncer_pending_orders";
/// Age of the oldest order that waits.
pub const LAG_SECONDS: &str = "koinon_syncer_lag_seconds";
/// Time that the latest probe of the member's API took.
pub const PROBE_SECONDS: &str = "koinon_syncer_probe_seconds";

/// Describes every metric of this crate to the recorder.
pub fn describe() {
    describe_counter!(ORDERS_TOTAL, "Orders carried out in the member, by outcome.");
    describe_histogram!(
        ORDER_SECONDS,
        metrics::Unit::Seconds,
        "From taking an order to the member's answer."
    );
    describe_counter!(DRIFT_TOTAL, "Member objects found changed behind our back.");
    describe_gauge!(PENDING_ORDERS, "Orders that wait for the member.");
    describe_gauge!(
        LAG_SECONDS,
        metrics::Unit::Seconds,
        "Age of the oldest order that waits for the member."
    );
    describe_gauge!(
        PROBE_SECONDS,
        metrics::Unit::Seconds,
        "Time that the latest probe of the member's API took."
    );
}

/// The handles of one session, resolved once.
pub(crate) struct Metrics {
    pub(crate) drift: Counter,
    applied: Counter,
    unchanged: Counter,
    removed: Counter,
    conflict: Counter,
    failed: Counter,
    seconds: Histogram,
    pending: Gauge,
    lag: Gauge,
    probe: Gauge,
}

impl Metrics {
    pub(crate) fn of(cluster: &str) -> Self {
        let cluster = cluster.to_owned();
        let ended = |outcome: &'static str| counter!(ORDERS_TOTAL, "cluster" => cluster.clone(), "outcome" => outcome);
        Self {
            applied: ended("applied"),
            unchanged: ended("unchanged"),
            removed: ended("removed"),
            conflict: ended("conflict"),
            failed: ended("failed"),
            drift: counter!(DRIFT_TOTAL, "cluster" => cluster.clone()),
            seconds: histogram!(ORDER_SECONDS, "cluster" => cluster.clone()),
            pending: gauge!(PENDING_ORDERS, "cluster" => cluster.clone()),
            lag: gauge!(LAG_SECONDS, "cluster" => cluster.clone()),
            probe: gauge!(PROBE_SECONDS, "cluster" => cluster),
        }
    }

    pub(crate) fn executed(&self, end: &End, took: Duration) {
        self.seconds.record(took.as_secs_f64());
        match end {
            End::Applied(_) => self.applied.increment(1),
            End::Unchanged(_) => self.unchanged.increment(1),
            End::Removed | End::Leaving(_) => self.removed.increment(1),
            End::Conflict { .. } => self.conflict.increment(1),
            End::Failed(_) => self.failed.increment(1),
        }
    }

    pub(crate) fn reported(&self, report: &MemberReport, n_pending: usize) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "gauges are floating point; counts this small are exact"
        )]
        self.pending.set(n_pending as f64);
        let oldest = report.backlog.oldest_pending_ms.unwrap_or_default();
        self.lag.set(std::time::Duration::from_millis(oldest).as_secs_f64());
        self.probe.set(std::time::Duration::from_millis(report.api.latency_ms).as_secs_f64());
    }
}
