//! What holds over random fleets.

use proptest::prelude::*;

use super::*;

/// What the fleet is like in one random case, one entry per cluster.
type Draw = (u32, Option<Effect>, Option<u32>, u32, bool, bool, Option<u32>);

fn any_draws() -> impl Strategy<Value = Vec<Draw>> {
    let taint = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Effect::NoSchedule)),
        1 => Just(Some(Effect::NoExecute)),
    ];
    let cap = prop_oneof![3 => Just(None), 1 => (0..20_u32).prop_map(Some)];
    let frozen = prop::bool::weighted(0.1);
    let released = prop::bool::ANY;
    prop::collection::vec((0..4_u32, taint, cap.clone(), 0..20_u32, frozen, released, cap), 1..8)
}

fn drawn(draws: &[Draw], stickiness: Stickiness) -> World {
    let mut world = mk_world();
    world.fleet.clear();
    let mut weights = vec![];
    for (index, &(weight, taint, room, running, frozen, released, cap)) in draws.iter().enumerate() {
        let text = format!("c{index}");
        world.fleet.insert(name(&text), Cluster::named(name(&text)));
        weights.push((text.clone(), i64::from(weight)));
        if let Some(effect) = taint {
            world.taint(&text, effect);
        }
        if let Some(room) = room {
            let pods = koinon_model::quantity::Quantity::from_units(i64::from(room));
            let allocatable = Resources::from([("pods".to_owned(), pods)]);
            world.cluster(&text).capacity = Capacity::Known { allocatable, allocated: Resources::new() };
        }
        if running > 10 {
            world.current = world.current.iter().map(|(name, count)| (name.clone(), count)).collect();
            world.runs_also(&text, running - 10);
        }
        if frozen {
            world.frozen.insert(name(&text));
        }
        if released {
            world.released.insert(name(&text));
        }
        if let Some(cap) = cap {
            world.caps.insert(name(&text), cap);
        }
    }
    let weights: Vec<_> = weights.iter().map(|(text, weight)| (text.as_str(), *weight)).collect();
    world.weigh(&weights, stickiness);
    world
}

impl World {
    fn runs_also(&mut self, cluster: &str, count: u32) {
        let mut map = self.current.as_map().clone();
        map.insert(name(cluster), count);
        self.current = map.into();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cluster_has_a_reason_that_agrees_with_the_placement(
        draws in any_draws(), count in 0..60_u32, sticky in prop::bool::ANY,
    ) {
        let world = drawn(&draws, if sticky { Stickiness::Sticky } else { Stickiness::Rebalance });
        let decision = world.place(count);
        prop_assert_eq!(decision.reasons.len(), world.fleet.len());
        for (cluster, reason) in &decision.reasons {
            prop_assert_eq!(matches!(reason, Reason::Chosen(_)), decision.placement.holds(cluster));
        }
        prop_assert_eq!(decision.placement.total() + u64::from(decision.unplaced), u64::from(count));
        prop_assert_eq!(&decision, &world.place(count));
    }

    #[test]
    fn a_tainted_cluster_never_grows_and_a_held_eviction_never_shrinks_by_itself(
        draws in any_draws(), sticky in prop::bool::ANY,
    ) {
        let world = drawn(&draws, if sticky { Stickiness::Sticky } else { Stickiness::Rebalance });
        let running = u32::try_from(world.current.total()).unwrap();
        let decision = world.place(running);
        for cluster in world.fleet.values() {
            let before = world.current.replicas(&cluster.name).unwrap_or(0);
            let after = decision.placement.replicas(&cluster.name).unwrap_or(0);
            let tainted = |effect| cluster.taints.iter().any(|taint| taint.effect == effect);
            if tainted(Effect::NoSchedule) || tainted(Effect::NoExecute) || world.frozen.contains(&cluster.name) {
                prop_assert!(after <= before, "{} grew from {before} to {after}", cluster.name);
            }
            if tainted(Effect::NoExecute) && !world.released.contains(&cluster.name) {
                prop_assert_eq!(after, before, "{} moved although its eviction is held", cluster.name);
            }
        }
    }

    #[test]
    fn a_larger_count_never_lowers_a_cluster(
        draws in any_draws(), count in 0..60_u32, more in 1..20_u32, sticky in prop::bool::ANY,
    ) {
        let world = drawn(&draws, if sticky { Stickiness::Sticky } else { Stickiness::Rebalance });
        let (less, more) = (world.place(count), world.place(count + more));
        for (cluster, replicas) in less.placement.iter() {
            prop_assert!(replicas <= more.placement.replicas(cluster).unwrap_or(0));
        }
    }
}
