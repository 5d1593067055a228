//! Wanted and realised shares as metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metrics::{Gauge, gauge};

use crate::snapshot::{Family, Share, Snapshot};

pub(super) const SHARE: &str = "koinon_dns_share_ratio";
pub(super) const ANSWERS: &str = "koinon_dns_share_answers_count";

/// Names whose shares are shown, those that were asked for first. With two families, a few addresses and two kinds each they make a
/// thousand series, which is what one target of a scraper should cost at most; of any other name, `koinon resolve` tells.
const NAMES_MAX: usize = 64;

/// Addresses of one name that are shown.
const ADDRESSES_MAX: usize = 16;

/// The series that are shown.
#[derive(Default)]
pub(crate) struct ShownShares {
    names: BTreeMap<String, Shown>,
}

#[derive(Default)]
struct Shown {
    answers: BTreeMap<Family, Gauge>,
    /// Wanted and realised, by address.
    shares: BTreeMap<IpAddr, [Gauge; 2]>,
}

// === impl ShownShares ===

impl ShownShares {
    /// Shows the shares of a snapshot; zero where there is nothing to show any more.
    pub(crate) fn show(&mut self, snapshot: &Snapshot) {
        let mut found: BTreeMap<(&str, Family), Vec<Vec<Share>>> = BTreeMap::new();
        for counted in snapshot.counted() {
            let Some(shares) = counted.shares() else { continue };
            found.entry((&counted.record().host, shares[0].family())).or_default().push(shares);
        }
        let (mut families, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for ((host, family), leaves) in found {
            if !self.names.contains_key(host) && self.names.len() >= NAMES_MAX {
                continue;
            }
            let shown = self.names.entry(host.to_owned()).or_default();
            shown.show(host, family, &leaves);
            families.insert((host.to_owned(), family));
            addresses.extend(leaves.iter().flatten().map(|share| (host.to_owned(), share.address)));
        }
        for (host, shown) in &self.names {
            let answers =
                shown.answers.iter().filter(|(family, _)| !families.contains(&(host.clone(), **family)));
            answers.for_each(|(_, gauge)| gauge.set(0.0));
            let shares = shown.shares.iter().filter(|(at, _)| !addresses.contains(&(host.clone(), **at)));
            shares.flat_map(|(_, gauges)| gauges).for_each(|gauge| gauge.set(0.0));
        }
    }
}

impl Shown {
    /// Shows the shares of one family. Clients from different places may have shares of their own; wanted is then what they would
    /// make together, as many as there are from each place.
    fn show(&mut self, host: &str, family: Family, leaves: &[Vec<Share>]) {
        let n_answers_all: u64 = leaves.iter().flatten().map(|share| share.n_answers).sum();
        let kind = match family {
            Family::V4 => "A",
            Family::V6 => "AAAA",
        };
        let answers = || gauge!(ANSWERS, "name" => host.to_owned(), "type" => kind);
        self.answers.entry(family).or_insert_with(answers).set(number(n_answers_all));
        let mut parts: BTreeMap<IpAddr, [f64; 2]> = BTreeMap::new();
        for shares in leaves {
            let n_answers: u64 = shares.iter().map(|share| share.n_answers).sum();
            let weight: u64 = shares.iter().map(|share| share.weight).sum();
            let clients = number(n_answers) / number(n_answers_all.max(1));
            for share in shares {
                let part = parts.entry(share.address).or_default();
                part[0] += clients * number(share.weight) / number(weight.max(1));
                part[1] += number(share.n_answers) / number(n_answers_all.max(1));
            }
        }
        for (address, part) in parts {
            if !self.shares.contains_key(&address) && self.shares.len() >= ADDRESSES_MAX {
                continue;
            }
            let series = |kind: &'static str| {
                let target = address.to_string();
                gauge!(SHARE, "name" => host.to_owned(), "target" => target, "kind" => kind)
            };
            let gauges = self.shares.entry(address).or_insert_with(|| ["wanted", "realised"].map(series));
            gauges[0].set(part[0]);
            gauges[1].set(part[1]);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point, and counts stay far below 2⁵²")]
fn number(count: u64) -> f64 {
    count as f64
}
