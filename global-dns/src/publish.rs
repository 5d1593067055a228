//! The one owner of what is served: joins the host's table with this node's probes and swaps in a new snapshot.
//!
//! ```text
//! table (newer only) ─┐
//! findings of probes ─┼─► build ─► swap ─► AnswerReport, ProbeReport
//! last known good ────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use koinon_types::names::{
    AnswerReport, EndpointProbe, NameTable, NameTableReceiver, ProbeReport, RecordRef,
};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{error, info};

use crate::fast::now;
use crate::metrics::{Drop, Metrics};
use crate::probe::{self, Assignment, Finding};
use crate::snapshot::{Input, LastGood, Probed, Seed, Snapshot, Verdicts, build};

/// Findings that wait for the owner: more than arrive while one snapshot of 100,000 names is built.
const FINDINGS: usize = 4096;

/// How often the host hears of endpoints that do not change: its evidence must not grow old.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The other ends of the owner's channels.
pub(crate) struct Links {
    pub(crate) table: NameTableReceiver,
    pub(crate) probes: mpsc::Sender<ProbeReport>,
    pub(crate) answers: mpsc::Sender<AnswerReport>,
}

/// The owner.
pub(crate) struct Publisher {
    vantage: String,
    seed: Seed,
    generation: u64,
    table: Arc<NameTable>,
    verdicts: Verdicts,
    /// When each endpoint was probed last, Unix milliseconds.
    probed_at: BTreeMap<Probed, i64>,
    last_good: LastGood,
    snapshot: Arc<ArcSwap<Snapshot>>,
    links: Links,
    running: BTreeMap<Probed, (Assignment, AbortHandle)>,
    tasks: JoinSet<()>,
    findings: mpsc::Sender<Finding>,
    metrics: Metrics,
}

/// The snapshot before there is a table: nothing is ours.
pub(crate) fn empty(seed: Seed, generation: u64) -> Snapshot {
    let (table, verdicts, last_good) = (Arc::default(), Verdicts::new(), LastGood::new());
    let input = Input { table: &table, verdicts: &verdicts, last_good: &last_good, generation, seed };
    build(input).expect("an empty table is not too large")
}

// === impl Publisher ===

impl Publisher {
    /// Owns `snapshot` until asked to stop.
    pub(crate) async fn run(
        vantage: String,
        seed: Seed,
        snapshot: Arc<ArcSwap<Snapshot>>,
        links: Links,
        metrics: Metrics,
        stop: watch::Receiver<bool>,
    ) {
        let (findings, found) = mpsc::channel(FINDINGS);
        let generation = snapshot.load().generation();
        let publisher = Self {
            vantage,
            seed,
            generation,
            table: Arc::default(),
            verdicts: Verdicts::new(),
            probed_at: BTreeMap::new(),
            last_good: LastGood::new(),
            snapshot,
            links,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            findings,
            metrics,
        };
        publisher.own(found, stop).await;
    }

