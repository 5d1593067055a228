//! A fork by rules about the client: the first that matches decides.

use koinon_types::names::{Geo, GeoRule, Network};

use super::networks::Networks;
use super::{Chosen, Next};
use crate::geo::{Atlas, Key, Located, Wanted};
use crate::snapshot::client::Whereabouts;
use crate::subnet::{V4_MAX, V6_MAX};

/// Rules that have an endpoint to answer with. They are numbered from 0 as branches, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules {
    branches: Box<[Branch]>,
    /// By the address that asks.
    addresses: Networks,
    /// By the network that is asked for: ranges that are finer than answers may depend on are left out.
    subnets: Networks,
    /// By what databases know. Shape: sorted; the first branch that asks for each.
    keys: Box<[(Key, u16)]>,
    /// The first branch that asks a database.
    first_by_location: Option<u16>,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq)]
struct Branch {
    /// Its number among all rules of the step.
    rule: usize,
    next: Next,
}

impl Rules {
    /// Compiles the rules of a step that lead somewhere, given by their numbers. A record has at most 128 of them.
    pub(super) fn new(geo: &Geo, branches: &[(usize, Next)]) -> Self {
        let rules = || branches.iter().enumerate().map(|(at, (rule, _))| (at as u16, &geo.rules[*rule]));
        let ranges: Vec<(Network, u16)> =
            rules().flat_map(|(at, rule)| rule.networks.iter().map(move |network| (*network, at))).collect();
        let is_coarse = |(network, _): &&(Network, u16)| {
            network.n_bits() <= if network.first().is_ipv4() { V4_MAX } else { V6_MAX }
        };
        let coarse: Vec<_> = ranges.iter().filter(is_coarse).copied().collect();
        let mut keys: Vec<(Key, u16)> =
            rules().flat_map(|(at, rule)| keys(rule).map(move |key| (key, at))).collect();
        keys.sort_unstable();
        keys.dedup_by_key(|(key, _)| *key);
        let wanted = rules().map(|(_, rule)| wanted(rule)).fold(Wanted::default(), Wanted::or);
        Self {
            branches: branches.iter().map(|&(rule, next)| Branch { rule, next }).collect(),
            addresses: Networks::new(&ranges),
            subnets: Networks::new(&coarse),
            keys: keys.into(),
            first_by_location: rules().find(|(_, rule)| rule.needs_location()).map(|(at, _)| at),
            wanted,
        }
    }

    pub(super) fn choose(&self, whereabouts: Whereabouts, atlas: &Atlas, otherwise: Next) -> Chosen {
        let networks = match whereabouts {
            Whereabouts::Asking(_) => &self.addresses,
            Whereabouts::Told { .. } => &self.subnets,
        };
        let (by_address, mut n_bits) = networks.find(whereabouts.address());
        let mut located = Located::default();
        let mut first = by_address;
        if self.first_by_location.is_some_and(|asks| by_address.is_none_or(|at| asks < at)) {
            located = atlas.locate(whereabouts.address(), self.wanted);
            n_bits = n_bits.max(located.n_bits);
            let by_place = located.place.keys().filter_map(|key| self.by_key(key)).min();
            first = [by_address, by_place].into_iter().flatten().min();
        }
        let branch = first.map(usize::from);
        let next = branch.map_or(otherwise, |at| self.branches[at].next);
        Chosen { branch, next, n_bits, located }
    }

    /// The number of a branch's rule among all rules of the step.
    pub(super) fn rule(&self, branch: usize) -> usize {
        self.branches[branch].rule
    }

    fn by_key(&self, key: Key) -> Option<u16> {
        let at = self.keys.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(self.keys[at].1)
    }
}

/// What a rule asks databases for.
fn wanted(rule: &GeoRule) -> Wanted {
    let areas = [&rule.countries, &rule.regions, &rule.continents];
    Wanted { area: areas.iter().any(|list| !list.is_empty()), asn: !rule.asns.is_empty(), at: false }
}

/// What it wants to hear.
fn keys(rule: &GeoRule) -> impl Iterator<Item = Key> {
    let countries = rule.countries.iter().filter_map(|code| Key::country(code));
    let continents = rule.continents.iter().filter_map(|code| Key::continent(code));
    let regions = rule.regions.iter().filter_map(|code| {
        let (country, part) = code.split_once('-')?;
        Key::region(country, part)
    });
    countries.chain(continents).chain(regions).chain(rule.asns.iter().map(|number| Key::asn(*number)))
}
