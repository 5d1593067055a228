//! What a `Cluster` says about its member, from what is believed of it. Pure.

use koinon_model::health::Verdict;
use koinon_model::time::Timestamp;
use koinon_policies::failover::Held;
use koinon_policies::health::{Api, DataPlane, Judgement, Standing};
use koinon_types::conditions::{self, ConditionType, Finding, Reason, Truth};
use koinon_types::convert;
use koinon_types::sync::{ApiOutcome, Capacity, MemberReport};
use koinon_types::v1alpha1::{
    ClusterStatus, Condition, EnabledGroupVersion, NodeCapacity, SyncStatus, Taint, TaintEffect,
};

/// The taint of a lost member.
pub(crate) const UNREACHABLE: &str = "koinon.io/unreachable";

/// Everything a status is made from.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) judgement: &'a Judgement,
    pub(super) report: Option<&'a MemberReport>,
    /// Failed probes in a row.
    pub(super) n_failures: u32,
    /// Whether so much of the fleet looks dead that nothing is moved.
    pub(super) brake: Option<&'a Held>,
}

/// How much a change of a status matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// It is none.
    None,
    /// Numbers and words for people.
    Counts,
    /// Others act upon it, and not in a hurry.
    News,
    /// Names and workloads depend on it.
    Verdict,
}

/// What was believed when the status was written, and since when.
pub(super) fn standing(status: &ClusterStatus) -> Option<Standing> {
    let verdict = Verdict::named(&status.state)?;
    let condition = conditions::find(&status.conditions, ConditionType::Ready);
    let tainted = taint(status).and_then(|taint| taint.time_added.as_deref());
    let since = match verdict {
        Verdict::Unreachable => tainted,
        Verdict::Ready | Verdict::ControlPlaneOnly | Verdict::DataPlaneOnly | Verdict::Suspect => None,
    };
    let since = since.or(condition.map(|condition| condition.last_transition_time.as_str()));
    Some(Standing { verdict, since: since.and_then(convert::timestamp)? })
}

/// Whether a member is lost: condemned, or condemned before and not proven to be back. Doubt changes nothing either way.
pub(super) fn is_lost(status: &ClusterStatus, verdict: Verdict) -> bool {
    match verdict {
        Verdict::Unreachable => true,
        Verdict::Suspect => taint(status).is_some(),
        Verdict::Ready | Verdict::ControlPlaneOnly | Verdict::DataPlaneOnly => false,
    }
}

fn taint(status: &ClusterStatus) -> Option<&Taint> {
    status.taints.iter().find(|taint| taint.key == UNREACHABLE)
}

/// The status that follows from the one before and what was seen.
pub(super) fn next(
    before: &ClusterStatus,
    seen: &Seen<'_>,
    generation: i64,
    now: Timestamp,
) -> ClusterStatus {
    let standing = seen.judgement.standing;
    let mut status = before.clone();
    status.observed_generation = generation;
    standing.verdict.as_str().clone_into(&mut status.state);
    let was_lost = taint(before).is_some();
    match (is_lost(before, standing.verdict), was_lost) {
        (true, true) | (false, false) => {}
        (true, false) => {
            status.returned_at = None;
            status.taints.push(Taint {
                key: UNREACHABLE.to_owned(),
                value: String::new(),
                effect: TaintEffect::NoExecute,
                time_added: Some(standing.since.to_string()),
            });
        }
        (false, true) => {
            status.returned_at = Some(now.to_string());
            status.taints.retain(|taint| taint.key != UNREACHABLE);
        }
    }
    let findings = [
        ready(seen),
        api_reachable(seen, &before.conditions),
        data_plane_healthy(seen),
        synced(seen),
        capacity_known(seen),
    ];
    conditions::record(&mut status.conditions, &findings, generation, now);
    if let Some(report) = seen.report {
        copy_report(&mut status, report);
    }
    status
}

fn copy_report(status: &mut ClusterStatus, report: &MemberReport) {
    if let Some(version) = &report.version {
        status.kubernetes_version.clone_from(version);
    }
    if let Some(enablements) = &report.api_enablements {
        let each = |enabled: &koinon_types::sync::ApiEnablement| EnabledGroupVersion {
            group_version: enabled.group_version.clone(),
            resources: enabled.resources.clone(),
        };
        status.api_enablements = enablements.iter().map(each).collect();
    }
    if let Some(capacity) = &report.capacity {
        status.capacity = Some(node_capacity(capacity));
    }
    let backlog = report.backlog;
    let pending_since = |age: u64| {
        let at = report.api.at_ms.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX));
        Timestamp::from_millis(at).to_string()
    };
    status.sync = Some(SyncStatus {
        desired: count(backlog.n_desired),
        applied: count(backlog.n_applied),
        lag_seconds: seconds(backlog.lag_ms),
        oldest_pending: backlog.oldest_pending_ms.map(pending_since),
    });
}

