//! Which names are served, with which endpoints? Publishes the table that every DNS node follows.
//!
//! ```text
//! zones, records, keys ───────┐
//! what members say of Services ┼─► gather ─► steer ─► NameTable (one generation) ─► DNS nodes
//! verdicts on clusters ───────┤                           │   (guarded: see `guard`)
//! what nodes probe ───────────┴─ and answer ────────────────┴─► status of records and zones
//! ```
//!
//! A verdict reaches the table at once: the table is made anew whenever anything it depends on changes, and published
//! when it says something else. Statuses follow at their own pace.

mod backends;
mod catalog;
mod courses;
pub mod guard;
pub mod journal;
mod keys;
mod located;
mod paced;
mod signing;
mod table;
mod told;
mod workloads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::local::Client;
use koinon_model::time::Timestamp;
use koinon_types::names::{Endpoint, NameTable, NameTableSender, RecordRef};
use koinon_types::sync::Feedback;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::authors::Authors;
use crate::bindings;
use crate::clock;
use crate::cluster_health::Healths;
use crate::clusters::{self, Clusters};
use crate::metrics;
use crate::observations::Observations;
use crate::resources;
use crate::sources::{Change, Sources};
use crate::vantages::Vantages;
use backends::Found;
use guard::Guard;
use journal::Journal;
use signing::{Keeper, Sight};
use table::Made;
use workloads::Workloads;

pub use signing::{DsRecord, MASTER_KEY_LENGTH, Master, MasterKey, ParentDs, Parents, holds_keys};

/// After a change, more of them are waited for: a burst of feedback costs one table.
const GATHER_DELAY: Duration = Duration::from_millis(10);

/// How much longer than making a table took the next one waits, unless a verdict asks for it: names take a fifth of one core at
/// most, however busy the members are.
const REST_FACTOR: u32 = 4;

/// From one look at everything to the next: heals what an event missed.
const PASS_INTERVAL: Duration = Duration::from_secs(10);

/// A host that has just started knows no node. Nodes come back within two seconds and report every second; one that has not by
/// then is gone, as far as keys are concerned.
const NODES_RETURN: Duration = Duration::from_secs(10);

/// How often statuses are written at most: people read them, names do not wait for them.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// What the controller works with.
pub struct Links {
    /// The host, in process.
    pub client: Client,
    /// What members say about objects.
    pub observations: Observations,
    /// What is believed of clusters.
    pub healths: watch::Receiver<Healths>,
    /// What DNS nodes see and serve.
    pub vantages: Vantages,
    /// Where the table is published.
    pub table: NameTableSender,
    /// What an earlier run served last; generation 0 when there is none.
    pub served: Arc<NameTable>,
    /// How much may be taken away unasked.
    pub guard: guard::Settings,
    /// What an earlier run let pass after `served` was kept: digests, and who let them pass.
    pub acknowledged: Vec<(String, String)>,
    /// Where people see what is held back, and let it pass.
    pub counter: guard::Counter,
    /// Where every change of what names answer is written down.
    pub journal: Journal,
    /// Who writes the objects that names follow from.
    pub authors: Authors,
}

/// What the keys of signed zones are kept with.
pub struct KeyLinks {
    /// What they are sealed with.
    pub master: Master,
    /// What the parents of signed zones have.
    pub parents: watch::Receiver<Parents>,
}

/// Publishes names until the host stops.
pub async fn run(links: Links, keys: KeyLinks, mut stop: watch::Receiver<bool>) {
    let mut names = Names::of_host(links, keys);
    let mut parents = names.keeper.parents();
    let mut news = names.links.observations.subscribe();
    let mut turns = names.links.vantages.turns();
    let mut healths = names.links.healths.clone();
    let mut pass = tokio::time::interval(PASS_INTERVAL);
    let mut statuses = tokio::time::interval(STATUS_INTERVAL);
    loop {
        let concern = tokio::select! {
            changes = names.sources.next() => match changes {
                Some(changes) => names.take(&changes),
                None => return,
            },
            said = news.changed() => Concern::some(said.iter().any(|said| concerns_names(said))),
            Ok(()) = healths.changed() => {
                healths.borrow_and_update();
                Concern::Urgent
            }
            // Nodes leave out at once what they find down; the others may follow with the next table.
            Ok(()) = turns.changed() => {
                turns.borrow_and_update();
                Concern::Some
            }
            Some(asked) = names.links.counter.asks.recv() => {
                names.acknowledge(asked);
                Concern::None
            }
            Ok(()) = parents.changed() => {
                names.keep_keys();
                Concern::None
            }
            _ = pass.tick() => Concern::Some,
            _ = statuses.tick() => {
                names.keep_keys();
                names.tell();
                Concern::None
            }
            () = clock::sleep_until(names.due) => {
                names.publish();
                Concern::None
            }
            _ = stop.wait_for(|stop| *stop) => return,
        };
        names.plan(concern, Instant::now());
    }
}

