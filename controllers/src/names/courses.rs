//! What becomes of a name's endpoints over time: from reports, settings and what was before to what the table says.
//!
//! The decision is [`endpoints::follow`]'s. What it needs to remember is kept from one table to the next; a host that starts
//! reads it from the record's status, so that an endpoint does not have its whole weight because the host was away.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::local::Stored;
use koinon_model::endpoint_health::RampPlan;
use koinon_model::health::EndpointVerdict;
use koinon_model::time::Timestamp;
use koinon_policies::endpoints::{self, Course, Family, Look, Outcome, Rules};
use koinon_policies::health::{Penalty, Vote};
use koinon_policies::ramp::{self, Sight};
use koinon_policies::steering::{self, Withdrawn};
use koinon_types::convert::{self, CheckedRecord};
use koinon_types::names::{
    Check, Endpoint, EndpointProbe, EndpointState, Forced, ForcedState, ProbeOutcome, ProbeReport, Ramp,
    Record, Target, Withdrawal,
};
use koinon_types::v1alpha1::{self, EndpointStatus, GlobalRecordStatus};

use super::table::withdrawal;

/// How many probes a node may have owed until its word on an endpoint is none, and in which time that never is. Units of the
/// latter: milliseconds; a busy node may be late by seconds however short the interval is.
const PROBES_MISSED_MAX: u64 = 3;
const AGE_MS_MIN: u64 = 10_000;

/// What became of a name's endpoints, by cluster and target.
pub(super) type Courses = BTreeMap<(String, Target), Course>;

/// What a name's endpoints are followed by.
pub(super) struct Looks<'a> {
    /// What nodes say of the name that are heard of.
    pub(super) reports: &'a [Arc<ProbeReport>],
    /// What became of its endpoints until now; none when the host has just started, or the name is new.
    pub(super) courses: Option<&'a Courses>,
    /// The name in the table made last.
    pub(super) known: Option<&'a Record>,
    pub(super) stored: &'a Stored,
    pub(super) now: Timestamp,
}

/// What followed.
pub(super) struct Followed {
    pub(super) courses: Courses,
    /// When to look again, if nothing happens before.
    pub(super) again: Option<Timestamp>,
    /// A change of the answer is plausible.
    pub(super) unsettled: bool,
}

/// Follows a name's endpoints, which hold what is known of their clusters, and adds what is known of themselves.
pub(super) fn follow(endpoints: &mut [Endpoint], checked: &CheckedRecord, looks: &Looks<'_>) -> Followed {
    let restored = looks.courses.is_none().then(|| restore(checked, looks));
    let before = looks.courses.or(restored.as_ref());
    for endpoint in endpoints.iter_mut() {
        endpoint.forced = forced(endpoint, checked, looks.now);
    }
    let check = checked.health.check.as_ref();
    let votes: Vec<Vec<Vote>> =
        endpoints.iter().map(|endpoint| votes(endpoint, check, looks.reports)).collect();
    let seen: Vec<Look<'_>> = endpoints
        .iter()
        .zip(&votes)
        .map(|(endpoint, votes)| Look {
            family: family(&endpoint.target),
            weight: endpoint.weight,
            withdrawn: withdrawn(endpoint.state),
            votes,
            forced: endpoint.forced.as_ref().map(|forced| match forced.state {
                ForcedState::Up => endpoints::Forced::Up,
                ForcedState::Down => endpoints::Forced::Down,
            }),
            before: before.and_then(|courses| courses.get(&key(endpoint)).copied()),
        })
        .collect();
    let health = &checked.health;
    let rules = Rules { quorum: health.quorum, ramp: health.ramp.clone(), damping: health.damping };
    let outcomes = endpoints::follow(&seen, &rules, looks.now);
    apply(endpoints, &votes, &outcomes, &rules, looks);
    let expiries = endpoints.iter().filter_map(|endpoint| endpoint.forced.as_ref()?.until_ms);
    let again = outcomes.iter().filter_map(|outcome| outcome.again);
    Followed {
        courses: endpoints.iter().map(key).zip(outcomes.iter().map(|outcome| outcome.course)).collect(),
        again: again.chain(expiries.map(Timestamp::from_millis)).min(),
        unsettled: outcomes.iter().any(|outcome| outcome.unsettled),
    }
}

fn key(endpoint: &Endpoint) -> (String, Target) {
    (endpoint.cluster.clone(), endpoint.target.clone())
}

