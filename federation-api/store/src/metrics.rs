//! What the store counts.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// How long a durable group commit takes, in seconds.
pub const COMMIT_SECONDS: &str = "koinon_store_commit_seconds";
/// How many batches one durable commit carries.
pub const GROUP_BATCHES: &str = "koinon_store_group_batches";
/// How many commits failed, by `reason`: `out_of_space` or `backend`.
pub const COMMIT_FAILURES_TOTAL: &str = "koinon_store_commit_failures_total";
/// How many batches met a revision that they did not expect.
pub const CONFLICTS_TOTAL: &str = "koinon_store_conflicts_total";
/// How many events the histories of all resources hold.
pub const HISTORY_EVENTS: &str = "koinon_store_history_events";
/// How many objects the cache holds.
pub const OBJECTS: &str = "koinon_store_objects";
/// How many watches are open.
pub const WATCHERS: &str = "koinon_store_watchers";
/// How many watches were closed because they did not keep up.
pub const WATCHERS_DROPPED_TOTAL: &str = "koinon_store_watchers_dropped_total";
/// The newest revision.
pub const REVISION: &str = "koinon_store_revision";

/// The handles, resolved once.
#[derive(Clone)]
pub(crate) struct Meters {
    pub(crate) commit_seconds: Histogram,
    pub(crate) group_batches: Histogram,
    pub(crate) failures_out_of_space: Counter,
    pub(crate) failures_backend: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) history_events: Gauge,
    pub(crate) objects: Gauge,
    pub(crate) watchers: Gauge,
    pub(crate) watchers_dropped: Counter,
    pub(crate) revision: Gauge,
}

/// Describes the metrics of this crate to the recorder.
pub fn describe() {
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "Duration of a durable group commit");
    describe_histogram!(GROUP_BATCHES, Unit::Count, "Batches carried by one durable commit");
    describe_counter!(COMMIT_FAILURES_TOTAL, Unit::Count, "Group commits that failed, by reason");
    describe_counter!(CONFLICTS_TOTAL, Unit::Count, "Batches that met an unexpected revision");
    describe_gauge!(HISTORY_EVENTS, Unit::Count, "Events held in the histories of all resources");
    describe_gauge!(OBJECTS, Unit::Count, "Objects held by the cache");
    describe_gauge!(WATCHERS, Unit::Count, "Open watches");
    describe_counter!(WATCHERS_DROPPED_TOTAL, Unit::Count, "Watches closed because they did not keep up");
    describe_gauge!(REVISION, Unit::Count, "Newest revision of the store");
}

// === impl Meters ===

impl Meters {
    pub(crate) fn resolve() -> Self {
        Self {
            commit_seconds: histogram!(COMMIT_SECONDS),
            group_batches: histogram!(GROUP_BATCHES),
            failures_out_of_space: counter!(COMMIT_FAILURES_TOTAL, "reason" => "out_of_space"),
            failures_backend: counter!(COMMIT_FAILURES_TOTAL, "reason" => "backend"),
            conflicts: counter!(CONFLICTS_TOTAL),
            history_events: gauge!(HISTORY_EVENTS),
            objects: gauge!(OBJECTS),
            watchers: gauge!(WATCHERS),
            watchers_dropped: counter!(WATCHERS_DROPPED_TOTAL),
            revision: gauge!(REVISION),
        }
    }
}
