//! How many replicas may a returned cluster have again, now?
//!
//! Going back is slow on purpose: the cluster must have been well for a while and hold what it was ordered to hold, and each step
//! waits until the replicas of the step before are ready. A relapse starts the waiting over, because `ready_since` does.

use std::fmt;
use std::time::Duration;

use koinon_model::failover::{Failback, FailbackMode};
use koinon_model::time::Timestamp;

/// What to decide on: one workload in one returned cluster.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Since when the cluster is Ready; none while it is not.
    pub ready_since: Option<Timestamp>,
    /// Whether it holds the latest of what it was ordered to hold.
    pub is_synced: bool,
    /// Replicas allowed so far.
    pub allowed: u32,
    /// When they were allowed; none before the first step.
    pub stepped_at: Option<Timestamp>,
    /// Replicas that are ready there.
    pub ready: u32,
    /// Its whole share by the policy's weights.
    pub share: u32,
    /// How the policy wants it.
    pub failback: Failback,
    /// Now.
    pub now: Timestamp,
}

/// How many replicas are allowed, and why not more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Replicas allowed.
    pub allowed: u32,
    /// Why.
    pub reason: Reason,
    /// When more may be allowed without anything happening.
    pub again: Option<Timestamp>,
}

/// Why so many and not more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has its whole share again.
    Complete,
    /// One step more.
    Stepped,
    /// It is not well.
    NotReady,
    /// It does not yet hold what it was ordered to hold.
    NotSynced,
    /// It has not been well for long enough.
    Stabilizing {
        /// When it will have been.
        until: Timestamp,
    },
    /// The replicas of the last step are not all ready.
    AwaitingReplicas,
    /// The next step is not due.
    Pacing {
        /// When it is.
        until: Timestamp,
    },
    /// An operator must ask for it.
    Manual,
    /// The policy never goes back.
    Never,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("has its share again"),
            Self::Stepped => f.write_str("returning step by step"),
            Self::NotReady => f.write_str("not ready"),
            Self::NotSynced => f.write_str("returned, being brought up to date"),
            Self::Stabilizing { until } => write!(f, "returned, stabilizing until {until}"),
            Self::AwaitingReplicas => f.write_str("returning, replicas of the last step are not ready yet"),
            Self::Pacing { until } => write!(f, "returning, next step at {until}"),
            Self::Manual => f.write_str("returned, failback is manual"),
            Self::Never => f.write_str("returned, failback is off"),
        }
    }
}

/// Decides how many replicas one workload may have in one returned cluster.
#[must_use]
pub fn restore(request: &Request) -> Decision {
    let stay = |reason, again| Decision { allowed: request.allowed, reason, again };
    if request.allowed >= request.share {
        return Decision { allowed: request.share, reason: Reason::Complete, again: None };
    }
    match request.failback.mode {
        FailbackMode::Automatic => {}
        FailbackMode::Manual => return stay(Reason::Manual, None),
        FailbackMode::Never => return stay(Reason::Never, None),
    }
    let Some(ready_since) = request.ready_since else { return stay(Reason::NotReady, None) };
    let stable_at = ready_since + Duration::from_secs(request.failback.stabilization_seconds.into());
    if stable_at > request.now {
        return stay(Reason::Stabilizing { until: stable_at }, Some(stable_at));
    }
    if !request.is_synced {
        return stay(Reason::NotSynced, None);
    }
    if request.ready < request.allowed {
        return stay(Reason::AwaitingReplicas, None);
    }
    let pace = request.failback.pace;
    if let Some(stepped_at) = request.stepped_at {
        let due = stepped_at + Duration::from_secs(pace.interval_seconds.into());
        if due > request.now {
            return stay(Reason::Pacing { until: due }, Some(due));
        }
    }
    let step = step_size(request.share, pace.percent.get());
    let allowed = request.allowed.saturating_add(step).min(request.share);
    let due = request.now + Duration::from_secs(pace.interval_seconds.into());
    Decision { allowed, reason: Reason::Stepped, again: (allowed < request.share).then_some(due) }
}

/// One step: a share of the cluster's replicas, rounded up so that it never stands still.
#[must_use]
pub fn step_size(share: u32, percent: u8) -> u32 {
    let step = (u64::from(share) * u64::from(percent)).div_ceil(100).max(1);
    u32::try_from(step).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use koinon_model::failover::{Pace, Percent};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn request() -> Request {
        Request {
            ready_since: Some(Timestamp::from_seconds(600)),
            is_synced: true,
            allowed: 0,
            stepped_at: None,
            ready: 0,
            share: 6,
            failback: Failback {
                mode: FailbackMode::Automatic,
                stabilization_seconds: 300,
                pace: Pace { percent: Percent::try_from(25).unwrap(), interval_seconds: 60 },
            },
            now: NOW,
        }
    }

    #[test]
    fn the_first_step_comes_after_the_stabilisation_window() {
        let early = Request { ready_since: Some(Timestamp::from_seconds(800)), ..request() };
        let until = Timestamp::from_seconds(1_100);
        assert_eq!(
            restore(&early),
            Decision { allowed: 0, reason: Reason::Stabilizing { until }, again: Some(until) }
        );
        let decision = restore(&request());
        assert_eq!((decision.allowed, decision.reason), (2, Reason::Stepped));
    }

    #[test]
    fn each_step_waits_for_ready_replicas_and_for_its_interval() {
        let stepped = Request { allowed: 2, stepped_at: Some(Timestamp::from_seconds(970)), ..request() };
        assert_eq!(restore(&stepped).reason, Reason::AwaitingReplicas);
        let ready = Request { ready: 2, ..stepped };
        assert_eq!(restore(&ready).reason, Reason::Pacing { until: Timestamp::from_seconds(1_030) });
        let due = Request { now: Timestamp::from_seconds(1_030), ..ready };
        assert_eq!(restore(&due).allowed, 4);
        let last = Request { allowed: 5, ready: 5, ..due };
        assert_eq!(restore(&last).allowed, 6, "never more than the share");
        let done = Request { allowed: 6, ..last };
        assert_eq!(restore(&done).reason, Reason::Complete);
    }

    #[test]
    fn what_speaks_against_it_is_said() {
        let rows = [
            (Request { ready_since: None, ..request() }, Reason::NotReady),
            (Request { is_synced: false, ..request() }, Reason::NotSynced),
            (
                Request {
                    failback: Failback { mode: FailbackMode::Manual, ..request().failback },
                    ..request()
                },
                Reason::Manual,
            ),
            (
                Request {
                    failback: Failback { mode: FailbackMode::Never, ..request().failback },
                    ..request()
                },
                Reason::Never,
            ),
        ];
        for (request, reason) in rows {
            assert_eq!(restore(&request), Decision { allowed: 0, reason, again: None });
        }
    }

    #[test]
    fn a_small_share_still_moves() {
        assert_eq!(step_size(1, 25), 1);
        assert_eq!(step_size(0, 25), 1);
        assert_eq!(step_size(u32::MAX, 100), u32::MAX);
    }
}
