//! One member's session: a single loop that owns everything known about the member.
//!
//! ```text
//! orders ─► queue ─► workers (bounded) ─► outcome ─┐
//! watches ─► copies ─► drift? ─► queue             ├─► outbox (coalesced) ─► feedback
//! probe, inventory ────────────────────────────────┴─► report
//! ```
//!
//! The loop decides nothing about content: `policies::reconcile` does. A member that cannot be reached keeps its queue;
//! work goes on as soon as a probe answers. Nothing here waits for another member.

mod state;

use std::time::Duration;

use koinon_types::sync::{ApiOutcome, ApiProbe, DesiredSet, Feedback, MemberReport, ObjectRef};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::execute::{self, Done};
use crate::inventory::{self, Inventory};
use crate::member::{Failure, Member};
use crate::observed::Seen;
use crate::probe;
use state::State;

/// Requests in flight in one member. An API server gives one client some 20 seats before it queues; 16 keep a small
/// member busy (a bare client with 16 connections reaches its limit) and leave it room for others.
pub const CONCURRENCY: usize = 16;

/// How often the inventory is gathered again. Versions and nodes change by the minute, not by the second.
const INVENTORY_INTERVAL: Duration = Duration::from_secs(30);

/// Events waiting between watches and the loop: a burst of one page, so that a relist does not stall the stream.
const SEEN_QUEUE: usize = 512;

/// How to reach a member and how patient to be with it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The member's name.
    pub cluster: String,
    /// Its kubeconfig, as text.
    pub kubeconfig: String,
    /// The context to use; the current one when absent.
    pub context: Option<String>,
    /// From one probe of the API to the next.
    pub probe_interval: Duration,
    /// How long a probe may take.
    pub probe_deadline: Duration,
}

/// The session's ends of its channels.
#[derive(Clone)]
pub struct Links {
    /// The orders for this member.
    pub desired: DesiredSet,
    /// Outcomes and observations, to the host.
    pub feedback: mpsc::Sender<Feedback>,
    /// The state of the member itself, to the host.
    pub reports: mpsc::Sender<MemberReport>,
}

/// Runs the session of one member until `stop` turns true or the host's ends of the channels are gone.
pub async fn run(config: Config, links: Links, mut stop: watch::Receiver<bool>) {
    let members = connect(&config).await;
    let (member, prober) = match members {
        Ok(pair) => pair,
        Err(failure) => {
            warn!(cluster = %config.cluster, %failure, "cannot use the member's connection settings");
            return misconfigured(&config, &links, &failure, &mut stop).await;
        }
    };
    let (probe_sender, probes) = mpsc::channel(4);
    let mut background = JoinSet::new();
    background.spawn(probe::run(prober, config.probe_interval, config.probe_deadline, probe_sender));
    let (seen_sender, seen) = mpsc::channel(SEEN_QUEUE);
    let session = Session {
        state: State::new(config.cluster.clone(), member.clone(), seen_sender),
        links,
        member,
        workers: JoinSet::new(),
        inventory: JoinSet::new(),
        inventory_due: Instant::now(),
        background,
    };
    session.run(probes, seen, stop).await;
}

async fn connect(config: &Config) -> Result<(Member, Member), Failure> {
    let context = config.context.as_deref();
    let member = Member::from_kubeconfig(&config.kubeconfig, context).await?;
    Ok((member, Member::from_kubeconfig(&config.kubeconfig, context).await?))
}

/// Reports unusable settings at the probe's pace until the session is stopped, which happens when they change.
async fn misconfigured(config: &Config, links: &Links, failure: &Failure, stop: &mut watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(config.probe_interval);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let probe = probe::outcome(Some(failure), probe::now_ms(), Duration::ZERO);
                // While the host is busy nothing is told: the next report says it again.
                if let Err(mpsc::error::TrySendError::Closed(_)) =
                    links.reports.try_send(state::report_of_silence(&config.cluster, probe))
                {
                    return;
                }
            }
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

struct Session {
    state: State,
    links: Links,
    member: Member,
    workers: JoinSet<Done>,
    inventory: JoinSet<Result<Inventory, Failure>>,
    inventory_due: Instant,
    background: JoinSet<()>,
}

