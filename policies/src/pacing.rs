//! With which weights is a name answered now, when weights may only move so fast?
//!
//! Shares of clusters walk in a straight line from where they are to where they are wanted, none of them faster than allowed,
//! and their sum stays whole. What cannot serve is no part of this: it leaves at once, and comes back from nothing.

use std::collections::BTreeMap;

use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;

/// The whole, in the parts that shares are counted in.
const WHOLE: i64 = 1_000_000;

/// Parts in one percent.
const PERCENT: i64 = WHOLE / 100;

const MINUTE_MS: i64 = 60_000;

/// Shares at a moment.
///
/// Units: parts per million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// By cluster. Shape: the sum is a million, give or take one per cluster.
    pub parts: BTreeMap<ClusterName, u32>,
    /// When they were these.
    pub at: Timestamp,
}

/// Weights on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paced {
    /// The weights to answer with. Shape: has every cluster of those wanted.
    pub weights: BTreeMap<ClusterName, u32>,
    /// Where to go on from.
    pub shares: Shares,
    /// They are not yet those that are wanted.
    pub is_moving: bool,
}

/// Moves shares towards these weights, each by at most `percent_per_minute` percentage points a minute.
///
/// Without shares before, or when they were all of clusters that are gone, the weights are taken as they are.
#[must_use]
pub fn pace(
    wanted: &BTreeMap<ClusterName, u32>,
    before: Option<&Shares>,
    percent_per_minute: u8,
    now: Timestamp,
) -> Paced {
    let targets = normalised(wanted);
    let arrived = || Paced {
        weights: wanted.clone(),
        shares: Shares {
            parts: targets.iter().map(|(cluster, share)| (cluster.clone(), *share as u32)).collect(),
            at: now,
        },
        is_moving: false,
    };
    let Some(before) = before else { return arrived() };
    let known =
        wanted.keys().map(|cluster| (cluster.clone(), before.parts.get(cluster).copied().unwrap_or(0)));
    let starts = normalised(&known.collect());
    if starts.values().all(|share| *share == 0) || targets.values().all(|share| *share == 0) {
        return arrived();
    }
    let per_minute = i64::from(percent_per_minute) * PERCENT;
    let elapsed_ms = now.as_millis().saturating_sub(before.at.as_millis()).clamp(0, 24 * 60 * MINUTE_MS);
    let allowed = per_minute * elapsed_ms / MINUTE_MS;
    let gap = targets.iter().map(|(cluster, target)| (target - starts[cluster]).abs()).max().unwrap_or(0);
    if gap <= allowed {
        return arrived();
    }
    let step = |(cluster, start): (&ClusterName, &i64)| {
        let share = start + (targets[cluster] - start) * allowed / gap;
        (cluster.clone(), share as u32)
    };
    let parts: BTreeMap<ClusterName, u32> = starts.iter().map(step).collect();
    // Only the time that was used up counts as gone, so that many small steps are as fast as few large ones.
    let used_ms = (allowed * MINUTE_MS).unsigned_abs().div_ceil(per_minute.unsigned_abs().max(1)) as i64;
    let at = Timestamp::from_millis(before.at.as_millis() + used_ms);
    Paced { weights: parts.clone(), shares: Shares { parts, at }, is_moving: true }
}

/// Weights as shares of the whole; all 0 when they are.
fn normalised(weights: &BTreeMap<ClusterName, u32>) -> BTreeMap<ClusterName, i64> {
    let total: i64 = weights.values().map(|weight| i64::from(*weight)).sum();
    let share = |weight: u32| i64::from(weight) * WHOLE / total.max(1);
    weights.iter().map(|(cluster, weight)| (cluster.clone(), share(*weight))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(pairs: &[(&str, u32)]) -> BTreeMap<ClusterName, u32> {
        pairs.iter().map(|(name, weight)| (ClusterName::try_from(*name).unwrap(), *weight)).collect()
    }

    fn shares(pairs: &[(&str, u32)]) -> Shares {
        Shares { parts: weights(pairs), at: Timestamp::from_seconds(0) }
    }

    fn after(seconds: i64, wanted: &[(&str, u32)], before: &[(&str, u32)]) -> Paced {
        pace(&weights(wanted), Some(&shares(before)), 10, Timestamp::from_seconds(seconds))
    }

    #[test]
    fn shares_move_by_so_many_points_a_minute_and_then_are_what_was_wanted() {
        let before = [("a", 900_000), ("b", 100_000)];
        let wanted = [("a", 5), ("b", 5)];
        for (seconds, now, is_moving) in [
            (0, [("a", 900_000), ("b", 100_000)], true),
            (30, [("a", 850_000), ("b", 150_000)], true),
            (60, [("a", 800_000), ("b", 200_000)], true),
            (239, [("a", 501_667), ("b", 498_333)], true),
            (240, wanted, false),
            (100_000, wanted, false),
        ] {
            let paced = after(seconds, &wanted, &before);
            let near =
                |(cluster, weight): (&ClusterName, &u32)| weights(&now)[cluster].abs_diff(*weight) <= 1;
            assert!(paced.weights.iter().all(near) && paced.is_moving == is_moving, "{seconds} s: {paced:?}");
        }
    }

    #[test]
    fn who_comes_starts_from_nothing_and_who_goes_is_gone() {
        let paced = after(60, &[("a", 1), ("b", 1)], &[("a", 1_000_000)]);
        assert_eq!(paced.weights, weights(&[("a", 900_000), ("b", 100_000)]));
        let paced = after(0, &[("b", 1)], &[("a", 600_000), ("b", 400_000)]);
        assert_eq!((paced.weights, paced.is_moving), (weights(&[("b", 1)]), false));
        let paced = after(0, &[("c", 7)], &[("a", 600_000)]);
        assert_eq!(paced.weights, weights(&[("c", 7)]), "nobody is left to take over from");
        let first = pace(&weights(&[("a", 3)]), None, 10, Timestamp::from_seconds(0));
        assert_eq!((first.weights, first.is_moving), (weights(&[("a", 3)]), false));
    }

    proptest! {
        #[test]
        fn no_share_is_faster_than_allowed_however_often_one_looks(
            before in prop::collection::vec(1_u32..1000, 3),
            wanted in prop::collection::vec(1_u32..1000, 3),
            pauses_ms in prop::collection::vec(1_i64..20_000, 1..40),
            percent in 1_u8..50,
        ) {
            let named = |list: &[u32]| weights(&[("a", list[0]), ("b", list[1]), ("c", list[2])]);
            let start = pace(&named(&before), None, percent, Timestamp::from_millis(0));
            let mut paced = start.clone();
            let mut now_ms = 0;
            for pause in pauses_ms {
                now_ms += pause;
                paced = pace(&named(&wanted), Some(&paced.shares), percent, Timestamp::from_millis(now_ms));
                let allowed = i64::from(percent) * PERCENT * now_ms / MINUTE_MS;
                for (cluster, share) in &paced.shares.parts {
                    let moved = (i64::from(*share) - i64::from(start.shares.parts[cluster])).abs();
                    // Rounding costs a few parts at each look.
                    prop_assert!(moved <= allowed + 160, "{cluster} moved {moved} of {allowed}");
                }
            }
            // And it arrives in the time that the longest way takes, but for what rounding costs.
            let late = Timestamp::from_millis(now_ms + 101 * MINUTE_MS / i64::from(percent));
            prop_assert!(!pace(&named(&wanted), Some(&paced.shares), percent, late).is_moving);
        }
    }
}
