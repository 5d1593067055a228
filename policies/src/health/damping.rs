//! Does an endpoint fall so often that it is better left out while it is up?
//!
//! Each fall adds points, and points decay: half of them are gone after a half-life. At the suppress threshold an endpoint is
//! left out, and it is used again when its points are below the reuse threshold. Source: RFC 2439 §4.

use std::time::Duration;

use koinon_model::endpoint_health::Damping;
use koinon_model::time::Timestamp;

/// What an endpoint's falls have cost it.
///
/// Points are those of the last fall, so the value changes only with falls and with what follows from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Penalty {
    /// Points at `at`.
    pub points: u32,
    /// The last fall.
    pub at: Timestamp,
    /// Whether it is left out.
    pub suppressed: bool,
}

/// Whether an endpoint has just fallen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fell {
    /// It was up and is down.
    Yes,
    /// It is as it was, or has got up.
    No,
}

/// What falls have cost, now.
#[must_use]
pub fn damp(before: Penalty, fell: Fell, damping: &Damping, now: Timestamp) -> Penalty {
    let points = points_at(before, damping, now);
    let after = match fell {
        Fell::Yes => {
            let points = points.saturating_add(Damping::POINTS_PER_FALL).min(damping.ceiling());
            Penalty { points, at: now, ..before }
        }
        Fell::No if is_forgotten(points, damping) => return Penalty::default(),
        Fell::No => before,
    };
    let points = points_at(after, damping, now);
    let suppressed = if before.suppressed { points >= damping.reuse() } else { points >= damping.suppress() };
    Penalty { suppressed, ..after }
}

/// The points that are left.
#[must_use]
pub fn points_at(penalty: Penalty, damping: &Damping, now: Timestamp) -> u32 {
    let half_lives = now.since(penalty.at).as_secs_f64() / damping.half_life().as_secs_f64();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a 32-bit number times at most one"
    )]
    let left = (f64::from(penalty.points) * (-half_lives).exp2()) as u32;
    left
}

/// When points are below the reuse threshold, if they are not yet: until then another fall is plausible.
#[must_use]
pub fn reused_at(penalty: Penalty, damping: &Damping, now: Timestamp) -> Option<Timestamp> {
    if points_at(penalty, damping, now) < damping.reuse() {
        return None;
    }
    let half_lives = (f64::from(penalty.points) / f64::from(damping.reuse())).log2();
    let wait = damping.half_life().mul_f64(half_lives.max(0.0));
    // Points are whole numbers; a millisecond later they are surely below.
    Some((penalty.at + wait + Duration::from_millis(1)).max(now + Duration::from_millis(1)))
}

/// Below half of the reuse threshold nothing is remembered (RFC 2439 §4.2).
fn is_forgotten(points: u32, damping: &Damping) -> bool {
    points < damping.reuse() / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn damping() -> Damping {
        Damping::new(Duration::from_secs(60), 2_500, 750).unwrap()
    }

    /// Falls at these seconds; then the state at `until`.
    fn after(falls: &[i64], until: i64) -> Penalty {
        let mut penalty = Penalty::default();
        for second in 0..=until {
            let fell = if falls.contains(&second) { Fell::Yes } else { Fell::No };
            penalty = damp(penalty, fell, &damping(), Timestamp::from_seconds(second));
        }
        penalty
    }

    #[test]
    fn three_quick_falls_suppress_until_two_half_lives_are_over() {
        assert!(!after(&[1], 1).suppressed);
        assert!(!after(&[1, 11], 11).suppressed);
        let third = after(&[1, 11, 21], 21);
        assert!(third.suppressed);
        let reused = reused_at(third, &damping(), Timestamp::from_seconds(21)).unwrap();
        assert_eq!(reused.as_seconds(), 21 + 110);
        assert!(after(&[1, 11, 21], 130).suppressed);
        assert!(!after(&[1, 11, 21], 132).suppressed);
    }

    #[test]
    fn falls_that_lie_apart_are_borne() {
        assert!(!after(&[0, 120, 240, 360, 480], 500).suppressed);
        assert_eq!(after(&[0], 200), Penalty::default(), "and forgotten");
    }

    proptest! {
        #[test]
        fn nothing_is_suppressed_for_more_than_four_half_lives_after_its_last_fall(
            falls in proptest::collection::vec(0_i64..300, 0..80)
        ) {
            let last = falls.iter().copied().max().unwrap_or(0);
            let at_last = after(&falls, last);
            prop_assert!(at_last.points <= damping().ceiling());
            let reused = reused_at(at_last, &damping(), Timestamp::from_seconds(last));
            prop_assert!(reused.is_none_or(|at| at.as_seconds() <= last + 4 * 60 + 1));
            prop_assert!(!after(&falls, last + 4 * 60 + 2).suppressed);
        }

        #[test]
        fn the_moment_of_reuse_is_kept(falls in proptest::collection::vec(0_i64..100, 3..20)) {
            let last = falls.iter().copied().max().unwrap_or(0);
            let penalty = after(&falls, last);
            if penalty.suppressed {
                let now = Timestamp::from_seconds(last);
                let reused = reused_at(penalty, &damping(), now).unwrap();
                prop_assert!(!damp(penalty, Fell::No, &damping(), reused).suppressed);
                let before = Timestamp::from_millis(reused.as_millis() - 200);
                prop_assert!(before <= now || damp(penalty, Fell::No, &damping(), before).suppressed);
            }
        }
    }
}
