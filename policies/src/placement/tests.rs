//! One table per finding.

mod properties;

use koinon_model::cluster::{Apis, Capacity, Cluster, Field, State};
use koinon_model::failover::{Failback, FailbackMode, Failover, Pace, Percent};
use koinon_model::labels::{LabelSelector, Labels, Operator};
use koinon_model::policy::{ClusterAffinity, FieldRequirement, StaticWeight};
use koinon_model::taint::{Effect, KeyMatch, Taint, Toleration};

use super::*;

fn name(text: &str) -> ClusterName {
    ClusterName::try_from(text).unwrap()
}

/// A fleet, a policy and a history that tests change one thing of.
struct World {
    fleet: Fleet,
    intent: PlacementIntent,
    current: Placement,
    frozen: BTreeSet<ClusterName>,
    released: BTreeSet<ClusterName>,
    caps: BTreeMap<ClusterName, u32>,
    each: Resources,
}

/// Three clusters without labels, weights 3:1:1 by name, no history.
fn mk_world() -> World {
    let fleet = ["a", "b", "c"].map(|text| (name(text), Cluster::named(name(text)))).into();
    let mut world = World {
        fleet,
        intent: PlacementIntent {
            affinity: ClusterAffinity::default(),
            tolerations: vec![],
            scheduling: Scheduling::Duplicated { capacity: CapacityRule::Respect },
            failover: Failover {
                cluster_toleration_seconds: Some(0),
                application_toleration_seconds: Some(0),
            },
            failback: Failback {
                mode: FailbackMode::Automatic,
                stabilization_seconds: 0,
                pace: Pace { percent: Percent::ALL, interval_seconds: 0 },
            },
        },
        current: Placement::default(),
        frozen: BTreeSet::new(),
        released: BTreeSet::new(),
        caps: BTreeMap::new(),
        each: Resources::new(),
    };
    world.weigh(&[("a", 3), ("b", 1), ("c", 1)], Stickiness::Rebalance);
    world
}

impl World {
    fn weigh(&mut self, weights: &[(&str, i64)], stickiness: Stickiness) {
        let rule = |&(cluster, weight): &(&str, i64)| StaticWeight {
            target: ClusterAffinity { names: [name(cluster)].into(), ..ClusterAffinity::default() },
            weight: Weight::try_from(weight).unwrap(),
            min: None,
            max: None,
        };
        let weights = weights.iter().map(rule).collect();
        self.intent.scheduling = Scheduling::Divided { weights, capacity: CapacityRule::Respect, stickiness };
    }

    fn duplicate(&mut self) {
        self.intent.scheduling = Scheduling::Duplicated { capacity: CapacityRule::Respect };
    }

    fn runs(&mut self, counts: &[(&str, u32)]) {
        self.current = counts.iter().map(|&(cluster, count)| (name(cluster), count)).collect();
    }

    fn cluster(&mut self, cluster: &str) -> &mut Cluster {
        self.fleet.get_mut(cluster).unwrap()
    }

    fn taint(&mut self, cluster: &str, effect: Effect) {
        let key = match effect {
            Effect::NoSchedule => "koinon.io/cordon",
            Effect::NoExecute => "koinon.io/unreachable",
        };
        self.cluster(cluster).taints.push(Taint {
            key: key.into(),
            value: String::new(),
            effect,
            since: None,
        });
    }

    fn place_demand(&self, demand: Demand<'_>) -> Decision {
        place(&Request {
            intent: &self.intent,
            fleet: &self.fleet,
            api: ApiResource { api_version: "apps/v1", plural: "deployments" },
            demand,
            current: &self.current,
            frozen: &self.frozen,
            released: &self.released,
            caps: &self.caps,
        })
    }

    fn place(&self, count: u32) -> Decision {
        self.place_demand(Demand::Replicas { count, each: &self.each })
    }

