//! Checked intent about death and return: when workloads leave a dead cluster, and how they come back.

/// What happens to workloads of a cluster that dies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    /// Seconds that an unreachable cluster is stood before workloads leave it; `None`: they never leave by themselves.
    pub cluster_toleration_seconds: Option<u32>,
    /// Seconds that dead endpoints in an answering cluster are stood; `None`: they never leave for that.
    pub application_toleration_seconds: Option<u32>,
}

/// What happens when a cluster returns.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Failback {
    /// Whether replicas return by themselves.
    pub mode: FailbackMode,
    /// Seconds that it must be ready first.
    pub stabilization_seconds: u32,
    /// How fast they return.
    pub pace: Pace,
}

/// Whether replicas return by themselves.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum FailbackMode {
    /// After the stabilisation window.
    Automatic,
    /// When an operator asks.
    Manual,
    /// Not at all: the cluster starts again from nothing at the next change of the policy.
    Never,
}

/// How fast replicas return: one step of `percent` of the cluster's share per interval.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Share of one step.
    pub percent: Percent,
    /// Seconds between steps.
    pub interval_seconds: u32,
}

/// A share of a hundred, 1 to 100.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

/// Says that a number is not a percentage from 1 to 100.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a percentage from 1 to 100")]
pub struct NotAPercentage {
    /// What was given.
    pub given: i64,
}

impl Percent {
    /// All of it.
    pub const ALL: Self = Self(100);

    /// The number, 1 to 100.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<i64> for Percent {
    type Error = NotAPercentage;

    fn try_from(given: i64) -> Result<Self, NotAPercentage> {
        match u8::try_from(given) {
            Ok(percent) if (1..=100).contains(&percent) => Ok(Self(percent)),
            Ok(_) | Err(_) => Err(NotAPercentage { given }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_1_to_100() {
        assert_eq!(Percent::try_from(100).unwrap(), Percent::ALL);
        for given in [0, 101, -1] {
            assert_eq!(Percent::try_from(given), Err(NotAPercentage { given }));
        }
    }
}
