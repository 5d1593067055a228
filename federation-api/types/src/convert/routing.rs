//! Routing chains, from wire to checked steps.

use std::collections::BTreeMap;

use koinon_machinery::validate::FieldError;
use koinon_model::served_name::WeightSource;
use koinon_model::weight::Weight;

use super::name;
use super::record::EndpointSource;
use crate::names::{Geo, GeoRule, Network};
use crate::v1alpha1;

/// Most steps of a chain: each kind twice, and room to spare. Every step multiplies what a snapshot holds.
const STEPS_MAX: usize = 8;

/// Most rules of all geo steps of a record: a country each, nearly.
const RULES_MAX: usize = 128;

/// Most ranges of addresses of a record. They are compiled anew with each snapshot, at some microseconds a range.
const NETWORKS_MAX: usize = 1_000;

/// The continents that location databases know.
const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// How one endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedRouting {
    /// What narrows the clusters, in order.
    pub steps: Vec<CheckedStep>,
    /// How clusters are weighed against each other; none for written addresses without weights, which are equal.
    pub weights: Option<WeightSource>,
    /// By how many percentage points the share of a cluster may change in a minute, from 1 to 100, if that is bounded.
    pub change_percent_max: Option<u8>,
}

/// A step that narrows. Where clusters are is still to be looked up.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckedStep {
    /// By rules about the client.
    Geo(Geo),
    /// By distance.
    Nearest,
    /// By preference.
    Failover(Vec<Vec<String>>),
}

/// What a chain has used up of its bounds.
#[derive(Default)]
struct Used {
    n_rules: usize,
    n_networks: usize,
}

/// Reads a chain.
pub(super) fn routing(
    wire: &[v1alpha1::Route],
    source: Option<&EndpointSource>,
    errors: &mut Vec<FieldError>,
) -> CheckedRouting {
    if wire.len() > STEPS_MAX {
        errors.push(FieldError::too_many("spec.routing", wire.len(), STEPS_MAX));
    }
    let written = matches!(source, Some(EndpointSource::Addresses(_)));
    let mut routing = CheckedRouting {
        steps: Vec::new(),
        weights: (!written).then_some(WeightSource::ReadyReplicas),
        change_percent_max: None,
    };
    let mut used = Used::default();
    for (index, route) in wire.iter().enumerate() {
        let path = format!("spec.routing[{index}]");
        match (&route.geo, &route.failover, &route.weighted) {
            (Some(wire), None, None) => routing.steps.extend(geo(wire, &path, &mut used, errors)),
            (None, Some(wire), None) => routing.steps.push(failover(wire, &path, errors)),
            (None, None, Some(weighted)) => {
                routing.weights = Some(weights(weighted, written, &path, errors));
                routing.change_percent_max = change(&weighted.max_change_per_minute, &path, errors);
                if index + 1 < wire.len() {
                    let accepted = "weighted only as the last step: it divides what the others left";
                    errors.push(FieldError::forbidden(format!("{path}.weighted"), accepted));
                }
            }
            (None, None, None) => {
                errors.push(FieldError::required(path, "one of geo, failover or weighted"));
            }
            (Some(_), _, _) | (_, Some(_), _) => {
                errors.push(FieldError::forbidden(path, "only one of geo, failover and weighted in a step"));
            }
        }
    }
    let bounds = [("rules", used.n_rules, RULES_MAX), ("cidrs", used.n_networks, NETWORKS_MAX)];
    for (what, n, n_max) in bounds {
        if n > n_max {
            let accepted = format!("at most {n_max} {what} in all its geo steps; there are {n}");
            errors.push(FieldError::forbidden("spec.routing", accepted));
        }
    }
    routing
}

fn geo(
    wire: &v1alpha1::Geo,
    path: &str,
    used: &mut Used,
    errors: &mut Vec<FieldError>,
) -> Option<CheckedStep> {
    let path = format!("{path}.geo");
    let default = cluster_list(&wire.default, &format!("{path}.default"), errors);
    match (wire.nearest, wire.rules.is_empty()) {
        (Some(_), true) => {
            if !wire.default.is_empty() {
                errors.push(FieldError::forbidden(format!("{path}.default"), "only with rules"));
            }
            return Some(CheckedStep::Nearest);
        }
        (Some(_), false) => {
            errors.push(FieldError::forbidden(format!("{path}.nearest"), "only one of rules and nearest"));
        }
        (None, true) => errors.push(FieldError::required(path.clone(), "rules, or nearest")),
        (None, false) => {}
    }
    used.n_rules += wire.rules.len();
    let rules = wire.rules.iter().enumerate();
    let rules: Vec<GeoRule> =
        rules.map(|(index, wire)| rule(wire, &format!("{path}.rules[{index}]"), errors)).collect();
    used.n_networks += rules.iter().map(|rule| rule.networks.len()).sum::<usize>();
    Some(CheckedStep::Geo(Geo { rules, default }))
}

