//! How many answers one network gets over UDP that has not shown that it asks for itself.
//!
//! A datagram's sender is easily forged, and its victim then gets our answers. So answers to a network are limited, but for
//! those to clients with a good cookie. Every second answer too many is an empty one with TC: a client that is real asks again
//! over TCP, where an address cannot be forged. Each thread limits what it answers itself, without lock or allocation. A long
//! answer counts as often as it has [`UNIT`] bytes: what a victim suffers from is bytes.
//! Source: the response rate limiting of BIND and its successors; the counting is the generic cell rate algorithm.

use std::net::IpAddr;

use koinon_model::time::Timestamp;

use crate::snapshot::{Seed, mix, site};
use crate::wire::{Rcode, UDP_PAYLOAD_MAX};

/// How answers are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Answers of one kind to one network (a /24, or a /56 of IPv6) in a second, at least 1; of 128 bytes, longer ones
    /// count for as many.
    pub per_second: u32,
    /// Only count what would be limited.
    pub dry_run: bool,
}

/// What is done about one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is given.
    Give,
    /// It is given without its records, with TC.
    Cut,
    /// It is not given.
    Withhold,
}

/// Kinds of answers, counted apart so that a flood of one does not silence the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records, or NODATA.
    Data,
    /// The name does not exist.
    Missing,
    /// Anything else.
    Error,
}

/// Networks counted at once: 128 KiB, which stays in a core's own cache. More than that share places, and so limits.
const PLACES: usize = 1 << 14;

/// What an answer without DNSSEC usually has room in. Units: bytes.
const UNIT: usize = 128;

/// What the longest answer over UDP counts for.
const UNITS_MAX: u32 = (UDP_PAYLOAD_MAX as u32).div_ceil(UNIT as u32);

/// How much may come at once after silence. Units: microseconds.
const BURST_US: u32 = 1_000_000;

/// One network's account.
#[derive(Clone, Copy, Default)]
struct Account {
    /// Which network, and how often it was limited (the lowest bit).
    tag: u32,
    /// When its answers so far will have been due. Units: microseconds, modulo 2³².
    due: u32,
}

/// One thread's accounts.
pub(crate) struct Limiter {
    interval_us: u32,
    dry_run: bool,
    seed: u64,
    accounts: Box<[Account]>,
    limited: Limited,
}

/// Answers that were too many; in a dry run they were given all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) cut: u64,
    pub(crate) withheld: u64,
}

// === impl Limit ===

impl Limit {
    /// The part of one of several threads, among which the kernel spreads the clients of a network.
    pub(crate) fn share(self, n_threads: usize) -> Self {
        let n_threads = u32::try_from(n_threads).unwrap_or(u32::MAX).max(1);
        Self { per_second: self.per_second.div_ceil(n_threads), ..self }
    }
}

// === impl Kind ===

impl Kind {
    /// The kind of an answer with this code.
    pub(crate) fn of(rcode: Rcode) -> Self {
        match rcode {
            Rcode::NoError => Self::Data,
            Rcode::NxDomain => Self::Missing,
            _ => Self::Error,
        }
    }
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(limit: Limit, seed: Seed) -> Self {
        Self {
            interval_us: (BURST_US / limit.per_second.clamp(1, BURST_US)).max(1),
            dry_run: limit.dry_run,
            seed: seed[0] ^ seed[1].rotate_left(32),
            accounts: vec![Account::default(); PLACES].into(),
            limited: Limited::default(),
        }
    }

    /// What was limited since this was last asked.
    pub(crate) fn take(&mut self) -> Limited {
        std::mem::take(&mut self.limited)
    }