/// How much a change concerns the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concern {
    None,
    Some,
    /// A verdict: names follow at once.
    Urgent,
}

impl Concern {
    fn some(concerned: bool) -> Self {
        if concerned { Self::Some } else { Self::None }
    }
}

/// The kinds whose changes are told as causes.
const JOURNALLED: [&str; 3] = ["DnsZone", "GlobalRecord", "Cluster"];

/// Whether names can depend on what a member said.
fn concerns_names(said: &Feedback) -> bool {
    matches!(
        said.object.kind.as_str(),
        "Service" | "Ingress" | "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet"
    )
}

struct Names {
    links: Links,
    keeper: Keeper,
    sources: Sources,
    clusters: Clusters,
    workloads: Workloads,
    /// The table made last; none before the first, when nothing can be told and what was written down still counts.
    made: Option<Made>,
    /// When the table is made anew.
    due: Option<Instant>,
    /// Before when it is not, unless it is urgent.
    rested: Instant,
    /// The generation in which each record changed last.
    changed_in: BTreeMap<RecordRef, u64>,
    telling: Option<JoinHandle<()>>,
    /// The table published last, by this run or an earlier one.
    served: Arc<NameTable>,
    guard: Guard,
    guarded: guard::Outcome,
    touched: journal::Touched,
    nodes: journal::Nodes,
    metrics: metrics::Guarded,
    /// Keys being written.
    keeping: Option<JoinHandle<()>>,
    started: Instant,
}

// === impl Names ===

impl Names {
    fn of_host(mut links: Links, keys: KeyLinks) -> Self {
        let own = [resources::zones(), resources::records(), resources::namespaces(), resources::clusters()];
        let more = [resources::services(), resources::ingresses(), resources::secrets()];
        let followed = own.into_iter().chain(more).chain(resources::workloads()).chain(bindings::resources());
        Self {
            sources: Sources::follow(&links.client, followed),
            clusters: Clusters::of_host(&links.client),
            workloads: Workloads::of_host(&links.client),
            made: None,
            due: None,
            rested: Instant::now(),
            changed_in: BTreeMap::new(),
            telling: None,
            served: Arc::clone(&links.served),
            guard: Guard::new(links.guard, std::mem::take(&mut links.acknowledged)),
            guarded: guard::Outcome::default(),
            touched: journal::Touched::default(),
            nodes: journal::Nodes::default(),
            metrics: metrics::Guarded::new(),
            keeping: None,
            started: Instant::now(),
            keeper: Keeper::new(keys.master, keys.parents),
            links,
        }
    }

    /// Takes changes of the host's objects in.
    fn take(&mut self, changes: &[Change]) -> Concern {
        let mut concerned = false;
        for change in changes {
            if JOURNALLED.contains(&&*change.resource.kind) {
                self.touched.note(&change.resource.kind, &change.object, change.is_there);
            }
            concerned |= if *change.resource == resources::clusters() {
                match self.clusters.apply(&change.object, change.is_there) {
                    clusters::News::Nothing | clusters::News::Capacity => false,
                    clusters::News::Standing => true,
                }
            } else if workloads::is_workload(change) {
                self.workloads.take(change)
            } else if *change.resource == resources::secrets() {
                keys::is_key(&change.object) || signing::is_keys(&change.object)
            } else {
                true
            };
        }
        Concern::some(concerned)
    }

