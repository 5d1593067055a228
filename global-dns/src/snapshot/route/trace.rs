//! What each step of a record's routing did for a client, in words. The steps are taken again by the same functions that
//! compiled them, and forks are asked as for an answer.

use koinon_types::names::{Coordinates, Geo, GeoRule, Place, Record, Step};

use super::nearest::kilometres;
use super::{By, Chosen, Fork, Next, fail_over, of_clusters};
use crate::geo::{Atlas, Located};
use crate::snapshot::client::Client;
use crate::snapshot::health::{EndpointView, Exclusion, RecordView};

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// geo or failover.
    pub(crate) step: &'static str,
    /// The clusters that it left, in the order of the record.
    pub(crate) clusters: Vec<String>,
    /// Why these.
    pub(crate) because: String,
}

/// Tells what each step does for a client.
pub(crate) fn trace(record: &Record, view: &RecordView, client: &Client, atlas: &Atlas) -> Vec<Taken> {
    let is_candidate = |view: &EndpointView| match view.excluded {
        None | Some(Exclusion::StandingBy | Exclusion::Weightless) => true,
        Some(
            Exclusion::Withdrawn(_)
            | Exclusion::ProbesFailing
            | Exclusion::ForcedDown
            | Exclusion::AliasBesideData
            | Exclusion::InvalidTarget
            | Exclusion::NotLastKnownGood
            | Exclusion::OwnerWantsNone,
        ) => false,
    };
    let mut candidates: Vec<usize> =
        (0..view.endpoints.len()).filter(|&at| is_candidate(&view.endpoints[at])).collect();
    let (mut next, mut taken) = (view.plan.root, Vec::new());
    for (number, step) in record.routing.iter().enumerate() {
        let fork = match next {
            Next::Fork(fork) => Some(&view.plan.forks[fork]).filter(|fork| fork.step == number),
            Next::Leaf(_) => None,
        };
        let chosen = fork.map(|fork| (fork, fork.choose(client.whereabouts(), atlas)));
        if let Some((_, chosen)) = &chosen {
            next = chosen.next;
        }
        let (name, left, because) = match step {
            Step::Failover { groups } => {
                let (group, left) = fail_over(record, groups, &candidates);
                ("failover", left, failover_words(group, groups.len()))
            }
            Step::Geo(geo) => {
                let (left, because) = by_rules(record, geo, &candidates, chosen.as_ref(), client, atlas);
                ("geo", left, because)
            }
            Step::Nearest { places } => {
                let (left, because) =
                    by_distance(record, places, &candidates, chosen.as_ref(), client, atlas);
                ("geo", left, because)
            }
        };
        candidates = left;
        taken.push(Taken { step: name, clusters: clusters_of(record, &candidates), because });
    }
    taken
}

fn failover_words(group: Option<usize>, n_groups: usize) -> String {
    match group {
        Some(0) => format!("group 1 of {n_groups} has an endpoint"),
        Some(group) => format!("group {} of {n_groups}: none before it has an endpoint", group + 1),
        None => "no group has an endpoint: the clusters of no group".to_owned(),
    }
}

fn by_rules(
    record: &Record,
    geo: &Geo,
    candidates: &[usize],
    chosen: Option<&(&Fork, Chosen)>,
    client: &Client,
    atlas: &Atlas,
) -> (Vec<usize>, String) {
    let default = of_clusters(record, &geo.default, candidates);
    let default = if default.is_empty() { candidates.to_vec() } else { default };
    let Some((fork, chosen)) = chosen else {
        return (default, "every client gets the same".to_owned());
    };
    let whence = whence(&chosen.located, client, atlas, geo.rules.iter().any(GeoRule::needs_location));
    let down = |rule: &GeoRule| of_clusters(record, &rule.clusters, candidates).is_empty();
    let passed: Vec<String> = geo
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| down(rule))
        .map(|(at, _)| (at + 1).to_string())
        .collect();
    let passed = match passed.as_slice() {
        [] => String::new(),
        passed => format!("; passed over, without an endpoint: rule {}", passed.join(", ")),
    };
    let rule = chosen.branch.and_then(|branch| match &fork.by {
        By::Rules(rules) => Some(rules.rule(branch)),
        By::Nearest(_) => None,
    });
    match rule {
        Some(at) => {
            let left = of_clusters(record, &geo.rules[at].clusters, candidates);
            (left, format!("rule {} ({}) matches {whence}{passed}", at + 1, criteria(&geo.rules[at])))
        }
        None => (default, format!("no rule matches {whence}: the default{passed}")),
    }
}

fn by_distance(
    record: &Record,
    places: &[Place],
    candidates: &[usize],
    chosen: Option<&(&Fork, Chosen)>,
    client: &Client,
    atlas: &Atlas,
) -> (Vec<usize>, String) {
    let Some((fork, chosen)) = chosen else {
        return (candidates.to_vec(), "every client gets the same".to_owned());
    };
    let whence = whence(&chosen.located, client, atlas, true);
    let nearest = chosen.branch.and_then(|branch| match &fork.by {
        By::Nearest(nearest) => Some(&places[nearest.place(branch)]),
        By::Rules(_) => None,
    });
    match (nearest, chosen.located.place.at) {
        (Some(place), Some(at)) => {
            let left = of_clusters(record, std::slice::from_ref(&place.cluster), candidates);
            let distance = kilometres(at, degrees(place.at));
            (left, format!("{} is nearest to {whence}, at {distance:.0} km", place.cluster))
        }
        (Some(_) | None, _) => {
            (candidates.to_vec(), format!("nobody knows the coordinates of {whence}: all"))
        }
    }
}

/// Where a client is taken to be.
fn whence(located: &Located, client: &Client, atlas: &Atlas, needs_location: bool) -> String {
    let mut words = client.to_string();
    let known = located.place.to_string();
    if !known.is_empty() {
        let databases: Vec<&str> = atlas.names().collect();
        words.push_str(&format!(" ({known} by {})", databases.join(", ")));
    } else if needs_location && atlas.is_empty() {
        words.push_str(" (this node has no location database)");
    }
    words
}

fn criteria(rule: &GeoRule) -> String {
    let mut words: Vec<String> = Vec::new();
    for (what, list) in
        [("countries", &rule.countries), ("regions", &rule.regions), ("continents", &rule.continents)]
    {
        if !list.is_empty() {
            words.push(format!("{what} {}", list.join(", ")));
        }
    }
    if !rule.asns.is_empty() {
        let asns: Vec<String> = rule.asns.iter().map(ToString::to_string).collect();
        words.push(format!("asns {}", asns.join(", ")));
    }
    if !rule.networks.is_empty() {
        let networks: Vec<String> = rule.networks.iter().take(4).map(ToString::to_string).collect();
        let more = if rule.networks.len() > networks.len() { ", …" } else { "" };
        words.push(format!("cidrs {}{more}", networks.join(", ")));
    }
    words.join("; ")
}

fn degrees(at: Coordinates) -> (f64, f64) {
    (f64::from(at.latitude) / 1e6, f64::from(at.longitude) / 1e6)
}

fn clusters_of(record: &Record, candidates: &[usize]) -> Vec<String> {
    let mut clusters: Vec<String> =
        candidates.iter().map(|&at| record.endpoints[at].cluster.clone()).collect();
    clusters.dedup();
    clusters
}
