//! Prints how many placements a second one core decides for a fleet of 100 clusters.
//!
//! The bar is 20,000 a second: 50 µs for filtering 100 clusters, dividing and giving 100 reasons.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark reads the clock; the core does not"
)]
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use koinon_model::cluster::{Apis, Capacity, Cluster, Fleet, Resources};
use koinon_model::failover::{Failback, FailbackMode, Failover, Pace, Percent};
use koinon_model::labels::{LabelSelector, Labels};
use koinon_model::name::ClusterName;
use koinon_model::placement::Placement;
use koinon_model::policy::{
    CapacityRule, ClusterAffinity, PlacementIntent, Scheduling, StaticWeight, Stickiness,
};
use koinon_model::quantity::Quantity;
use koinon_model::weight::Weight;
use koinon_policies::placement::{ApiResource, Demand, Request, place};

const N_CLUSTERS: u32 = 100;
const RUN: Duration = Duration::from_secs(2);

fn main() {
    let fleet: Fleet = (0..N_CLUSTERS).map(cluster).map(|cluster| (cluster.name.clone(), cluster)).collect();
    let intent = intent();
    let each = Resources::from([("cpu".to_owned(), Quantity::from_units(1))]);
    let current = Placement::default();
    for count in [10, 300, 10_000] {
        let request = Request {
            intent: &intent,
            fleet: &fleet,
            api: ApiResource { api_version: "apps/v1", plural: "deployments" },
            demand: Demand::Replicas { count, each: &each },
            current: &current,
            frozen: &BTreeSet::new(),
            released: &BTreeSet::new(),
            caps: &BTreeMap::new(),
        };
        let start = Instant::now();
        let mut decisions = 0_u32;
        while start.elapsed() < RUN {
            black_box(place(black_box(&request)));
            decisions += 1;
        }
        let rate = f64::from(decisions) / start.elapsed().as_secs_f64();
        println!("{count:>6} replicas over {N_CLUSTERS} clusters: {rate:>9.0} decisions/s");
    }
}

fn cluster(index: u32) -> Cluster {
    let name = ClusterName::try_from(format!("cluster-{index:03}")).expect("digits and letters");
    let served = ["apps/v1", "batch/v1", "v1"].map(|version| {
        (version.to_owned(), BTreeSet::from(["deployments", "jobs", "pods"].map(str::to_owned)))
    });
    let amounts = |units: i64| {
        ["cpu", "memory", "pods"].map(|resource| (resource.to_owned(), Quantity::from_units(units))).into()
    };
    Cluster {
        labels: Labels::from_iter([
            ("tier", "gold"),
            ("lane", if index.is_multiple_of(2) { "even" } else { "odd" }),
        ]),
        region: Some(format!("region-{}", index % 5)),
        apis: Apis::Known(served.into()),
        capacity: Capacity::Known { allocatable: amounts(500), allocated: amounts(i64::from(index)) },
        ..Cluster::named(name)
    }
}

fn intent() -> PlacementIntent {
    let rule = |lane: &str, weight, max| StaticWeight {
        target: ClusterAffinity {
            labels: LabelSelector::of_pairs([("lane", lane)]),
            ..ClusterAffinity::default()
        },
        weight: Weight::try_from(weight).expect("small"),
        min: None,
        max,
    };
    PlacementIntent {
        affinity: ClusterAffinity {
            labels: LabelSelector::of_pairs([("tier", "gold")]),
            ..ClusterAffinity::default()
        },
        tolerations: vec![],
        scheduling: Scheduling::Divided {
            weights: vec![rule("even", 3, Some(200)), rule("odd", 1, None)],
            capacity: CapacityRule::Respect,
            stickiness: Stickiness::Rebalance,
        },
        failover: Failover { cluster_toleration_seconds: Some(0), application_toleration_seconds: Some(0) },
        failback: Failback {
            mode: FailbackMode::Automatic,
            stabilization_seconds: 300,
            pace: Pace { percent: Percent::ALL, interval_seconds: 60 },
        },
    }
}
