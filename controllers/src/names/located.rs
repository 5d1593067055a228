//! Whether a name's routing knows what it asks: where clients are, by the databases of the DNS nodes, and where clusters are.

use std::sync::Arc;

use koinon_types::conditions::{ConditionType, Finding, Reason, Truth};
use koinon_types::names::{AnswerReport, Record, RecordRef, Step};
use koinon_types::v1alpha1::GlobalRecordStatus;

/// What there is to say of a record; said of those whose routing asks for a place, or did.
pub(super) fn located(
    source: &RecordRef,
    published: Option<&Record>,
    before: &GlobalRecordStatus,
    answers: &[Arc<AnswerReport>],
) -> Option<Finding> {
    let finding =
        |truth, reason, message| Some(Finding { kind: ConditionType::Located, truth, reason, message });
    let routing = published.map_or(&[][..], |record| &record.routing);
    if !routing.iter().any(Step::needs_location) {
        let was_told =
            before.conditions.iter().any(|condition| condition.kind == ConditionType::Located.as_str());
        let accepted = || finding(Truth::True, Reason::Accepted, "no step asks for a place".to_owned());
        return was_told.then(accepted).flatten();
    }
    let blind: Vec<&str> = answers
        .iter()
        .filter(|report| report.blind.contains(source))
        .map(|report| report.vantage.as_str())
        .collect();
    if !blind.is_empty() {
        let message = format!(
            "{} answers everybody as if no place matched: start it with --geo-db and a location database",
            blind.join(", ")
        );
        return finding(Truth::False, Reason::NoLocationDatabase, message);
    }
    let lost: Vec<&str> = published.map(nowhere).unwrap_or_default();
    if !lost.is_empty() {
        let message = format!(
            "nobody is near to {}: give the Cluster a spec.location, or a known region",
            lost.join(", ")
        );
        return finding(Truth::False, Reason::ClusterNotLocated, message);
    }
    finding(Truth::True, Reason::Accepted, String::new())
}

/// The clusters of a record whose place a step asks for and nobody says.
fn nowhere(record: &Record) -> Vec<&str> {
    let mut clusters: Vec<&str> = Vec::new();
    for step in &record.routing {
        let Step::Nearest { places } = step else { continue };
        let is_lost = |cluster: &&str| !places.iter().any(|place| place.cluster == *cluster);
        clusters.extend(record.endpoints.iter().map(|endpoint| endpoint.cluster.as_str()).filter(is_lost));
    }
    clusters.sort_unstable();
    clusters.dedup();
    clusters
}
