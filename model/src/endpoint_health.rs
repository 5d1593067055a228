//! How the health of a name's endpoints is judged over time: who has a say, how much flapping is borne, how slowly one returns.

use std::time::Duration;

/// How many of the vantages that can tell must find an endpoint down until it is down for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quorum {
    /// One is enough.
    Any,
    /// More than half.
    #[default]
    Majority,
    /// Every one.
    All,
}

/// The steps in which an endpoint that returns gets its weight back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RampPlan {
    /// Shares of the weight in percent. Shape: 1 to [`STEPS_MAX`], rising, from 1 to 99.
    steps: Vec<u8>,
    hold: Duration,
}

/// Most steps of a ramp: enough for one per tenth.
pub const STEPS_MAX: usize = 10;

/// Says that steps are none of a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to 10 percentages from 1 to 100, each greater than the one before, and the first below 100"
)]
pub struct InvalidSteps;

impl RampPlan {
    /// A plan of these percentages, each held for `hold`. A last step of 100 may be written and is implied.
    ///
    /// # Errors
    /// When the steps do not rise, or are not percentages of less than the whole.
    pub fn new(steps: &[i64], hold: Duration) -> Result<Self, InvalidSteps> {
        let parts = steps.strip_suffix(&[100]).unwrap_or(steps);
        let is_percentage = parts.iter().all(|step| (1..100).contains(step));
        let rises = parts.windows(2).all(|pair| pair[0] < pair[1]);
        if parts.is_empty() || steps.len() > STEPS_MAX || !is_percentage || !rises {
            return Err(InvalidSteps);
        }
        let steps = parts.iter().filter_map(|step| u8::try_from(*step).ok()).collect();
        Ok(Self { steps, hold })
    }

    /// The share of a step in percent; none when the ramp is over.
    #[must_use]
    pub fn percent(&self, step: usize) -> Option<u8> {
        self.steps.get(step).copied()
    }

    /// How long each step lasts.
    #[must_use]
    pub fn hold(&self) -> Duration {
        self.hold
    }
}

/// How flapping is damped. Units: thresholds count points, of which each fall adds [`Damping::POINTS_PER_FALL`].
///
/// Source: RFC 2439 §4.2, whose figure of merit this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damping {
    half_life: Duration,
    suppress: u32,
    reuse: u32,
}

/// Says that thresholds do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be less than suppressThreshold, and suppressThreshold at most 16 times as much")]
pub struct InvalidThresholds;

impl Damping {
    /// What one fall costs.
    pub const POINTS_PER_FALL: u32 = 1_000;

    /// Points never exceed this many times the reuse threshold, so nothing is suppressed for more than four half-lives
    /// after its last fall (RFC 2439 §4.2: the maximum hold-down time).
    pub const CEILING_FACTOR: u32 = 16;

    /// Damps at `suppress` points until they have decayed below `reuse`.
    ///
    /// # Errors
    /// When the thresholds contradict each other, or the ceiling.
    pub fn new(half_life: Duration, suppress: u32, reuse: u32) -> Result<Self, InvalidThresholds> {
        let is_reachable = suppress <= reuse.saturating_mul(Self::CEILING_FACTOR);
        if reuse == 0 || reuse >= suppress || !is_reachable || half_life.is_zero() {
            return Err(InvalidThresholds);
        }
        Ok(Self { half_life, suppress, reuse })
    }

    /// In which time points halve.
    #[must_use]
    pub fn half_life(&self) -> Duration {
        self.half_life
    }

    /// From how many points on an endpoint is suppressed.
    #[must_use]
    pub fn suppress(&self) -> u32 {
        self.suppress
    }

    /// Below how many points it is used again.
    #[must_use]
    pub fn reuse(&self) -> u32 {
        self.reuse
    }

    /// The most points that falls can add up to.
    #[must_use]
    pub fn ceiling(&self) -> u32 {
        self.reuse.saturating_mul(Self::CEILING_FACTOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_rises_and_ends_below_the_whole() {
        let plan = |steps: &[i64]| RampPlan::new(steps, Duration::from_secs(30));
        assert_eq!(plan(&[10, 25, 50, 100]), plan(&[10, 25, 50]));
        assert_eq!(plan(&[10]).map(|plan| (plan.percent(0), plan.percent(1))), Ok((Some(10), None)));
        let eleven: Vec<i64> = (1..=11).collect();
        for bad in [&[][..], &[100], &[0, 50], &[50, 50], &[50, 25], &[101], &[100, 100], &eleven] {
            assert_eq!(plan(bad), Err(InvalidSteps), "{bad:?}");
        }
    }

    #[test]
    fn thresholds_fit_together() {
        let damping = |suppress, reuse| Damping::new(Duration::from_secs(60), suppress, reuse);
        assert_eq!(damping(2_500, 750).map(|damping| damping.ceiling()), Ok(12_000));
        for (suppress, reuse) in [(750, 750), (500, 750), (2_500, 0), (12_001, 750)] {
            assert_eq!(damping(suppress, reuse), Err(InvalidThresholds), "{suppress} {reuse}");
        }
        assert_eq!(Damping::new(Duration::ZERO, 2, 1), Err(InvalidThresholds));
    }
}
