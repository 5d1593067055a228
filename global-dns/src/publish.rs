//! The one owner of what is served: joins the host's table with this node's probes and swaps in a new snapshot.
//!
//! ```text
//! table (newer only) ─┐
//! findings of probes ─┼─► build ─► swap ─► AnswerReport, ProbeReport
//! last known good ────┘              └─► keep, notify
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use koinon_model::time::Timestamp;
use koinon_types::names::{
    AnswerReport, Endpoint, EndpointProbe, EndpointState, NameTable, NameTableReceiver, ProbeOutcome,
    ProbeReport, RecordRef, Withdrawal,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tracing::{debug, error};

use crate::fast::now;
use crate::geo::Atlas;
use crate::keep::Kept;
use crate::metrics::shares::ShownShares;
use crate::metrics::{Drop, Metrics, Saw};
use crate::probe::{self, Assignment, Finding, Times};
use crate::snapshot::{Input, LastGood, Probed, Seed, Snapshot, Verdicts, Versions, build};

/// Findings that wait for the owner: more than arrive while one snapshot of 100,000 names is built.
const FINDINGS: usize = 4096;

/// How often the host hears of endpoints that do not change: its evidence must not grow old.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The other ends of the owner's channels.
pub(crate) struct Links {
    pub(crate) table: NameTableReceiver,
    /// Where clients are, by the location databases of the node.
    pub(crate) atlas: watch::Receiver<Arc<Atlas>>,
    pub(crate) probes: mpsc::Sender<ProbeReport>,
    pub(crate) answers: mpsc::Sender<AnswerReport>,
}

/// How a node owns what it serves.
pub(crate) struct Setup {
    /// What its reports are signed with.
    pub(crate) vantage: String,
    pub(crate) seed: Seed,
    /// What each name was answered with when something was healthy, as far as an earlier run kept it.
    pub(crate) last_good: Arc<LastGood>,
    /// Where the last table goes, if it is kept.
    pub(crate) keeper: Option<watch::Sender<Kept>>,
    /// Hears the generation of every snapshot.
    pub(crate) swaps: watch::Sender<u64>,
}

/// The owner.
pub(crate) struct Publisher {
    setup: Setup,
    generation: u64,
    table: Arc<NameTable>,
    /// Whether `table` is the host's own word, and not that of an earlier run: then only a newer one replaces it.
    hosted: bool,
    verdicts: Verdicts,
    /// When each endpoint was asked.
    times: BTreeMap<Probed, Times>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// The host has not heard of the latest answers.
    owes_report: bool,
    links: Links,
    /// The first event that no answer follows yet, and who saw it. Unix milliseconds.
    event: Option<(Saw, i64)>,
    shown: ShownShares,
    running: BTreeMap<Probed, (Assignment, AbortHandle)>,
    tasks: JoinSet<()>,
    probes: probe::Shared,
    metrics: Metrics,
}

/// The first snapshot: what was kept, or nothing at all when that cannot be built.
pub(crate) fn first(kept: &Kept, atlas: &Arc<Atlas>, seed: Seed, generation: u64) -> Snapshot {
    let (verdicts, before) = (Verdicts::new(), Versions::new());
    let (table, last_good) = (&kept.table, &*kept.last_good);
    let input = Input {
        table,
        verdicts: &verdicts,
        last_good,
        before: &before,
        atlas,
        generation,
        seed,
        now: now(),
        signatures: &Arc::default(),
    };
    build(input).unwrap_or_else(|error| {
        error!(%error, "cannot serve the table that was kept");
        let (table, last_good) = (Arc::default(), LastGood::new());
        build(Input { table: &table, last_good: &last_good, ..input })
            .expect("an empty table is not too large, and nothing is signed")
    })
}

/// When the state of an endpoint changed last, by the host's word. Units: Unix milliseconds.
fn latest_event(table: &NameTable) -> i64 {
    let endpoints = table.records.iter().flat_map(|record| &record.endpoints);
    endpoints.map(|endpoint| endpoint.since_ms).max().unwrap_or_default()
}

/// Waits until asked to stop. The guard that waiting gives is let go of here; held across a build it would block whoever
/// asks.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

// === impl Publisher ===

impl Publisher {
    /// Owns `snapshot` until asked to stop.
    pub(crate) async fn run(
        setup: Setup,
        snapshot: Arc<ArcSwap<Snapshot>>,
        links: Links,
        metrics: Metrics,
        stop: watch::Receiver<bool>,
    ) {
        let (findings, found) = mpsc::channel(FINDINGS);
        Self::new(setup, snapshot, links, metrics, findings).own(found, stop).await;
    }

    fn new(
        setup: Setup,
        snapshot: Arc<ArcSwap<Snapshot>>,
        links: Links,
        metrics: Metrics,
        findings: mpsc::Sender<Finding>,
    ) -> Self {
        let room = Arc::new(Semaphore::new(probe::AT_ONCE_MAX));
        let first = snapshot.load_full();
        Self {
            setup,
            generation: first.generation(),
            table: Arc::clone(first.table()),
            hosted: false,
            verdicts: Verdicts::new(),
            times: BTreeMap::new(),
            snapshot,
            owes_report: false,
            event: None,
            shown: ShownShares::default(),
            links,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            probes: probe::Shared { findings, room, metrics: metrics.clone() },
            metrics,
        }
    }

    async fn own(mut self, mut found: mpsc::Receiver<Finding>, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.assign();
        self.links.table.mark_changed();
        let mut connected = true;
        loop {
            tokio::select! {
                changed = self.links.table.changed(), if connected => match changed {
                    Ok(()) => self.take_table().await,
                    // The host's end is gone: what is served stays, and so do the probes.
                    Err(_) => connected = false,
                },
                Ok(()) = self.links.atlas.changed() => self.publish().await,
                Some(finding) = found.recv() => {
                    let mut batch = vec![finding];
                    while let Ok(more) = found.try_recv() {
                        batch.push(more);
                    }
                    self.take_findings(batch).await;
                }
                _ = ticks.tick() => {
                    self.end_forced(now()).await;
                    self.report_all();
                    self.refresh(now()).await;
                }
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Takes the host's table when it is newer. The first counts as newer whatever an earlier run kept: a host that lost
    /// its store begins to count again.
    async fn take_table(&mut self) {
        let table = Arc::clone(&self.links.table.borrow_and_update());
        if table.generation == 0 || (self.hosted && table.generation == self.table.generation) {
            // Nothing was said yet, or nothing new.
            return;
        }
        if self.hosted && table.generation < self.table.generation {
            self.metrics.stale_tables.increment(1);
            return;
        }
        let (known, latest) = (latest_event(&self.table), latest_event(&table));
        if self.hosted && latest > known {
            self.saw(Saw::Host, latest);
        }
        self.hosted = true;
        self.table = table;
        self.assign();
        self.publish().await;
    }

    /// Lets go of what operators decided until a moment that has passed; the host does the same, and may be away.
    async fn end_forced(&mut self, now: Timestamp) {
        let is_over = |endpoint: &Endpoint| {
            let until = endpoint.forced.as_ref().and_then(|forced| forced.until_ms);
            until.is_some_and(|until| until <= now.as_millis())
        };
        if !self.table.records.iter().any(|record| record.endpoints.iter().any(is_over)) {
            return;
        }
        let table = Arc::make_mut(&mut self.table);
        for endpoint in table.records.iter_mut().flat_map(|record| &mut record.endpoints) {
            if is_over(endpoint) {
                endpoint.forced = None;
            }
        }
        self.publish().await;
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
        self.times.retain(|probed, _| wanted.contains_key(probed));
        for (probed, assignment) in wanted {
            if !self.running.contains_key(&probed) {
                let wait = probe::first_wait(&assignment, &self.setup.vantage);
                let task = self.tasks.spawn(probe::run(assignment.clone(), wait, self.probes.clone()));
                self.running.insert(probed, (assignment, task));
            }
        }
        // Tasks that were aborted are let go of.
        while self.tasks.try_join_next().is_some() {}
    }

    async fn take_findings(&mut self, findings: Vec<Finding>) {
        let mut changed = BTreeSet::new();
        for Finding { probed, verdict, times } in findings {
            if !self.running.contains_key(&probed) {
                continue;
            }
            self.times.insert(probed.clone(), times);
            let known = self.verdicts.get(&probed);
            if known.is_some_and(|known| known.outcome != verdict.outcome) {
                self.saw(Saw::Probe, verdict.since_ms);
            }
            if self.verdicts.get(&probed) != Some(&verdict) {
                changed.insert(probed.record.clone());
                self.verdicts.insert(probed, verdict);
            }
        }
        if !changed.is_empty() {
            self.publish().await;
            self.report_probes(Some(&changed));
        }
    }

    /// Remembers the first event that answers do not follow yet.
    fn saw(&mut self, who: Saw, at_ms: i64) {
        self.event.get_or_insert((who, at_ms));
    }

    /// Renews signatures that are due, whether or not anything else changes or the host is there.
    async fn refresh(&mut self, now: Timestamp) {
        if self.snapshot.load().refresh_at().is_some_and(|due| due <= now) {
            self.publish_at(now).await;
        }
    }

    /// Builds and swaps in what follows from the table and the verdicts now. A large table takes a while, which is spent
    /// where it keeps nobody else from running.
    async fn publish(&mut self) {
        self.publish_at(now()).await;
    }

    async fn publish_at(&mut self, now: Timestamp) {
        let started = Instant::now();
        let (table, seed, generation) = (Arc::clone(&self.table), self.setup.seed, self.generation + 1);
        let (verdicts, last_good) = (std::mem::take(&mut self.verdicts), Arc::clone(&self.setup.last_good));
        let served = self.snapshot.load_full();
        let atlas = Arc::clone(&self.links.atlas.borrow_and_update());
        let building = tokio::task::spawn_blocking(move || {
            let (verdicts_now, before) = (&verdicts, served.versions());
            let input = Input {
                table: &table,
                verdicts: verdicts_now,
                last_good: &last_good,
                before,
                atlas: &atlas,
                generation,
                seed,
                now,
                signatures: served.signatures(),
            };
            let built = build(input).map(|mut snapshot| {
                // What is answered between this and the swap is not counted: some milliseconds.
                snapshot.carry(&served);
                (snapshot.remember(&last_good), snapshot)
            });
            (built, verdicts)
        });
        let built = match building.await {
            Ok((built, verdicts)) => {
                self.verdicts = verdicts;
                built
            }
            // The runtime ends, or building met a bug; probes will say again what they see.
            Err(error) => return error!(%error, "kept the last snapshot"),
        };
        match built {
            Ok((last_good, snapshot)) => self.swap(snapshot, last_good, started.elapsed()),
            // What was served before goes on being served.
            Err(error) => error!(%error, "kept the last snapshot"),
        }
    }

    fn swap(&mut self, snapshot: Snapshot, last_good: LastGood, took: Duration) {
        let before = self.snapshot.load_full();
        self.generation = snapshot.generation();
        self.metrics.build_seconds.record(took.as_secs_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "gauges are floating-point, and counts stay far below 2⁵²"
        )]
        {
            self.metrics.names.set(snapshot.n_names() as f64);
            self.metrics.refused.set(snapshot.refused().len() as f64);
            self.metrics.generation.set(self.generation as f64);
            self.metrics.blind.set(snapshot.blind().len() as f64);
            let oldest = snapshot.atlas().oldest_epoch();
            self.metrics.geo_epoch.set(oldest.unwrap_or(0) as f64);
        }
        self.metrics.swaps.increment(1);
        self.metrics.signatures.absolute(snapshot.signatures().n_made());
        debug!(generation = self.generation, table = self.table.generation, "published");
        self.snapshot.store(Arc::new(snapshot));
        if let Some((who, at_ms)) = self.event.take() {
            self.metrics.followed(who, now().since(Timestamp::from_millis(at_ms)));
        }
        self.setup.swaps.send_replace(self.generation);
        self.report_answers();
        if last_good != *self.setup.last_good {
            self.setup.last_good = Arc::new(last_good);
        } else if Arc::ptr_eq(before.table(), &self.table) {
            return;
        }
        if let Some(keeper) = &self.setup.keeper {
            let last_good = Arc::clone(&self.setup.last_good);
            keeper.send_replace(Kept { table: Arc::clone(&self.table), last_good });
        }
    }

    /// Tells the host what is answered now; when it cannot take that, again later.
    fn report_answers(&mut self) {
        let report = self.answer_report(&self.snapshot.load());
        self.owes_report = self.links.answers.try_send(report).is_err();
        if self.owes_report {
            self.metrics.dropped(Drop::ReportLost, 1);
        }
    }

    /// Tells the host how things stand, changed or not.
    fn report_all(&mut self) {
        if self.owes_report {
            self.report_answers();
        }
        self.shown.show(&self.snapshot.load());
        self.report_probes(None);
    }

    fn answer_report(&self, snapshot: &Snapshot) -> AnswerReport {
        let pairs = self.table.records.iter().zip(snapshot.records());
        let answers = pairs.filter_map(|(record, view)| {
            let answered = view.as_ref()?.answered(record);
            Some((record.source.clone(), answered.map(|(_, endpoint)| endpoint.target.clone()).collect()))
        });
        AnswerReport {
            vantage: self.setup.vantage.clone(),
            generation: self.table.generation,
            at_ms: now().as_millis(),
            answers: answers.collect(),
            refused: snapshot.refused().clone(),
            blind: snapshot.blind(),
        }
    }

    /// The endpoints that no replica stands behind, as the host knows: that they do not answer says nothing about their
    /// clusters, which would never get replicas back if it did.
    fn vacant(&self) -> BTreeSet<Probed> {
        let mut vacant = BTreeSet::new();
        for record in &self.table.records {
            for endpoint in &record.endpoints {
                if endpoint.state == EndpointState::Withdrawn(Withdrawal::NotReady) {
                    vacant.insert(Probed {
                        record: record.source.clone(),
                        cluster: endpoint.cluster.clone(),
                        target: endpoint.target.clone(),
                    });
                }
            }
        }
        vacant
    }

    /// Tells the host what probes say of these records, or of all.
    fn report_probes(&self, records: Option<&BTreeSet<RecordRef>>) {
        let vacant = self.vacant();
        let mut reports: BTreeMap<&RecordRef, Vec<EndpointProbe>> = BTreeMap::new();
        for (probed, verdict) in &self.verdicts {
            if records.is_some_and(|records| !records.contains(&probed.record)) {
                continue;
            }
            let times = self.times.get(probed).copied().unwrap_or_default();
            reports.entry(&probed.record).or_default().push(EndpointProbe {
                cluster: probed.cluster.clone(),
                target: probed.target.clone(),
                outcome: if vacant.contains(probed) {
                    ProbeOutcome::Unknown
                } else {
                    verdict.outcome.clone()
                },
                since_ms: verdict.since_ms,
                last_ms: times.probed_ms.max(verdict.since_ms),
                answered_ms: times.answered_ms,
                wavers: verdict.wavers,
            });
        }
        let at_ms = now().as_millis();
        for (record, endpoints) in reports {
            let report =
                ProbeReport { vantage: self.setup.vantage.clone(), record: record.clone(), at_ms, endpoints };
            if self.links.probes.try_send(report).is_err() {
                self.metrics.dropped(Drop::ReportLost, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