fn rule(wire: &v1alpha1::GeoRule, path: &str, errors: &mut Vec<FieldError>) -> GeoRule {
    let lists = [&wire.countries, &wire.regions, &wire.continents, &wire.cidrs];
    if lists.iter().all(|list| list.is_empty()) && wire.asns.is_empty() {
        let accepted = "at least one of countries, regions, continents, asns and cidrs";
        errors.push(FieldError::required(path, accepted));
    }
    if wire.clusters.is_empty() {
        let accepted = "the clusters that answer these clients";
        errors.push(FieldError::required(format!("{path}.clusters"), accepted));
    }
    let mut each = |list: &[String], field: &str, is_good: fn(&str) -> bool, accepted: &str| {
        for (index, text) in list.iter().enumerate().filter(|(_, text)| !is_good(text)) {
            errors.push(FieldError::invalid(format!("{path}.{field}[{index}]"), text.as_str(), accepted));
        }
        list.to_vec()
    };
    let countries =
        each(&wire.countries, "countries", is_country, "must be a country code of ISO 3166-1, such as DE");
    let regions = each(&wire.regions, "regions", is_region, "must be a code of ISO 3166-2, such as US-CA");
    let is_continent = |text: &str| CONTINENTS.contains(&text);
    let continents =
        each(&wire.continents, "continents", is_continent, "must be one of AF, AN, AS, EU, NA, OC and SA");
    let mut asns = Vec::new();
    for (index, number) in wire.asns.iter().enumerate() {
        match u32::try_from(*number) {
            Ok(number) => asns.push(number),
            Err(_) => {
                let accepted = "must be a number from 0 to 4294967295";
                errors.push(FieldError::invalid(format!("{path}.asns[{index}]"), *number, accepted));
            }
        }
    }
    let mut networks = Vec::new();
    for (index, text) in wire.cidrs.iter().enumerate() {
        match text.parse::<Network>() {
            Ok(network) => networks.push(network),
            Err(_) => {
                let accepted = "must be a range of addresses written with its first, such as 192.0.2.0/24 or 2001:db8::/32";
                errors.push(FieldError::invalid(format!("{path}.cidrs[{index}]"), text.as_str(), accepted));
            }
        }
    }
    let clusters = cluster_list(&wire.clusters, &format!("{path}.clusters"), errors);
    GeoRule { countries, regions, continents, asns, networks, clusters }
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_region(text: &str) -> bool {
    let Some((country, part)) = text.split_once('-') else { return false };
    let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    is_country(country) && (1..=3).contains(&part.len()) && part.bytes().all(is_part)
}

fn failover(wire: &v1alpha1::RecordFailover, path: &str, errors: &mut Vec<FieldError>) -> CheckedStep {
    let path = format!("{path}.failover.groups");
    if wire.groups.is_empty() {
        errors.push(FieldError::required(path.clone(), "groups of clusters, the first choice first"));
    }
    let mut groups: Vec<Vec<String>> = Vec::new();
    for (index, group) in wire.groups.iter().enumerate() {
        let path = format!("{path}[{index}].clusters");
        if group.clusters.is_empty() {
            errors.push(FieldError::required(path.clone(), "at least one cluster"));
        }
        let group = cluster_list(&group.clusters, &path, errors);
        for (number, cluster) in group.iter().enumerate() {
            if groups.iter().flatten().any(|earlier| earlier == cluster) {
                errors.push(FieldError::duplicate(format!("{path}[{number}]"), cluster.as_str()));
            }
        }
        groups.push(group);
    }
    CheckedStep::Failover(groups)
}

/// Reads how fast weights may move.
fn change(wire: &str, path: &str, errors: &mut Vec<FieldError>) -> Option<u8> {
    if wire.is_empty() {
        return None;
    }
    let percent = wire.strip_suffix('%').and_then(|digits| digits.parse::<u8>().ok());
    let percent = percent.filter(|percent| (1..=100).contains(percent));
    if percent.is_none() {
        let accepted = "must be a percentage from 1% to 100%";
        errors.push(FieldError::invalid(format!("{path}.weighted.maxChangePerMinute"), wire, accepted));
    }
    percent
}

fn cluster_list(wire: &[String], path: &str, errors: &mut Vec<FieldError>) -> Vec<String> {
    name::clusters(wire, path, errors).into_iter().map(|cluster| cluster.as_str().to_owned()).collect()
}

fn weights(
    wire: &v1alpha1::Weighted,
    written: bool,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> WeightSource {
    let path = format!("{path}.weighted");
    let from = wire.from;
    let mut fixed = BTreeMap::new();
    for (cluster, weight) in &wire.weights {
        let at = format!("{path}.weights[{cluster}]");
        let cluster = name::cluster(cluster, &at, errors);
        match (cluster, Weight::try_from(*weight)) {
            (Some(cluster), Ok(weight)) => drop(fixed.insert(cluster, weight)),
            (_, Err(_)) => errors.push(FieldError::invalid(at, *weight, "must be between 0 and 1000000")),
            (None, Ok(_)) => {}
        }
    }
    match from {
        v1alpha1::WeightSource::Static if wire.weights.is_empty() => {
            let accepted = "cluster names with their weights, with from Static";
            errors.push(FieldError::required(format!("{path}.weights"), accepted));
        }
        v1alpha1::WeightSource::Replicas
        | v1alpha1::WeightSource::Placement
        | v1alpha1::WeightSource::Capacity
            if !wire.weights.is_empty() =>
        {
            errors.push(FieldError::forbidden(format!("{path}.weights"), "only with from Static"));
        }
        v1alpha1::WeightSource::Replicas | v1alpha1::WeightSource::Placement if written => {
            let accepted = "Static or Capacity; written addresses have no replicas";
            errors.push(FieldError::invalid(format!("{path}.from"), format!("{from:?}"), accepted));
        }
        v1alpha1::WeightSource::Static
        | v1alpha1::WeightSource::Replicas
        | v1alpha1::WeightSource::Placement
        | v1alpha1::WeightSource::Capacity => {}
    }
    match from {
        v1alpha1::WeightSource::Replicas => WeightSource::ReadyReplicas,
        v1alpha1::WeightSource::Placement => WeightSource::Placement,
        v1alpha1::WeightSource::Capacity => WeightSource::Capacity,
        v1alpha1::WeightSource::Static => WeightSource::Static(fixed),
    }
}
