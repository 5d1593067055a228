//! Movements step by step: tables for the cases people know, and a property over random ones.

use proptest::prelude::*;

use super::*;

fn name(index: usize) -> ClusterName {
    ClusterName::try_from(format!("c{index}").as_str()).unwrap()
}

/// Stages as (target, applied, ready); `x` after them in `lost` marks unreachable ones.
fn request(stages: &[(u32, u32, u32)], lost: &[usize], surge: u32) -> Request {
    let stage = |(index, &(target, applied, ready)): (usize, &(u32, u32, u32))| {
        (
            name(index),
            Stage { target, applied, ready, is_reachable: !lost.contains(&index), is_settled: true },
        )
    };
    Request { stages: stages.iter().enumerate().map(stage).collect(), surge }
}

fn check(stages: &[(u32, u32, u32)], lost: &[usize], surge: u32, expected: &[u32]) {
    let step = step(&request(stages, lost, surge));
    let applied: Vec<u32> = step.applied.values().copied().collect();
    assert_eq!(applied, expected, "{stages:?} lost {lost:?} surge {surge}");
}

#[test]
fn a_new_workload_goes_to_its_target_at_once() {
    check(&[(6, 0, 0), (2, 0, 0), (2, 0, 0)], &[], 0, &[6, 2, 2]);
}

#[test]
fn an_owner_who_asks_for_less_or_more_gets_it_at_once() {
    check(&[(3, 6, 6), (1, 2, 2), (1, 2, 2)], &[], 0, &[3, 1, 1]);
    check(&[(0, 6, 6), (0, 2, 2), (0, 2, 2)], &[], 3, &[0, 0, 0]);
    check(&[(12, 6, 6), (4, 2, 2), (4, 2, 2)], &[], 0, &[12, 4, 4]);
}

#[test]
fn survivors_take_over_from_a_dead_cluster_at_once() {
    check(&[(0, 6, 0), (5, 2, 2), (5, 2, 2)], &[0], 0, &[6, 5, 5]);
}

#[test]
fn a_returned_copy_that_is_not_wanted_leaves_when_the_others_are_ready() {
    check(&[(0, 6, 6), (5, 5, 5), (5, 5, 5)], &[], 3, &[0, 5, 5]);
    check(&[(0, 6, 6), (5, 5, 5), (5, 5, 2)], &[], 3, &[3, 5, 5]);
}

#[test]
fn going_back_raises_the_returned_cluster_before_it_lowers_a_survivor() {
    check(&[(2, 0, 0), (4, 5, 5), (4, 5, 5)], &[], 3, &[2, 5, 5]);
    check(&[(2, 2, 1), (4, 5, 5), (4, 5, 5)], &[], 3, &[2, 4, 5]);
    check(&[(2, 2, 2), (4, 5, 5), (4, 5, 5)], &[], 3, &[2, 4, 4]);
}

/// A cluster that returned went from six to none to three: what it says of the six must not cover for the three.
#[test]
fn what_was_ready_under_an_earlier_order_covers_for_nobody() {
    let mut moving = request(&[(6, 3, 3), (2, 5, 5), (2, 5, 5)], &[], 3);
    moving.stages.get_mut(&name(0)).unwrap().is_settled = false;
    assert_eq!(step(&moving).applied.into_values().collect::<Vec<_>>(), [3, 5, 5]);
}

/// Nor are the replicas of a survivor taken for unready ones, which could leave freely, before it has counted them.
#[test]
fn what_has_not_been_counted_is_not_taken_for_unready() {
    let mut moving = request(&[(6, 3, 3), (2, 5, 0), (2, 5, 5)], &[], 3);
    moving.stages.get_mut(&name(1)).unwrap().is_settled = false;
    assert_eq!(step(&moving).applied.into_values().collect::<Vec<_>>(), [3, 5, 5]);
}

/// While a returned cluster's copy is made, nothing is known of it; the survivors keep what they have.
#[test]
fn a_cluster_that_has_not_spoken_still_has_its_share() {
    let mut moving = request(&[(3, 3, 0), (4, 5, 5), (3, 5, 5)], &[], 3);
    moving.stages.get_mut(&name(0)).unwrap().is_settled = false;
    assert_eq!(step(&moving).applied.into_values().collect::<Vec<_>>(), [3, 5, 5]);
    // Taken for unreachable, it would lose its share, and the survivors would be lowered at once.
    let lost = request(&[(3, 3, 0), (4, 5, 5), (3, 5, 5)], &[0], 3);
    assert_eq!(step(&lost).applied.into_values().collect::<Vec<_>>(), [3, 4, 3]);
}

#[test]
fn without_surge_what_is_not_ready_may_still_be_exchanged() {
    check(&[(5, 0, 0), (0, 5, 0)], &[], 0, &[0, 0]);
    check(&[(5, 0, 0), (0, 0, 0)], &[], 0, &[5, 0]);
}

#[test]
fn a_step_with_nothing_to_do_says_so() {
    assert!(step(&request(&[(6, 6, 6), (2, 2, 2)], &[], 0)).is_done);
    assert!(step(&request(&[(0, 6, 0), (8, 8, 3)], &[0], 0)).is_done);
    assert!(!step(&request(&[(2, 0, 0), (4, 6, 6)], &[], 1)).is_done);
}

proptest! {
    #[test]
    fn sums_hold_at_every_step_and_the_target_is_reached(
        before in prop::collection::vec(0u32..20, 2..6),
        shares in prop::collection::vec(1u32..10, 6),
        surge in 1u32..6,
        progress in prop::collection::vec(0u32..3, 400),
    ) {
        let desired: u32 = before.iter().sum();
        // The same sum, divided otherwise.
        let total: u32 = shares.iter().take(before.len()).sum();
        let mut targets: Vec<u32> =
            shares.iter().take(before.len()).map(|share| desired * share / total).collect();
        targets[0] += desired - targets.iter().sum::<u32>();
        let mut stages: Vec<(u32, u32, u32)> =
            targets.iter().zip(&before).map(|(&target, &applied)| (target, applied, applied)).collect();
        let mut done = false;
        // Then one replica more becomes ready everywhere in each turn: with a surge of one, a replica moves in two turns.
        let steady = vec![1; before.len()];
        let turns = 3 * usize::try_from(desired).unwrap() + 3;
        for turn in progress.chunks(before.len()).chain(std::iter::repeat_n(&steady[..], turns)) {
            let next = step(&request(&stages, &[], surge));
            for ((stage, next), news) in stages.iter_mut().zip(next.applied.values()).zip(turn) {
                let leaves = stage.1 > *next;
                stage.1 = *next;
                // Replicas leave at once and become ready when they like.
                stage.2 = stage.2.min(stage.1);
                if !leaves {
                    stage.2 = (stage.2 + news).min(stage.1);
                }
            }
            let applied: u32 = stages.iter().map(|stage| stage.1).sum();
            let ready: u32 = stages.iter().map(|stage| stage.2).sum();
            prop_assert!(applied <= desired + surge, "applied {applied} of {desired} + {surge}: {stages:?}");
            prop_assert!(ready >= desired, "ready {ready} of {desired}: {stages:?}");
            done = next.is_done;
            if done { break; }
        }
        prop_assert!(done, "never done: {stages:?}");
    }
}
