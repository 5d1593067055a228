//! `koinon status`: the fleet at a glance. The answer first, then one line per cluster.

use std::collections::BTreeMap;

use koinon_types::v1alpha1::{
    BindingSpec, BindingStatus, ClusterSpec, ClusterStatus, GlobalRecordSpec, GlobalRecordStatus,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::args::StatusArgs;
use crate::commands::paths;
use crate::compose::guard::GUARD;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render::{self, Mood};

/// Everything the command shows, for `-o json` and as the source of the tables.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fleet {
    clusters: Vec<ClusterLine>,
    workloads: Workloads,
    names: Vec<NameLine>,
    /// What changes of names would take away, and therefore wait.
    held: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterLine {
    name: String,
    state: String,
    region: String,
    replicas_wanted: i64,
    replicas_ready: i64,
    lag_seconds: Option<f64>,
    cpu_used_percent: Option<i64>,
    evidence: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Workloads {
    total: usize,
    as_wanted: usize,
    degraded: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NameLine {
    host: String,
    serving: Vec<String>,
    withdrawn: Vec<String>,
}

/// Shows the fleet.
pub(crate) async fn run(args: StatusArgs) -> anyhow::Result<Outcome> {
    let host = Host::connect(&args.host).await?;
    let clusters = host.list(paths::CLUSTERS).await?;
    let mut bindings = host.list(paths::BINDINGS).await?;
    bindings.extend(host.list(paths::CLUSTER_BINDINGS).await?);
    let records = host.list(paths::RECORDS).await?;
    let told = host.find(GUARD).await?.unwrap_or_default();
    let held = told["held"].as_array().cloned().unwrap_or_default();
    let fleet = Fleet { held, ..survey(&clusters, &bindings, &records) };
    let healthy = fleet.clusters.iter().all(|c| c.state == "Ready")
        && fleet.workloads.degraded.is_empty()
        && fleet.held.is_empty();
    render::show(args.output.output, &serde_json::to_value(&fleet)?, || text(&fleet))?;
    Ok(if healthy { Outcome::Ok } else { Outcome::Degraded })
}

fn part<T: DeserializeOwned + Default>(object: &Value, field: &str) -> T {
    object.get(field).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

/// Draws the lines together from the host's objects.
fn survey(clusters: &[Value], bindings: &[Value], records: &[Value]) -> Fleet {
    let mut wanted: BTreeMap<String, i64> = BTreeMap::new();
    let mut ready: BTreeMap<String, i64> = BTreeMap::new();
    let mut degraded = Vec::new();
    let mut n_workloads = 0;
    for binding in bindings {
        let spec: BindingSpec = part(binding, "spec");
        let status: BindingStatus = part(binding, "status");
        for cluster in &spec.clusters {
            *wanted.entry(cluster.name.clone()).or_default() += cluster.replicas.unwrap_or_default();
        }
        for cluster in &status.clusters {
            *ready.entry(cluster.name.clone()).or_default() += cluster.ready_replicas.unwrap_or_default();
        }
        let Some(replicas) = spec.replicas else { continue };
        n_workloads += 1;
        if status.ready_replicas.unwrap_or_default() < replicas || spec.unplaced > 0 {
            let resource = &spec.resource;
            degraded.push(format!(
                "{}/{} -n {}: {} of {replicas} ready",
                resource.kind.to_lowercase(),
                resource.name,
                resource.namespace,
                status.ready_replicas.unwrap_or_default()
            ));
        }
    }
    let line = |cluster: &Value| cluster_line(cluster, &wanted, &ready);
    Fleet {
        clusters: clusters.iter().map(line).collect(),
        workloads: Workloads { total: n_workloads, as_wanted: n_workloads - degraded.len(), degraded },
        names: records.iter().map(name_line).collect(),
        held: Vec::new(),
    }
}

fn cluster_line(
    cluster: &Value,
    wanted: &BTreeMap<String, i64>,
    ready: &BTreeMap<String, i64>,
) -> ClusterLine {
    let name = cluster["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let spec: ClusterSpec = part(cluster, "spec");
    let status: ClusterStatus = part(cluster, "status");
    let evidence: Vec<String> = status
        .conditions
        .iter()
        .filter(|condition| condition.kind == "ApiReachable" || condition.kind == "DataPlaneHealthy")
        .map(|condition| condition.message.clone())
        .filter(|message| !message.is_empty())
        .collect();
    ClusterLine {
        region: spec.region,
        state: if status.state.is_empty() { "Unknown".to_owned() } else { status.state.clone() },
        replicas_wanted: wanted.get(&name).copied().unwrap_or_default(),
        replicas_ready: ready.get(&name).copied().unwrap_or_default(),
        lag_seconds: status.sync.as_ref().map(|sync| sync.lag_seconds),
        cpu_used_percent: cpu_used_percent(&status),
        evidence: evidence.join(" · "),
        name,
    }
}

/// The share of allocatable CPU that pods ask for.
fn cpu_used_percent(status: &ClusterStatus) -> Option<i64> {
    let capacity = status.capacity.as_ref()?;
    let cpu = |sums: &BTreeMap<String, String>| -> Option<i64> {
        let quantity: koinon_machinery::quantity::Quantity = sums.get("cpu")?.parse().ok()?;
        Some(quantity.scaled(-3))
    };
    let allocatable = cpu(&capacity.allocatable).filter(|milli| *milli > 0)?;
    Some(cpu(&capacity.allocated).unwrap_or_default() * 100 / allocatable)
}

fn name_line(record: &Value) -> NameLine {
    let spec: GlobalRecordSpec = part(record, "spec");
    let status: GlobalRecordStatus = part(record, "status");
    let (serving, withdrawn): (Vec<_>, Vec<_>) =
        status.endpoints.iter().partition(|endpoint| endpoint.serves());
    NameLine {
        host: spec.host,
        serving: serving.into_iter().map(|e| format!("{} ({})", e.address, e.cluster)).collect(),
        withdrawn: withdrawn
            .into_iter()
            .map(|e| format!("{} ({}: {})", e.address, e.cluster, e.words()))
            .collect(),
    }
}

fn mood(state: &str) -> Mood {
    match state {
        "Ready" => Mood::Good,
        "Unreachable" => Mood::Bad,
        _ => Mood::Odd,
    }
}

fn text(fleet: &Fleet) -> String {
    let mut text = headlines(fleet);
    if !fleet.clusters.is_empty() {
        let rows: Vec<Vec<String>> = fleet.clusters.iter().map(row).collect();
        text.push('\n');
        let headings = ["CLUSTER", "STATE", "REGION", "REPLICAS", "READY", "LAG", "CPU", "EVIDENCE"];
        text.push_str(&render::table(&headings, &rows));
    }
    if !fleet.names.is_empty() {
        let rows: Vec<Vec<String>> = fleet
            .names
            .iter()
            .map(|n| vec![n.host.clone(), or_dash(&n.serving), or_dash(&n.withdrawn)])
            .collect();
        text.push('\n');
        text.push_str(&render::table(&["NAME", "ANSWERS", "WITHDRAWN"], &rows));
    }
    text
}

fn headlines(fleet: &Fleet) -> String {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for cluster in &fleet.clusters {
        *states.entry(&cluster.state).or_default() += 1;
    }
    let states: Vec<String> =
        states.iter().map(|(s, n)| render::tint(&format!("{n} {}", s.to_lowercase()), mood(s))).collect();
    let states = if states.is_empty() { "join one with: koinon join".to_owned() } else { states.join(", ") };
    let workloads = &fleet.workloads;
    let degraded = match workloads.degraded.len() {
        0 => String::new(),
        n => format!(", {}", render::tint(&format!("{n} degraded"), Mood::Odd)),
    };
    let answered = fleet.names.iter().filter(|name| !name.serving.is_empty()).count();
    let mut text = format!(
        "{}     {} clusters: {states}\n{} {}: {} as wanted{degraded}\n{}     {}: {answered} with healthy endpoints\n",
        render::strong("Fleet"),
        fleet.clusters.len(),
        render::strong("Workloads"),
        workloads.total,
        workloads.as_wanted,
        render::strong("Names"),
        fleet.names.len(),
    );
    for line in workloads.degraded.iter().take(DEGRADED_SHOWN_MAX) {
        text.push_str(&format!("          {line}\n"));
    }
    for held in &fleet.held {
        let part = |field: &str| held[field].as_str().unwrap_or_default();
        let line = format!("{} is held back: {}; see koinon dns acknowledge", part("zone"), part("why"));
        text.push_str(&format!("          {}\n", render::tint(&line, Mood::Odd)));
    }
    text
}

/// Degraded workloads that are named; more than a screen's worth is what `-o json` is for.
const DEGRADED_SHOWN_MAX: usize = 10;

fn row(line: &ClusterLine) -> Vec<String> {
    vec![
        line.name.clone(),
        render::tint(&line.state, mood(&line.state)),
        if line.region.is_empty() { "–".to_owned() } else { line.region.clone() },
        line.replicas_wanted.to_string(),
        if line.state == "Unreachable" { "?".to_owned() } else { line.replicas_ready.to_string() },
        line.lag_seconds.map_or("–".to_owned(), |lag| format!("{lag:.1} s")),
        line.cpu_used_percent.map_or("–".to_owned(), |percent| format!("{percent} %")),
        line.evidence.clone(),
    ]
}

fn or_dash(items: &[String]) -> String {
    if items.is_empty() { "–".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workload_with_missing_replicas_is_degraded_and_named() {
        let binding = json!({
            "spec": {"resource": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
                     "replicas": 4, "clusters": [{"name": "a", "replicas": 3}, {"name": "b", "replicas": 1}]},
            "status": {"readyReplicas": 3, "clusters": [{"name": "a", "state": "Applied", "readyReplicas": 3}]},
        });
        let cluster =
            json!({"metadata": {"name": "a"}, "spec": {"region": "eu"}, "status": {"state": "Ready"}});
        let fleet = survey(&[cluster], &[binding], &[]);
        assert_eq!(fleet.workloads.degraded, ["deployment/web -n shop: 3 of 4 ready"]);
        assert_eq!((fleet.clusters[0].replicas_wanted, fleet.clusters[0].replicas_ready), (3, 3));
    }

    #[test]
    fn what_is_held_back_is_told() {
        let held = vec![json!({"zone": "example.com", "why": "8 of 11 names would be gone"})];
        let text = text(&Fleet { held, ..survey(&[], &[], &[]) });
        assert!(
            text.contains("example.com is held back: 8 of 11 names would be gone; see koinon dns"),
            "{text}"
        );
    }

    #[test]
    fn an_empty_fleet_says_what_to_do_next() {
        assert!(text(&survey(&[], &[], &[])).contains("koinon join"));
    }
}