    /// Asserts each cluster's line: its replicas and reason, or its refusal.
    #[track_caller]
    fn check(&self, count: u32, expected: &[(&str, &str)]) {
        let decision = self.place(count);
        let line = |(cluster, reason): (&ClusterName, &Reason)| {
            let count =
                decision.placement.replicas(cluster).map(|count| format!("{count}: ")).unwrap_or_default();
            (cluster.to_string(), format!("{count}{reason}"))
        };
        let lines: Vec<_> = decision.reasons.iter().map(line).collect();
        let lines: Vec<_> = lines.iter().map(|(cluster, line)| (cluster.as_str(), line.as_str())).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn divides_by_weight_and_says_so() {
    let share = "share of 10 over {3, 1, 1}";
    let expected = [("a", format!("6: {share}")), ("b", format!("2: {share}")), ("c", format!("2: {share}"))];
    mk_world().check(10, &expected.each_ref().map(|(cluster, line)| (*cluster, line.as_str())));
}

#[test]
fn a_share_that_comes_to_nothing_is_a_refusal_with_the_weights() {
    mk_world().check(
        1,
        &[
            ("a", "1: share of 1 over {3, 1, 1}"),
            ("b", "refused: no share of 1 over {3, 1, 1}"),
            ("c", "refused: no share of 1 over {3, 1, 1}"),
        ],
    );
}

#[test]
fn no_replicas_at_all_stand_with_zero_everywhere() {
    let decision = mk_world().place(0);
    assert_eq!(decision.placement.n_clusters(), 3);
    assert_eq!((decision.placement.total(), decision.unplaced), (0, 0));
}

#[test]
fn an_object_without_replicas_goes_whole_to_every_cluster_that_may_have_it() {
    let mut world = mk_world();
    world.taint("b", Effect::NoSchedule);
    let decision = world.place_demand(Demand::Whole);
    assert_eq!(decision.placement, [(name("a"), 0), (name("c"), 0)].into_iter().collect());
    assert_eq!(decision.reasons["a"].to_string(), "every cluster gets it");
}

#[test]
fn duplicated_gives_every_cluster_all_replicas() {
    let mut world = mk_world();
    world.duplicate();
    let line = "4: every cluster gets all replicas";
    world.check(4, &[("a", line), ("b", line), ("c", line)]);
}

#[test]
fn each_part_of_the_affinity_refuses_with_its_own_reason() {
    let mut world = mk_world();
    world.duplicate();
    world.fleet.insert(name("d"), Cluster::named(name("d")));
    world.fleet.insert(name("e"), Cluster::named(name("e")));
    world.intent.affinity = ClusterAffinity {
        names: ["a", "b", "c", "e"].map(name).into(),
        exclude: [name("e")].into(),
        labels: LabelSelector::of_pairs([("tier", "gold")]),
        fields: vec![FieldRequirement {
            field: Field::Region,
            operator: Operator::In(["eu".to_owned()].into()),
        }],
    };
    for cluster in ["a", "c"] {
        world.cluster(cluster).labels = Labels::from_iter([("tier", "gold")]);
    }
    world.cluster("a").region = Some("eu".into());
    world.cluster("c").region = Some("us".into());
    world.check(
        1,
        &[
            ("a", "1: every cluster gets all replicas"),
            ("b", "refused: labels do not meet tier in (gold)"),
            ("c", "refused: does not meet region in (eu)"),
            ("d", "refused: not named by the cluster affinity"),
            ("e", "refused: excluded by the cluster affinity"),
        ],
    );
}

#[test]
fn a_cluster_that_leaves_or_left_gives_up_what_it_has() {
    let mut world = mk_world();
    world.runs(&[("a", 2), ("b", 1), ("gone", 2)]);
    world.cluster("a").state = State::Leaving;
    world.check(
        2,
        &[
            ("a", "refused: leaving the fleet"),
            ("b", "1: share of 2 over {1, 1}"),
            ("c", "1: share of 2 over {1, 1}"),
            ("gone", "refused: not a member any more"),
        ],
    );
}

#[test]
fn a_missing_api_keeps_new_workloads_out_and_moves_no_old_one() {
    let mut world = mk_world();
    world.duplicate();
    world.runs(&[("b", 1)]);
    world.cluster("a").apis = Apis::Known(BTreeMap::new());
    world.cluster("b").apis = Apis::Known(BTreeMap::new());
    let line = "1: every cluster gets all replicas";
    world.check(1, &[("a", "refused: does not serve deployments of apps/v1"), ("b", line), ("c", line)]);
}

#[test]
fn no_schedule_keeps_newcomers_out_and_lets_residents_keep_what_they_hold() {
    let mut world = mk_world();
    world.taint("a", Effect::NoSchedule);
    world.check(
        4,
        &[
            ("a", "refused: taint koinon.io/cordon:NoSchedule"),
            ("b", "2: share of 4 over {1, 1}"),
            ("c", "2: share of 4 over {1, 1}"),
        ],
    );
    world.runs(&[("a", 3), ("b", 1), ("c", 1)]);
    let share = "share of 10 over {3, 1, 1}";
    world.check(
        10,
        &[
            ("a", &format!("3: {share}, no more because of taint koinon.io/cordon:NoSchedule")),
            ("b", &format!("4: {share}")),
            ("c", &format!("3: {share}")),
        ],
    );
}

#[test]
fn no_execute_moves_nothing_until_the_eviction_is_released() {
    let mut world = mk_world();
    world.taint("a", Effect::NoExecute);
    world.runs(&[("a", 6), ("b", 2), ("c", 2)]);
    let share = "share of 10 over {3, 1, 1}";
    world.check(
        10,
        &[("a", &format!("6: {share}")), ("b", &format!("2: {share}")), ("c", &format!("2: {share}"))],
    );
    world.check(
        12,
        &[
            ("a", "6: share of 12 over {3, 1, 1}, eviction held for taint koinon.io/unreachable:NoExecute"),
            ("b", "3: share of 12 over {3, 1, 1}"),
            ("c", "3: share of 12 over {3, 1, 1}"),
        ],
    );
    world.released.insert(name("a"));
    world.check(
        10,
        &[
            ("a", "refused: evicted by taint koinon.io/unreachable:NoExecute"),
            ("b", "5: share of 10 over {1, 1}"),
            ("c", "5: share of 10 over {1, 1}"),
        ],
    );
}

#[test]
fn a_release_without_residents_changes_nothing() {
    let mut world = mk_world();
    world.taint("a", Effect::NoExecute);
    world.released.insert(name("a"));
    assert_eq!(world.place(1).reasons["a"].to_string(), "refused: taint koinon.io/unreachable:NoExecute");
}

#[test]
fn a_toleration_for_ever_invites_and_one_with_seconds_does_not() {
    let mut world = mk_world();
    world.taint("a", Effect::NoExecute);
    let toleration = |seconds| Toleration { key: KeyMatch::Any, effect: None, seconds };
    world.intent.tolerations = vec![toleration(Some(300))];
    assert!(!world.place(10).placement.holds(&name("a")));
    world.intent.tolerations = vec![toleration(None)];
    assert_eq!(world.place(10).placement.replicas(&name("a")), Some(6));
}

#[test]
fn a_frozen_cluster_freezes_the_others_too() {
    let mut world = mk_world();
    world.runs(&[("a", 2), ("b", 4), ("c", 4)]);
    world.caps.insert(name("a"), 6);
    world.frozen.insert(name("b"));
    let share = "share of 10 over {3, 1, 1}";
    world.check(
        10,
        &[
            ("a", &format!("2: {share}")),
            ("b", &format!("4: {share}, kept where they run")),
            ("c", &format!("4: {share}, kept where they run")),
        ],
    );
    world.runs(&[("a", 2), ("c", 4)]);
    assert_eq!(world.place(6).reasons["b"].to_string(), "refused: nothing new while the cluster is in doubt");
}

#[test]
fn a_failback_is_capped_and_overrules_stickiness() {
    let mut world = mk_world();
    world.weigh(&[("a", 3), ("b", 1), ("c", 1)], Stickiness::Sticky);
    world.runs(&[("b", 5), ("c", 5)]);
    world.caps.insert(name("a"), 0);
    let share = "share of 10 over {3, 1, 1}";
    world.check(
        10,
        &[
            ("a", "refused: limited to 0 by the pace of the failback"),
            ("b", &format!("5: {share}, kept where they run")),
            ("c", &format!("5: {share}, kept where they run")),
        ],
    );
    world.caps.insert(name("a"), 2);
    world.check(
        10,
        &[
            ("a", &format!("2: {share}, limited to 2 by the pace of the failback")),
            ("b", &format!("4: {share}")),
            ("c", &format!("4: {share}")),
        ],
    );
    world.caps.insert(name("a"), 6);
    world.runs(&[("a", 2), ("b", 4), ("c", 4)]);
    let line = |count: u32| format!("{count}: {share}");
    world.check(10, &[("a", &line(6)), ("b", &line(2)), ("c", &line(2))]);
}

#[test]
fn capacity_limits_a_share_and_the_overflow_goes_to_the_others_or_is_reported() {
    let mut world = mk_world();
    let pods =
        |count| Resources::from([("pods".to_owned(), koinon_model::quantity::Quantity::from_units(count))]);
    let roomy = |count| Capacity::Known { allocatable: pods(count), allocated: Resources::new() };
    world.cluster("a").capacity = roomy(4);
    let share = "share of 10 over {3, 1, 1}";
    world.check(
        10,
        &[
            ("a", &format!("4: {share}, limited to 4 by free capacity")),
            ("b", &format!("3: {share}")),
            ("c", &format!("3: {share}")),
        ],
    );
    world.cluster("b").capacity = roomy(1);
    world.cluster("c").capacity = roomy(0);
    let decision = world.place(10);
    assert_eq!((decision.placement.total(), decision.unplaced), (5, 5));
    assert_eq!(decision.reasons["c"].to_string(), "refused: limited to 0 by free capacity");
    world.duplicate();
    let decision = world.place(2);
    assert_eq!(decision.placement, [(name("a"), 2), (name("b"), 1)].into_iter().collect());
    assert_eq!(decision.unplaced, 1 + 2);
}

#[test]
fn of_several_matching_rules_the_largest_weight_and_the_narrowest_bounds_count() {
    let mut world = mk_world();
    let rule = |names: &[&str], weight, min, max| StaticWeight {
        target: ClusterAffinity {
            names: names.iter().map(|text| name(text)).collect(),
            ..Default::default()
        },
        weight: Weight::try_from(weight).unwrap(),
        min,
        max,
    };
    world.intent.scheduling = Scheduling::Divided {
        weights: vec![
            rule(&[], 1, Some(1), Some(9)),
            rule(&["a"], 3, None, Some(4)),
            rule(&["c"], 0, Some(3), None),
        ],
        capacity: CapacityRule::Ignore,
        stickiness: Stickiness::Rebalance,
    };
    let share = "share of 10 over {3, 1, 1}";
    world.check(
        10,
        &[
            ("a", &format!("4: {share}, limited to 4 by maxReplicas")),
            ("b", &format!("3: {share}")),
            ("c", &format!("3: {share}, raised to 3 by minReplicas")),
        ],
    );
}

#[test]
fn a_weightless_cluster_is_refused_while_others_weigh() {
    let mut world = mk_world();
    world.weigh(&[("a", 1), ("b", 1)], Stickiness::Rebalance);
    assert_eq!(world.place(4).reasons["c"].to_string(), "refused: weight 0");
    world.taint("a", Effect::NoSchedule);
    world.taint("b", Effect::NoSchedule);
    assert_eq!(world.place(4).placement.replicas(&name("c")), Some(4));
}

#[test]
fn a_fleet_without_members_leaves_everything_unplaced() {
    let mut world = mk_world();
    world.fleet.clear();
    let decision = world.place(7);
    assert!(decision.placement.is_empty() && decision.reasons.is_empty());
    assert_eq!(decision.unplaced, 7);
}
