//! What becomes of a name's endpoints over time: withdrawn, flapping, returning?
//!
//! ```text
//! what steering says ─┐
//! votes of vantages ──┼─► withdrawn? ─ damping ─► flapping? ─ ramp ─► which part of its weight
//! what was before ────┘                   └ never the last of a family    └ unless it is the only one
//! ```
//!
//! Each look takes what was before and gives what is now; whoever asks keeps it until the next look.

use std::time::Duration;

use koinon_model::endpoint_health::{Damping, Quorum, RampPlan};
use koinon_model::health::EndpointVerdict;
use koinon_model::time::Timestamp;

use crate::health::{self, Fell, Penalty, Vote};
use crate::ramp::{self, Ramp, Sight};
use crate::steering::Withdrawn;

/// How long the word of vantages outlives them: a host that starts, or loses its nodes for a moment, does not take back what
/// they found. After that the endpoint is unknown, and unknown is not down.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// How a name's endpoints are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How many vantages must agree.
    pub quorum: Quorum,
    /// In which steps an endpoint returns; at once when there are none.
    pub ramp: Option<RampPlan>,
    /// How flapping is damped, if it is.
    pub damping: Option<Damping>,
}

/// One endpoint as it is seen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look<'a> {
    /// The kind of answers among which it has its share.
    pub family: Family,
    /// Its whole weight.
    pub weight: u32,
    /// Why its cluster cannot serve.
    pub withdrawn: Option<Withdrawn>,
    /// What the vantages say that are heard of.
    pub votes: &'a [Vote],
    /// What an operator decided about it.
    pub forced: Option<Forced>,
    /// What was before; none for an endpoint that is new.
    pub before: Option<Course>,
}

/// The kinds of answers among which weights count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4 addresses.
    V4,
    /// IPv6 addresses.
    V6,
    /// Aliases.
    Alias,
}

/// What an operator decided about an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forced {
    /// It serves whatever is seen of it.
    Up,
    /// It does not.
    Down,
}

/// What became of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// What the vantages say together.
    pub fleet: EndpointVerdict,
    /// When they said it last.
    pub heard: Timestamp,
    /// Whether it was well, flapping aside.
    pub well: bool,
    /// Whether it was let serve.
    pub served: bool,
    /// What its falls have cost.
    pub penalty: Penalty,
    /// Where it is on its way back; none when it has its whole weight.
    pub ramp: Option<Ramp>,
}

/// What is decided about an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What to remember until the next look.
    pub course: Course,
    /// Why it is not to be answered, an operator's decision aside.
    pub withdrawn: Option<Withdrawn>,
    /// The part of its weight that it has, in percent.
    pub percent: u8,
    /// When to look again, if nothing happens before.
    pub again: Option<Timestamp>,
    /// A change is plausible: it is withdrawn, returns, or has fallen lately.
    pub unsettled: bool,
}

