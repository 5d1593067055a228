//! Which endpoints of a name a client may get, before weights count: its routing chain, compiled.
//!
//! What does not depend on the client (failover, and what has no endpoint left) is settled while building. What does
//! becomes a tree of forks, whose leaves are sets of endpoints; each leaf has answers of its own, written in advance like
//! any other. A fork whose branches lead to the same set is none, so that a name depends on the client only where it matters.
//!
//! ```text
//! candidates ─ failover ─► fewer ─ fork (rules, or nearest) ┬─► … ─► leaf 0: endpoints
//!                                                           └─► … ─► leaf 1: endpoints
//! ```

mod networks;

mod nearest;

mod rules;

pub(crate) mod trace;

use std::collections::{BTreeMap, BTreeSet};

use koinon_types::names::{Record, Step, Target};

use super::client::{Client, Whereabouts};
use crate::geo::{Atlas, Located};
use nearest::Nearest;
use rules::Rules;

/// A routing chain on the endpoints that can be answered now.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    root: Next,
    forks: Vec<Fork>,
    /// Places of endpoints in their record. Shape: at least one leaf; each is sorted, and empty only when nothing can be
    /// answered at all.
    leaves: Vec<Vec<usize>>,
    /// Those that some leaf left out because they weigh nothing there. Shape: sorted.
    weightless: BTreeSet<usize>,
}

/// Where a client gets by a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Routed {
    pub(crate) leaf: usize,
    /// For how many of the first bits of the network that was asked for it holds; 0 when none was, or for all.
    pub(crate) scope: u8,
}

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Leaf(usize),
    /// It comes before whoever leads here.
    Fork(usize),
}

/// A step at which clients part.
#[derive(Clone, Debug, PartialEq)]
struct Fork {
    /// Which step of the record it is.
    step: usize,
    by: By,
    otherwise: Next,
}

#[derive(Clone, Debug, PartialEq)]
enum By {
    Rules(Rules),
    Nearest(Nearest),
}

/// Where a fork sends a client.
struct Chosen {
    /// Which of its branches; none when none fits.
    branch: Option<usize>,
    next: Next,
    n_bits: u8,
    located: Located,
}

/// Plans the routing of a record whose endpoints at these places can be answered.
pub(super) fn plan(record: &Record, candidates: Vec<usize>) -> Plan {
    let mut planner = Planner {
        record,
        forks: Vec::new(),
        leaves: Vec::new(),
        weightless: BTreeSet::new(),
        known: BTreeMap::new(),
    };
    let root = planner.grow(0, candidates);
    let Planner { forks, leaves, weightless, .. } = planner;
    Plan { root, forks, leaves, weightless }
}

impl Plan {
    /// The sets of endpoints that some client gets.
    pub(super) fn leaves(&self) -> &[Vec<usize>] {
        &self.leaves
    }

    /// Every endpoint that some client gets.
    pub(super) fn answered(&self) -> BTreeSet<usize> {
        self.leaves.iter().flatten().copied().collect()
    }

    /// Whether an endpoint would be answered somewhere if it weighed something.
    pub(super) fn is_weightless(&self, at: usize) -> bool {
        self.weightless.contains(&at)
    }

    /// Where a client gets.
    pub(crate) fn route(&self, client: &Client, atlas: &Atlas) -> Routed {
        let whereabouts = client.whereabouts();
        let (mut next, mut n_bits) = (self.root, 0);
        loop {
            match next {
                Next::Leaf(leaf) => return Routed { leaf, scope: whereabouts.scope(n_bits) },
                Next::Fork(fork) => {
                    let chosen = self.forks[fork].choose(whereabouts, atlas);
                    n_bits = n_bits.max(chosen.n_bits);
                    next = chosen.next;
                }
            }
        }
    }
}

impl Fork {
    fn choose(&self, whereabouts: Whereabouts, atlas: &Atlas) -> Chosen {
        match &self.by {
            By::Rules(rules) => rules.choose(whereabouts, atlas, self.otherwise),
            By::Nearest(nearest) => nearest.choose(whereabouts, atlas, self.otherwise),
        }
    }
}

