//! What owners are told of their records and zones.

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_api_server::ResourceRef;
use koinon_api_server::local::{Client, Stored};
use koinon_machinery::Value;
use koinon_model::time::Timestamp;
use koinon_types::conditions::{self, ConditionType, Finding, Reason, Truth};
use koinon_types::names::{
    self, AnswerReport, Endpoint, EndpointState, Forced, ProbeOutcome, ProbeReport, Record, RecordRef,
};
use koinon_types::v1alpha1::{
    self, Condition, DampingStatus, DnsZoneStatus, EndpointStatus, ForcedState, ForcedStatus,
    GlobalRecordStatus, RampStatus,
};
use tracing::debug;

use super::catalog::Listed;
use super::guard;
use super::located;
use super::signing;
use super::table::Made;
use crate::resources;

/// What is known.
pub(super) struct Seen<'a> {
    pub(super) made: &'a Made,
    pub(super) changed_in: &'a BTreeMap<RecordRef, u64>,
    pub(super) guarded: &'a guard::Outcome,
    /// What is told of zones' keys, by apex.
    pub(super) keys: &'a BTreeMap<String, signing::Told>,
    pub(super) probes: &'a [Arc<ProbeReport>],
    pub(super) answers: &'a [Arc<AnswerReport>],
}

/// An object with its new status.
pub(super) type Told = (ResourceRef, Value);

/// Every status that says something else than is written.
pub(super) fn statuses(client: &Client, seen: &Seen<'_>, now: Timestamp) -> Vec<Told> {
    let records = client.list(&resources::records()).0;
    let zones = client.list(&resources::zones()).0;
    let index = Index::of(seen);
    let of_records = records.iter().filter_map(|stored| record(stored, seen, &index, now));
    of_records.chain(zones.iter().filter_map(|stored| zone(stored, seen, &index, now))).collect()
}

/// What is known, by what it is about: every record asks for its own part once a second.
struct Index<'a> {
    records: BTreeMap<&'a RecordRef, &'a Record>,
    probes: BTreeMap<&'a RecordRef, Vec<&'a ProbeReport>>,
    /// Names per zone.
    names: BTreeMap<&'a str, usize>,
}

impl<'a> Index<'a> {
    fn of(seen: &Seen<'a>) -> Self {
        let mut index = Self { records: BTreeMap::new(), probes: BTreeMap::new(), names: BTreeMap::new() };
        for record in &seen.made.records {
            index.records.entry(&record.source).or_insert(record);
            *index.names.entry(&record.zone).or_default() += 1;
        }
        for report in seen.probes {
            index.probes.entry(&report.record).or_default().push(report);
        }
        index
    }
}

/// Writes statuses; what has changed meanwhile is told the next time.
pub(super) async fn write(client: Client, statuses: Vec<Told>) {
    for (resource, object) in statuses {
        if let Err(status) = client.update_status(&resource, object).await {
            debug!(%resource, message = status.message, "told something older");
        }
    }
}

fn record(stored: &Stored, seen: &Seen<'_>, index: &Index<'_>, now: Timestamp) -> Option<Told> {
    let source = RecordRef { namespace: stored.namespace().to_owned(), name: stored.name().to_owned() };
    let value = stored.value();
    let before: GlobalRecordStatus = v1alpha1::read(&value, "status").unwrap_or_default();
    let published = index.records.get(&source).copied();
    let mut status = GlobalRecordStatus {
        observed_generation: stored.generation(),
        generation: seen
            .changed_in
            .get(&source)
            .map_or(before.generation, |generation| i64::try_from(*generation).unwrap_or(i64::MAX)),
        conditions: before.conditions.clone(),
        endpoints: published.map(|record| endpoints(record, seen, index)).unwrap_or_default(),
    };
    let served = served(&source, published, seen);
    let healthy = healthy(&status.endpoints);
    let mut findings = vec![served, healthy];
    findings.extend(located::located(&source, published, &before, seen.answers));
    findings.extend(current(&before.conditions, record_guarded(&source, published, seen)));
    conditions::record(&mut status.conditions, &findings, stored.generation(), now);
    (status != before).then(|| (resources::records(), resources::with_status(&value, &status)))
}

