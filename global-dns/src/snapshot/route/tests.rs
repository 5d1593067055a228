//! Which clusters a client gets, and for which network that holds.

use koinon_types::names::{Coordinates, EndpointState, Geo, GeoRule, Place, Record, Step, Withdrawal};

use super::trace::trace;
use crate::geo::Atlas;
use crate::geo::tests::cities;
use crate::snapshot::client::Client;
use crate::snapshot::health::{Aliases, Exclusion, LastGood, RecordView, Verdicts, decide};
use crate::snapshot::tests::support::record;
use crate::subnet::Subnet;

/// A name in three clusters, of which these are down.
fn shop(routing: Vec<Step>, down: &[&str]) -> Record {
    let endpoints = [("asia", "192.0.2.1", 1), ("europe", "192.0.2.2", 1), ("us", "192.0.2.3", 1)];
    let mut shop = record("shop.example", &endpoints);
    shop.routing = routing;
    for endpoint in shop.endpoints.iter_mut().filter(|endpoint| down.contains(&endpoint.cluster.as_str())) {
        endpoint.state = EndpointState::Withdrawn(Withdrawal::ClusterUnreachable);
    }
    shop
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn failover(groups: &[&[&str]]) -> Step {
    Step::Failover { groups: groups.iter().map(|group| strings(group)).collect() }
}

/// A rule from words: countries have two letters, regions a hyphen, continents a `+` before them; AS numbers and networks
/// are as people write them.
fn rule(criteria: &[&str], clusters: &[&str]) -> GeoRule {
    let mut rule = GeoRule { clusters: strings(clusters), ..GeoRule::default() };
    for text in criteria {
        match text.split_at(1) {
            ("+", continent) => rule.continents.push(continent.to_owned()),
            _ if text.contains('/') => rule.networks.push(text.parse().expect("a network")),
            _ if text.contains('-') => rule.regions.push((*text).to_owned()),
            _ if text.starts_with("AS") => rule.asns.push(text[2..].parse().expect("a number")),
            _ => rule.countries.push((*text).to_owned()),
        }
    }
    rule
}

fn geo(rules: &[(&[&str], &[&str])], default: &[&str]) -> Step {
    let rules = rules.iter().map(|(criteria, clusters)| rule(criteria, clusters)).collect();
    Step::Geo(Geo { rules, default: strings(default) })
}

fn view(record: &Record) -> RecordView {
    decide(record, Aliases::Allowed, &Verdicts::new(), &LastGood::new())
}

/// A client that asks from an address, or through a resolver for a network.
fn client(text: &str) -> Client {
    match text.parse::<Subnet>() {
        Ok(subnet) => Client::new([203, 0, 113, 9].into(), Some(subnet)),
        Err(_) => Client::from(text.parse::<std::net::IpAddr>().expect("an address")),
    }
}

/// The clusters that a client gets, and the scope.
fn got(record: &Record, who: &str, atlas: &Atlas) -> (String, u8) {
    let view = view(record);
    let routed = view.plan.route(&client(who), atlas);
    let leaf = &view.plan.leaves()[routed.leaf];
    let clusters: Vec<&str> = leaf.iter().map(|&at| record.endpoints[at].cluster.as_str()).collect();
    (clusters.join(" "), routed.scope)
}

#[test]
fn failover_takes_the_first_group_that_has_an_endpoint() {
    let nobody = "198.51.100.1";
    let chain = || vec![failover(&[&["us"], &["asia", "gone"]])];
    for (down, wanted) in [
        (&[][..], "us"),
        (&["us"], "asia"),
        (&["us", "asia"], "europe"),
        (&["asia"], "us"),
        // Nothing is healthy, so health is not asked, and the order still is.
        (&["us", "asia", "europe"], "us"),
    ] {
        assert_eq!(got(&shop(chain(), down), nobody, &Atlas::default()).0, wanted, "{down:?}");
    }
    let shop = shop(chain(), &["us"]);
    let excluded: Vec<_> = view(&shop).endpoints.into_iter().map(|endpoint| endpoint.excluded).collect();
    let lost = Exclusion::Withdrawn(Withdrawal::ClusterUnreachable);
    assert_eq!(excluded, [None, Some(Exclusion::StandingBy), Some(lost)]);
}

#[test]
fn weights_count_among_what_the_steps_left() {
    let mut shop = shop(vec![failover(&[&["us"]])], &[]);
    shop.endpoints[2].weight = 0;
    assert_eq!(got(&shop, "198.51.100.1", &Atlas::default()).0, "us", "0 is as good as 1 where it is alone");
    shop.routing = vec![failover(&[&["us", "asia"]])];
    assert_eq!(got(&shop, "198.51.100.1", &Atlas::default()).0, "asia");
    assert_eq!(view(&shop).endpoints[2].excluded, Some(Exclusion::Weightless));
}

#[test]
fn the_first_rule_that_matches_and_has_an_endpoint_decides() {
    let chain = || {
        vec![geo(
            &[
                (&["192.0.2.0/28"], &["asia"]),
                (&["192.0.2.0/24", "2001:db8::/32"], &["europe"]),
                (&["192.0.0.0/16"], &["us"]),
            ],
            &["us", "asia"],
        )]
    };
    for (down, who, wanted) in [
        (&[][..], "192.0.2.1", ("asia", 0)),
        (&[], "192.0.2.77", ("europe", 0)),
        (&[], "192.0.3.1", ("us", 0)),
        (&[], "198.51.100.1", ("asia us", 0)),
        (&[], "2001:db8::1", ("europe", 0)),
        (&["asia"], "192.0.2.1", ("europe", 0)),
        (&["asia", "europe"], "192.0.2.1", ("us", 0)),
        (&["us", "asia"], "198.51.100.1", ("europe", 0)),
        // For a network, ranges finer than /24 do not count: the answer would not hold for it.
        (&[], "192.0.2.0/24", ("europe", 24)),
        (&[], "192.0.2.1/32", ("europe", 24)),
        (&[], "192.0.3.0/24", ("us", 24)),
        (&[], "192.0.128.0/24", ("us", 17)),
        (&[], "193.0.0.0/24", ("asia us", 8)),
        (&[], "10.0.0.0/8", ("asia us", 1)),
        (&[], "2001:db8:1::/48", ("europe", 32)),
        (&["asia", "europe"], "192.0.2.0/24", ("us", 0)),
    ] {
        let (clusters, scope) = got(&shop(chain(), down), who, &Atlas::default());
        assert_eq!((clusters.as_str(), scope), wanted, "{who}, without {down:?}");
    }
}

#[test]
fn places_are_asked_in_the_order_of_the_rules() {
    let atlas = Atlas::of(cities());
    let chain = || {
        vec![geo(
            &[(&["192.0.2.128/25"], &["us"]), (&["DE-BE", "JP"], &["asia"]), (&["+EU", "US"], &["europe"])],
            &["us"],
        )]
    };
    for (down, who, wanted) in [
        (&[][..], "192.0.2.1", ("asia", 0)),
        (&[], "192.0.2.200", ("us", 0)),
        (&["asia"], "192.0.2.1", ("europe", 0)),
        (&[], "198.51.100.1", ("europe", 0)),
        (&[], "203.0.113.1", ("us", 0)),
        // Its answer depends on 25 bits, and is cut to what may be told.
        (&[], "198.51.100.0/24", ("europe", 24)),
        (&[], "2001:db8::/40", ("asia", 33)),
        (&[], "2001:db8:8000::/40", ("us", 33)),
    ] {
        let (clusters, scope) = got(&shop(chain(), down), who, &atlas);
        assert_eq!((clusters.as_str(), scope), wanted, "{who}, without {down:?}");
    }
    let blind = got(&shop(chain(), &[]), "192.0.2.1", &Atlas::default());
    assert_eq!(blind.0, "us", "without a database only ranges match");
}

fn nearest() -> Step {
    let place = |cluster: &str, latitude: i32, longitude: i32| Place {
        cluster: cluster.to_owned(),
        at: Coordinates { latitude: latitude * 1_000_000, longitude: longitude * 1_000_000 },
    };
    // Across the line where days begin, Tokyo is nearer to San Francisco than Frankfurt is.
    Step::Nearest { places: vec![place("asia", 36, 140), place("europe", 50, 9), place("us", 39, -77)] }
}

#[test]
fn the_nearest_cluster_that_has_an_endpoint_answers() {
    let atlas = Atlas::of(cities());
    for (down, who, wanted) in [
        (&[][..], "192.0.2.1", "europe"),
        (&["europe"], "192.0.2.1", "us"),
        (&["europe", "us"], "192.0.2.1", "asia"),
        (&[], "198.51.100.1", "us"),
        (&["us"], "198.51.100.1", "asia"),
        // Nobody knows where these are.
        (&[], "198.51.100.200", "asia europe us"),
        (&[], "203.0.113.1", "asia europe us"),
    ] {
        assert_eq!(got(&shop(vec![nearest()], down), who, &atlas).0, wanted, "{who}, without {down:?}");
    }
}

#[test]
fn steps_are_nested_in_their_order() {
    let atlas = Atlas::of(cities());
    let chain = || {
        vec![
            geo(&[(&["+EU"], &["europe", "asia"]), (&["+NA"], &["us", "asia"])], &[]),
            failover(&[&["asia"]]),
            nearest(),
        ]
    };
    for (down, who, wanted) in [
        (&[][..], "192.0.2.1", "asia"),
        (&["asia"], "192.0.2.1", "europe"),
        (&["asia"], "198.51.100.1", "us"),
        (&["asia", "europe"], "192.0.2.1", "us"),
        (&["asia"], "203.0.113.1", "europe us"),
    ] {
        assert_eq!(got(&shop(chain(), down), who, &atlas).0, wanted, "{who}, without {down:?}");
    }
    let same = view(&shop(chain(), &[]));
    assert!(same.plan.forks.is_empty(), "all lead to asia, so no client matters");
}

#[test]
fn every_step_tells_what_it_did() {
    let atlas = Atlas::of(cities());
    let chain = vec![
        geo(&[(&["JP"], &["asia"]), (&["+EU"], &["europe"]), (&["+NA"], &["us"])], &[]),
        failover(&[&["asia"], &["europe"]]),
        nearest(),
    ];
    let shop = shop(chain, &["asia"]);
    for (who, wanted) in [
        (
            "198.51.100.0/24",
            [
                "geo: us because rule 3 (continents NA) matches 198.51.100.0/24 (NA, US, US-CA, 37.8 -122.4 by Test-City); passed over, without an endpoint: rule 1",
                "failover: us because no group has an endpoint: the clusters of no group",
                "geo: us because every client gets the same",
            ],
        ),
        (
            "203.0.113.1",
            [
                "geo: europe us because no rule matches 203.0.113.1: the default; passed over, without an endpoint: rule 1",
                "failover: europe because group 2 of 2: none before it has an endpoint",
                "geo: europe because every client gets the same",
            ],
        ),
    ] {
        let taken = trace(&shop, &view(&shop), &client(who), &atlas);
        let told =
            taken.iter().map(|it| format!("{}: {} because {}", it.step, it.clusters.join(" "), it.because));
        assert_eq!(told.collect::<Vec<_>>(), wanted);
    }
}
