//! Which of several weighted variants a client gets at a moment, without drawing lots.
//!
//! Each client prefix walks the golden-ratio sequence, one step per window of time, from a place of its own:
//! `u = place(name, prefix) + window · 0.618…` (mod 1), and the variant whose share of [0, 1) holds `u` is the
//! answer. So every node gives one resolver the same answer in one window, the shares a resolver sees approach
//! the weights as 1/k in its refills k (independent draws: 1/√k), and the choice can be repeated afterwards,
//! which makes an explanation exact.

use std::net::IpAddr;

use koinon_model::time::Timestamp;

/// 2⁶⁴ divided by the golden ratio: the step of the sequence, in 64-bit fractions of one.
const GOLDEN_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A compiled choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Where the name's sequence begins.
    origin: u64,
    /// Length of a window. It is fixed per name, so that a changing TTL does not disturb the sequence.
    window_ms: i64,
    total: u64,
    /// Shape: one per variant, the sum of the weights up to and with it; not empty, the last one is `total`.
    upper: Box<[u64]>,
}

impl Choice {
    /// Compiles a choice among variants with these weights, not all zero.
    ///
    /// `host` and not the question's name places the sequence, so that aliases of a name agree with it.
    pub(crate) fn new(host: &str, window_ms: u64, weights: &[u64]) -> Self {
        let mut total = 0;
        let upper = weights.iter().map(|weight| {
            total += weight;
            total
        });
        let upper = upper.collect();
        assert!(total > 0, "weights that are all zero choose nothing");
        Self {
            origin: spread(host.as_bytes()),
            window_ms: window_ms.clamp(1, i64::MAX as u64) as i64,
            total,
            upper,
        }
    }

    /// The weight of each variant.
    pub(super) fn weights(&self) -> impl Iterator<Item = u64> {
        let lower = std::iter::once(0).chain(self.upper.iter().copied());
        self.upper.iter().zip(lower).map(|(upper, lower)| upper - lower)
    }

    /// How many variants there are.
    pub(super) fn n_variants(&self) -> usize {
        self.upper.len()
    }

    /// The variant for a site at a moment.
    pub(crate) fn choose(&self, site: u64, now: Timestamp) -> usize {
        self.variant(self.point(site, now))
    }

    /// Where in the sum of the weights a site is at a moment.
    pub(super) fn point(&self, site: u64, now: Timestamp) -> u64 {
        let window = now.as_millis().div_euclid(self.window_ms) as u64;
        let place = mix(self.origin ^ site);
        let fraction = place.wrapping_add(window.wrapping_mul(GOLDEN_STEP));
        // Below `total`, so it fits.
        ((u128::from(fraction) * u128::from(self.total)) >> 64) as u64
    }

    /// The variant whose share holds a point.
    pub(super) fn variant(&self, point: u64) -> usize {
        self.upper.partition_point(|&upper| upper <= point)
    }
}

/// The part of an address that stands for a site: /24 for IPv4, /56 for IPv6, so that the resolvers of a farm
/// walk one sequence together.
pub(crate) fn site(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(v4) => u64::from(u32::from(v4) >> 8),
        // Bit 63 keeps the families apart.
        IpAddr::V6(v6) => 1 << 63 | (u128::from(v6) >> 72) as u64,
    }
}

/// FNV-1a, then mixed: the same on every node and in every version, which a seeded hash would not be.
fn spread(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// The finalizer of MurmurHash3: every input bit reaches every output bit.
pub(crate) fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}
