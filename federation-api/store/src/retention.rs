//! How much history a resource keeps.
//!
//! A watcher that was away resumes without listing again when its last revision is still in the history. Too short a
//! history makes every disturbance a full list of all clients at once; too long a one is memory and disk for nobody.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What the history of one resource keeps.
///
/// An event is dropped when it is older than `keep` and more than `events_min` events are held, or when the history
/// exceeds `events_max` or `bytes_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How long an event stays at least, unless the bounds are exceeded.
    pub keep: Duration,
    /// How many events stay however old they are.
    pub events_min: usize,
    /// How many events are held at most.
    pub events_max: usize,
    /// How many encoded bytes the held events may refer to.
    pub bytes_max: usize,
}

/// The windows of all resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The window of every resource that is not named in `exceptions`.
    pub window: Window,
    /// The windows of single resources, by the name that keys use.
    pub exceptions: BTreeMap<Arc<str>, Window>,
}

/// Five minutes are what etcd's users are used to. A quiet resource keeps its last thousand events for days: they are
/// few, and they spare the list. The upper bounds are 20 minutes at 80 events a second, and the memory that one busy
/// resource may take besides its objects.
pub const WINDOW: Window =
    Window { keep: Duration::from_mins(5), events_min: 1_000, events_max: 100_000, bytes_max: 64 << 20 };

/// Leases are renewed by every node and cluster every ten seconds and events are written for everything that happens:
/// they are most of the writes, and nobody mourns their history. 75 seconds outlast a watcher's reconnection.
pub const WINDOW_SHORT: Window =
    Window { keep: Duration::from_secs(75), events_min: 100, events_max: 10_000, bytes_max: 8 << 20 };

/// The resources with [`WINDOW_SHORT`] by default.
pub const SHORT_LIVED: [&str; 3] = ["coordination.k8s.io/leases", "events", "events.k8s.io/events"];

// === impl Retention ===

impl Default for Retention {
    fn default() -> Self {
        let exceptions = SHORT_LIVED.map(|resource| (Arc::from(resource), WINDOW_SHORT)).into();
        Self { window: WINDOW, exceptions }
    }
}

impl Retention {
    /// The window of `resource`.
    pub fn of(&self, resource: &str) -> Window {
        self.exceptions.get(resource).copied().unwrap_or(self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::{Retention, WINDOW, WINDOW_SHORT};

    #[test]
    fn leases_and_events_keep_less_than_the_rest() {
        let retention = Retention::default();
        assert_eq!(retention.of("coordination.k8s.io/leases"), WINDOW_SHORT);
        assert_eq!(retention.of("events"), WINDOW_SHORT);
        assert_eq!(retention.of("apps/deployments"), WINDOW);
    }
}
