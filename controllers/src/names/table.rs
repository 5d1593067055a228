//! From what was gathered to the table of names. A host belongs to the zone that is closest above it, and to the record that
//! asked first.

use std::collections::{BTreeMap, BTreeSet};

use koinon_api_server::local::{Client, Stored};
use koinon_model::cluster::{Capacity, State};
use koinon_model::health::Verdict;
use koinon_model::name::ClusterName;
use koinon_model::served_name::{self, WeightSource};
use koinon_model::time::Timestamp;
use koinon_policies::endpoints::Family;
use koinon_policies::pacing::Shares;
use koinon_policies::regions;
use koinon_policies::steering::{self, Candidate, Standing, Steered, Withdrawn};
use koinon_types::conditions::Reason;
use koinon_types::convert::{self, CheckedRecord, CheckedStep, CheckedTransfer, CheckedZone, EndpointSource};
use koinon_types::names::{
    Coordinates, Endpoint, EndpointState, OnAllDown, Place, Record, RecordRef, Signing, Step, Withdrawal,
    Zone,
};
use koinon_types::v1alpha1::{self, GlobalRecordStatus};

use super::backends::{Backend, Found};
use super::catalog::{self, Listed};
use super::courses::{self, Courses, Followed, family};
use super::keys;
use super::paced;
use crate::cluster_health::{Health, Healths, UNREACHABLE};
use crate::clusters::{Clusters, Member};
use crate::resources;
use crate::templates::labels;
use crate::vantages::Vantages;

/// The taint by which an operator takes a cluster out of service.
const DRAIN: &str = "koinon.io/drain";

/// The parts of a table, and why some records are not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) zones: Vec<Zone>,
    pub(super) records: Vec<Record>,
    pub(super) left_out: BTreeMap<RecordRef, (Reason, String)>,
    /// What of a zone's transfers cannot be used, by apex. Shape: has every zone that has transfers.
    pub(super) transfers: BTreeMap<String, Vec<String>>,
    /// What of a zone's updates cannot be used, by apex. Shape: has every zone that lets somebody update it.
    pub(super) updates: BTreeMap<String, Vec<String>>,
    /// What became of each catalog, by apex.
    pub(super) catalogs: BTreeMap<String, Listed>,
    /// The shares of records whose weights are paced.
    shares: BTreeMap<RecordRef, Shares>,
    /// Clusters that were lost, and have not said since what they run.
    unproven: BTreeSet<ClusterName>,
    /// What became of endpoints, until the next look at them.
    pub(super) courses: BTreeMap<RecordRef, Courses>,
    /// When the table says something else, if nothing happens before.
    pub(super) again: Option<Timestamp>,
}

impl Made {
    /// The records that are left out although they exist: what stands behind them does not.
    pub(super) fn missing(&self) -> BTreeSet<RecordRef> {
        let missing = self.left_out.iter().filter(|(_, (reason, _))| *reason == Reason::NotFound);
        missing.map(|(source, _)| source.clone()).collect()
    }

    /// The clusters whose word is from before they were lost.
    pub(super) fn unproven(&self) -> &BTreeSet<ClusterName> {
        &self.unproven
    }
}

/// What of members, nodes and keys a table follows from.
#[derive(Clone, Copy)]
pub(super) struct Looks<'a> {
    pub(super) healths: &'a Healths,
    pub(super) vantages: &'a Vantages,
    /// How zones are signed, by apex.
    pub(super) signings: &'a BTreeMap<String, Signing>,
}