fn node_capacity(capacity: &Capacity) -> NodeCapacity {
    NodeCapacity {
        nodes: count(capacity.n_nodes),
        ready_nodes: count(capacity.n_nodes_ready),
        allocatable: capacity.allocatable.clone(),
        allocated: capacity.allocated.clone(),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Seconds to the hundredth: what is finer is noise to whoever reads it.
fn seconds(millis: u64) -> f64 {
    f64::from(u32::try_from(millis / 10).unwrap_or(u32::MAX)) / 100.0
}

// === Conditions ===

fn finding(kind: ConditionType, truth: Truth, reason: Reason, message: &str) -> Finding {
    Finding { kind, truth, reason, message: message.to_owned() }
}

fn ready(seen: &Seen<'_>) -> Finding {
    let judgement = seen.judgement;
    let of = |truth, reason, message: &str| finding(ConditionType::Ready, truth, reason, message);
    match (judgement.standing.verdict, judgement.data_plane) {
        (Verdict::Ready, DataPlane::Up) => of(Truth::True, Reason::ApiAndDataPlaneAnswer, ""),
        (Verdict::Ready, DataPlane::Unknown | DataPlane::Down | DataPlane::Disputed) => {
            of(Truth::True, Reason::ApiAnswers, "")
        }
        (Verdict::ControlPlaneOnly, _) => of(
            Truth::Unknown,
            Reason::ControlPlaneOnly,
            "its API does not answer and its endpoints do: nothing is moved, changes wait",
        ),
        (Verdict::Unreachable, _) => match seen.brake {
            Some(brake) => of(Truth::False, Reason::Braked, &brake.to_string()),
            None if judgement.api_only => of(
                Truth::False,
                Reason::Unreachable,
                "its API does not answer, and that is all that is known of it",
            ),
            None => of(Truth::False, Reason::Unreachable, "neither its API nor its endpoints answer"),
        },
        (Verdict::DataPlaneOnly, _) => {
            of(Truth::False, Reason::DataPlaneOnly, "its API answers and its endpoints do not")
        }
        (Verdict::Suspect, _) => {
            of(Truth::Unknown, Reason::Suspect, "what is known of it does not suffice: nothing is moved")
        }
    }
}

fn api_reachable(seen: &Seen<'_>, before: &[Condition]) -> Finding {
    let judgement = seen.judgement;
    let of = |truth, reason, message: &str| finding(ConditionType::ApiReachable, truth, reason, message);
    let outcome = seen.report.map(|report| report.api.outcome);
    let said = seen.report.map_or("", |report| report.api.message.as_str());
    let reason = match outcome {
        Some(ApiOutcome::Reachable) => Reason::ApiAnswers,
        Some(ApiOutcome::Refused) => Reason::ConnectionRefused,
        Some(ApiOutcome::Hung) => Reason::Timeout,
        Some(ApiOutcome::NotReady) => Reason::NotReady,
        Some(ApiOutcome::Unauthorized) => Reason::Unauthorized,
        Some(ApiOutcome::Certificate) => Reason::CertificateInvalid,
        Some(ApiOutcome::Misconfigured) => Reason::Misconfigured,
        None => Reason::NotYetProbed,
    };
    match judgement.api {
        Api::Answers => of(Truth::True, Reason::ApiAnswers, &judgement.api_text),
        Api::Gone => of(Truth::False, reason, &judgement.api_text),
        Api::Estranged => of(Truth::False, reason, &format!("api: {said}")),
        Api::Stale => of(Truth::Unknown, Reason::NotYetProbed, &judgement.api_text),
        // One failure is not news. More of them are told, because the brake counts whom it doubts.
        Api::Unclear => match conditions::find(before, ConditionType::ApiReachable) {
            Some(known) if known.status == Truth::True.as_str() && seen.n_failures < 2 => {
                of(Truth::True, Reason::ApiAnswers, &known.message)
            }
            Some(_) | None => of(Truth::Unknown, reason, &judgement.api_text),
        },
    }
}

fn data_plane_healthy(seen: &Seen<'_>) -> Finding {
    let (truth, reason) = match seen.judgement.data_plane {
        DataPlane::Up => (Truth::True, Reason::EndpointsAnswer),
        DataPlane::Down => (Truth::False, Reason::EndpointsSilent),
        DataPlane::Disputed => (Truth::Unknown, Reason::Suspect),
        DataPlane::Unknown => (Truth::Unknown, Reason::NotProbed),
    };
    finding(ConditionType::DataPlaneHealthy, truth, reason, &seen.judgement.data_plane_text)
}

fn synced(seen: &Seen<'_>) -> Finding {
    let of = |truth, reason, message: &str| finding(ConditionType::Synced, truth, reason, message);
    match seen.report {
        None => of(Truth::Unknown, Reason::NotYetProbed, ""),
        Some(report) if report.api.outcome != ApiOutcome::Reachable => {
            of(Truth::False, Reason::Behind, "changes wait until its API answers")
        }
        Some(report) if !report.synced => of(Truth::False, Reason::Behind, "not all of its watches are live"),
        Some(report) if report.backlog.n_applied < report.backlog.n_desired => {
            of(Truth::False, Reason::Behind, "changes are waiting")
        }
        Some(_) => of(Truth::True, Reason::UpToDate, ""),
    }
}

fn capacity_known(seen: &Seen<'_>) -> Finding {
    let known = seen.report.is_some_and(|report| report.capacity.is_some());
    let (truth, reason) =
        if known { (Truth::True, Reason::NodesCounted) } else { (Truth::Unknown, Reason::NodesNotCounted) };
    finding(ConditionType::CapacityKnown, truth, reason, "")
}

// === Changes ===

/// How much it matters that a status changes from one to the other.
pub(super) fn compare(before: &ClusterStatus, after: &ClusterStatus) -> Change {
    if before == after {
        return Change::None;
    }
    let statuses = |status: &ClusterStatus, kind| {
        conditions::find(&status.conditions, kind).map(|condition| condition.status.clone())
    };
    let reason = |status: &ClusterStatus| {
        conditions::find(&status.conditions, ConditionType::Ready).map(|condition| condition.reason.clone())
    };
    let differs = |kind| statuses(before, kind) != statuses(after, kind);
    let verdict = before.state != after.state
        || before.taints != after.taints
        || before.returned_at != after.returned_at
        || before.observed_generation != after.observed_generation
        || reason(before) != reason(after)
        || differs(ConditionType::ApiReachable)
        || differs(ConditionType::DataPlaneHealthy);
    let is_true = |status: &ClusterStatus| statuses(status, ConditionType::Synced).as_deref() == Some("True");
    let news = (!is_true(before) && is_true(after))
        || differs(ConditionType::CapacityKnown)
        || before.kubernetes_version != after.kubernetes_version
        || before.api_enablements != after.api_enablements;
    match (verdict, news) {
        (true, _) => Change::Verdict,
        (false, true) => Change::News,
        (false, false) => Change::Counts,
    }
}

#[cfg(test)]
mod tests {
    use koinon_types::sync::{ApiProbe, Backlog};

    use super::*;

    fn judgement(verdict: Verdict, api: Api, data_plane: DataPlane) -> Judgement {
        Judgement {
            standing: Standing { verdict, since: Timestamp::from_seconds(100) },
            doubtful: false,
            api_only: false,
            api,
            api_text: "api: told".into(),
            data_plane,
            data_plane_text: "data plane: told".into(),
            again: None,
        }
    }

    fn report(outcome: ApiOutcome) -> MemberReport {
        MemberReport {
            cluster: "a".into(),
            api: ApiProbe { outcome, message: "certificate: unknown issuer".into(), at_ms: 0, latency_ms: 1 },
            synced: outcome == ApiOutcome::Reachable,
            version: Some("v1.36.3".into()),
            api_enablements: None,
            capacity: Some(Capacity::default()),
            backlog: Backlog { n_desired: 2, n_applied: 2, oldest_pending_ms: None, lag_ms: 1_234 },
        }
    }

    fn after(before: &ClusterStatus, judgement: &Judgement, report: &MemberReport) -> ClusterStatus {
        let seen = Seen { judgement, report: Some(report), n_failures: 1, brake: None };
        next(before, &seen, 1, Timestamp::from_seconds(200))
    }

    fn well() -> ClusterStatus {
        let judgement = judgement(Verdict::Ready, Api::Answers, DataPlane::Up);
        after(&ClusterStatus::default(), &judgement, &report(ApiOutcome::Reachable))
    }

    fn lost() -> ClusterStatus {
        let judgement = judgement(Verdict::Unreachable, Api::Gone, DataPlane::Down);
        after(&well(), &judgement, &report(ApiOutcome::Refused))
    }

    fn words(status: &ClusterStatus, kind: ConditionType) -> (&str, &str) {
        let condition = conditions::find(&status.conditions, kind).expect("it is always written");
        (&condition.status, &condition.reason)
    }

    #[test]
    fn a_member_that_is_well_says_all_there_is_to_say() {
        let status = well();
        assert_eq!((status.state.as_str(), status.kubernetes_version.as_str()), ("Ready", "v1.36.3"));
        let rows = [
            (ConditionType::Ready, ("True", "ApiAndDataPlaneAnswer")),
            (ConditionType::ApiReachable, ("True", "ApiAnswers")),
            (ConditionType::DataPlaneHealthy, ("True", "EndpointsAnswer")),
            (ConditionType::Synced, ("True", "UpToDate")),
            (ConditionType::CapacityKnown, ("True", "NodesCounted")),
        ];
        for (kind, wanted) in rows {
            assert_eq!(words(&status, kind), wanted);
        }
        assert_eq!(status.sync.map(|sync| sync.lag_seconds), Some(1.23));
    }

    #[test]
    fn a_lost_member_is_tainted_until_it_has_proven_to_be_back() {
        let lost = lost();
        assert_eq!(lost.taints[0].time_added.as_deref(), Some("1970-01-01T00:01:40Z"));
        assert_eq!(words(&lost, ConditionType::Ready), ("False", "Unreachable"));
        assert_eq!(
            standing(&lost).map(|s| (s.verdict, s.since.as_seconds())),
            Some((Verdict::Unreachable, 100))
        );
        let doubt = judgement(Verdict::Suspect, Api::Stale, DataPlane::Unknown);
        let doubted = after(&lost, &doubt, &report(ApiOutcome::Refused));
        assert_eq!((&doubted.taints, &doubted.returned_at), (&lost.taints, &None));
        let back = judgement(Verdict::Ready, Api::Answers, DataPlane::Up);
        let back = after(&doubted, &back, &report(ApiOutcome::Reachable));
        assert_eq!(back.returned_at.as_deref(), Some("1970-01-01T00:03:20Z"));
        assert!(back.taints.is_empty());
    }

    #[test]
    fn one_failure_changes_no_condition_and_two_cast_doubt() {
        let unclear = judgement(Verdict::Ready, Api::Unclear, DataPlane::Up);
        let report = report(ApiOutcome::Refused);
        let status = after(&well(), &unclear, &report);
        assert_eq!(words(&status, ConditionType::ApiReachable), ("True", "ApiAnswers"));
        assert_eq!(compare(&well(), &status), Change::Counts);
        let seen = Seen { judgement: &unclear, report: Some(&report), n_failures: 2, brake: None };
        let status = next(&well(), &seen, 1, Timestamp::from_seconds(200));
        assert_eq!(words(&status, ConditionType::ApiReachable), ("Unknown", "ConnectionRefused"));
        assert_eq!(words(&status, ConditionType::Ready).0, "True");
    }

    #[test]
    fn a_wrong_certificate_is_named() {
        let estranged = judgement(Verdict::Suspect, Api::Estranged, DataPlane::Unknown);
        let status = after(&ClusterStatus::default(), &estranged, &report(ApiOutcome::Certificate));
        assert_eq!(words(&status, ConditionType::ApiReachable), ("False", "CertificateInvalid"));
        let condition =
            conditions::find(&status.conditions, ConditionType::ApiReachable).expect("it is there");
        assert!(condition.message.contains("unknown issuer"), "{}", condition.message);
    }

    #[test]
    fn the_brake_is_said_where_it_holds() {
        let judgement = judgement(Verdict::Unreachable, Api::Gone, DataPlane::Down);
        let brake = Held::Brake { unhealthy: 2, total: 3 };
        let report = report(ApiOutcome::Refused);
        let seen = Seen { judgement: &judgement, report: Some(&report), n_failures: 9, brake: Some(&brake) };
        let status = next(&well(), &seen, 1, Timestamp::from_seconds(200));
        assert_eq!(words(&status, ConditionType::Ready), ("False", "Braked"));
        assert_eq!(compare(&lost(), &status), Change::Verdict);
    }

    #[test]
    fn changes_matter_by_what_depends_on_them() {
        let mut behind = well();
        let waiting = MemberReport {
            backlog: Backlog { n_desired: 3, n_applied: 2, oldest_pending_ms: Some(10), lag_ms: 5 },
            ..report(ApiOutcome::Reachable)
        };
        let judged = judgement(Verdict::Ready, Api::Answers, DataPlane::Up);
        behind = after(&behind, &judged, &waiting);
        let rows = [
            (well(), well(), Change::None),
            (well(), behind.clone(), Change::Counts),
            (behind, well(), Change::News),
            (ClusterStatus { kubernetes_version: "v1.35.0".into(), ..well() }, well(), Change::News),
            (well(), lost(), Change::Verdict),
        ];
        for (before, after, wanted) in rows {
            assert_eq!(compare(&before, &after), wanted);
        }
    }
}