/// The kinds of answers among which weights count.
pub(super) fn family(target: &Target) -> Family {
    match target {
        Target::Ip(IpAddr::V4(_)) => Family::V4,
        Target::Ip(IpAddr::V6(_)) => Family::V6,
        Target::Hostname(_) => Family::Alias,
    }
}

fn withdrawn(state: EndpointState) -> Option<Withdrawn> {
    let EndpointState::Withdrawn(why) = state else { return None };
    Some(match why {
        Withdrawal::ClusterUnreachable => Withdrawn::ClusterUnreachable,
        Withdrawal::ProbesFailing => Withdrawn::ProbesFailing,
        Withdrawal::Flapping => Withdrawn::Flapping,
        Withdrawal::NotReady => Withdrawn::NotReady,
        Withdrawal::Draining => Withdrawn::Draining,
    })
}

/// What is decided about an endpoint now: what names it alone counts before what names its cluster.
fn forced(endpoint: &Endpoint, checked: &CheckedRecord, now: Timestamp) -> Option<Forced> {
    let decided = checked.forced.iter().find(|forced| {
        forced.cluster.as_str() == endpoint.cluster
            && forced.target.as_ref().is_none_or(|target| *target == endpoint.target)
            && forced.until.is_none_or(|until| until > now)
    })?;
    Some(Forced {
        state: decided.state,
        reason: decided.reason.clone(),
        until_ms: decided.until.map(Timestamp::as_millis),
    })
}

/// What each node says about an endpoint that it has looked at lately.
fn votes(endpoint: &Endpoint, check: Option<&Check>, reports: &[Arc<ProbeReport>]) -> Vec<Vote> {
    let Some(check) = check else { return Vec::new() };
    let mut votes = Vec::new();
    for report in reports {
        let mut probes = report.endpoints.iter();
        let own = probes.find(|probe| probe.cluster == endpoint.cluster && probe.target == endpoint.target);
        votes.extend(own.filter(|probe| is_recent(report, probe, check)).map(|probe| Vote {
            verdict: match probe.outcome {
                ProbeOutcome::Unknown => EndpointVerdict::Unknown,
                ProbeOutcome::Passing => EndpointVerdict::Up,
                ProbeOutcome::Failing { .. } => EndpointVerdict::Down,
            },
            wavers: probe.wavers,
        }));
    }
    votes
}

/// Whether a node still probes: one that is short of file descriptors reports on and asks nobody. Both times are the node's own.
fn is_recent(report: &ProbeReport, probe: &EndpointProbe, check: &Check) -> bool {
    let age_max = PROBES_MISSED_MAX * check.interval_ms + check.timeout_ms;
    let age = u64::try_from(report.at_ms.saturating_sub(probe.last_ms)).unwrap_or(0);
    age <= age_max.max(AGE_MS_MIN)
}

/// Writes down what was decided.
fn apply(
    endpoints: &mut [Endpoint],
    votes: &[Vec<Vote>],
    outcomes: &[Outcome],
    rules: &Rules,
    looks: &Looks<'_>,
) {
    let parts: Vec<(u32, u8)> = endpoints
        .iter()
        .zip(outcomes)
        .map(|(endpoint, outcome)| (endpoint.weight, outcome.percent))
        .collect();
    let weights = steering::ramped(&parts);
    for (((endpoint, outcome), votes), weight) in endpoints.iter_mut().zip(outcomes).zip(votes).zip(weights) {
        endpoint.weight = weight;
        endpoint.state =
            outcome.withdrawn.map_or(EndpointState::Serving, |why| EndpointState::Withdrawn(withdrawal(why)));
        endpoint.ramp = outcome.course.ramp.map(|ramp| Ramp {
            percent: outcome.percent,
            next_ms: rules.ramp.as_ref().and_then(|plan| ramp::next_at(ramp, plan)).map(Timestamp::as_millis),
        });
        endpoint.evidence.push_str(&words(outcome, votes));
        let known = looks.known.and_then(|record| {
            let is_it = |known: &&Endpoint| {
                known.cluster == endpoint.cluster
                    && known.target == endpoint.target
                    && known.state == endpoint.state
            };
            record.endpoints.iter().find(is_it)
        });
        endpoint.since_ms = known.map_or(looks.now.as_millis(), |known| known.since_ms);
    }
}