/// Makes the table. `before` is the one made last, from which endpoints keep since when they are as they are.
pub(super) fn make(found: Found<'_>, looks: Looks<'_>, before: &Made, now: Timestamp) -> Made {
    let Looks { healths, vantages, signings } = looks;
    let mut made = Made { unproven: unproven(healths, &before.unproven), ..Made::default() };
    let mut zones = zones(found.client, &mut made);
    for zone in &mut zones {
        zone.zone.signing = signings.get(&zone.zone.apex).cloned();
    }
    for zone in zones.iter_mut().filter(|zone| !zone.updates.is_empty()) {
        let (allow, unusable) = keys::resolve_updaters(found.client, &zone.updates);
        zone.zone.updates.allow = allow;
        made.updates.insert(zone.zone.apex.clone(), unusable);
    }
    let mut taken: BTreeMap<String, RecordRef> = BTreeMap::new();
    for (stored, checked) in records(found.client) {
        let source = checked.source.clone();
        let host = checked.host.as_str().to_owned();
        let placed = zone_of(found.client, &zones, &checked).and_then(|zone| match taken.get(&host) {
            Some(owner) => {
                Err((Reason::HostTaken, format!("{}/{} has the name", owner.namespace, owner.name)))
            }
            None => Ok(zone),
        });
        let built = placed.and_then(|zone| Ok((zone, endpoints(found, &stored, &checked)?)));
        match built {
            Ok((zone, backends)) => {
                taken.insert(host, source);
                let build = Build { found, healths, vantages, unproven: &made.unproven, before, now };
                let shares = checked.routing.change_percent_max.and_then(|_| {
                    let known = before.shares.get(&checked.source).cloned();
                    known.or_else(|| paced::remembered(&told(&stored).endpoints, now))
                });
                let built = build.record(zone, &backends, checked, shares.as_ref(), &stored);
                let source = &built.record.source;
                made.shares.extend(built.shares.map(|shares| (source.clone(), shares)));
                made.courses.insert(source.clone(), built.followed.courses);
                made.again = made.again.into_iter().chain(built.followed.again).min();
                made.records.push(built.record);
            }
            Err(why) => drop(made.left_out.insert(source, why)),
        }
    }
    made.records.sort_by(|a, b| a.host.cmp(&b.host));
    made.zones = zones.into_iter().map(|zone| zone.zone).collect();
    made.zones.sort_by(|a, b| a.apex.cmp(&b.apex));
    made
}

/// The clusters whose word is from before they were lost.
fn unproven(healths: &Healths, before: &BTreeSet<ClusterName>) -> BTreeSet<ClusterName> {
    let is_unproven = |(name, health): &(&ClusterName, &Health)| {
        health.lost || (before.contains(*name) && !health.followed)
    };
    healths.iter().filter(is_unproven).map(|(name, _)| name.clone()).collect()
}

/// Every zone that can be read, with the keys of its transfers, catalogs with their members; what cannot be used of those is
/// noted in `made`.
fn zones(client: &Client, made: &mut Made) -> Vec<CheckedZone> {
    let stored = client.list(&resources::zones()).0;
    let mut zones: Vec<_> = stored
        .into_iter()
        .filter(|zone| !zone.is_deleting())
        .filter_map(|zone| convert::dns_zone(&zone.value()).ok().map(|checked| (zone, checked)))
        .collect();
    for (_, zone) in zones.iter_mut().filter(|(_, zone)| zone.transfer != CheckedTransfer::default()) {
        let (transfer, unusable) = keys::resolve(client, &zone.transfer);
        zone.zone.transfer = transfer;
        made.transfers.insert(zone.zone.apex.clone(), unusable);
    }
    made.catalogs = catalog::fill(&mut zones);
    zones.into_iter().map(|(_, zone)| zone).collect()
}

/// Every record that can be read, the oldest first: who asked first has the name.
fn records(client: &Client) -> Vec<(std::sync::Arc<Stored>, CheckedRecord)> {
    let stored = client.list(&resources::records()).0;
    let mut records: Vec<_> = stored
        .into_iter()
        .filter(|record| !record.is_deleting())
        .filter_map(|record| convert::global_record(&record.value()).ok().map(|checked| (record, checked)))
        .collect();
    records.sort_by(|(a, _), (b, _)| a.created().cmp(&b.created()).then_with(|| a.key().cmp(b.key())));
    records
}

/// The apex of the closest zone above a record's host, if it takes names from the record's namespace.
fn zone_of(
    client: &Client,
    zones: &[CheckedZone],
    record: &CheckedRecord,
) -> Result<String, (Reason, String)> {
    let above = zones.iter().filter(|zone| record.host.is_within(&zone.apex));
    let closest = above.max_by_key(|zone| zone.apex.labels().count());
    let Some(zone) = closest else {
        return Err((Reason::NoZone, format!("no DnsZone holds {}", record.host.as_str())));
    };
    if zone.catalog.is_some() {
        return Err((
            Reason::NoZone,
            format!("zone {} is a catalog, which lists zones alone", zone.zone.apex),
        ));
    }
    let namespace = client.get(&resources::namespaces(), "", &record.source.namespace);
    let is_allowed = zone.allowed_namespaces.is_empty()
        || namespace.is_some_and(|namespace| zone.allowed_namespaces.matches(&labels(&namespace)));
    if is_allowed {
        Ok(zone.zone.apex.clone())
    } else {
        let message =
            format!("zone {} takes no names from namespace {}", zone.zone.apex, record.source.namespace);
        Err((Reason::NamespaceNotAllowed, message))
    }
}