impl Session {
    async fn run(
        mut self,
        mut probes: mpsc::Receiver<ApiProbe>,
        mut seen: mpsc::Receiver<Seen>,
        mut stop: watch::Receiver<bool>,
    ) {
        for order in self.links.desired.all() {
            self.state.ordered(order.object().clone(), Some(&order), Instant::now());
        }
        loop {
            self.start_watches();
            self.start_workers();
            match self.next(&mut probes, &mut seen, &mut stop).await {
                Event::Ordered(objects) => self.take_orders(objects),
                Event::Seen(news) => self.take_seen(news),
                Event::Done(done) => self.take_done(done),
                Event::Inventory(found) => self.take_inventory(found),
                Event::Probed(probe) => self.take_probe(probe),
                Event::Told | Event::Due => {}
                Event::Stop => return,
            }
        }
    }

    /// Waits for whatever happens next. Every arm may be dropped half-way without losing anything.
    async fn next(
        &mut self,
        probes: &mut mpsc::Receiver<ApiProbe>,
        seen: &mut mpsc::Receiver<Seen>,
        stop: &mut watch::Receiver<bool>,
    ) -> Event {
        let due = self.state.queue.next_due();
        tokio::select! {
            objects = self.links.desired.changed() => Event::Ordered(objects),
            Some(news) = seen.recv() => Event::Seen(news),
            Some(done) = self.workers.join_next() => Event::Done(done),
            Some(found) = self.inventory.join_next() => Event::Inventory(found),
            Some(probe) = probes.recv() => Event::Probed(probe),
            permit = self.links.feedback.reserve(), if self.state.has_feedback() => match permit {
                Ok(permit) => {
                    if let Some(feedback) = self.state.next_feedback() {
                        permit.send(feedback);
                    }
                    Event::Told
                }
                Err(_) => Event::Stop,
            },
            () = sleep_until(due) => Event::Due,
            _ = stop.wait_for(|stop| *stop) => Event::Stop,
        }
    }

    fn take_orders(&mut self, changed: Vec<ObjectRef>) {
        let now = Instant::now();
        for object in changed {
            let order = self.links.desired.get(&object);
            self.state.ordered(object, order.as_ref(), now);
        }
    }

    fn take_seen(&mut self, news: Seen) {
        if let Seen::Lost(collection, failure) = &news {
            debug!(cluster = %self.state.cluster, kind = %collection.plural, %failure, "lost a watch");
        }
        self.state.seen(news, &self.links.desired, Instant::now());
    }

    fn take_done(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(done) => self.state.done(done, &self.links.desired, Instant::now()),
            Err(error) => warn!(cluster = %self.state.cluster, %error, "a worker ended badly"),
        }
    }

    fn take_inventory(&mut self, found: Result<Result<Inventory, Failure>, JoinError>) {
        match found {
            Ok(Ok(inventory)) => {
                self.state.inventory = Some(inventory);
                self.report();
            }
            Ok(Err(failure)) => {
                debug!(cluster = %self.state.cluster, %failure, "cannot take the member's inventory");
            }
            Err(error) => warn!(cluster = %self.state.cluster, %error, "the inventory ended badly"),
        }
    }

    fn take_probe(&mut self, probe: ApiProbe) {
        let reachable = probe.outcome == ApiOutcome::Reachable;
        if reachable != self.state.reachable() {
            info!(cluster = %self.state.cluster, outcome = ?probe.outcome, message = probe.message, "member's API");
        }
        if self.state.probed(probe) {
            self.inventory_due = Instant::now();
        }
        if reachable && self.inventory.is_empty() && Instant::now() >= self.inventory_due {
            self.inventory_due = Instant::now() + INVENTORY_INTERVAL;
            let member = self.member.clone();
            self.inventory.spawn(async move { inventory::gather(&member).await });
        }
        self.report();
    }

    /// Tells the host how the member is. While the host is busy nothing is told: the next report says it all again.
    fn report(&self) {
        if let Some(report) = self.state.report(Instant::now())
            && let Err(error) = self.links.reports.try_send(report)
        {
            debug!(cluster = %self.state.cluster, %error, "the host does not take the report");
        }
    }

    fn start_watches(&mut self) {
        while let Some(watch) = self.state.next_watch() {
            self.background.spawn(watch);
        }
    }

    fn start_workers(&mut self) {
        if !self.state.reachable() {
            return;
        }
        while self.workers.len() < CONCURRENCY {
            let Some(work) = self.state.next_work(&self.links.desired, Instant::now()) else { return };
            self.workers.spawn(execute::carry_out(self.member.clone(), work));
        }
    }
}

/// What a session wakes up for.
enum Event {
    Ordered(Vec<ObjectRef>),
    Seen(Seen),
    Done(Result<Done, JoinError>),
    Inventory(Result<Result<Inventory, Failure>, JoinError>),
    Probed(ApiProbe),
    /// A message was handed to the host.
    Told,
    /// Something that waited is due again.
    Due,
    Stop,
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
