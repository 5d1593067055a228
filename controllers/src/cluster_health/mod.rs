//! Judges every member, from what its session and the DNS nodes see, and says so on its `Cluster`.
//!
//! ```text
//! MemberReport (every second) ─┐
//! ProbeReport (DNS nodes) ─────┴─► evidence ─► policies::health::judge ─► Healths (at once) ─► Cluster.status
//! ```
//!
//! A verdict is told and written at once. What merely counts (lag, capacity) is written at most every
//! [`COALESCE`] per member, and nothing is written that the Cluster already says. A verdict survives a restart of the host in
//! the status; until a member has been heard of again, what was believed of it stands.

mod evidence;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::local::{Client, Event, Stored};
use koinon_model::health::Evidence;
use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;
use koinon_policies::failover::{self, ClusterHealth};
use koinon_policies::health::{self, Judgement, Standing, Thresholds};
use koinon_types::sync::MemberReport;
use koinon_types::v1alpha1::{self, ClusterSpec, ClusterStatus};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::clock;
use crate::resources;
use crate::vantages::Vantages;

pub(crate) use status::UNREACHABLE;

/// How long changes that are no verdict may wait to be written, so that a busy member costs a write every ten seconds.
const COALESCE: Duration = Duration::from_secs(10);

/// How soon a change that others act upon (synced, capacity known) is written after the last one.
const SOON: Duration = Duration::from_secs(1);

/// How often members are judged without news: silence is news after a while, and the verdict on the API alone is a matter of time.
const INTERVAL: Duration = Duration::from_millis(500);

/// Until when a member that was not heard of since the host started keeps what was believed of it: sessions need a moment to begin.
const GRACE: Duration = Duration::from_secs(10);

/// What is believed of one member, as loops of this process need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The verdict, and whether there are signs of failure that do not suffice for one.
    pub cluster: ClusterHealth,
    /// It was lost and is not back: it carries the taint `koinon.io/unreachable`.
    pub lost: bool,
    /// What it says of its objects is live: its API answers and every watch is open.
    pub followed: bool,
}

/// What is believed of every member that was judged.
pub type Healths = Arc<BTreeMap<ClusterName, Health>>;

/// What the controller works with.
pub struct Links {
    /// The host, in process.
    pub client: Client,
    /// What the sessions report of their members.
    pub reports: mpsc::Receiver<MemberReport>,
    /// What the DNS nodes see.
    pub vantages: Vantages,
    /// Where verdicts are told, before they are written.
    pub healths: watch::Sender<Healths>,
}

/// Judges until the host stops.
pub async fn run(links: Links) {
    let Links { client, mut reports, vantages, healths } = links;
    let mut clusters = client.watch(&resources::clusters());
    let mut seen = vantages.changes();
    // What was reported before counts as well.
    seen.mark_changed();
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut judges = Judges { client, vantages, healths, members: BTreeMap::new(), started: Instant::now() };
    loop {
        // A member's own report concerns that member alone; anything else may concern all of them.
        let concerned = tokio::select! {
            // In this order, so that a member is known before it is judged, and time passes however much is reported.
            biased;
            event = clusters.next() => match event {
                Some(Event::Applied(cluster)) => judges.joined(&cluster),
                Some(Event::Deleted(cluster)) => judges.left(cluster.name()),
                Some(Event::Synced) => continue,
                None => return,
            },
            _ = ticks.tick() => judges.members.keys().cloned().collect(),
            Ok(()) = seen.changed() => judges.look(),
            Some(report) = reports.recv() => judges.take(report),
        };
        judges.judge(&concerned, clock::now());
        judges.write(&concerned, Instant::now()).await;
    }
}

/// One member.
struct Member {
    thresholds: Thresholds,
    generation: i64,
    evidence: Evidence,
    report: Option<MemberReport>,
    standing: Option<Standing>,
    judgement: Option<Judgement>,
    /// What its Cluster says.
    written: ClusterStatus,
    written_at: Option<Instant>,
}

struct Judges {
    client: Client,
    vantages: Vantages,
    healths: watch::Sender<Healths>,
    members: BTreeMap<ClusterName, Member>,
    started: Instant,
}

impl Judges {
    /// Takes a Cluster in as it is now. Its status is read only once: afterwards it is ours, and what we wrote is known.
    fn joined(&mut self, cluster: &Stored) -> Vec<ClusterName> {
        // The host stores no Cluster under another name; see `types::convert`.
        let Ok(name) = ClusterName::try_from(cluster.name()) else { return Vec::new() };
        let value = cluster.value();
        let spec: ClusterSpec = v1alpha1::read(&value, "spec").unwrap_or_default();
        let member = self.members.entry(name.clone()).or_insert_with(|| {
            let written: ClusterStatus = v1alpha1::read(&value, "status").unwrap_or_default();
            Member {
                thresholds: Thresholds::default(),
                generation: 0,
                evidence: Evidence::default(),
                report: None,
                standing: status::standing(&written),
                judgement: None,
                written,
                written_at: None,
            }
        });
        member.thresholds = thresholds(&spec.health);
        member.generation = cluster.generation();
        vec![name]
    }