/// What stands behind a record in every cluster.
fn endpoints(
    found: Found<'_>,
    stored: &Stored,
    record: &CheckedRecord,
) -> Result<BTreeMap<ClusterName, Backend>, (Reason, String)> {
    let (resource, name) = match &record.endpoints {
        EndpointSource::Addresses(addresses) => {
            let written = addresses.iter().map(|(cluster, targets)| {
                (cluster.clone(), Backend { targets: targets.iter().cloned().collect(), replicas: None })
            });
            return Ok(written.collect());
        }
        EndpointSource::Service { name } => (resources::services(), name),
        EndpointSource::Ingress { name } => (resources::ingresses(), name),
    };
    let namespace = &record.source.namespace;
    found
        .of(&resource, namespace, name, &told(stored).endpoints)
        .ok_or_else(|| (Reason::NotFound, format!("there is no {} {namespace}/{name}", resource.kind)))
}

/// How an endpoint that only an earlier table has is doing now: nothing is known of what stands behind it, so its cluster
/// decides alone.
pub(super) fn now_is(
    clusters: &Clusters,
    healths: &Healths,
    unproven: &BTreeSet<ClusterName>,
    known: &Endpoint,
    now: Timestamp,
) -> Endpoint {
    let Ok(cluster) = ClusterName::try_from(known.cluster.as_str()) else { return known.clone() };
    let standing = standing(clusters, healths, unproven, &cluster);
    let steered =
        steering::steer(&Candidate { cluster: &cluster, standing, replicas: None, cpus: None }, None);
    let state = steered.withdrawn.map(withdrawal).map_or(EndpointState::Serving, EndpointState::Withdrawn);
    let since_ms = if state == known.state { known.since_ms } else { now.as_millis() };
    let evidence = evidence(healths.get(&cluster), &Backend::default());
    Endpoint { state, since_ms, evidence, ..known.clone() }
}

/// What a record's owner was told last.
fn told(stored: &Stored) -> GlobalRecordStatus {
    v1alpha1::read(&stored.value(), "status").unwrap_or_default()
}

/// What records are built from.
struct Build<'a> {
    found: Found<'a>,
    healths: &'a Healths,
    vantages: &'a Vantages,
    unproven: &'a BTreeSet<ClusterName>,
    before: &'a Made,
    now: Timestamp,
}

/// A record, and what is remembered of it until the next table.
struct Built {
    record: Record,
    shares: Option<Shares>,
    followed: Followed,
}

impl Build<'_> {
    fn record(
        &self,
        zone: String,
        backends: &BTreeMap<ClusterName, Backend>,
        checked: CheckedRecord,
        before: Option<&Shares>,
        stored: &Stored,
    ) -> Built {
        let steered: BTreeMap<&ClusterName, Steered> = backends
            .iter()
            .map(|(cluster, backend)| {
                (cluster, self.steer(cluster, backend, checked.routing.weights.as_ref()))
            })
            .collect();
        let paced = paced::weights(&steered, checked.routing.change_percent_max, before, self.now);
        let factors = shares(backends);
        let mut endpoints = Vec::new();
        let mut unstable = paced.is_moving;
        for (cluster, backend) in backends {
            let health = self.healths.get(cluster);
            unstable |= health.is_some_and(|health| health.cluster.doubtful);
            let withdrawn = steered[cluster].withdrawn.map(withdrawal);
            let state = withdrawn.map_or(EndpointState::Serving, EndpointState::Withdrawn);
            for target in &backend.targets {
                let factor = factors.get(&(cluster, family(target))).copied().unwrap_or(1);
                endpoints.push(Endpoint {
                    cluster: cluster.as_str().to_owned(),
                    target: target.clone(),
                    weight: paced.weights.get(cluster).copied().unwrap_or(0).saturating_mul(factor),
                    state,
                    since_ms: self.now.as_millis(),
                    evidence: evidence(health, backend),
                    forced: None,
                    ramp: None,
                });
            }
        }
        let looks = courses::Looks {
            reports: &self.vantages.of(&checked.source, self.now),
            courses: self.before.courses.get(&checked.source),
            known: self.before.records.iter().find(|record| record.source == checked.source),
            stored,
            now: self.now,
        };
        let followed = courses::follow(&mut endpoints, &checked, &looks);
        unstable |= followed.unsettled;
        let record = Record {
            source: checked.source,
            host: checked.host.as_str().to_owned(),
            zone,
            endpoints,
            routing: self.steps(&checked.routing.steps, backends),
            addresses_max: checked.addresses_max,
            ttl: checked.ttl,
            unstable,
            on_all_down: on_all_down(&checked.health.on_all_down),
            healthy_share_min_percent: checked.health.healthy_share_min_percent,
            check: checked.health.check,
        };
        Built { record, shares: paced.shares, followed }
    }

    fn steer(&self, cluster: &ClusterName, backend: &Backend, source: Option<&WeightSource>) -> Steered {
        let member = self.found.clusters.member(cluster.as_str());
        let cpus = member.and_then(|member| cpus(&member.cluster.capacity));
        let standing = standing(self.found.clusters, self.healths, self.unproven, cluster);
        steering::steer(&Candidate { cluster, standing, replicas: backend.replicas, cpus }, source)
    }

    /// The steps of a routing chain, with where the clusters are.
    fn steps(&self, steps: &[CheckedStep], backends: &BTreeMap<ClusterName, Backend>) -> Vec<Step> {
        let step = |step: &CheckedStep| match step {
            CheckedStep::Geo(geo) => Step::Geo(geo.clone()),
            CheckedStep::Failover(groups) => Step::Failover { groups: groups.clone() },
            CheckedStep::Nearest => {
                let places = backends.keys().filter_map(|cluster| {
                    let member = self.found.clusters.member(cluster.as_str())?;
                    let at = regions::whereabouts(&member.cluster)?;
                    let at = Coordinates { latitude: at.latitude(), longitude: at.longitude() };
                    Some(Place { cluster: cluster.as_str().to_owned(), at })
                });
                Step::Nearest { places: places.collect() }
            }
        };
        steps.iter().map(step).collect()
    }
}