fn endpoints(record: &Record, seen: &Seen<'_>, index: &Index<'_>) -> Vec<EndpointStatus> {
    let courses = seen.made.courses.get(&record.source);
    let each = |endpoint: &Endpoint| {
        let verdict = match endpoint.state {
            EndpointState::Withdrawn(why) => why.as_str().to_owned(),
            EndpointState::Serving => EndpointStatus::SERVING.to_owned(),
        };
        let evidence = match failing(record, endpoint, index) {
            Some((vantage, reason)) => format!("{}; probe of {vantage}: {reason}", endpoint.evidence),
            None => endpoint.evidence.clone(),
        };
        let at = (endpoint.cluster.clone(), endpoint.target.clone());
        let course = courses.and_then(|courses| courses.get(&at));
        EndpointStatus {
            cluster: endpoint.cluster.clone(),
            address: endpoint.target.to_string(),
            verdict,
            weight: endpoint.weight.into(),
            since: Timestamp::from_millis(endpoint.since_ms).to_string(),
            evidence,
            forced: endpoint.forced.as_ref().map(forced),
            ramp: endpoint.ramp.zip(course.and_then(|course| course.ramp)).map(|(told, ramp)| RampStatus {
                percent: told.percent.into(),
                since: ramp.since.to_string(),
            }),
            damping: course.map(|course| course.penalty).filter(|penalty| penalty.points > 0).map(
                |penalty| DampingStatus {
                    penalty: penalty.points.into(),
                    fell: penalty.at.to_string(),
                    suppressed: penalty.suppressed,
                },
            ),
        }
    };
    record.endpoints.iter().map(each).collect()
}

fn forced(forced: &Forced) -> ForcedStatus {
    ForcedStatus {
        state: match forced.state {
            names::ForcedState::Up => ForcedState::Up,
            names::ForcedState::Down => ForcedState::Down,
        },
        reason: forced.reason.clone(),
        until: forced.until_ms.map(|until| Timestamp::from_millis(until).to_string()).unwrap_or_default(),
    }
}

/// A node that finds an endpoint down, and why.
fn failing<'a>(record: &Record, endpoint: &Endpoint, index: &Index<'a>) -> Option<(&'a str, &'a str)> {
    index.probes.get(&record.source).into_iter().flatten().find_map(|report| {
        let mut probes = report.endpoints.iter();
        let probe =
            probes.find(|probe| probe.cluster == endpoint.cluster && probe.target == endpoint.target)?;
        match &probe.outcome {
            ProbeOutcome::Failing { reason } => Some((report.vantage.as_str(), reason.as_str())),
            ProbeOutcome::Passing | ProbeOutcome::Unknown => None,
        }
    })
}

fn served(source: &RecordRef, published: Option<&Record>, seen: &Seen<'_>) -> Finding {
    let finding = |truth, reason, message| Finding { kind: ConditionType::Served, truth, reason, message };
    let Some(record) = published else {
        let (reason, message) =
            seen.made.left_out.get(source).cloned().unwrap_or((Reason::Waiting, String::new()));
        return finding(Truth::False, reason, message);
    };
    let refused = seen.answers.iter().find_map(|report| report.refused.get(&record.host));
    if let Some(why) = refused {
        return finding(Truth::False, Reason::Refused, why.clone());
    }
    if record.endpoints.is_empty() {
        return finding(Truth::False, Reason::NoEndpoints, "no cluster has an address yet".to_owned());
    }
    finding(Truth::True, Reason::Published, String::new())
}

fn healthy(endpoints: &[EndpointStatus]) -> Finding {
    let n_serving = endpoints.iter().filter(|endpoint| endpoint.serves()).count();
    let (truth, reason) = match n_serving {
        _ if endpoints.is_empty() => (Truth::Unknown, Reason::NoEndpoints),
        0 => (Truth::False, Reason::AllDown),
        n if n < endpoints.len() => (Truth::False, Reason::SomeDown),
        _ => (Truth::True, Reason::AllHealthy),
    };
    Finding {
        kind: ConditionType::Healthy,
        truth,
        reason,
        message: format!("{n_serving} of {} serve", endpoints.len()),
    }
}

/// Why a record does not answer as it is written.
fn record_guarded(
    source: &RecordRef,
    published: Option<&Record>,
    seen: &Seen<'_>,
) -> Option<(Reason, String)> {
    if seen.guarded.held.contains(source) {
        let zone = published.and_then(|record| seen.guarded.zones.get(&record.zone));
        return Some((Reason::RemovalHeld, zone.cloned().unwrap_or_default()));
    }
    let keeps = seen.guarded.last.contains(source);
    keeps.then(|| {
        let message =
            "no cluster has an address now, so the last known ones stay; delete the record to end it";
        (Reason::LastAddressKept, message.to_owned())
    })
}

