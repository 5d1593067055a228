//! What is to be believed about one endpoint of a name?

use std::time::Duration;

use koinon_model::health::EndpointVerdict;

/// By what an interval is divided while an endpoint is about to be found down: with three failures, it is withdrawn half
/// an interval after the first, and one whose peer only lost a packet is asked no more than four times as often.
const RECHECK_DIVISOR: u32 = 4;

/// No endpoint is asked more often than this by rechecks: ten times a second is what a server notices.
const RECHECK_MIN: Duration = Duration::from_millis(100);

/// How many results in a row change a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointThresholds {
    /// Failures in a row until it is down.
    pub failures: u32,
    /// Successes in a row until it is up again.
    pub successes: u32,
}

impl Default for EndpointThresholds {
    /// gdnsd's and Route 53's habit: quick to withdraw on three failures, back on two successes.
    fn default() -> Self {
        Self { failures: 3, successes: 2 }
    }
}

/// What the probes of one endpoint saw lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointHistory {
    /// What is believed.
    pub verdict: EndpointVerdict,
    /// How many of the latest results, in a row, speak against the verdict.
    pub against: u32,
}

impl Default for EndpointHistory {
    fn default() -> Self {
        Self { verdict: EndpointVerdict::Unknown, against: 0 }
    }
}

/// What is believed after one more probe, which the endpoint answered or not.
///
/// An endpoint of which nothing is known takes the word of its first success, and that of failures only when they reach the
/// threshold: unknown is not down.
#[must_use]
pub fn judge_endpoint(
    history: EndpointHistory,
    answered: Answered,
    thresholds: EndpointThresholds,
) -> EndpointHistory {
    let keep = EndpointHistory { against: 0, ..history };
    let (verdict, needed) = match (history.verdict, answered) {
        (EndpointVerdict::Up, Answered::Yes) | (EndpointVerdict::Down, Answered::No) => return keep,
        (EndpointVerdict::Unknown, Answered::Yes) => (EndpointVerdict::Up, 1),
        (EndpointVerdict::Down, Answered::Yes) => (EndpointVerdict::Up, thresholds.successes),
        (EndpointVerdict::Up | EndpointVerdict::Unknown, Answered::No) => {
            (EndpointVerdict::Down, thresholds.failures)
        }
    };
    let against = history.against.saturating_add(1);
    if against >= needed {
        EndpointHistory { verdict, against: 0 }
    } else {
        EndpointHistory { against, ..history }
    }
}

/// How long after one probe's start the next one starts.
///
/// Shorter while failures speak against an endpoint that is not down yet; the way back keeps its pace, because names fail over
/// fast and come back slowly.
#[must_use]
pub fn pause(history: EndpointHistory, interval: Duration) -> Duration {
    match history.verdict {
        EndpointVerdict::Up | EndpointVerdict::Unknown if history.against > 0 => {
            (interval / RECHECK_DIVISOR).max(RECHECK_MIN).min(interval)
        }
        EndpointVerdict::Up | EndpointVerdict::Unknown | EndpointVerdict::Down => interval,
    }
}

/// Whether a probe was answered well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It was.
    Yes,
    /// It was refused, timed out or said something else.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(results: &str) -> EndpointVerdict {
        let mut history = EndpointHistory::default();
        for result in results.chars() {
            let answered = if result == '+' { Answered::Yes } else { Answered::No };
            history = judge_endpoint(history, answered, EndpointThresholds::default());
        }
        history.verdict
    }

    #[test]
    fn an_endpoint_about_to_be_down_is_asked_sooner() {
        use EndpointVerdict::{Down, Unknown, Up};
        let second = Duration::from_secs(1);
        let rows = [
            (Up, 0, second, 1_000),
            (Up, 1, second, 250),
            (Unknown, 2, second, 250),
            (Down, 0, second, 1_000),
            (Down, 1, second, 1_000),
            (Up, 1, second / 5, 100),
            (Up, 1, second / 20, 50),
        ];
        for (verdict, against, interval, wanted) in rows {
            let pause = pause(EndpointHistory { verdict, against }, interval);
            assert_eq!(pause, Duration::from_millis(wanted), "{verdict} with {against} against it");
        }
    }

    #[test]
    fn three_failures_withdraw_and_two_successes_restore() {
        let rows = [
            ("", EndpointVerdict::Unknown),
            ("+", EndpointVerdict::Up),
            ("--", EndpointVerdict::Unknown),
            ("---", EndpointVerdict::Down),
            ("+--", EndpointVerdict::Up),
            ("+--+--", EndpointVerdict::Up),
            ("+---", EndpointVerdict::Down),
            ("+---+", EndpointVerdict::Down),
            ("+---+-+", EndpointVerdict::Down),
            ("+---++", EndpointVerdict::Up),
        ];
        for (results, verdict) in rows {
            assert_eq!(after(results), verdict, "after {results:?}");
        }
    }
}
