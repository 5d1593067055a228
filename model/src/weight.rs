//! Weights: how large a share a cluster or address is owed, relative to the others.

use std::fmt;

/// A relative share, 0 to 1,000,000; 0 is owed nothing while anyone else is owed something.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

/// Says that a number is not a weight.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("weight {given} is outside 0 to {max}", max = Weight::MAX.0)]
pub struct OutOfRange {
    /// What was given.
    pub given: i64,
}

impl Weight {
    /// Owed nothing.
    pub const ZERO: Self = Self(0);
    /// Owed one part.
    pub const ONE: Self = Self(1);
    /// The largest weight: a million keeps weight × (2·replicas + 1) far inside 64 bits, so divisions stay exact.
    pub const MAX: Self = Self(1_000_000);

    /// The weight as a number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The nearest weight to a count that may be larger than any weight.
    #[must_use]
    pub fn saturating(count: u32) -> Self {
        Self(count.min(Self::MAX.0))
    }
}

impl TryFrom<i64> for Weight {
    type Error = OutOfRange;

    fn try_from(given: i64) -> Result<Self, OutOfRange> {
        match u32::try_from(given) {
            Ok(weight) if weight <= Self::MAX.0 => Ok(Self(weight)),
            Ok(_) | Err(_) => Err(OutOfRange { given }),
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_zero_to_a_million_and_refuses_the_rest() {
        assert_eq!(Weight::try_from(0).unwrap(), Weight::ZERO);
        assert_eq!(Weight::try_from(1_000_000).unwrap(), Weight::MAX);
        for given in [-1, 1_000_001, i64::MAX] {
            assert_eq!(Weight::try_from(given), Err(OutOfRange { given }));
        }
    }
}