/// What the vantages say and what falls have cost, for a person; it changes only with what it tells.
fn words(outcome: &Outcome, votes: &[Vote]) -> String {
    let mut words = String::new();
    let n_down = votes.iter().filter(|vote| vote.verdict == EndpointVerdict::Down).count();
    let n_known = votes.iter().filter(|vote| vote.verdict != EndpointVerdict::Unknown).count();
    if n_down > 0 {
        words.push_str(&format!(", down for {n_down} of {n_known} nodes"));
    } else if n_known == 0 && outcome.course.fleet == EndpointVerdict::Down {
        words.push_str(", down when nodes last told");
    }
    let penalty = outcome.course.penalty;
    if penalty.suppressed {
        words.push_str(&format!(", penalty {} since {}", penalty.points, penalty.at));
    }
    words
}

/// What became of endpoints before the host started, as far as their status says.
fn restore(checked: &CheckedRecord, looks: &Looks<'_>) -> Courses {
    let status: GlobalRecordStatus = v1alpha1::read(&looks.stored.value(), "status").unwrap_or_default();
    let course = |endpoint: &EndpointStatus| {
        let serves = endpoint.verdict == EndpointStatus::SERVING;
        let forced_down =
            endpoint.forced.as_ref().is_some_and(|forced| forced.state == v1alpha1::ForcedState::Down);
        let by_probes = endpoint.verdict == "ProbesFailing";
        let course = Course {
            fleet: if by_probes { EndpointVerdict::Down } else { EndpointVerdict::Unknown },
            heard: looks.now,
            well: serves || endpoint.verdict == "Flapping",
            served: serves && !forced_down,
            penalty: endpoint.damping.as_ref().and_then(penalty).unwrap_or_default(),
            ramp: endpoint
                .ramp
                .as_ref()
                .zip(checked.health.ramp.as_ref())
                .and_then(|(told, plan)| ramping(told, plan)),
        };
        let target =
            endpoint.address.parse().map_or_else(|_| Target::Hostname(endpoint.address.clone()), Target::Ip);
        ((endpoint.cluster.clone(), target), course)
    };
    status.endpoints.iter().map(course).collect()
}

fn penalty(told: &v1alpha1::DampingStatus) -> Option<Penalty> {
    Some(Penalty {
        points: u32::try_from(told.penalty).ok()?,
        at: convert::timestamp(&told.fell)?,
        suppressed: told.suppressed,
    })
}

fn ramping(told: &v1alpha1::RampStatus, plan: &RampPlan) -> Option<ramp::Ramp> {
    let step =
        (0..).map_while(|step| plan.percent(step)).position(|percent| i64::from(percent) >= told.percent)?;
    // Its status says since when to the second, so the step may last up to one longer; never shorter.
    let since = convert::timestamp(&told.since)? + Duration::from_secs(1);
    Some(ramp::Ramp { step, since, sight: Sight::Well })
}

#[cfg(test)]
mod tests {
    use koinon_types::names::{Probe, RecordRef};

    use super::*;

    #[test]
    fn only_who_still_looks_has_a_vote() {
        let target = Target::Ip([192, 0, 2, 1].into());
        let endpoint = Endpoint {
            cluster: "a".into(),
            target: target.clone(),
            weight: 1,
            state: EndpointState::Serving,
            since_ms: 0,
            evidence: String::new(),
            forced: None,
            ramp: None,
        };
        let check = |interval_ms| Check {
            probe: Probe::Tcp,
            port: 80,
            interval_ms,
            timeout_ms: 1_000,
            failure_threshold: 3,
            success_threshold: 2,
        };
        let report = |last_ms| {
            let probe = EndpointProbe {
                cluster: "a".into(),
                target: target.clone(),
                outcome: ProbeOutcome::Passing,
                since_ms: 0,
                last_ms,
                answered_ms: None,
                wavers: false,
            };
            let record = RecordRef { namespace: "shop".into(), name: "shop".into() };
            Arc::new(ProbeReport { vantage: "dns".into(), record, at_ms: 100_000, endpoints: vec![probe] })
        };
        for (last_ms, interval_ms, n_votes) in [
            (100_000, 2_000, 1),
            (90_000, 2_000, 1),
            (89_999, 2_000, 0),
            (69_000, 10_000, 1),
            (68_999, 10_000, 0),
        ] {
            let votes = votes(&endpoint, Some(&check(interval_ms)), &[report(last_ms)]);
            assert_eq!(votes.len(), n_votes, "asked at {last_ms}, every {interval_ms} ms");
        }
        assert_eq!(votes(&endpoint, None, &[report(100_000)]), [], "nobody is asked any more");
    }
}
