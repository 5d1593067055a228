//! Which names are served, with which endpoints? Publishes the table that every DNS node follows.
//!
//! ```text
//! zones, records ─────────────┐
//! what members say of Services ┼─► gather ─► steer ─► NameTable (one generation) ─► DNS nodes
//! verdicts on clusters ───────┘                           │
//! what nodes probe and answer ─────────────────────────────┴─► status of records and zones
//! ```
//!
//! A verdict reaches the table at once: the table is made anew whenever anything it depends on changes, and published
//! when it says something else. Statuses follow at their own pace.

mod backends;
mod table;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::local::Client;
use koinon_types::names::{NameTable, NameTableSender, RecordRef};
use koinon_types::sync::Feedback;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

use crate::bindings;
use crate::clock;
use crate::cluster_health::Healths;
use crate::observations::Observations;
use crate::resources;
use crate::sources::Sources;
use crate::vantages::Vantages;
use table::Made;

/// After a change, more of them are waited for: a burst of feedback costs one table, and a verdict waits no longer than this.
const GATHER_DELAY: Duration = Duration::from_millis(10);

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
    let mut seen = names.links.vantages.changes();
    let mut healths = names.links.healths.clone();
    let mut pass = tokio::time::interval(PASS_INTERVAL);
    let mut statuses = tokio::time::interval(STATUS_INTERVAL);
    loop {
        let concerns = tokio::select! {
            changes = names.sources.next() => match changes {
                Some(_) => true,
                None => return,
            },
            said = news.changed() => said.iter().any(|said| concerns_names(said)),
            Ok(()) = healths.changed() => {
                healths.borrow_and_update();
                true
            }
            // What nodes see changes statuses, and not the table.
            Ok(()) = seen.changed() => false,
            _ = pass.tick() => true,
            _ = statuses.tick() => {
                names.tell();
                false
            }
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if concerns {
            tokio::time::sleep(GATHER_DELAY).await;
            names.publish();
        }
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
    made: Made,
    /// The generation in which each record changed last.
    changed_in: BTreeMap<RecordRef, u64>,
    telling: Option<JoinHandle<()>>,
}

// === impl Names ===

impl Names {
    fn of_host(links: Links) -> Self {
        let own = [resources::zones(), resources::records(), resources::namespaces(), resources::clusters()];
        let more = [resources::services(), resources::ingresses()];
        let followed = own.into_iter().chain(more).chain(bindings::resources());
        let sources = Sources::follow(&links.client, followed);
        Self { sources, links, made: Made::default(), changed_in: BTreeMap::new(), telling: None }
    }

    /// Makes the table anew, and publishes it when it says something else.
    fn publish(&mut self) {
        let now = clock::now();
        let healths = Arc::clone(&self.links.healths.borrow());
        let made = table::make(&self.links.client, &self.links.observations, &healths, &self.made, now);
        let before = self.links.table.borrow().clone();
        if made.zones == before.zones && made.records == before.records {
            self.made = made;
            return;
        }
        let generation = self.links.client.revision().max(before.generation + 1);
        let known: BTreeMap<&RecordRef, _> =
            before.records.iter().map(|record| (&record.source, record)).collect();
        for record in &made.records {
            if known.get(&record.source) != Some(&record) {
                self.changed_in.insert(record.source.clone(), generation);
            }
        }
        let table = NameTable { generation, zones: made.zones.clone(), records: made.records.clone() };
        info!(
            generation,
            zones = table.zones.len(),
            names = table.records.len(),
            "publishing the table of names"
        );
        self.links.table.send_replace(Arc::new(table));
        self.made = made;
    }

    /// Tells owners what has changed about their records and zones, unless the last time is still being written.
    fn tell(&mut self) {
        if self.telling.as_ref().is_some_and(|telling| !telling.is_finished()) {
            return;
        }
        let seen = told::Seen {
            made: &self.made,
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