    /// Judges one more answer, of this many bytes, to a client that has shown no cookie.
    pub(crate) fn judge(&mut self, client: IpAddr, kind: Kind, length: usize, now: Timestamp) -> Verdict {
        if client.is_loopback() {
            // Whoever can forge that is on this machine.
            return Verdict::Give;
        }
        let key = mix(site(client) ^ self.seed ^ (kind as u64) << 40);
        let account = &mut self.accounts[key as usize % PLACES];
        let now = now.as_millis().wrapping_mul(1000) as u32;
        // Anything else than a time that this account can have reached is an account that nobody used for long.
        let ahead = account.due.wrapping_sub(now);
        let is_live = ahead <= BURST_US + self.interval_us * UNITS_MAX;
        let tag = (key >> 32) as u32 & !1;
        if !is_live || (account.tag & !1 != tag && ahead == 0) {
            *account = Account { tag, due: now };
        }
        let ahead = account.due.wrapping_sub(now);
        if ahead < BURST_US {
            let n_units = (length.div_ceil(UNIT) as u32).clamp(1, UNITS_MAX);
            account.due = account.due.wrapping_add(self.interval_us * n_units);
            return Verdict::Give;
        }
        account.tag ^= 1;
        let is_cut = account.tag & 1 == 0;
        self.limited.cut += u64::from(is_cut);
        self.limited.withheld += u64::from(!is_cut);
        match (self.dry_run, is_cut) {
            (true, _) => Verdict::Give,
            (false, true) => Verdict::Cut,
            (false, false) => Verdict::Withhold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_second: u32) -> Limiter {
        Limiter::new(Limit { per_second, dry_run: false }, [1, 2])
    }

    fn given(limiter: &mut Limiter, client: &str, kind: Kind, at_ms: i64, n_times: usize) -> [usize; 3] {
        let mut counts = [0; 3];
        for _ in 0..n_times {
            let verdict = limiter.judge(client.parse().unwrap(), kind, 100, Timestamp::from_millis(at_ms));
            counts[verdict as usize] += 1;
        }
        counts
    }

    #[test]
    fn a_network_gets_its_rate_and_every_second_refusal_is_a_hint() {
        let mut limiter = limiter(100);
        assert_eq!(given(&mut limiter, "192.0.2.1", Kind::Data, 0, 300), [100, 100, 100]);
        // Its neighbours share its fate, others and other kinds do not.
        assert_eq!(given(&mut limiter, "192.0.2.99", Kind::Data, 0, 10)[0], 0);
        assert_eq!(given(&mut limiter, "192.0.3.1", Kind::Data, 0, 10)[0], 10);
        assert_eq!(given(&mut limiter, "192.0.2.1", Kind::Missing, 0, 10)[0], 10);
        // A tenth of a second later, a tenth of its rate.
        assert_eq!(given(&mut limiter, "192.0.2.1", Kind::Data, 100, 300)[0], 10);
    }

    #[test]
    fn long_answers_count_by_their_bytes() {
        for (length, wanted) in [(0, 100), (128, 100), (129, 50), (500, 25), (1232, 10), (9999, 10)] {
            let mut limiter = limiter(100);
            let client = "192.0.2.1".parse().unwrap();
            let mut given_of = |at_ms: i64| {
                let judged = (0..300)
                    .map(|_| limiter.judge(client, Kind::Data, length, Timestamp::from_millis(at_ms)));
                judged.filter(|verdict| *verdict == Verdict::Give).count()
            };
            assert_eq!(given_of(0), wanted, "{length} bytes");
            assert_eq!(given_of(10_000), wanted, "{length} bytes, when the account is empty again");
        }
    }

    #[test]
    fn threads_share_the_rate() {
        let limit = Limit { per_second: 1000, dry_run: false };
        assert_eq!([1, 2, 3, 0].map(|n_threads| limit.share(n_threads).per_second), [1000, 500, 334, 1000]);
    }

    #[test]
    fn the_clock_of_accounts_runs_over_without_harm() {
        let mut limiter = limiter(100);
        let hour = 3_600_000;
        for at_ms in [0, hour, hour + 1_000, 2 * hour, 71 * 60_000, 72 * 60_000, 30 * 24 * hour] {
            let counts = given(&mut limiter, "2001:db8::1", Kind::Data, at_ms, 300);
            assert_eq!(counts[0], 100, "at {at_ms} ms");
        }
    }

    #[test]
    fn a_steady_client_within_its_rate_is_never_limited() {
        let mut limiter = limiter(100);
        for turn in 0..10_000 {
            assert_eq!(given(&mut limiter, "192.0.2.1", Kind::Data, turn * 10, 1)[0], 1);
        }
    }

    #[test]
    fn a_dry_run_gives_everything_and_counts() {
        let mut limiter = Limiter::new(Limit { per_second: 100, dry_run: true }, [1, 2]);
        assert_eq!(given(&mut limiter, "192.0.2.1", Kind::Data, 0, 300)[0], 300);
        assert_eq!(limiter.take(), Limited { cut: 100, withheld: 100 });
        assert_eq!(limiter.take(), Limited::default());
    }

    #[test]
    fn this_machine_is_not_limited() {
        let mut limiter = limiter(1);
        assert_eq!(given(&mut limiter, "127.0.0.1", Kind::Data, 0, 1000)[0], 1000);
        assert_eq!(given(&mut limiter, "::1", Kind::Data, 0, 1000)[0], 1000);
    }
}
