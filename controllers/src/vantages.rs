//! What the DNS nodes see and serve, for the loops that judge by it.
//!
//! One task ([`run`]) takes the nodes' reports in; loops read the latest of each node at any time and are woken when one comes.
//! Reports are complete, so only the latest of a node counts, and one that is not renewed is forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use koinon_types::names::{AnswerReport, ProbeReport, RecordRef};
use tokio::sync::{mpsc, watch};

use crate::clock;

/// How long a report counts. Nodes report every few seconds, so a node that has been silent for so long is gone.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// The latest reports of every DNS node; clones share them.
#[derive(Clone, Debug)]
pub struct Vantages {
    shared: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct State {
    probes: BTreeMap<(String, RecordRef), Arc<ProbeReport>>,
    answers: BTreeMap<String, Arc<AnswerReport>>,
}

impl Default for Vantages {
    fn default() -> Self {
        Self { shared: Arc::default(), changes: Arc::new(watch::Sender::new(0)) }
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
        let key = (report.vantage.clone(), report.record.clone());
        self.change(|state| drop(state.probes.insert(key, Arc::new(report))));
    }

    /// Takes in what a node serves.
    pub fn take_answers(&self, report: AnswerReport) {
        self.change(|state| drop(state.answers.insert(report.vantage.clone(), Arc::new(report))));
    }

    /// What every node's probes say, in the order of nodes and names.
    pub fn probes(&self) -> Vec<Arc<ProbeReport>> {
        self.state().probes.values().cloned().collect()
    }

    /// What every node serves, in the order of nodes.
    pub fn answers(&self) -> Vec<Arc<AnswerReport>> {
        self.state().answers.values().cloned().collect()
    }

    /// Follows that something was reported.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let oldest = clock::now().as_millis() - i64::try_from(FORGET_AFTER.as_millis()).unwrap_or(i64::MAX);
        let mut state = self.state();
        change(&mut state);
        state.probes.retain(|_, report| report.at_ms >= oldest);
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the maps are consistent between any two statements.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
}
