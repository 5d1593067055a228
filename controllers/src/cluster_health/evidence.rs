//! From reports to the evidence that a judgement rests on. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use koinon_model::health::{self, ApiEvidence, DataPlaneEvidence, EndpointVerdict, Vantage};
use koinon_model::time::Timestamp;
use koinon_types::names::{ProbeOutcome, ProbeReport, Target};
use koinon_types::sync::{ApiOutcome, ApiProbe};

/// The evidence about an API after one more report. A probe that was told already is not counted twice.
pub(super) fn api(known: ApiEvidence, probe: &ApiProbe) -> ApiEvidence {
    let outcome = match probe.outcome {
        ApiOutcome::Reachable => health::ApiOutcome::Reachable,
        ApiOutcome::Refused => health::ApiOutcome::Refused,
        ApiOutcome::Hung => health::ApiOutcome::Hung,
        ApiOutcome::NotReady => health::ApiOutcome::NotReady,
        // Settings that cannot be used say as little about the member as credentials that it refuses.
        ApiOutcome::Unauthorized | ApiOutcome::Certificate | ApiOutcome::Misconfigured => {
            health::ApiOutcome::Unauthorized
        }
    };
    // Probes are stamped when they end; evidence counts from when they began.
    let took = i64::try_from(probe.latency_ms).unwrap_or(i64::MAX);
    let started = Timestamp::from_millis(probe.at_ms.saturating_sub(took));
    let latest = known.successes.or(known.failures).map(|run| run.last);
    if latest.is_some_and(|latest| started <= latest && latest.since(started) < REPEAT_WITHIN) {
        return known;
    }
    known.observed(outcome, started)
}

/// A report of a probe that is older than the latest one by less than this repeats it; by more, the clock was set back.
const REPEAT_WITHIN: Duration = Duration::from_secs(60);

/// What the DNS nodes' probes say about each cluster's endpoints.
///
/// Shape: one vote per node and address: an address that answers on one port is alive, whatever other names' probes say.
pub(super) fn data_plane(reports: &[Arc<ProbeReport>]) -> BTreeMap<String, Vec<DataPlaneEvidence>> {
    let mut votes: BTreeMap<(&str, IpAddr, &str), Vote> = BTreeMap::new();
    for report in reports {
        for endpoint in &report.endpoints {
            let Target::Ip(address) = &endpoint.target else { continue };
            let verdict = match &endpoint.outcome {
                ProbeOutcome::Passing => EndpointVerdict::Up,
                ProbeOutcome::Failing { .. } => EndpointVerdict::Down,
                ProbeOutcome::Unknown => EndpointVerdict::Unknown,
            };
            let (at_ms, answered_ms) = (endpoint.last_ms, endpoint.answered_ms);
            let place = (endpoint.cluster.as_str(), *address, report.vantage.as_str());
            let vote = votes.entry(place).or_insert(Vote { verdict, at_ms, answered_ms });
            // In the order of the verdicts, up comes before down, and down before unknown.
            vote.verdict = vote.verdict.min(verdict);
            vote.at_ms = vote.at_ms.max(at_ms);
            vote.answered_ms = vote.answered_ms.max(answered_ms);
        }
    }
    let mut seen: BTreeMap<String, Vec<DataPlaneEvidence>> = BTreeMap::new();
    for ((cluster, endpoint, vantage), vote) in votes {
        let vantage = Vantage(vantage.to_owned());
        seen.entry(cluster.to_owned()).or_default().push(DataPlaneEvidence {
            endpoint,
            vantage,
            verdict: vote.verdict,
            at: Timestamp::from_millis(vote.at_ms),
            answered: vote.answered_ms.map(Timestamp::from_millis),
        });
    }
    seen
}

/// What one node's probes of one address say together.
struct Vote {
    verdict: EndpointVerdict,
    at_ms: i64,
    answered_ms: Option<i64>,
}

#[cfg(test)]
mod tests {
    use koinon_types::names::{EndpointProbe, RecordRef};

    use super::*;

    fn probe(outcome: ApiOutcome, at_ms: i64) -> ApiProbe {
        ApiProbe { outcome, message: String::new(), at_ms, latency_ms: 100 }
    }

    #[test]
    fn a_probe_counts_once_from_when_it_began() {
        let once = api(ApiEvidence::default(), &probe(ApiOutcome::Refused, 5_000));
        assert_eq!(once.failures.map(|run| run.first), Some(Timestamp::from_millis(4_900)));
        assert_eq!(api(once, &probe(ApiOutcome::Refused, 5_000)), once);
        let twice = api(once, &probe(ApiOutcome::Hung, 6_000));
        assert_eq!(twice.failures.map(|run| run.count), Some(2));
    }

    #[test]
    fn an_address_that_answers_one_name_is_alive() {
        let report = |name: &str, outcome: ProbeOutcome| {
            let endpoint = EndpointProbe {
                cluster: "a".into(),
                target: Target::Ip(IpAddr::from([192, 0, 2, 1])),
                outcome,
                since_ms: 0,
                last_ms: 7,
                answered_ms: None,
                wavers: false,
            };
            Arc::new(ProbeReport {
                vantage: "dns".into(),
                record: RecordRef { namespace: "shop".into(), name: name.into() },
                at_ms: 7,
                endpoints: vec![endpoint],
            })
        };
        let failing = || ProbeOutcome::Failing { reason: "refused".into() };
        let rows = [
            ([ProbeOutcome::Passing, failing()], EndpointVerdict::Up),
            ([failing(), ProbeOutcome::Passing], EndpointVerdict::Up),
            ([failing(), failing()], EndpointVerdict::Down),
            ([ProbeOutcome::Unknown, failing()], EndpointVerdict::Down),
        ];
        for ([one, other], wanted) in rows {
            let seen = data_plane(&[report("one", one), report("other", other)]);
            let verdicts: Vec<EndpointVerdict> = seen["a"].iter().map(|e| e.verdict).collect();
            assert_eq!(verdicts, [wanted]);
        }
    }
}
