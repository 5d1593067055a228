//! Divides a total among claims: weights where nothing stands against them, bounds where something does.
//!
//! The method is Sainte-Laguë: the next replica goes to the claim with the largest `weight / (2·given + 1)`. Because
//! each replica is handed out without looking at how many follow, a larger total only adds (it is *monotone*), and a
//! claim that leaves only adds to the others. Bounds are walls around that walk and keep both properties:
//!
//! ```text
//! capacity > max > min > sticky > weight
//!
//!   0 ──── min ─────── running ─────────── max ──── capacity
//!          └ floor     └ floor when sticky └──── ceiling: the lower of the two
//! ```
//!
//! Ties go to the claim already running more than it was given so far, which keeps replicas where they run; then to
//! the one given fewer, then to the lower name. Nothing depends on the order of the claims.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use koinon_model::name::ClusterName;
use koinon_model::policy::Stickiness;
use koinon_model::weight::Weight;

/// What one cluster is owed, and between which bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Whose claim; names are unique among the claims.
    pub cluster: &'a ClusterName,
    /// What it is owed relative to the others.
    pub weight: Weight,
    /// At least so many, whatever the weight.
    pub min: u32,
    /// At most so many, whatever the weight or the minimum.
    pub max: u32,
    /// At most so many, whatever else is asked; `None` where nobody counted.
    pub capacity: Option<u32>,
    /// How many it holds now.
    pub running: u32,
}

/// How a total was divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Shape: one count per claim, in the order of the claims.
    pub shares: Vec<u32>,
    /// What no claim could take. The shares and this sum to the total.
    pub unplaced: u32,
}

