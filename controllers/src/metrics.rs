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

/// Names and addresses that are served only because what would take them away is held back.
pub const NAMES_HELD: &str = "koinon_names_held_count";
/// Names that keep their last addresses.
pub const NAMES_LAST_ADDRESS: &str = "koinon_names_last_address_count";
/// Losses that somebody let pass.
pub const NAMES_ACKNOWLEDGED: &str = "koinon_names_acknowledged_total";
/// Changes of names that were not written down.
pub const NAMES_HISTORY_LOST: &str = "koinon_names_history_lost_total";

/// Describes every metric of this crate's loops to the recorder.
pub fn describe() {
    let seconds = metrics::Unit::Seconds;
    describe_histogram!(WAIT_SECONDS, seconds, "From when an object is due to when it is looked at.");
    describe_histogram!(DECIDE_SECONDS, seconds, "Gathering and deciding about one object.");
    describe_histogram!(WRITE_SECONDS, seconds, "Writing one decision to the host.");
    describe_counter!(WRITES_TOTAL, "Decisions written to the host, by outcome.");
    describe_gauge!(QUEUE_KEYS, "Objects that wait for their turn.");
    describe_gauge!(
        NAMES_HELD,
        "Names and addresses that stay until their removal is acknowledged, by unit."
    );
    describe_gauge!(NAMES_LAST_ADDRESS, "Names that keep their last addresses, having no others.");
    describe_counter!(NAMES_ACKNOWLEDGED, "Losses of names that somebody acknowledged.");
    describe_counter!(NAMES_HISTORY_LOST, "Changes of names that could not be written down.");
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

/// What the guard of names shows.
pub(crate) struct Guarded {
    names: Gauge,
    addresses: Gauge,
    last: Gauge,
    acknowledged: Counter,
}

impl Guarded {
    pub(crate) fn new() -> Self {
        let held = |unit| gauge!(NAMES_HELD, "unit" => unit);
        Self {
            names: held("names"),
            addresses: held("addresses"),
            last: gauge!(NAMES_LAST_ADDRESS),
            acknowledged: counter!(NAMES_ACKNOWLEDGED),
        }
    }

    /// Shows how much is held, and how many names keep their last addresses; adds what was let pass.
    pub(crate) fn show(&self, held: [u64; 2], n_last: usize, n_acknowledged: usize) {
        let [names, addresses] = held.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        self.names.set(names);
        self.addresses.set(addresses);
        self.last.set(u32::try_from(n_last).unwrap_or(u32::MAX));
        if n_acknowledged > 0 {
            self.acknowledged.increment(n_acknowledged as u64);
        }
    }
}
