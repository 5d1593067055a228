//! What the DNS nodes see and serve, for the loops that judge by it.
//!
//! One task ([`run`]) takes the nodes' reports in; loops read the latest of each node at any time and are woken when one comes.
//! Reports are complete, so only the latest of a node counts, and one that is not renewed is forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use koinon_model::time::Timestamp;
use koinon_types::names::{AnswerReport, EndpointProbe, ProbeOutcome, ProbeReport, RecordRef};
use tokio::sync::{mpsc, watch};

use crate::clock;

/// How long a report counts. Nodes report every few seconds, so a node that has been silent for so long is gone.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// How long a node's word on endpoints counts after it was heard: ten reports that it owed did not come. By this host's clock,
/// because another's may be wrong.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// The latest reports of every DNS node; clones share them.
#[derive(Clone, Debug)]
pub struct Vantages {
    shared: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<u64>>,
    turns: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct State {
    probes: BTreeMap<RecordRef, BTreeMap<String, Heard>>,
    answers: BTreeMap<String, Arc<AnswerReport>>,
}

/// A node's latest word on one name.
#[derive(Clone, Debug)]
struct Heard {
    report: Arc<ProbeReport>,
    at: Timestamp,
}

impl Default for Vantages {
    fn default() -> Self {
        let counter = || Arc::new(watch::Sender::new(0));
        Self { shared: Arc::default(), changes: counter(), turns: counter() }
    }
}

/// Takes reports in until every node's end of the channels is gone.
pub async fn run(
    mut probes: mpsc::Receiver<ProbeReport>,
    mut answers: mpsc::Receiver<AnswerReport>,
    vantages: Vantages,
) {
    loop {
        tokio::select! {
            Some(report) = probes.recv() => vantages.take_probes(report),
            Some(report) = answers.recv() => vantages.take_answers(report),
            else => return,
        }
    }
}

// === impl Vantages ===

impl Vantages {
    /// Takes in what a node's probes of one name say.
    pub fn take_probes(&self, report: ProbeReport) {
        let (record, vantage) = (report.record.clone(), report.vantage.clone());
        let report = Arc::new(report);
        let mut before = None;
        self.change(|state| {
            let heard = Heard { report: Arc::clone(&report), at: clock::now() };
            before = state.probes.entry(record).or_default().insert(vantage, heard);
        });
        if before.is_none_or(|before| has_turned(&before.report, &report)) {
            self.turns.send_modify(|count| *count += 1);
        }
    }

    /// Takes in what a node serves.
    pub fn take_answers(&self, report: AnswerReport) {
        self.change(|state| drop(state.answers.insert(report.vantage.clone(), Arc::new(report))));
    }

    /// What every node's probes say, in the order of names and nodes.
    pub fn probes(&self) -> Vec<Arc<ProbeReport>> {
        let state = self.state();
        state.probes.values().flat_map(BTreeMap::values).map(|heard| Arc::clone(&heard.report)).collect()
    }

    /// What the nodes say of one name that are heard of, in their order.
    pub fn of(&self, record: &RecordRef, now: Timestamp) -> Vec<Arc<ProbeReport>> {
        let state = self.state();
        let said = state.probes.get(record).into_iter().flat_map(BTreeMap::values);
        said.filter(|heard| now.since(heard.at) < SILENT_AFTER)
            .map(|heard| Arc::clone(&heard.report))
            .collect()
    }

    /// What every node serves, in the order of nodes.
    pub fn answers(&self) -> Vec<Arc<AnswerReport>> {
        self.state().answers.values().cloned().collect()
    }

    /// Follows that something was reported.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Follows that a node says something else of an endpoint than before.
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let oldest = clock::now().as_millis() - i64::try_from(FORGET_AFTER.as_millis()).unwrap_or(i64::MAX);
        let mut state = self.state();
        change(&mut state);
        state.probes.retain(|_, said| {
            said.retain(|_, heard| heard.report.at_ms >= oldest);
            !said.is_empty()
        });
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the maps are consistent between any two statements.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a verdict is another than before, or begins or ends to waver. Why an endpoint fails changes nothing.
fn has_turned(before: &ProbeReport, after: &ProbeReport) -> bool {
    let said = |probe: &EndpointProbe| {
        let verdict = match probe.outcome {
            ProbeOutcome::Unknown => 0,
            ProbeOutcome::Passing => 1,
            ProbeOutcome::Failing { .. } => 2,
        };
        (verdict, probe.wavers)
    };
    let is_same = |(a, b): (&EndpointProbe, &EndpointProbe)| {
        a.cluster == b.cluster && a.target == b.target && said(a) == said(b)
    };
    before.endpoints.len() != after.endpoints.len()
        || !before.endpoints.iter().zip(&after.endpoints).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(vantage: &str, at_ms: i64) -> ProbeReport {
        let record = RecordRef { namespace: "shop".into(), name: "shop".into() };
        ProbeReport { vantage: vantage.into(), record, at_ms, endpoints: Vec::new() }
    }

    #[test]
    fn the_latest_report_of_each_node_counts_until_it_is_too_old() {
        let now = clock::now().as_millis();
        let vantages = Vantages::default();
        vantages.take_probes(report("gone", now - 120_000));
        vantages.take_probes(report("dns-1", now - 1_000));
        vantages.take_probes(report("dns-1", now));
        let seen: Vec<(String, i64)> =
            vantages.probes().iter().map(|r| (r.vantage.clone(), r.at_ms)).collect();
        assert_eq!(seen, [("dns-1".to_owned(), now)]);
        assert!(vantages.changes().has_changed().is_ok());
    }

    #[test]
    fn only_another_word_is_a_turn() {
        let vantages = Vantages::default();
        let turns = vantages.turns();
        let said = |outcome: ProbeOutcome, wavers, at_ms| {
            let before = *turns.borrow();
            let endpoint = EndpointProbe {
                cluster: "a".into(),
                target: koinon_types::names::Target::Hostname("lb.example".into()),
                outcome,
                since_ms: at_ms,
                last_ms: at_ms,
                answered_ms: None,
                wavers,
            };
            vantages.take_probes(ProbeReport { endpoints: vec![endpoint], ..report("dns-1", at_ms) });
            *turns.borrow() > before
        };
        let now = clock::now().as_millis();
        let failing = |reason: &str| ProbeOutcome::Failing { reason: reason.into() };
        assert!(said(ProbeOutcome::Passing, false, now));
        assert!(!said(ProbeOutcome::Passing, false, now + 1));
        assert!(said(ProbeOutcome::Passing, true, now + 2));
        assert!(said(failing("refused"), false, now + 3));
        assert!(!said(failing("reset"), false, now + 4));
    }

    #[test]
    fn a_node_that_went_silent_has_no_vote() {
        let now = clock::now();
        let vantages = Vantages::default();
        // Its clock is half a minute behind; what counts is when it is heard.
        vantages.take_probes(report("dns-1", now.as_millis() - 30_000));
        let record = report("dns-1", 0).record;
        assert_eq!(vantages.of(&record, now).len(), 1);
        assert_eq!(vantages.of(&record, now + SILENT_AFTER + Duration::from_secs(1)).len(), 0);
    }
}
