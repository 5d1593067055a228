//! What should each member run of an object now, and what came of it?
//!
//! ```text
//! binding ───┐                 movement, render               ┌─► orders in the members' DesiredSets (in memory only)
//! template ──┤                                                │
//! overrides ─┼─► gather ─► decide ────────────────────────────┤
//! clusters ──┤                 aggregate                      └─► status of the binding, status of the template
//! feedback ──┘
//! ```
//!
//! Orders are computed, never stored. What has to survive a restart (how many replicas each member was last told to run) is in
//! the binding's status. A tombstone is published for every cluster that the binding says to remove, and for no other reason:
//! an object that is missing here deletes nothing there.

mod gather;
mod ledger;
mod orders;
mod overrides;
mod report;
mod write;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::local::Client;
use koinon_machinery::status::Status;
use koinon_model::time::Timestamp;
use koinon_types::sync::Feedback;
use tokio::sync::watch;

use crate::bindings::{self, BindingKey};
use crate::clusters::{Clusters, News};
use crate::engine::{self, Controller, Decision, Wake};
use crate::fleet::Fleet;
use crate::observations::{Observations, Subscription};
use crate::resources;
use crate::sources::{Change, Sources};
use crate::templates::{Kinds, TemplateKey};
use ledger::Ledger;
use overrides::Overrides;
use report::Weight;
use write::Write;

/// How long words of several members about one object are gathered before its status is written: longer than two members
/// differ in answering, shorter than anybody notices.
const FEEDBACK_DELAY: Duration = Duration::from_millis(15);

/// How long the word that members have not answered yet is held back: a member that hangs is known for it by then, and one that
/// is busy has usually answered, which saves a write.
const UNANSWERED_DELAY: Duration = Duration::from_secs(10);

/// How long the first answers wait for the others: what one member did is worth telling although another is slow.
const ANSWERS_DELAY: Duration = Duration::from_secs(1);

/// From one status to the next that says nothing but other counts. A member's replicas become ready one after the other, and
/// nobody reads five words a second.
const COUNTS_DELAY: Duration = Duration::from_millis(200);

/// What the controller works with.
pub struct Links {
    /// The host, in process.
    pub client: Client,
    /// Where orders go.
    pub fleet: Fleet,
    /// What members say about objects.
    pub observations: Observations,
}

/// Orders and reports until `stop` turns true.
pub async fn run(links: Links, stop: watch::Receiver<bool>) {
    engine::run(Delivery::of_host(links), stop).await;
}

struct Delivery {
    client: Client,
    fleet: Fleet,
    observations: Observations,
    news: Subscription,
    members: watch::Receiver<crate::fleet::Members>,
    kinds: Kinds,
    clusters: Clusters,
    overrides: Overrides,
    ledger: Ledger,
    sources: Sources,
}

// === impl Delivery ===

impl Delivery {
    fn of_host(links: Links) -> Self {
        let Links { client, fleet, observations } = links;
        let own = [resources::clusters()]
            .into_iter()
            .chain(resources::override_policies())
            .chain(bindings::resources());
        let kinds = Kinds::of_host(&client);
        let sources = Sources::follow(&client, kinds.resources().cloned().chain(own));
        Self {
            kinds,
            clusters: Clusters::of_host(&client),
            overrides: Overrides::of_host(&client),
            ledger: Ledger::default(),
            news: observations.subscribe(),
            members: fleet.changes(),
            sources,
            client,
            fleet,
            observations,
        }
    }

    fn take(&mut self, change: &Change, keys: &mut BTreeSet<BindingKey>) {
        if &*change.resource.group != koinon_types::v1alpha1::GROUP {
            // Much of what objects say counts no generation, so that no binding changes with it.
            keys.insert(BindingKey::of(&TemplateKey::of(&change.resource, &change.object)));
            return;
        }
        match &*change.resource.kind {
            "Cluster" => match self.clusters.apply(&change.object, change.is_there) {
                News::Nothing | News::Capacity => {}
                News::Standing => keys.extend(bindings::keys(&self.client)),
            },
            "ResourceBinding" | "ClusterResourceBinding" => {
                keys.insert(BindingKey::of_stored(&change.object));
            }
            _ => {
                if self.overrides.apply(&change.object, change.is_there) {
                    let namespace = change.object.namespace();
                    let reaches = |key: &BindingKey| namespace.is_empty() || key.namespace == namespace;
                    keys.extend(bindings::keys(&self.client).into_iter().filter(reaches));
                }
            }
        }
    }

    fn take_feedback(&mut self, said: &[Arc<Feedback>]) -> BTreeSet<BindingKey> {
        for feedback in said {
            self.ledger.confirm(&self.fleet, feedback);
        }
        said.iter().map(|feedback| BindingKey::of(&TemplateKey::ordered(&feedback.object))).collect()
    }
}

impl Controller for Delivery {
    type Key = BindingKey;
    type Write = Write;

    const NAME: &'static str = "delivery";

    async fn next(&mut self) -> Option<Wake<BindingKey>> {
        let mut keys = BTreeSet::new();
        tokio::select! {
            changes = self.sources.next() => {
                for change in changes? {
                    self.take(&change, &mut keys);
                }
                Some(Wake::now(keys.into_iter().collect()))
            }
            said = self.news.changed() => {
                let keys = self.take_feedback(&said);
                Some(Wake { keys: keys.into_iter().collect(), after: FEEDBACK_DELAY })
            }
            changed = self.members.changed() => {
                changed.ok()?;
                self.members.borrow_and_update();
                Some(Wake::now(bindings::keys(&self.client)))
            }
        }
    }

    fn keys(&self) -> Vec<BindingKey> {
        bindings::keys(&self.client)
    }

    fn decide(&mut self, key: &BindingKey, now: Timestamp) -> Decision<BindingKey, Write> {
        let Some(binding) = bindings::read(&self.client, key) else {
            self.ledger.forget(key);
            return Decision::nothing();
        };
        let template_key = binding.template();
        let Some(object) = self.kinds.order_of(&template_key) else { return Decision::nothing() };
        let template = self.kinds.object(&self.client, &template_key);
        let resource = self.kinds.resource(&template_key.group, &template_key.kind);
        let account = self.ledger.account(&binding, &object);
        let sources = gather::Sources {
            binding: &binding,
            template: template.as_deref(),
            kind: template_key.reading(),
            object: &object,
            clusters: &self.clusters,
            observations: &self.observations,
        };
        let seen = gather::gather(&sources, account);
        orders::issue(&self.client, &self.fleet, &self.overrides, &self.clusters, &seen, account);
        let outcome = report::report(&seen, account, now);
        let waits = account.note_waiting(outcome.n_awaited, now);
        let held_until = match (outcome.weight(&binding, account.has_moved), waits) {
            (Weight::Urgent, _) | (Weight::Step, None) => now,
            (Weight::Counts, None) => account.is_told_until(COUNTS_DELAY),
            (Weight::Step | Weight::Counts, Some(waits)) => {
                let first = waits.answered.map(|first| first + ANSWERS_DELAY);
                let until = first.unwrap_or(waits.since + UNANSWERED_DELAY);
                until.max(account.is_told_until(COUNTS_DELAY))
            }
        };
        let Some(write) = outcome.into_write(&binding, template.as_deref().zip(resource)) else {
            return Decision::nothing();
        };
        if held_until > now {
            return Decision { again: Some(held_until), ..Decision::nothing() };
        }
        account.note_told(now);
        Decision::write(write)
    }

    fn write(&self, write: Write) -> impl Future<Output = Result<(), Status>> + Send + 'static {
        write.carry_out(self.client.clone())
    }
}
