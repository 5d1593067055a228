//! What the loops count and time, stage by stage.
//!
//! Labels: `controller`, a fixed set; `outcome`, `ok` or `failed`.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// From when a key is due to when it is looked at.
pub const WAIT_SECONDS: &str = "koinon_controllers_wait_seconds";
/// Gathering and deciding about one key.
pub const DECIDE_SECONDS: &str = "koinon_controllers_decide_seconds";
/// Writing one decision.
pub const WRITE_SECONDS: &str = "koinon_controllers_write_seconds";
/// Decisions written, by outcome.
pub const WRITES_TOTAL: &str = "koinon_controllers_writes_total";
/// Keys that wait for their turn.
pub const QUEUE_KEYS: &str = "koinon_controllers_queue_keys";

/// Describes every metric of this crate's loops to the recorder.
pub fn describe() {
    let seconds = metrics::Unit::Seconds;
    describe_histogram!(WAIT_SECONDS, seconds, "From when an object is due to when it is looked at.");
    describe_histogram!(DECIDE_SECONDS, seconds, "Gathering and deciding about one object.");
    describe_histogram!(WRITE_SECONDS, seconds, "Writing one decision to the host.");
    describe_counter!(WRITES_TOTAL, "Decisions written to the host, by outcome.");
    describe_gauge!(QUEUE_KEYS, "Objects that wait for their turn.");
}

/// The handles of one controller, resolved once.
pub(crate) struct Metrics {
    wait: Histogram,
    decide: Histogram,
    write: Histogram,
    ok: Counter,
    failed: Counter,
    waiting: Gauge,
}

impl Metrics {
    pub(crate) fn of(controller: &'static str) -> Self {
        let writes = |outcome| counter!(WRITES_TOTAL, "controller" => controller, "outcome" => outcome);
        Self {
            wait: histogram!(WAIT_SECONDS, "controller" => controller),
            decide: histogram!(DECIDE_SECONDS, "controller" => controller),
            write: histogram!(WRITE_SECONDS, "controller" => controller),
            ok: writes("ok"),
            failed: writes("failed"),
            waiting: gauge!(QUEUE_KEYS, "controller" => controller),
        }
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time);
    }

    pub(crate) fn decided(&self, time: Duration) {
        self.decide.record(time);
    }

    pub(crate) fn wrote(&self, time: Duration, went_well: bool) {
        self.write.record(time);
        if went_well { self.ok.increment(1) } else { self.failed.increment(1) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; queues are far below 2^52")]
    pub(crate) fn waiting(&self, n_keys: usize) {
        self.waiting.set(n_keys as f64);
    }
}
