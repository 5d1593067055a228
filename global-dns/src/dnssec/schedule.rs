//! When a set is signed again: by the clock alone, so that nothing has to be remembered.
//!
//! Time is cut into steps, and each set has one of 64 turns, by a hash of its name and type. At its turn, which comes
//! every half validity, it gets a new signature, which begins an hour before. So a signature that is served always has
//! half of its validity left, in each step a 64th of the sets is signed, and a node that starts anew, or another node,
//! gives each set the same period.
//!
//! ```text
//! step   …│ 63 │ 0 │ 1 │ … │ 63 │ 0 │ …          validity = 128 steps
//! turn 1            ├── a ──────────┼── b …        a: from its turn − 1 h to its turn + 128 steps
//! ```

use std::hash::Hasher as _;

use koinon_model::time::Timestamp;
use siphasher::sip::SipHasher13;

/// How many turns there are.
const TURNS: i64 = 64;

/// A clock that is behind ours by this much still believes in a new signature. Units: seconds.
const INCEPTION_BEFORE: i64 = 3600;

/// What a secondary is given is signed as of a time that moves on once in so many steps: often enough that its signatures are
/// never much older than ours, and seldom enough that it does not copy the zone for every 64th of it.
const STEPS_SETTLED: i64 = 8;

/// How long a signature is good for, as its record says it (RFC 4034 §3.1.5). Units: seconds, modulo 2³².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) inception: u32,
    pub(crate) expiration: u32,
}

/// The schedule of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Schedule {
    /// Seconds.
    validity: i64,
    /// Seconds.
    step: i64,
}

impl Schedule {
    /// The schedule for signatures that are good for `validity` seconds.
    pub(crate) fn new(validity: u32) -> Self {
        let validity = i64::from(validity.max(2 * TURNS as u32));
        Self { validity, step: validity / (2 * TURNS) }
    }

    /// The period of the signature that a set has at a moment.
    pub(super) fn period(self, owner: &[u8], rtype: u16, now: Timestamp) -> Period {
        let mut hasher = SipHasher13::new();
        hasher.write(owner);
        hasher.write(&rtype.to_be_bytes());
        let turn = (hasher.finish() % TURNS as u64) as i64;
        let step = now.as_seconds().div_euclid(self.step);
        let signed = (turn + TURNS * (step - turn).div_euclid(TURNS)) * self.step;
        Period { inception: (signed - INCEPTION_BEFORE) as u32, expiration: (signed + self.validity) as u32 }
    }

    /// When the next turn begins, and some sets have to be signed.
    pub(crate) fn next_turn(self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds((now.as_seconds().div_euclid(self.step) + 1) * self.step)
    }

    /// The moment as of which transfers are signed.
    pub(crate) fn settled(self, now: Timestamp) -> Timestamp {
        let length = self.step * STEPS_SETTLED;
        Timestamp::from_seconds(now.as_seconds().div_euclid(length) * length)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const WEEK: u32 = 7 * 86400;

    #[test]
    fn what_is_served_is_always_good_for_half_its_validity() {
        for validity in [3600, 86400, WEEK, 30 * 86400] {
            let schedule = Schedule::new(validity);
            let least = i64::from(validity) / 2 - schedule.step;
            for at in (1_700_000_000..1_700_000_000 + 2 * i64::from(validity)).step_by(61) {
                for owner in [b"\x01a\x00", b"\x01b\x00", b"\x01c\x00"] {
                    let period = schedule.period(owner, 1, Timestamp::from_seconds(at));
                    let (from, until) = (i64::from(period.inception), i64::from(period.expiration));
                    assert!(from + 3600 <= at && at + least <= until, "{validity} {at} {period:?}");
                }
            }
        }
    }

    #[test]
    fn sets_take_turns_and_each_is_signed_twice_per_validity() {
        let schedule = Schedule::new(WEEK);
        let mut now = Timestamp::from_seconds(1_700_000_000);
        let end = now.as_seconds() + i64::from(WEEK);
        let owners: Vec<[u8; 4]> = (0..=999_u16).map(|n| [2, (n >> 8) as u8, n as u8, 0]).collect();
        let periods = |now| owners.iter().map(|owner| schedule.period(owner, 1, now)).collect::<Vec<_>>();
        let mut before = periods(now);
        let mut signed: BTreeMap<i64, usize> = BTreeMap::new();
        while now.as_seconds() < end {
            let next = schedule.next_turn(now);
            assert_eq!(periods(Timestamp::from_millis(next.as_millis() - 1)), before, "not before the turn");
            let after = periods(next);
            let n_signed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
            signed.insert(next.as_seconds(), n_signed);
            (now, before) = (next, after);
        }
        let total: usize = signed.values().sum();
        assert!((1990..=2050).contains(&total), "{total}");
        assert!(signed.values().all(|n_signed| *n_signed < 40), "{signed:?}");
    }

    #[test]
    fn transfers_stay_the_same_for_eight_steps() {
        let schedule = Schedule::new(WEEK);
        let settled = schedule.settled(Timestamp::from_seconds(1_700_000_000));
        for second in [0, 1, 8 * schedule.step - 1] {
            assert_eq!(schedule.settled(Timestamp::from_seconds(settled.as_seconds() + second)), settled);
        }
        let next = Timestamp::from_seconds(settled.as_seconds() + 8 * schedule.step);
        assert_eq!(schedule.settled(next), next);
    }
}
