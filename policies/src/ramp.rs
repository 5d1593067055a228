//! Which part of its weight does an endpoint have that has returned?
//!
//! ```text
//! returns ─► step 0 ── well for the hold ─► step 1 ─ … ─► its whole weight
//!              ▲  one step back, and no step on while it lasts │
//!              └── a vantage finds it down, or a probe fails ◄─┘      down for the fleet: withdrawn, and from step 0 again
//! ```

use koinon_model::endpoint_health::RampPlan;
use koinon_model::time::Timestamp;

/// Where a returned endpoint is on its way to its whole weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// Index into the plan's steps.
    pub step: usize,
    /// Since when the step is held.
    pub since: Timestamp,
    /// Whether something speaks against it now.
    pub sight: Sight,
}

/// How an endpoint that serves looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing speaks against it.
    Well,
    /// A vantage finds it down, or its last probe failed.
    Doubtful,
}

/// The first step, taken now.
#[must_use]
pub fn begin(now: Timestamp) -> Ramp {
    Ramp { step: 0, since: now, sight: Sight::Well }
}

/// Where it is now; none when it has its whole weight. At most one step on at a time, so that each is seen to be borne.
#[must_use]
pub fn advance(ramp: Ramp, sight: Sight, plan: &RampPlan, now: Timestamp) -> Option<Ramp> {
    let next = match (ramp.sight, sight) {
        (Sight::Well, Sight::Doubtful) => Ramp { step: ramp.step.saturating_sub(1), since: now, sight },
        (Sight::Doubtful, Sight::Doubtful) => ramp,
        (Sight::Doubtful, Sight::Well) => Ramp { since: now, sight, ..ramp },
        (Sight::Well, Sight::Well) if now.since(ramp.since) >= plan.hold() => {
            Ramp { step: ramp.step + 1, since: now, sight }
        }
        (Sight::Well, Sight::Well) => ramp,
    };
    plan.percent(next.step).map(|_| next)
}

/// The share of its weight in percent.
#[must_use]
pub fn percent(ramp: Ramp, plan: &RampPlan) -> u8 {
    plan.percent(ramp.step).unwrap_or(100)
}

/// When the next step is due; none while something speaks against it.
#[must_use]
pub fn next_at(ramp: Ramp, plan: &RampPlan) -> Option<Timestamp> {
    match ramp.sight {
        Sight::Well => Some(ramp.since + plan.hold()),
        Sight::Doubtful => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn plan() -> RampPlan {
        RampPlan::new(&[10, 25, 50, 100], Duration::from_secs(3)).unwrap()
    }

    /// The share at each second, as the sight of it is: `+` well, `!` doubtful.
    fn shares(sights: &str) -> Vec<u8> {
        let mut ramp = Some(begin(Timestamp::from_seconds(0)));
        let step = |(second, sight): (usize, char)| {
            let now = Timestamp::from_seconds(i64::try_from(second).unwrap());
            let sight = if sight == '+' { Sight::Well } else { Sight::Doubtful };
            ramp = ramp.and_then(|ramp| advance(ramp, sight, &plan(), now));
            ramp.map_or(100, |ramp| percent(ramp, &plan()))
        };
        sights.chars().enumerate().map(step).collect()
    }

    #[test]
    fn each_step_is_held_and_doubt_goes_a_step_back() {
        let rows: [(&str, &[u8]); 4] = [
            ("++++++++++++", &[10, 10, 10, 25, 25, 25, 50, 50, 50, 100, 100, 100]),
            ("++++!!!!++++", &[10, 10, 10, 25, 10, 10, 10, 10, 10, 10, 10, 25]),
            ("!!!!!", &[10, 10, 10, 10, 10]),
            ("+++++++!+!+", &[10, 10, 10, 25, 25, 25, 50, 25, 25, 10, 10]),
        ];
        for (sights, wanted) in rows {
            assert_eq!(shares(sights), wanted, "{sights}");
        }
    }

    #[test]
    fn a_loop_that_slept_takes_one_step() {
        let late =
            advance(begin(Timestamp::from_seconds(0)), Sight::Well, &plan(), Timestamp::from_seconds(60));
        assert_eq!(late.map(|ramp| percent(ramp, &plan())), Some(25));
    }

    proptest! {
        #[test]
        fn a_share_rises_only_after_the_hold_without_doubt(sights in "[+!]{1,60}") {
            let shares = shares(&sights);
            let sights: Vec<char> = sights.chars().collect();
            for at in 1..shares.len() {
                if shares[at] > shares[at - 1] {
                    let held = at.saturating_sub(3)..=at;
                    prop_assert!(held.clone().all(|second| sights[second] == '+'), "{at}");
                    prop_assert!(held.take(3).all(|second| shares[second] == shares[at - 1]), "{at}");
                }
                let fell = sights[at] == '!' && sights[at - 1] == '+' && shares[at - 1] < 100;
                prop_assert!(!fell || shares[at] < shares[at - 1] || shares[at] == 10);
            }
        }
    }
}