/// Follows the endpoints of one name.
///
/// Shape: in the order of `looks`.
#[must_use]
pub fn follow(looks: &[Look<'_>], rules: &Rules, now: Timestamp) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = looks.iter().map(|look| judge(look, rules, now)).collect();
    suppress(looks, &mut outcomes, rules, now);
    for (look, outcome) in looks.iter().zip(&mut outcomes) {
        outcome.course.served = serves(look, outcome);
        outcome.course.ramp = returning(look, outcome, rules, now);
    }
    let alone: Vec<bool> = (0..looks.len()).map(|at| is_alone(looks, &outcomes, at)).collect();
    for (outcome, alone) in outcomes.iter_mut().zip(alone) {
        if alone {
            outcome.course.ramp = None;
        }
        finish(outcome, rules, now);
    }
    outcomes
}

/// What is to be believed of one endpoint, and what its falls cost it.
fn judge(look: &Look<'_>, rules: &Rules, now: Timestamp) -> Outcome {
    let (fleet, heard) = match (health::agree(look.votes, rules.quorum), look.before) {
        (EndpointVerdict::Unknown, Some(before)) if now.since(before.heard) < REMEMBERED_FOR => {
            (before.fleet, before.heard)
        }
        (verdict, _) => (verdict, now),
    };
    let down = (fleet == EndpointVerdict::Down).then_some(Withdrawn::ProbesFailing);
    let withdrawn = look.withdrawn.or(down);
    let well = withdrawn.is_none();
    let fell = match (look.before, withdrawn) {
        // Who is drained has not fallen.
        (_, None | Some(Withdrawn::Draining)) => Fell::No,
        (Some(before), Some(_)) if before.well => Fell::Yes,
        (Some(_) | None, Some(_)) => Fell::No,
    };
    let known = look.before.map_or(Penalty::default(), |before| before.penalty);
    let penalty =
        rules.damping.as_ref().map_or(Penalty::default(), |damping| health::damp(known, fell, damping, now));
    let course = Course { fleet, heard, well, served: false, penalty, ramp: None };
    Outcome { course, withdrawn, percent: 100, again: None, unsettled: false }
}

/// Leaves out what flaps, but for the steadiest of a family that would have nothing else to answer.
fn suppress(looks: &[Look<'_>], outcomes: &mut [Outcome], rules: &Rules, now: Timestamp) {
    let Some(damping) = &rules.damping else { return };
    let flaps = |at: usize| outcomes[at].withdrawn.is_none() && outcomes[at].course.penalty.suppressed;
    let flapping: Vec<usize> = (0..looks.len()).filter(|&at| flaps(at)).collect();
    let steady = |family: Family| {
        let mut all = looks.iter().zip(&*outcomes);
        all.any(|(look, outcome)| {
            let flaps = outcome.course.penalty.suppressed && look.forced.is_none();
            look.family == family && serves(look, outcome) && !flaps
        })
    };
    let cost = |at: &usize| (health::points_at(outcomes[*at].course.penalty, damping, now), *at);
    let mut spared = Vec::new();
    for family in [Family::V4, Family::V6, Family::Alias] {
        if !steady(family) {
            let own = flapping.iter().copied().filter(|&at| looks[at].family == family);
            spared.extend(own.filter(|&at| looks[at].forced.is_none()).min_by_key(cost));
        }
    }
    for at in flapping.into_iter().filter(|at| !spared.contains(at)) {
        outcomes[at].withdrawn = Some(Withdrawn::Flapping);
    }
}

/// Whether an endpoint is answered, as far as is known here.
fn serves(look: &Look<'_>, outcome: &Outcome) -> bool {
    match look.forced {
        Some(Forced::Up) => true,
        Some(Forced::Down) => false,
        None => outcome.withdrawn.is_none(),
    }
}

/// Where an endpoint is on its way back. One that is new has its weight at once, as one that an operator forces up.
fn returning(look: &Look<'_>, outcome: &Outcome, rules: &Rules, now: Timestamp) -> Option<Ramp> {
    let plan = rules.ramp.as_ref()?;
    let before = look.before?;
    if !outcome.course.served || look.forced == Some(Forced::Up) {
        return None;
    }
    if !before.served {
        return Some(ramp::begin(now));
    }
    let speaks_against = |vote: &Vote| match vote.verdict {
        EndpointVerdict::Down => true,
        EndpointVerdict::Up => vote.wavers,
        EndpointVerdict::Unknown => false,
    };
    let doubtful = look.votes.iter().any(speaks_against);
    let sight = if doubtful { Sight::Doubtful } else { Sight::Well };
    ramp::advance(before.ramp?, sight, plan, now)
}

/// Whether no other endpoint of the family serves with its whole weight: then there is nobody to spare it.
fn is_alone(looks: &[Look<'_>], outcomes: &[Outcome], at: usize) -> bool {
    let others = looks.iter().zip(outcomes).enumerate().filter(|(other, _)| *other != at);
    let mut own = others.filter(|(_, (look, _))| look.family == looks[at].family);
    !own.any(|(_, (look, outcome))| outcome.course.served && outcome.course.ramp.is_none() && look.weight > 0)
}

fn finish(outcome: &mut Outcome, rules: &Rules, now: Timestamp) {
    let course = &outcome.course;
    let plan = rules.ramp.as_ref();
    let returning = course.ramp.zip(plan);
    outcome.percent = returning.map_or(100, |(ramp, plan)| ramp::percent(ramp, plan));
    let stepping = returning.and_then(|(ramp, plan)| ramp::next_at(ramp, plan));
    let reused = rules.damping.as_ref().and_then(|damping| health::reused_at(course.penalty, damping, now));
    outcome.again = [stepping, reused].into_iter().flatten().min();
    outcome.unsettled = outcome.withdrawn.is_some() || course.ramp.is_some() || reused.is_some();
}

#[cfg(test)]
mod tests;