    fn left(&mut self, name: &str) -> Vec<ClusterName> {
        self.members.remove(name);
        self.healths
            .send_if_modified(|told| told.contains_key(name) && Arc::make_mut(told).remove(name).is_some());
        Vec::new()
    }

    fn take(&mut self, report: MemberReport) -> Vec<ClusterName> {
        let Ok(name) = ClusterName::try_from(report.cluster.as_str()) else { return Vec::new() };
        let Some(member) = self.members.get_mut(&name) else { return Vec::new() };
        member.evidence.api = evidence::api(member.evidence.api, &report.api);
        member.report = Some(report);
        vec![name]
    }

    /// Takes in what the DNS nodes see now.
    fn look(&mut self) -> Vec<ClusterName> {
        let mut seen = evidence::data_plane(&self.vantages.probes());
        let mut concerned = Vec::new();
        for (name, member) in &mut self.members {
            let data_plane = seen.remove(name.as_str()).unwrap_or_default();
            if member.evidence.data_plane != data_plane {
                member.evidence.data_plane = data_plane;
                concerned.push(name.clone());
            }
        }
        concerned
    }

    /// Judges members and tells what has changed.
    fn judge(&mut self, concerned: &[ClusterName], now: Timestamp) {
        let starting = self.started.elapsed() < GRACE;
        for name in concerned {
            let Some(member) = self.members.get_mut(name) else { continue };
            if member.report.is_some() || !starting {
                member.judge(name, now);
            }
            let Some(health) = member.health() else { continue };
            self.healths.send_if_modified(|told| {
                let changed = told.get(name) != Some(&health);
                if changed {
                    Arc::make_mut(told).insert(name.clone(), health);
                }
                changed
            });
        }
    }

    /// Writes what has changed about members, as far as it is due.
    async fn write(&mut self, concerned: &[ClusterName], now: Instant) {
        let fleet =
            self.healths.borrow().iter().map(|(name, health)| (name.clone(), health.cluster)).collect();
        let brake = failover::brake(&fleet);
        for name in concerned {
            let Some(member) = self.members.get_mut(name) else { continue };
            let Some(wanted) = member.status(brake.as_ref()) else { continue };
            if !member.is_due(&wanted, now) {
                continue;
            }
            let object = json!({
                "apiVersion": v1alpha1::API_VERSION, "kind": "Cluster",
                "metadata": {"name": name.as_str()}, "status": wanted,
            });
            match self.client.update_status(&resources::clusters(), object).await {
                Ok(_) => {
                    member.written = wanted;
                    member.written_at = Some(now);
                }
                // It was deleted a moment ago, which the watch is about to tell.
                Err(error) if error.code == 404 => debug!(cluster = %name, "the cluster is gone"),
                Err(error) => {
                    warn!(cluster = %name, error = %error.message, "failed to write the cluster's status");
                }
            }
        }
    }
}

impl Member {
    fn judge(&mut self, name: &ClusterName, now: Timestamp) {
        let request = health::Request {
            evidence: &self.evidence,
            previous: self.standing,
            thresholds: self.thresholds,
            now,
        };
        let judgement = health::judge(&request);
        if self.standing.is_none_or(|standing| standing.verdict != judgement.standing.verdict) {
            let verdict = judgement.standing.verdict;
            info!(cluster = %name, %verdict, api = judgement.api_text, data_plane = judgement.data_plane_text, "verdict");
        }
        self.standing = Some(judgement.standing);
        self.judgement = Some(judgement);
    }

    fn health(&self) -> Option<Health> {
        let standing = self.standing?;
        let doubtful = self.judgement.as_ref().is_some_and(|judgement| judgement.doubtful);
        Some(Health {
            cluster: ClusterHealth { standing, doubtful },
            lost: status::is_lost(&self.written, standing.verdict),
            followed: self.report.as_ref().is_some_and(|report| report.synced),
        })
    }

    /// What its Cluster should say; none before it was judged.
    fn status(&self, brake: Option<&failover::Held>) -> Option<ClusterStatus> {
        let judgement = self.judgement.as_ref()?;
        let n_failures = self.evidence.api.failures.map_or(0, |run| run.count);
        let seen = status::Seen { judgement, report: self.report.as_ref(), n_failures, brake };
        Some(status::next(&self.written, &seen, self.generation, clock::now()))
    }

    fn is_due(&self, wanted: &ClusterStatus, now: Instant) -> bool {
        let since = self.written_at.map(|at| now - at);
        let waited = |at_least: Duration| since.is_none_or(|since| since >= at_least);
        match status::compare(&self.written, wanted) {
            status::Change::None => false,
            status::Change::Verdict => true,
            status::Change::News => waited(SOON),
            status::Change::Counts => waited(COALESCE),
        }
    }
}

fn thresholds(settings: &v1alpha1::HealthSettings) -> Thresholds {
    let default = Thresholds::default();
    let failures = settings.failure_threshold.and_then(|number| u32::try_from(number).ok());
    let api_only = settings.api_only_seconds.and_then(|number| u64::try_from(number).ok());
    Thresholds {
        failures: failures.unwrap_or(default.failures),
        successes: default.successes,
        api_only: api_only.map_or(default.api_only, Duration::from_secs),
    }
}

#[cfg(test)]
mod tests;
