//! Which names are served, with which endpoints? Publishes the table that every DNS node follows.
//!
//! ```text
//! zones, records, keys ───────┐
//! what members say of Services ┼─► gather ─► steer ─► NameTable (one generation) ─► DNS nodes
//! verdicts on clusters ───────┤                           │
//! what nodes probe ───────────┴─ and answer ────────────────┴─► status of records and zones
//! ```
//!
//! A verdict reaches the table at once: the table is made anew whenever anything it depends on changes, and published
//! when it says something else. Statuses follow at their own pace.

mod backends;
mod catalog;
mod courses;
mod keys;
mod table;
mod told;
mod workloads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::local::Client;
use koinon_types::names::{NameTable, NameTableSender, RecordRef};
use koinon_types::sync::Feedback;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::debug;

use crate::bindings;
use crate::clock;
use crate::cluster_health::Healths;
use crate::clusters::{self, Clusters};
use crate::observations::Observations;
use crate::resources;
use crate::sources::{Change, Sources};
use crate::vantages::Vantages;
use backends::Found;
use table::Made;
use workloads::Workloads;

/// After a change, more of them are waited for: a burst of feedback costs one table.
const GATHER_DELAY: Duration = Duration::from_millis(10);

/// How much longer than making a table took the next one waits, unless a verdict asks for it: names take a fifth of one core at
/// most, however busy the members are.
const REST_FACTOR: u32 = 4;

/// From one look at everything to the next: heals what an event missed.
const PASS_INTERVAL: Duration = Duration::from_secs(10);

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
}

/// Publishes names until the host stops.
pub async fn run(links: Links, mut stop: watch::Receiver<bool>) {
    let mut names = Names::of_host(links);
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
            _ = pass.tick() => Concern::Some,
            _ = statuses.tick() => {
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

/// Whether names can depend on what a member said.
fn concerns_names(said: &Feedback) -> bool {
    matches!(
        said.object.kind.as_str(),
        "Service" | "Ingress" | "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet"
    )
}

struct Names {
    links: Links,
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
}

// === impl Names ===

impl Names {
    fn of_host(links: Links) -> Self {
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
            links,
        }
    }

    /// Takes changes of the host's objects in.
    fn take(&mut self, changes: &[Change]) -> Concern {
        let mut concerned = false;
        for change in changes {
            concerned |= if *change.resource == resources::clusters() {
                match self.clusters.apply(&change.object, change.is_there) {
                    clusters::News::Nothing | clusters::News::Capacity => false,
                    clusters::News::Standing => true,
                }
            } else if workloads::is_workload(change) {
                self.workloads.take(change)
            } else if *change.resource == resources::secrets() {
                keys::is_key(&change.object)
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
        let made = table::make(found, &healths, &self.links.vantages, before, now);
        self.due = made.again.map(|again| Instant::now() + again.since(now));
        self.rested = Instant::now() + started.elapsed() * REST_FACTOR;
        let before = self.links.table.borrow().clone();
        if made.zones == before.zones && made.records == before.records {
            self.made = Some(made);
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
        debug!(
            generation,
            zones = table.zones.len(),
            names = table.records.len(),
            "publishing the table of names"
        );
        self.links.table.send_replace(Arc::new(table));
        self.made = Some(made);
    }

    /// Tells owners what has changed about their records and zones, unless the last time is still being written.
    fn tell(&mut self) {
        if self.telling.as_ref().is_some_and(|telling| !telling.is_finished()) {
            return;
        }
        let Some(made) = &self.made else { return };
        let seen = told::Seen {
            made,
            changed_in: &self.changed_in,
            probes: &self.links.vantages.probes(),
            answers: &self.links.vantages.answers(),
        };
        let statuses = told::statuses(&self.links.client, &seen, clock::now());
        if !statuses.is_empty() {
            self.telling = Some(tokio::spawn(told::write(self.links.client.clone(), statuses)));
        }
    }
}

#[cfg(test)]
mod tests;
