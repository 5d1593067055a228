//! Which of several ordered rules names an address first, by the ranges of addresses that each has.
//!
//! The ranges of all rules are cut into intervals that do not overlap, each with the first rule that names it; equal
//! neighbours are one. So a lookup is a search in a sorted list, and the network around an address for which the same holds
//! is as wide as it can be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use koinon_types::names::Network;

use crate::snapshot::client::bits;

/// The intervals of both families.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Networks {
    v4: Intervals,
    v6: Intervals,
}

/// Shape: sorted by start; the first starts at 0, and each ends where the next starts.
#[derive(Clone, Debug, PartialEq)]
struct Intervals(Box<[(u128, Option<u16>)]>);

impl Networks {
    /// Takes the ranges of rules, given with their numbers.
    pub(super) fn new(ranges: &[(Network, u16)]) -> Self {
        let family = |is_ipv4: bool| {
            let own = ranges.iter().filter(|(network, _)| network.first().is_ipv4() == is_ipv4);
            Intervals::new(own.copied())
        };
        Self { v4: family(true), v6: family(false) }
    }

    /// The first rule that names an address, and how many of its first bits that depends on.
    pub(super) fn find(&self, address: IpAddr) -> (Option<u16>, u8) {
        let intervals = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        intervals.find(bits(address))
    }
}

impl Intervals {
    fn new(ranges: impl Iterator<Item = (Network, u16)>) -> Self {
        // Where ranges begin and end, and the rules for which they do.
        let mut edges: BTreeMap<u128, Vec<(u16, bool)>> = BTreeMap::new();
        for (network, rule) in ranges {
            let start = bits(network.first());
            let size = 1_u128.checked_shl(128 - u32::from(network.n_bits()));
            edges.entry(start).or_default().push((rule, true));
            if let Some(end) = size.and_then(|size| start.checked_add(size)) {
                edges.entry(end).or_default().push((rule, false));
            }
        }
        let mut open: BTreeMap<u16, usize> = BTreeMap::new();
        let mut intervals: Vec<(u128, Option<u16>)> = vec![(0, None)];
        for (at, changes) in edges {
            for (rule, begins) in changes {
                let n_open = open.entry(rule).or_default();
                *n_open = if begins { *n_open + 1 } else { n_open.saturating_sub(1) };
                if *n_open == 0 {
                    open.remove(&rule);
                }
            }
            let first = open.keys().next().copied();
            match intervals.last_mut() {
                Some(last) if last.0 == at => last.1 = first,
                Some(last) if last.1 == first => {}
                Some(_) | None => intervals.push((at, first)),
            }
        }
        Self(intervals.into())
    }

    fn find(&self, address: u128) -> (Option<u16>, u8) {
        // The first interval starts at 0, so there is one.
        let after = self.0.partition_point(|(start, _)| *start <= address);
        let (start, rule) = self.0[after - 1];
        let below = start.checked_sub(1).map_or(0, |last| shared(address, last) + 1);
        let above = self.0.get(after).map_or(0, |(next, _)| shared(address, *next) + 1);
        (rule, below.max(above))
    }
}

/// How many first bits two different numbers share.
fn shared(a: u128, b: u128) -> u8 {
    (a ^ b).leading_zeros() as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(ranges: &[(&str, u16)]) -> Networks {
        let ranges: Vec<_> =
            ranges.iter().map(|(text, rule)| (text.parse().expect("a network"), *rule)).collect();
        Networks::new(&ranges)
    }

    #[test]
    fn the_first_rule_wins_and_holds_for_the_widest_network() {
        let networks = networks(&[
            ("192.0.2.0/25", 1),
            ("192.0.2.128/25", 1),
            ("192.0.0.0/16", 2),
            ("10.0.5.0/24", 0),
            ("2001:db8::/32", 3),
        ]);
        for (address, wanted) in [
            ("192.0.2.1", (Some(1), 24)),
            ("192.0.2.200", (Some(1), 24)),
            ("192.0.3.1", (Some(2), 24)),
            ("192.0.128.1", (Some(2), 17)),
            ("10.0.5.1", (Some(0), 24)),
            ("10.0.4.1", (None, 24)),
            ("10.128.0.1", (None, 9)),
            ("203.0.113.1", (None, 5)),
            ("2001:db8::1", (Some(3), 32)),
            ("2001:db9::1", (None, 32)),
            ("8000::1", (None, 1)),
        ] {
            assert_eq!(networks.find(address.parse().unwrap()), wanted, "{address}");
        }
        let everything = super::tests::networks(&[("0.0.0.0/0", 4)]);
        assert_eq!(everything.find("192.0.2.1".parse().unwrap()), (Some(4), 0));
        assert_eq!(everything.find("2001:db8::1".parse().unwrap()), (None, 0));
    }

    fn some_network() -> impl Strategy<Value = Network> {
        (any::<u8>(), 0_u8..=32).prop_map(|(first, n_bits)| {
            // Few addresses, so that networks overlap.
            let address = u32::from_be_bytes([10, 0, first & 3, first >> 2]);
            let first = address & u32::MAX.checked_shl(32 - u32::from(n_bits)).unwrap_or(0);
            format!("{}/{n_bits}", std::net::Ipv4Addr::from_bits(first)).parse().expect("a network")
        })
    }

    proptest! {
        #[test]
        fn every_address_of_a_scope_gets_the_same(
            ranges in prop::collection::vec((some_network(), 0_u16..4), 0..12),
            asked in any::<[u8; 2]>(),
            other in any::<u32>(),
        ) {
            let networks = Networks::new(&ranges);
            let first_of = |address: IpAddr| {
                ranges.iter().filter(|(network, _)| network.contains(address)).map(|(_, rule)| *rule).min()
            };
            let asked = u32::from_be_bytes([10, 0, asked[0] & 3, asked[1]]);
            let address = IpAddr::V4(asked.into());
            let (rule, scope) = networks.find(address);
            prop_assert_eq!(rule, first_of(address));
            let kept = u32::MAX.checked_shl(32 - u32::from(scope)).unwrap_or(0);
            let neighbour = IpAddr::V4((asked & kept | other & !kept).into());
            prop_assert_eq!(first_of(neighbour), rule, "{} and {} share /{}", address, neighbour, scope);
            // One bit less would be too wide, unless the other half happens to be the same by other intervals.
            if scope > 0 {
                let half = IpAddr::V4((asked ^ 1 << (32 - u32::from(scope))).into());
                let (_, other_scope) = networks.find(half);
                prop_assert!(other_scope >= scope, "the other half is cut at least as finely");
            }
        }
    }
}
