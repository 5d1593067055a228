//! From what was gathered to the table of names. A host belongs to the zone that is closest above it, and to the record that
//! asked first.

use std::collections::BTreeMap;

use koinon_api_server::local::{Client, Stored};
use koinon_model::health::Verdict;
use koinon_model::name::ClusterName;
use koinon_model::served_name;
use koinon_model::time::Timestamp;
use koinon_policies::steering::{self, Candidate, Standing, Withdrawn};
use koinon_types::conditions::Reason;
use koinon_types::convert::{self, CheckedRecord, CheckedZone, EndpointSource};
use koinon_types::names::{Endpoint, EndpointState, OnAllDown, Record, RecordRef, Target, Withdrawal, Zone};
use koinon_types::v1alpha1::{self, GlobalRecordStatus};

use super::backends::{self, Backend};
use crate::cluster_health::{Health, Healths};
use crate::observations::Observations;
use crate::resources;
use crate::templates::labels;

/// The parts of a table, and why some records are not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) zones: Vec<Zone>,
    pub(super) records: Vec<Record>,
    pub(super) left_out: BTreeMap<RecordRef, (Reason, String)>,
}

/// Makes the table. `before` is the one made last, from which endpoints keep since when they are as they are.
pub(super) fn make(
    client: &Client,
    observations: &Observations,
    healths: &Healths,
    before: &Made,
    now: Timestamp,
) -> Made {
    let zones = zones(client);
    let mut made = Made::default();
    let mut taken: BTreeMap<String, RecordRef> = BTreeMap::new();
    for (stored, checked) in records(client) {
        let source = checked.source.clone();
        let host = checked.host.as_str().to_owned();
        let placed = zone_of(client, &zones, &checked).and_then(|zone| match taken.get(&host) {
            Some(owner) => {
                Err((Reason::HostTaken, format!("{}/{} has the name", owner.namespace, owner.name)))
            }
            None => Ok(zone),
        });
        let built = placed.and_then(|zone| {
            let endpoints = endpoints(client, observations, healths, &stored, &checked)?;
            Ok((zone, endpoints))
        });
        match built {
            Ok((zone, endpoints)) => {
                taken.insert(host, source);
                made.records.push(record(zone, &endpoints, checked, healths, before, now));
            }
            Err(why) => _ = made.left_out.insert(source, why),
        }
    }
    made.records.sort_by(|a, b| a.host.cmp(&b.host));
    made.zones = zones.into_iter().map(|zone| zone.zone).collect();
    made.zones.sort_by(|a, b| a.apex.cmp(&b.apex));
    made
}

fn zones(client: &Client) -> Vec<CheckedZone> {
    let stored = client.list(&resources::zones()).0;
    stored
        .iter()
        .filter(|zone| !zone.is_deleting())
        .filter_map(|zone| convert::dns_zone(&zone.value()).ok())
        .collect()
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
    client: &Client,
    observations: &Observations,
    healths: &Healths,
    stored: &Stored,
    record: &CheckedRecord,
) -> Result<BTreeMap<ClusterName, Backend>, (Reason, String)> {
    let namespace = &record.source.namespace;
    let missing =
        |kind: &str, name: &str| (Reason::NotFound, format!("there is no {kind} {namespace}/{name}"));
    let mut backends = match &record.endpoints {
        EndpointSource::Addresses(addresses) => {
            let written = addresses.iter().map(|(cluster, targets)| {
                (cluster.clone(), Backend { targets: targets.iter().cloned().collect(), replicas: None })
            });
            return Ok(written.collect());
        }
        EndpointSource::Service { name } => {
            backends::of(client, observations, &resources::services(), namespace, name)
                .ok_or_else(|| missing("Service", name))?
        }
        EndpointSource::Ingress { name } => {
            backends::of(client, observations, &resources::ingresses(), namespace, name)
                .ok_or_else(|| missing("Ingress", name))?
        }
    };
    // After a restart of the host, a cluster whose API is gone cannot say again where it is reached.
    let status: GlobalRecordStatus = v1alpha1::read(&stored.value(), "status").unwrap_or_default();
    for known in status.endpoints {
        let Ok(cluster) = ClusterName::try_from(known.cluster.as_str()) else { continue };
        let is_heard = healths.get(&cluster).is_none_or(|health| health.followed);
        if !is_heard && !backends.contains_key(&cluster) {
            let address = known.address;
            let target = address.parse().map_or_else(|_| Target::Hostname(address), Target::Ip);
            backends.entry(cluster).or_default().targets.insert(target);
        }
    }
    Ok(backends)
}

fn record(
    zone: String,
    backends: &BTreeMap<ClusterName, Backend>,
    checked: CheckedRecord,
    healths: &Healths,
    before: &Made,
    now: Timestamp,
) -> Record {
    let known = before.records.iter().find(|record| record.source == checked.source);
    let mut endpoints = Vec::new();
    let mut unstable = false;
    for (cluster, backend) in backends {
        let health = healths.get(cluster);
        unstable |= health.is_some_and(|health| health.cluster.doubtful);
        let candidate = Candidate { cluster, standing: standing(health), replicas: backend.replicas };
        let steered = steering::steer(&candidate, checked.weights.as_ref());
        let state =
            steered.withdrawn.map_or(EndpointState::Serving, |why| EndpointState::Withdrawn(withdrawal(why)));
        for target in &backend.targets {
            let same = known.and_then(|record| {
                record
                    .endpoints
                    .iter()
                    .find(|known| known.cluster == cluster.as_str() && known.target == *target)
            });
            let since_ms =
                same.filter(|known| known.state == state).map_or(now.as_millis(), |known| known.since_ms);
            endpoints.push(Endpoint {
                cluster: cluster.as_str().to_owned(),
                target: target.clone(),
                weight: steered.weight,
                state,
                since_ms,
                evidence: evidence(health, backend),
            });
        }
    }
    Record {
        source: checked.source,
        host: checked.host.as_str().to_owned(),
        zone,
        endpoints,
        addresses_max: checked.addresses_max,
        ttl: checked.ttl,
        unstable,
        on_all_down: on_all_down(&checked.on_all_down),
        healthy_share_min_percent: checked.healthy_share_min_percent,
        check: checked.check,
    }
}

fn on_all_down(wanted: &served_name::OnAllDown) -> OnAllDown {
    match wanted {
        served_name::OnAllDown::LastKnownGood => OnAllDown::LastKnownGood,
        served_name::OnAllDown::All => OnAllDown::All,
        served_name::OnAllDown::NoData => OnAllDown::NoData,
    }
}

/// A cluster that was never judged may serve: unknown is not down.
fn standing(health: Option<&Health>) -> Standing {
    match health {
        Some(health) if health.lost => Standing::Lost,
        Some(health) if health.followed && health.cluster.standing.verdict == Verdict::Ready => {
            Standing::Followed
        }
        Some(_) | None => Standing::Unheard,
    }
}

fn withdrawal(why: Withdrawn) -> Withdrawal {
    match why {
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