    async fn own(mut self, mut found: mpsc::Receiver<Finding>, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        self.take_table();
        let mut hosted = true;
        loop {
            tokio::select! {
                changed = self.links.table.changed(), if hosted => match changed {
                    Ok(()) => self.take_table(),
                    // The host's end is gone: what is served stays, and so do the probes.
                    Err(_) => hosted = false,
                },
                Some(finding) = found.recv() => {
                    let mut batch = vec![finding];
                    while let Ok(more) = found.try_recv() {
                        batch.push(more);
                    }
                    self.take_findings(batch);
                }
                _ = ticks.tick() => self.report_probes(None),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn take_table(&mut self) {
        let table = Arc::clone(&self.links.table.borrow_and_update());
        if table.generation < self.table.generation {
            self.metrics.stale_tables.increment(1);
            return;
        }
        if Arc::ptr_eq(&table, &self.table) || *table == *self.table {
            return;
        }
        self.table = table;
        self.assign();
        self.publish();
    }

    /// Starts, stops and keeps probes so that they are those of the table.
    fn assign(&mut self) {
        let mut wanted = BTreeMap::new();
        for record in &self.table.records {
            let Some(check) = &record.check else { continue };
            for endpoint in record.endpoints.iter().filter(|endpoint| probe::is_probeable(&endpoint.target)) {
                let probed = Probed {
                    record: record.source.clone(),
                    cluster: endpoint.cluster.clone(),
                    target: endpoint.target.clone(),
                };
                let assignment =
                    Assignment { probed: probed.clone(), check: check.clone(), host: record.host.clone() };
                wanted.insert(probed, assignment);
            }
        }
        self.running.retain(|probed, (assignment, task)| {
            let stays = wanted.get(probed) == Some(assignment);
            if !stays {
                task.abort();
            }
            stays
        });
        self.verdicts.retain(|probed, _| wanted.contains_key(probed));
        self.probed_at.retain(|probed, _| wanted.contains_key(probed));
        for (probed, assignment) in wanted {
            if !self.running.contains_key(&probed) {
                let task = probe::run(assignment.clone(), self.findings.clone(), self.metrics.clone());
                let task = self.tasks.spawn(task);
                self.running.insert(probed, (assignment, task));
            }
        }
        // Tasks that were aborted are let go of.
        while self.tasks.try_join_next().is_some() {}
    }

    fn take_findings(&mut self, findings: Vec<Finding>) {
        let mut changed = BTreeSet::new();
        for Finding { probed, verdict, at_ms } in findings {
            if !self.running.contains_key(&probed) {
                continue;
            }
            self.probed_at.insert(probed.clone(), at_ms);
            if self.verdicts.get(&probed) != Some(&verdict) {
                changed.insert(probed.record.clone());
                self.verdicts.insert(probed, verdict);
            }
        }
        if !changed.is_empty() {
            self.publish();
            self.report_probes(Some(&changed));
        }
    }

    fn publish(&mut self) {
        let started = Instant::now();
        let input = Input {
            table: &self.table,
            verdicts: &self.verdicts,
            last_good: &self.last_good,
            generation: self.generation + 1,
            seed: self.seed,
        };
        let snapshot = match build(input) {
            Ok(snapshot) => snapshot,
            // What was served before goes on being served.
            Err(error) => return error!(%error, "kept the last snapshot"),
        };
        self.generation += 1;
        self.last_good = snapshot.remember(&self.last_good);
        self.metrics.build_seconds.record(started.elapsed().as_secs_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "gauges are floating-point, and counts stay far below 2⁵²"
        )]
        {
            self.metrics.names.set(snapshot.n_names() as f64);
            self.metrics.refused.set(snapshot.refused().len() as f64);
            self.metrics.generation.set(self.generation as f64);
        }
        self.metrics.swaps.increment(1);
        info!(generation = self.generation, table = self.table.generation, "published");
        let report = self.answer_report(&snapshot);
        self.snapshot.store(Arc::new(snapshot));
        if self.links.answers.try_send(report).is_err() {
            self.metrics.dropped(Drop::ReportLost, 1);
        }
    }

    fn answer_report(&self, snapshot: &Snapshot) -> AnswerReport {
        let pairs = self.table.records.iter().zip(snapshot.records());
        let answers = pairs.filter_map(|(record, view)| {
            let answered = view.as_ref()?.answered(record);
            Some((record.source.clone(), answered.map(|(_, endpoint)| endpoint.target.clone()).collect()))
        });
        AnswerReport {
            vantage: self.vantage.clone(),
            generation: self.table.generation,
            at_ms: now().as_millis(),
            answers: answers.collect(),
            refused: snapshot.refused().clone(),
        }
    }

    /// Tells the host what probes say of these records, or of all.
    fn report_probes(&self, records: Option<&BTreeSet<RecordRef>>) {
        let mut reports: BTreeMap<&RecordRef, Vec<EndpointProbe>> = BTreeMap::new();
        for (probed, verdict) in &self.verdicts {
            if records.is_some_and(|records| !records.contains(&probed.record)) {
                continue;
            }
            reports.entry(&probed.record).or_default().push(EndpointProbe {
                cluster: probed.cluster.clone(),
                target: probed.target.clone(),
                outcome: verdict.outcome.clone(),
                since_ms: verdict.since_ms,
                last_ms: self.probed_at.get(probed).copied().unwrap_or(verdict.since_ms),
            });
        }
        let at_ms = now().as_millis();
        for (record, endpoints) in reports {
            let report =
                ProbeReport { vantage: self.vantage.clone(), record: record.clone(), at_ms, endpoints };
            if self.links.probes.try_send(report).is_err() {
                self.metrics.dropped(Drop::ReportLost, 1);
            }
        }
    }
}
