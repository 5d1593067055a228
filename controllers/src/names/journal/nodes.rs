//! What DNS nodes answer otherwise by their own probes, while the table stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koinon_types::names::{
    AnswerReport, EndpointState, NameTable, ProbeOutcome, ProbeReport, Record, RecordRef, Target,
};

use super::changes::bounded;
use super::{Cause, Entry, Said};

/// What each node reported last.
#[derive(Debug, Default)]
pub(in super::super) struct Nodes(BTreeMap<String, Arc<AnswerReport>>);

// === impl Nodes ===

impl Nodes {
    /// What nodes answer otherwise than they reported before, of names whose table did not make them.
    pub(in super::super) fn changes(
        &mut self,
        table: &NameTable,
        answers: &[Arc<AnswerReport>],
        probes: &[Arc<ProbeReport>],
    ) -> Vec<Entry> {
        let mut entries = Vec::new();
        for report in answers {
            let before = self.0.insert(report.vantage.clone(), Arc::clone(report));
            let Some(before) = before.filter(|before| !Arc::ptr_eq(before, report)) else { continue };
            let mut own = Vec::new();
            for record in &table.records {
                let sets = [&before, report].map(|said| said.answers.get(&record.source));
                let [Some(old), Some(new)] = sets else { continue };
                if is_own(record, old, new, before.generation == report.generation) {
                    own.push(entry(table, report, record, [old, new], probes));
                }
            }
            entries.extend(bounded(own));
        }
        self.0.retain(|vantage, _| answers.iter().any(|report| report.vantage == *vantage));
        entries
    }
}

/// Whether the node's own probes made the difference: the table is the same, or what is not answered any more may be by the table.
fn is_own(record: &Record, old: &[Target], new: &[Target], is_same_table: bool) -> bool {
    let (old, new): (BTreeSet<&Target>, BTreeSet<&Target>) = (old.iter().collect(), new.iter().collect());
    let may_be_answered = |target: &&&Target| {
        let mut endpoints = record.endpoints.iter();
        endpoints.any(|endpoint| endpoint.target == ***target && endpoint.state == EndpointState::Serving)
    };
    old != new && (is_same_table || old.difference(&new).any(|target| may_be_answered(&target)))
}

fn entry(
    table: &NameTable,
    report: &AnswerReport,
    record: &Record,
    answered: [&Vec<Target>; 2],
    probes: &[Arc<ProbeReport>],
) -> Entry {
    let [before, after] = answered.map(|targets| {
        let endpoints = record.endpoints.iter().filter(|endpoint| targets.contains(&endpoint.target));
        Some(Said {
            ttl: None,
            ..Said::of(&Record { endpoints: endpoints.cloned().collect(), ..record.clone() })
        })
    });
    Entry {
        at_ms: report.at_ms,
        generation: table.generation,
        zone: record.zone.clone(),
        name: record.host.clone(),
        node: Some(report.vantage.clone()),
        cause: Cause::Probes { evidence: evidence(&record.source, &report.vantage, probes) },
        names_count: None,
        before,
        after,
    }
}

/// What the node's probes of a record meet.
fn evidence(source: &RecordRef, vantage: &str, probes: &[Arc<ProbeReport>]) -> String {
    let report = probes.iter().find(|report| report.vantage == vantage && report.record == *source);
    let failing = report.into_iter().flat_map(|report| &report.endpoints).filter_map(|probe| {
        let target = probe.target.to_string();
        match &probe.outcome {
            ProbeOutcome::Failing { reason } => Some(format!("{target}: {reason}")),
            ProbeOutcome::Passing | ProbeOutcome::Unknown => None,
        }
    });
    let failing: Vec<String> = failing.collect();
    if failing.is_empty() { "all endpoints answer".to_owned() } else { failing.join("; ") }
}