/// What names may believe of a cluster. One that was never judged may serve: unknown is not down.
fn standing(
    clusters: &Clusters,
    healths: &Healths,
    unproven: &BTreeSet<ClusterName>,
    cluster: &ClusterName,
) -> Standing {
    let member = clusters.member(cluster.as_str());
    if member.is_some_and(is_leaving) {
        return Standing::Leaving;
    }
    match healths.get(cluster) {
        // The host has just started; what it believed before stands.
        None if member.is_some_and(|member| has_taint(member, UNREACHABLE)) => Standing::Lost,
        Some(health) if health.lost => Standing::Lost,
        Some(_) if unproven.contains(cluster) => Standing::Returning,
        // An API that answers tells the truth about its replicas, whatever the endpoints do.
        Some(health) if health.followed && is_heard(health.cluster.standing.verdict) => Standing::Followed,
        Some(_) | None => Standing::Unheard,
    }
}

/// Whole CPUs that pods may use.
fn cpus(capacity: &Capacity) -> Option<u32> {
    match capacity {
        Capacity::Unknown => None,
        Capacity::Known { allocatable, .. } => allocatable.get("cpu")?.times("1".parse().ok()?),
    }
}

/// Whether a member with this verdict can be asked.
fn is_heard(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Ready | Verdict::DataPlaneOnly => true,
        Verdict::ControlPlaneOnly | Verdict::Unreachable | Verdict::Suspect => false,
    }
}

fn is_leaving(member: &Member) -> bool {
    member.cluster.state == State::Leaving || has_taint(member, DRAIN)
}

fn has_taint(member: &Member, key: &str) -> bool {
    member.cluster.taints.iter().any(|taint| taint.key == key)
}

/// By what each cluster's weight is multiplied for each of its addresses of a family.
fn shares(backends: &BTreeMap<ClusterName, Backend>) -> BTreeMap<(&ClusterName, Family), u32> {
    let mut shares = BTreeMap::new();
    for wanted in [Family::V4, Family::V6, Family::Alias] {
        let count = |backend: &Backend| backend.targets.iter().filter(|t| family(t) == wanted).count();
        let counts: Vec<u32> =
            backends.values().map(|backend| u32::try_from(count(backend)).unwrap_or(u32::MAX)).collect();
        let factors = steering::factors(&counts);
        shares.extend(backends.keys().map(|cluster| (cluster, wanted)).zip(factors));
    }
    shares
}

fn on_all_down(wanted: &served_name::OnAllDown) -> OnAllDown {
    match wanted {
        served_name::OnAllDown::LastKnownGood => OnAllDown::LastKnownGood,
        served_name::OnAllDown::All => OnAllDown::All,
        served_name::OnAllDown::NoData => OnAllDown::NoData,
    }
}

pub(super) fn withdrawal(why: Withdrawn) -> Withdrawal {
    match why {
        Withdrawn::ProbesFailing => Withdrawal::ProbesFailing,
        Withdrawn::Flapping => Withdrawal::Flapping,
        Withdrawn::ClusterUnreachable => Withdrawal::ClusterUnreachable,
        Withdrawn::NotReady => Withdrawal::NotReady,
        Withdrawn::Draining => Withdrawal::Draining,
    }
}

fn evidence(health: Option<&Health>, backend: &Backend) -> String {
    let verdict = health.map_or("not judged yet", |health| health.cluster.standing.verdict.as_str());
    match backend.replicas {
        Some(replicas) => format!("cluster {verdict}, {} replicas ready", replicas.ready),
        None => format!("cluster {verdict}"),
    }
}
