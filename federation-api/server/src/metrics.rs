//! What the server counts about itself.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use metrics::{counter, gauge, histogram};

use crate::handle::Call;

/// Requests by verb, resource and code.
const REQUESTS: &str = "koinon_server_requests_total";
/// How long requests take by verb and resource; for watches, until they begin.
const SECONDS: &str = "koinon_server_request_seconds";
/// How long commits take, from the queue to the disk and back; what is left of a write is spent on its object.
const COMMIT_SECONDS: &str = "koinon_server_commit_seconds";
/// Watches that are open, by resource.
const WATCHES: &str = "koinon_server_watches";

/// Names what is counted, once, for the exporter.
pub(crate) fn describe() {
    metrics::describe_counter!(REQUESTS, "Requests answered, by verb, resource and code");
    metrics::describe_histogram!(SECONDS, metrics::Unit::Seconds, "Time to answer, by verb and resource");
    metrics::describe_histogram!(COMMIT_SECONDS, metrics::Unit::Seconds, "Time to commit one write");
    metrics::describe_gauge!(WATCHES, "Open watches, by resource");
}

/// Counts the time that a commit took.
pub(crate) fn committed(took: Duration) {
    histogram!(COMMIT_SECONDS).record(took);
}

/// What is known of a request when it is counted.
///
/// Shape: labels are bounded by what the registry serves; anything else counts as `other`.
pub(crate) struct Seen {
    verb: &'static str,
    resource: Arc<str>,
}

// === impl Seen ===

impl Default for Seen {
    fn default() -> Self {
        Self { verb: "other", resource: "other".into() }
    }
}

impl Seen {
    /// Learns what the request is about.
    pub(crate) fn resource(&mut self, call: &Call) {
        self.verb = call.verb.as_str();
        self.resource = Arc::clone(&call.resource.storage);
    }

    /// Counts the answer.
    pub(crate) fn answered(&self, code: StatusCode, took: Duration) {
        let resource = self.resource.to_string();
        counter!(REQUESTS, "verb" => self.verb, "resource" => resource.clone(), "code" => code.as_u16().to_string())
            .increment(1);
        histogram!(SECONDS, "verb" => self.verb, "resource" => resource).record(took);
    }
}

/// Counts a watch as open until it is dropped.
pub(crate) struct OpenWatch(metrics::Gauge);

// === impl OpenWatch ===

impl OpenWatch {
    pub(crate) fn new(resource: &str) -> Self {
        let gauge = gauge!(WATCHES, "resource" => resource.to_owned());
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
