//! How a zone is signed: what is asked for, with every default filled in.

use std::num::NonZeroU32;

use koinon_machinery::validate::FieldError;

use super::seconds;
use crate::v1alpha1::{self, KeyLayout};

const DAY_SECONDS: u32 = 86_400;

/// A key that only signs the zone is replaced without anybody's help, so it is, a few times a year.
const ZONE_KEY_LIFETIME_DAYS: i64 = 90;

/// Below a week, a replacement begins before the one before it has ended where TTLs are long.
const LIFETIME_MIN_DAYS: i64 = 7;

/// Replacing a key that the parent trusts needs the parent. RFC 6781 §3.3 sees no need to do it on a schedule.
const ENTRY_KEY_LIFETIME_DAYS: i64 = 0;

/// Long enough for a weekend without the host and a secondary that copies late, short enough that a stolen answer ends.
const SIGNATURE_VALIDITY_DAYS: i64 = 14;

/// Secondaries that take notices have a change within a second; those that do not ask every two hours by our SOA's default,
/// or are told by their operator. An hour is what Knot waits.
const PROPAGATION_SECONDS: i64 = 3_600;

/// How a zone is to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedDnssec {
    /// Which keys there are, and how long the one that only signs the zone lives.
    pub keys: CheckedKeys,
    /// How long a key that the parent trusts lives, seconds; none for ever.
    pub entry_key_lifetime: Option<NonZeroU32>,
    /// How long a signature is good for, seconds.
    pub validity: u32,
    /// Within which time every server has a change, seconds.
    pub propagation: u32,
}

/// Which keys a zone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckedKeys {
    /// One for everything.
    Combined,
    /// One for the keys, and one for the zone.
    Split {
        /// How long the one for the zone lives, seconds; none for ever.
        zone_key_lifetime: Option<NonZeroU32>,
    },
}

pub(super) fn dnssec(wire: Option<&v1alpha1::Dnssec>, errors: &mut Vec<FieldError>) -> Option<CheckedDnssec> {
    let wire = wire?;
    let entry_key_lifetime = lifetime(
        wire.entry_key_lifetime_days.unwrap_or(ENTRY_KEY_LIFETIME_DAYS),
        "entryKeyLifetimeDays",
        errors,
    );
    let keys = match (wire.keys.unwrap_or_default(), wire.zone_key_lifetime_days) {
        (KeyLayout::Combined, None) => CheckedKeys::Combined,
        (KeyLayout::Combined, Some(days)) => {
            let accepted = "needs keys: Split; a combined key lives for entryKeyLifetimeDays";
            errors.push(FieldError::invalid("spec.dnssec.zoneKeyLifetimeDays", days, accepted));
            CheckedKeys::Combined
        }
        (KeyLayout::Split, days) => {
            let days = days.unwrap_or(ZONE_KEY_LIFETIME_DAYS);
            CheckedKeys::Split { zone_key_lifetime: lifetime(days, "zoneKeyLifetimeDays", errors) }
        }
    };
    Some(CheckedDnssec {
        keys,
        entry_key_lifetime,
        validity: days(wire.signature_validity_days.unwrap_or(SIGNATURE_VALIDITY_DAYS)),
        propagation: seconds(wire.propagation_seconds.unwrap_or(PROPAGATION_SECONDS)),
    })
}

fn lifetime(given: i64, field: &str, errors: &mut Vec<FieldError>) -> Option<NonZeroU32> {
    if (1..LIFETIME_MIN_DAYS).contains(&given) {
        let accepted = format!("must be 0 for never, or at least {LIFETIME_MIN_DAYS} days");
        errors.push(FieldError::invalid(format!("spec.dnssec.{field}"), given, accepted));
    }
    NonZeroU32::new(days(given))
}

/// Days in seconds. Ranges are the schema's.
fn days(number: i64) -> u32 {
    seconds(number).saturating_mul(DAY_SECONDS)
}