/// Why a zone is not served as it is written.
fn zone_guarded(apex: &str, seen: &Seen<'_>) -> Option<(Reason, String)> {
    let why = seen.guarded.zones.get(apex)?;
    Some((Reason::RemovalHeld, format!("{why}; koinon dns acknowledge shows what, and lets it pass")))
}

/// Whether something is answered as it is written; said of what is not, or once was not.
fn current(before: &[Condition], held: Option<(Reason, String)>) -> Option<Finding> {
    let kind = ConditionType::Current;
    match held {
        Some((reason, message)) => Some(Finding { kind, truth: Truth::False, reason, message }),
        None if conditions::find(before, kind).is_some() => {
            Some(Finding { kind, truth: Truth::True, reason: Reason::Published, message: String::new() })
        }
        None => None,
    }
}

fn zone(stored: &Stored, seen: &Seen<'_>, index: &Index<'_>, now: Timestamp) -> Option<Told> {
    let value = stored.value();
    let before: DnsZoneStatus = v1alpha1::read(&value, "status").unwrap_or_default();
    let apex = stored.name();
    let names = index.names.get(apex).copied().unwrap_or(0);
    let refused = seen.answers.iter().find_map(|report| report.refused.get(apex));
    let is_published = seen.made.zones.iter().any(|zone| zone.apex == apex);
    let (truth, reason, message) = match refused {
        Some(why) => (Truth::False, Reason::Refused, why.clone()),
        None if is_published => (Truth::True, Reason::Published, String::new()),
        None => (Truth::False, Reason::Waiting, String::new()),
    };
    let mut status = DnsZoneStatus {
        observed_generation: stored.generation(),
        conditions: before.conditions.clone(),
        names: i64::try_from(names).unwrap_or(i64::MAX),
        dnssec: None,
    };
    let mut findings = vec![Finding { kind: ConditionType::Served, truth, reason, message }];
    let named = [
        (ConditionType::TransfersReady, seen.made.transfers.get(apex)),
        (ConditionType::UpdatesReady, seen.made.updates.get(apex)),
    ];
    findings.extend(named.into_iter().filter_map(|(kind, unusable)| ready(kind, unusable, &before)));
    findings.extend(members(apex, &before, seen));
    findings.extend(current(&before.conditions, zone_guarded(apex, seen)));
    match seen.keys.get(apex) {
        Some(told) => {
            status.dnssec = told.status.clone().or_else(|| before.dnssec.clone());
            findings.extend_from_slice(&told.findings);
        }
        None => status
            .conditions
            .retain(|known| !signing::CONDITIONS.iter().any(|kind| known.kind == kind.as_str())),
    }
    conditions::record(&mut status.conditions, &findings, stored.generation(), now);
    (status != before).then(|| (resources::zones(), resources::with_status(&value, &status)))
}

/// Whether a catalog lists every zone that it selects; said of catalogs, and of zones that were one.
fn members(apex: &str, before: &DnsZoneStatus, seen: &Seen<'_>) -> Option<Finding> {
    let kind = ConditionType::MembersListed;
    let Some(Listed { n_members, closed }) = seen.made.catalogs.get(apex) else {
        conditions::find(&before.conditions, kind)?;
        let message = "it is no catalog".to_owned();
        return Some(Finding { kind, truth: Truth::False, reason: Reason::Accepted, message });
    };
    let mut message = format!("{n_members} members");
    if closed.is_empty() {
        return Some(Finding { kind, truth: Truth::True, reason: Reason::Accepted, message });
    }
    message.push_str("; left out, because spec.transfer.allow lets nobody copy them: ");
    message.push_str(&closed.join(", "));
    Some(Finding { kind, truth: Truth::False, reason: Reason::MembersClosed, message })
}

/// Whether everybody that a zone names for transfers or updates is known; said of zones that name somebody, or did.
fn ready(kind: ConditionType, unusable: Option<&Vec<String>>, before: &DnsZoneStatus) -> Option<Finding> {
    let (truth, reason, message) = match unusable {
        Some(unusable) if !unusable.is_empty() => (Truth::False, Reason::KeyUnusable, unusable.join("; ")),
        Some(_) => (Truth::True, Reason::Accepted, String::new()),
        None if before.conditions.iter().any(|condition| condition.kind == kind.as_str()) => {
            (Truth::True, Reason::Accepted, "nobody is named".to_owned())
        }
        None => return None,
    };
    Some(Finding { kind, truth, reason, message })
}