    /// Plans when the table is made anew.
    fn plan(&mut self, concern: Concern, now: Instant) {
        let at = match concern {
            Concern::None => return,
            Concern::Some => (now + GATHER_DELAY).max(self.rested),
            Concern::Urgent => now,
        };
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Makes the table anew, and publishes it when it says something else.
    fn publish(&mut self) {
        let started = Instant::now();
        self.due = None;
        let now = clock::now();
        let healths = Arc::clone(&self.links.healths.borrow());
        let found = Found {
            client: &self.links.client,
            observations: &self.links.observations,
            clusters: &self.clusters,
            workloads: &self.workloads,
        };
        let first = Made::default();
        let before = self.made.as_ref().unwrap_or(&first);
        let signed = self.made.as_ref().map_or(&self.links.served.zones, |made| &made.zones);
        let signings = self.keeper.signings(&self.links.client, signed);
        let looks = table::Looks { healths: &healths, vantages: &self.links.vantages, signings: &signings };
        let mut made = table::make(found, looks, before, now);
        self.due = made.again.map(|again| Instant::now() + again.since(now));
        self.guarded = self.guard(&mut made, &healths, now);
        self.rested = Instant::now() + started.elapsed() * REST_FACTOR;
        let before = Arc::clone(&self.served);
        let is_first = self.links.table.borrow().generation == 0;
        if !is_first && made.zones == before.zones && made.records == before.records {
            self.made = Some(made);
            // What was written changed nothing, so it is no cause of what changes later.
            self.touched.clear();
            return;
        }
        // Seconds as well as versions, because not every table follows from a write, and the next start must begin above this one.
        let seconds = u64::try_from(now.as_seconds()).unwrap_or_default();
        let generation = self.links.client.revision().max(before.generation + 1).max(seconds);
        let known: BTreeMap<&RecordRef, _> =
            before.records.iter().map(|record| (&record.source, record)).collect();
        for record in &made.records {
            if known.get(&record.source) != Some(&record) {
                self.changed_in.insert(record.source.clone(), generation);
            }
        }
        let table = NameTable { generation, zones: made.zones.clone(), records: made.records.clone() };
        self.keeper.published(&table);
        debug!(
            generation,
            zones = table.zones.len(),
            names = table.records.len(),
            "publishing the table of names"
        );
        self.served = Arc::new(table);
        self.links.table.send_replace(Arc::clone(&self.served));
        self.write_down(&before, is_first, now);
        self.made = Some(made);
    }

    /// Writes down what the table that was just published answers otherwise than the one before.
    fn write_down(&mut self, before: &NameTable, is_start: bool, now: Timestamp) {
        let causes = journal::Causes {
            touched: &self.touched,
            authors: &self.links.authors,
            acknowledged: &self.guarded.acknowledged,
            is_start,
        };
        let published = journal::Published { before, after: &self.served, at: now };
        self.links.journal.record(journal::changes(published, &causes));
        self.touched.clear();
    }

    /// Takes out of a table what would take too much away.
    fn guard(&mut self, made: &mut Made, healths: &Healths, now: Timestamp) -> guard::Outcome {
        let missing = made.missing();
        let unproven = made.unproven().clone();
        let clusters = &self.clusters;
        let now_is = move |endpoint: &Endpoint| table::now_is(clusters, healths, &unproven, endpoint, now);
        let mut parts = guard::Parts { zones: &mut made.zones, records: &mut made.records };
        let outcome = self.guard.judge(&self.served, &mut parts, &missing, &now_is, now);
        for source in &outcome.last {
            made.left_out.remove(source);
        }
        let held = self.guard.held();
        if held != self.links.counter.held.borrow().as_slice() {
            tell_held(held);
            self.links.counter.held.send_replace(Arc::new(held.to_vec()));
        }
        let sizes = [held.iter().map(|h| h.names_count).sum(), held.iter().map(|h| h.addresses_count).sum()];
        self.metrics.show(sizes, outcome.last.len(), outcome.acknowledged.len());
        outcome
    }

    /// Lets a loss that is held pass, if it is still the same.
    fn acknowledge(&mut self, asked: guard::Acknowledge) {
        let guard::Acknowledge { digest, by, reply } = asked;
        let held = self.guard.held().iter().find(|held| held.digest == digest).cloned();
        if held.is_some() {
            self.guard.acknowledge(digest.clone(), by);
            self.publish();
        }
        let is_held = self.guard.held().iter().any(|held| held.digest == digest);
        let told = match held {
            Some(held) if !is_held => Ok(held),
            _ => Err(self.guard.held().to_vec()),
        };
        // Who asked may have gone.
        drop(reply.send(told));
    }

    /// Takes every zone's keys one step further, unless the last step is still being written.
    fn keep_keys(&mut self) {
        if self.keeping.as_ref().is_some_and(|keeping| !keeping.is_finished()) {
            return;
        }
        let Some(made) = &self.made else { return };
        let table = Arc::clone(&self.links.table.borrow());
        let jobs = self.keeper.look(&Sight {
            client: &self.links.client,
            made,
            table: &table,
            vantages: &self.links.vantages,
            is_settled: self.started.elapsed() >= NODES_RETURN,
            now: clock::now(),
        });
        if !jobs.is_empty() {
            self.keeping = Some(tokio::spawn(signing::write(self.links.client.clone(), jobs)));
        }
    }

    /// Tells owners what has changed about their records and zones, unless the last time is still being written.
    fn tell(&mut self) {
        if self.telling.as_ref().is_some_and(|telling| !telling.is_finished()) {
            return;
        }
        let (answers, probes) = (self.links.vantages.answers(), self.links.vantages.probes());
        self.links.journal.record(self.nodes.changes(&self.served, &answers, &probes));
        let Some(made) = &self.made else { return };
        let seen = told::Seen {
            made,
            changed_in: &self.changed_in,
            guarded: &self.guarded,
            keys: self.keeper.told(),
            probes: &probes,
            answers: &answers,
        };
        let statuses = told::statuses(&self.links.client, &seen, clock::now());
        if !statuses.is_empty() {
            self.telling = Some(tokio::spawn(told::write(self.links.client.clone(), statuses)));
        }
    }
}

/// Says what is held back: somebody must look.
fn tell_held(held: &[guard::Held]) {
    for held in held {
        warn!(
            zone = held.zone,
            digest = held.digest,
            why = held.why,
            "holding back what would be taken away; see koinon dns acknowledge"
        );
    }
}

#[cfg(test)]
mod tests;