/// Divides `total` among the claims so that each next replica goes where it is owed most.
///
/// When every weight is 0, every claim weighs 1. When the minimums together exceed the total they are filled one
/// claim after the other, heaviest first, because a minimum half met serves nobody. When what runs exceeds the
/// total, a sticky division only takes away, from those furthest above their share.
///
/// Source: Sainte-Laguë (1910), as in Karmada's static weights.
#[must_use]
pub fn divide(total: u32, claims: &[Claim<'_>], stickiness: Stickiness) -> Division {
    let mut seats = seats(claims);
    let mut left = fill_floors(&mut seats, total);
    if left > 0 {
        match stickiness {
            Stickiness::Rebalance => left = hand_out(&mut seats, left),
            Stickiness::Sticky => left = hand_out_sticky(&mut seats, left),
        }
    }
    let mut shares = vec![0; seats.len()];
    for seat in &seats {
        shares[seat.index] = seat.given;
    }
    Division { shares, unplaced: left }
}

/// One claim on its way to a share.
struct Seat {
    /// Position in the claims.
    index: usize,
    weight: u32,
    floor: u32,
    ceiling: u32,
    running: u32,
    given: u32,
}

/// The claims as seats in name order, with floors and ceilings settled by precedence.
fn seats(claims: &[Claim<'_>]) -> Vec<Seat> {
    let nobody_weighs = claims.iter().all(|claim| claim.weight.is_zero());
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|&index| claims[index].cluster);
    let seat = |index: usize| {
        let claim = &claims[index];
        let ceiling = claim.max.min(claim.capacity.unwrap_or(u32::MAX));
        Seat {
            index,
            weight: if nobody_weighs { 1 } else { claim.weight.get() },
            floor: claim.min.min(ceiling),
            ceiling,
            running: claim.running,
            given: 0,
        }
    };
    order.into_iter().map(seat).collect()
}

/// Gives every seat its floor, heaviest first while the total lasts; answers what is left of the total.
fn fill_floors(seats: &mut [Seat], total: u32) -> u32 {
    let wanted: u64 = seats.iter().map(|seat| u64::from(seat.floor)).sum();
    if wanted <= u64::from(total) {
        let mut left = total;
        for seat in seats {
            seat.given = seat.floor;
            left -= seat.floor;
        }
        return left;
    }
    let mut order: Vec<usize> = (0..seats.len()).collect();
    // Of equal weight first those whose minimum is met already, then those nearest to it: what this answers is what
    // it answers again once it runs. The sort is stable, so that equal seats stay in name order.
    order.sort_by_key(|&at| {
        let Seat { weight, floor, running, .. } = seats[at];
        Reverse((weight, if running >= floor { u32::MAX } else { running }))
    });
    let mut left = total;
    for position in order {
        let seat = &mut seats[position];
        seat.given = seat.floor.min(left);
        left -= seat.given;
    }
    0
}

/// Keeps what runs where it runs: grows from it when the total allows, otherwise shrinks towards the total.
fn hand_out_sticky(seats: &mut [Seat], left: u32) -> u32 {
    let kept = |seat: &Seat| seat.running.max(seat.floor).min(seat.ceiling);
    let wanted: u64 = seats.iter().map(|seat| u64::from(kept(seat) - seat.given)).sum();
    if wanted <= u64::from(left) {
        let mut left = left;
        for seat in seats.iter_mut() {
            left -= kept(seat) - seat.given;
            seat.given = kept(seat);
        }
        return hand_out(seats, left);
    }
    for seat in seats.iter_mut() {
        seat.ceiling = kept(seat);
    }
    let mut left = hand_out(seats, left);
    // Those that weigh nothing are owed nothing, but what they run is not thrown away while it is needed.
    for seat in seats.iter_mut() {
        let more = (seat.ceiling - seat.given).min(left);
        seat.given += more;
        left -= more;
    }
    left
}

/// Hands out `left` by highest quotient, within the ceilings; answers what nobody could take.
fn hand_out(seats: &mut [Seat], left: u32) -> u32 {
    let mut left = left;
    if left as usize > seats.len() {
        left = leap(seats, left);
    }
    if left == 0 {
        return 0;
    }
    let open = |seat: &Seat| seat.weight > 0 && seat.given < seat.ceiling;
    let mut heap: BinaryHeap<Bid> =
        seats.iter().enumerate().filter(|(_, seat)| open(seat)).map(|(at, seat)| Bid::of(at, seat)).collect();
    while left > 0
        && let Some(bid) = heap.pop()
    {
        let seat = &mut seats[bid.at];
        seat.given += 1;
        left -= 1;
        if open(seat) {
            heap.push(Bid::of(bid.at, seat));
        }
    }
    left
}

/// What one seat bids for the next replica; the greatest bid gets it.
#[derive(PartialEq, Eq)]
struct Bid {
    weight: u32,
    given: u32,
    /// Replicas it runs beyond what it was given.
    surplus: u32,
    /// Position in name order.
    at: usize,
}

impl Bid {
    fn of(at: usize, seat: &Seat) -> Self {
        Self { weight: seat.weight, given: seat.given, surplus: seat.running.saturating_sub(seat.given), at }
    }

    /// The divisor of Sainte-Laguë: 1, 3, 5, …
    fn divisor(&self) -> u64 {
        2 * u64::from(self.given) + 1
    }
}

impl Ord for Bid {
    fn cmp(&self, other: &Self) -> Ordering {
        // Cross-multiplied: a weight has 20 bits and a divisor 33, so the products are exact in 64.
        let own = u64::from(self.weight) * other.divisor();
        let others = u64::from(other.weight) * self.divisor();
        own.cmp(&others)
            .then_with(|| self.surplus.cmp(&other.surplus))
            .then_with(|| other.given.cmp(&self.given))
            .then_with(|| other.at.cmp(&self.at))
    }
}

impl PartialOrd for Bid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Fractional bits of a pace, fine enough that one step of it passes at most one replica per seat.
const PACE_BITS: u32 = 32;
/// At this pace every positive weight reaches any 32-bit ceiling: 2·2³² replicas at weight 1.
const PACE_MAX: u128 = 1 << (PACE_BITS + 34);

/// Skips ahead in the walk of [`hand_out`] to where at most one replica per seat is missing.
///
/// All replicas whose quotient is above a threshold precede all others, so a seat's count at a threshold is a formula:
/// the odd numbers below `weight · pace`. A pace whose counts still fit the total is found by galloping and bisection;
/// ties and the rest are left to the walk. This makes a division independent of the total's size.
fn leap(seats: &mut [Seat], left: u32) -> u32 {
    let n_seats = u64::try_from(seats.len()).unwrap_or(u64::MAX);
    let given: u64 = seats.iter().map(|seat| u64::from(seat.given)).sum();
    let total = given + u64::from(left);
    let taken = |pace: u128| -> u64 { seats.iter().map(|seat| u64::from(count_at(seat, pace))).sum() };
    let weights: u64 = seats.iter().map(|seat| u64::from(seat.weight)).sum();
    let (mut low, mut high) = (0, PACE_MAX);
    let (mut sum_low, mut sum_high) = (given, u64::MAX);
    // Without bounds and rounding this pace would give exactly the total.
    let mut pace = ((u128::from(2 * total) << PACE_BITS) / u128::from(weights.max(1))).clamp(1, PACE_MAX - 1);
    let mut stride = pace / u128::from(total) + 1;
    // Ties end the search, too: when the two paces differ by no more than a replica per seat, the walk decides faster.
    while high - low > 1 && total > sum_low && sum_high - sum_low > n_seats {
        let sum = taken(pace);
        if sum > total {
            (high, sum_high) = (pace, sum);
        } else {
            (low, sum_low) = (pace, sum);
        }
        pace = match (low, high) {
            (low, PACE_MAX) => (low + stride).min(PACE_MAX - 1),
            (0, high) => high.saturating_sub(stride).max(1),
            (low, high) => low.midpoint(high),
        };
        stride *= 2;
    }
    let mut left = total;
    for seat in seats {
        seat.given = count_at(seat, low);
        left -= u64::from(seat.given);
    }
    u32::try_from(left).unwrap_or(u32::MAX)
}

/// How many a seat holds once every quotient above `1 / pace` is served; never fewer than it was given already.
fn count_at(seat: &Seat, pace: u128) -> u32 {
    let below = (u128::from(seat.weight) * pace).saturating_sub(1) >> PACE_BITS;
    let odd_numbers = below.div_ceil(2);
    u32::try_from(odd_numbers).unwrap_or(u32::MAX).clamp(seat.given, seat.ceiling.max(seat.given))
}

#[cfg(test)]
mod tests;
