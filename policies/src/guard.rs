//! May so many names be taken away at once?
//!
//! A deleted zone file, a wrong selector, a tool that was pointed at the wrong place: the worst outages of names are changes that
//! were carried out perfectly. What takes away more than a share of what is served, within a while, waits for a person who says
//! that it is meant. Additions, moves and verdicts on health never wait.

use std::fmt;

/// Names and addresses, counted.
///
/// Shape: `addresses` counts each address once per name that has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Names that answer something.
    pub names: u64,
    /// Addresses and aliases behind them.
    pub addresses: u64,
}

/// How much may go without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The share that may go. Units: percent; from 100 on, all may.
    pub percent_max: u8,
    /// Fewer than this may always go: in a zone of two names, every deletion is a large share.
    pub fewest: u64,
}

/// What is about to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What is served now.
    pub served: Size,
    /// What of it goes.
    pub lost: Size,
    /// What went lately without an acknowledgement: many small removals are one large one.
    pub lost_lately: Size,
}

/// Why a change has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// What there is too much of.
    pub unit: Unit,
    /// How many would be gone, those that went lately included.
    pub lost: u64,
    /// Of how many.
    pub of: u64,
    /// The share that may go. Units: percent.
    pub percent_max: u8,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Names that would answer nothing any more.
    Names,
    /// Addresses, over all names.
    Addresses,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Names => "names",
            Unit::Addresses => "addresses",
        };
        let Self { lost, of, percent_max, .. } = self;
        write!(f, "{lost} of {of} {unit} would be gone, and {percent_max} % may go unasked")
    }
}

/// Adds sizes up.
impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            names: self.names.saturating_add(more.names),
            addresses: self.addresses.saturating_add(more.addresses),
        }
    }
}

impl std::iter::Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), |sum, size| sum + size)
    }
}

/// Decides whether a change may pass.
///
/// # Errors
/// With what there is too much of; names are told before addresses.
pub fn judge(limit: &Limit, change: &Change) -> Result<(), Excess> {
    let Change { served, lost, lost_lately } = change;
    exceeds(limit, Unit::Names, [served.names, lost.names, lost_lately.names])?;
    exceeds(limit, Unit::Addresses, [served.addresses, lost.addresses, lost_lately.addresses])
}

fn exceeds(limit: &Limit, unit: Unit, [served, lost_now, lately]: [u64; 3]) -> Result<(), Excess> {
    let (lost, of) = (lost_now.saturating_add(lately), served.saturating_add(lately));
    let percent_max = limit.percent_max;
    let is_within = u128::from(lost) * 100 <= u128::from(of) * u128::from(percent_max);
    // What went before is gone; a change that takes nothing of this kind is not held for it.
    if lost_now == 0 || lost < limit.fewest || is_within {
        return Ok(());
    }
    Err(Excess { unit, lost, of, percent_max })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { percent_max: 30, fewest: 3 };

    fn size([names, addresses]: [u64; 2]) -> Size {
        Size { names, addresses }
    }

    fn held(limit: Limit, served: [u64; 2], lost: [u64; 2], lately: [u64; 2]) -> Option<(Unit, u64, u64)> {
        let change = Change { served: size(served), lost: size(lost), lost_lately: size(lately) };
        judge(&limit, &change).err().map(|excess| (excess.unit, excess.lost, excess.of))
    }

    #[test]
    fn holds_what_takes_more_than_the_share() {
        use Unit::{Addresses, Names};
        for (served, lost, lately, wanted) in [
            ([10, 10], [3, 3], [0, 0], None),
            ([10, 10], [4, 4], [0, 0], Some((Names, 4, 10))),
            ([100, 100], [30, 30], [0, 0], None),
            ([100, 100], [31, 0], [0, 0], Some((Names, 31, 100))),
            // All names stay, and most of what they answer goes.
            ([10, 20], [0, 7], [0, 0], Some((Addresses, 7, 20))),
            // Too few to matter.
            ([2, 2], [2, 2], [0, 0], None),
            ([3, 3], [3, 3], [0, 0], Some((Names, 3, 3))),
            // One at a time, and still too many.
            ([7, 7], [1, 1], [3, 3], Some((Names, 4, 10))),
            ([8, 8], [1, 1], [2, 2], None),
            // What went cannot be held any more.
            ([7, 7], [0, 0], [3, 3], None),
            ([0, 0], [0, 0], [0, 0], None),
        ] {
            assert_eq!(held(LIMIT, served, lost, lately), wanted, "{lost:?} of {served:?} after {lately:?}");
        }
    }

    #[test]
    fn lets_everything_go_when_all_of_it_may() {
        let limit = Limit { percent_max: 100, fewest: 3 };
        assert_eq!(held(limit, [10, 10], [10, 10], [5, 5]), None);
    }

    #[test]
    fn says_what_there_is_too_much_of() {
        let change = Change { served: size([10, 40]), lost: size([7, 28]), lost_lately: Size::default() };
        let excess = judge(&LIMIT, &change).unwrap_err();
        assert_eq!(excess.to_string(), "7 of 10 names would be gone, and 30 % may go unasked");
    }
}