/// The candidates of the first group that has any, and which group that is; none is the clusters of no group.
fn fail_over(record: &Record, groups: &[Vec<String>], candidates: &[usize]) -> (Option<usize>, Vec<usize>) {
    for (number, group) in groups.iter().enumerate() {
        let own = of_clusters(record, group, candidates);
        if !own.is_empty() {
            return (Some(number), own);
        }
    }
    (None, candidates.to_vec())
}

/// The candidates that belong to one of these clusters.
fn of_clusters(record: &Record, clusters: &[String], candidates: &[usize]) -> Vec<usize> {
    candidates.iter().copied().filter(|&at| clusters.contains(&record.endpoints[at].cluster)).collect()
}

/// The candidates but those that weigh nothing while something of their family weighs more.
///
/// With aliases among the answers there is one family: an alias answers for both.
fn weighed(record: &Record, candidates: &[usize]) -> Vec<usize> {
    let family = |at: usize| match record.endpoints[at].target {
        Target::Ip(ip) => ip.is_ipv4(),
        Target::Hostname(_) => false,
    };
    let joint = candidates.iter().any(|&at| matches!(record.endpoints[at].target, Target::Hostname(_)));
    let outweighed = |at: usize| {
        let heavier =
            |&other: &usize| record.endpoints[other].weight > 0 && (joint || family(other) == family(at));
        record.endpoints[at].weight == 0 && candidates.iter().any(heavier)
    };
    candidates.iter().copied().filter(|&at| !outweighed(at)).collect()
}

struct Planner<'a> {
    record: &'a Record,
    forks: Vec<Fork>,
    leaves: Vec<Vec<usize>>,
    weightless: BTreeSet<usize>,
    /// Where what is left at a step leads, so that equal branches are one.
    known: BTreeMap<(usize, Vec<usize>), Next>,
}

impl Planner<'_> {
    fn grow(&mut self, step: usize, candidates: Vec<usize>) -> Next {
        let key = (step, candidates);
        if let Some(next) = self.known.get(&key) {
            return *next;
        }
        let (_, candidates) = &key;
        let next = match self.record.routing.get(step) {
            None => {
                let left = weighed(self.record, candidates);
                self.weightless.extend(candidates.iter().filter(|at| !left.contains(at)));
                self.leaf(left)
            }
            Some(Step::Failover { groups }) => {
                let (_, left) = fail_over(self.record, groups, candidates);
                self.grow(step + 1, left)
            }
            Some(Step::Geo(geo)) => {
                let mut branches = Vec::new();
                for (number, rule) in geo.rules.iter().enumerate() {
                    let own = of_clusters(self.record, &rule.clusters, candidates);
                    if !own.is_empty() {
                        branches.push((number, self.grow(step + 1, own)));
                    }
                }
                let default = of_clusters(self.record, &geo.default, candidates);
                let default = if default.is_empty() { candidates.clone() } else { default };
                let otherwise = self.grow(step + 1, default);
                let by = |branches: &[(usize, Next)]| By::Rules(Rules::new(geo, branches));
                self.fork(step, &branches, otherwise, by)
            }
            Some(Step::Nearest { places }) => {
                let mut branches = Vec::new();
                for (number, place) in places.iter().enumerate() {
                    let own = of_clusters(self.record, std::slice::from_ref(&place.cluster), candidates);
                    if !own.is_empty() {
                        branches.push((number, self.grow(step + 1, own)));
                    }
                }
                let otherwise = self.grow(step + 1, candidates.clone());
                let by = |branches: &[(usize, Next)]| By::Nearest(Nearest::new(places, branches));
                self.fork(step, &branches, otherwise, by)
            }
        };
        self.known.insert(key, next);
        next
    }

    fn leaf(&mut self, endpoints: Vec<usize>) -> Next {
        let known = self.leaves.iter().position(|leaf| *leaf == endpoints);
        Next::Leaf(known.unwrap_or_else(|| {
            self.leaves.push(endpoints);
            self.leaves.len() - 1
        }))
    }

    /// A fork, unless every branch leads to the same.
    fn fork(
        &mut self,
        step: usize,
        branches: &[(usize, Next)],
        otherwise: Next,
        by: impl Fn(&[(usize, Next)]) -> By,
    ) -> Next {
        if branches.iter().all(|(_, next)| *next == otherwise) {
            return otherwise;
        }
        self.forks.push(Fork { step, by: by(branches), otherwise });
        Next::Fork(self.forks.len() - 1)
    }
}

#[cfg(test)]
mod tests;
