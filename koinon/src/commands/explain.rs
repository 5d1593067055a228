//! `koinon explain`: why an object is where it is. It prints what the host decided and noted down, nothing of its own.

use std::collections::BTreeMap;

use anyhow::bail;
use koinon_types::v1alpha1::{
    self, BindingClusterStatus, BindingSpec, BindingStatus, Finding, GlobalRecordStatus,
};
use serde_json::Value;

use crate::args::ExplainArgs;
use crate::commands::paths;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render::{self, Mood};

/// Explains one object.
pub(crate) async fn run(args: ExplainArgs) -> anyhow::Result<Outcome> {
    let Some((kind, name)) =
        args.object.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty())
    else {
        bail!("{}: expected KIND/NAME, such as deployment/shop or cluster/on-prem", args.object);
    };
    let host = Host::connect(&args.host).await?;
    match kind.to_lowercase().as_str() {
        "cluster" | "clusters" => explain_cluster(&host, name, &args).await,
        "globalrecord" | "globalrecords" | "gr" | "name" => explain_record(&host, name, &args).await,
        kind => explain_object(&host, kind, name, &args).await,
    }
}

async fn explain_object(host: &Host, kind: &str, name: &str, args: &ExplainArgs) -> anyhow::Result<Outcome> {
    let mut bindings = host.list(paths::BINDINGS).await?;
    bindings.extend(host.list(paths::CLUSTER_BINDINGS).await?);
    let wanted = canonical_kind(kind);
    bindings.retain(|binding| {
        let resource = &binding["spec"]["resource"];
        let namespace =
            args.namespace.as_deref().unwrap_or_else(|| resource["namespace"].as_str().unwrap_or_default());
        let kind = resource["kind"].as_str().unwrap_or_default().to_lowercase();
        kind == wanted
            && resource["name"] == name
            && resource["namespace"].as_str().unwrap_or_default() == namespace
    });
    match bindings.as_slice() {
        [] => {
            let place = args.namespace.as_ref().map(|n| format!(" in namespace {n}")).unwrap_or_default();
            bail!(
                "no placement of {wanted}/{name}{place}: no policy selects it, or it does not exist; \
                 see: kubectl get {wanted} {name}, kubectl get propagationpolicies -A"
            )
        }
        [binding] => {
            let text = || object_text(binding);
            render::show(args.output.output, binding, text)?;
            Ok(Outcome::Ok)
        }
        several => {
            let namespaces: Vec<&str> =
                several.iter().filter_map(|b| b["spec"]["resource"]["namespace"].as_str()).collect();
            bail!(
                "{wanted}/{name} exists in several namespaces ({}); choose one with -n",
                namespaces.join(", ")
            )
        }
    }
}

/// Kind names as kubectl takes them: singular, plural, short.
fn canonical_kind(kind: &str) -> String {
    let kind = kind.to_lowercase();
    let kind = kind.split_once('.').map_or(kind.as_str(), |(name, _group)| name);
    let known = [
        ("deploy", "deployment"),
        ("sts", "statefulset"),
        ("rs", "replicaset"),
        ("ds", "daemonset"),
        ("svc", "service"),
        ("cm", "configmap"),
        ("ing", "ingress"),
        ("ingresses", "ingress"),
        ("sa", "serviceaccount"),
        ("pvc", "persistentvolumeclaim"),
        ("ns", "namespace"),
        ("cj", "cronjob"),
        ("hpa", "horizontalpodautoscaler"),
        ("pdb", "poddisruptionbudget"),
        ("netpol", "networkpolicy"),
        ("networkpolicies", "networkpolicy"),
    ];
    if let Some((_, full)) = known.iter().find(|(short, _)| *short == kind) {
        return (*full).to_owned();
    }
    kind.strip_suffix('s').filter(|singular| !singular.ends_with('s')).unwrap_or(kind).to_owned()
}

fn object_text(binding: &Value) -> String {
    let spec: BindingSpec = serde_json::from_value(binding["spec"].clone()).unwrap_or_default();
    let status: BindingStatus = serde_json::from_value(binding["status"].clone()).unwrap_or_default();
    let said: BTreeMap<&str, &BindingClusterStatus> =
        status.clusters.iter().map(|c| (c.name.as_str(), c)).collect();
    let placed: BTreeMap<&str, Option<i64>> =
        spec.clusters.iter().map(|c| (c.name.as_str(), c.replicas)).collect();
    let mut text = headline(&spec);
    let mut rows = Vec::new();
    for Finding { cluster, chosen, weight, message } in &spec.reasons {
        let status = said.get(cluster.as_str());
        let wanted = match placed.get(cluster.as_str()) {
            Some(Some(replicas)) => replicas.to_string(),
            Some(None) => "yes".to_owned(),
            None => "–".to_owned(),
        };
        let why = if *chosen { message.clone() } else { render::tint(message, Mood::Odd) };
        rows.push(vec![
            cluster.clone(),
            weight.map_or("–".to_owned(), |weight| weight.to_string()),
            wanted,
            status.and_then(|s| s.replicas).map_or("–".to_owned(), |n| n.to_string()),
            status.and_then(|s| s.ready_replicas).map_or("–".to_owned(), |n| n.to_string()),
            status.map_or("–".to_owned(), |s| s.state.clone()),
            match status.map(|s| s.message.as_str()).filter(|m| !m.is_empty()) {
                Some(member) => format!("{why}; member: {member}"),
                None => why,
            },
        ]);
    }
    text.push_str(&render::table(
        &["CLUSTER", "WEIGHT", "WANTED", "APPLIED", "READY", "STATE", "WHY"],
        &rows,
    ));
    if spec.unplaced > 0 {
        text.push_str(&render::tint(&format!("{} replicas have no place\n", spec.unplaced), Mood::Bad));
    }
    for eviction in &spec.evicted {
        text.push_str(&format!(
            "left {} at {}; may have {} replicas there again\n",
            eviction.cluster, eviction.since, eviction.replicas_allowed
        ));
    }
    for cluster in &spec.removing {
        text.push_str(&format!("being removed from {cluster}\n"));
    }
    text.push_str(&conditions_text(&binding["status"]));
    text
}

fn headline(spec: &BindingSpec) -> String {
    let resource = &spec.resource;
    let place =
        if resource.namespace.is_empty() { String::new() } else { format!("{}/", resource.namespace) };
    let replicas = spec.replicas.map(|n| format!("  {n} replicas")).unwrap_or_default();
    let policy = match &spec.policy {
        Some(policy) => format!("  {} {} (generation {})", policy.kind, policy.name, policy.generation),
        None => format!("  needed by {}", spec.required_by.join(", ")),
    };
    format!("{} {place}{}{replicas}{policy}\n\n", render::strong(&resource.kind), resource.name)
}

fn conditions_text(status: &Value) -> String {
    let mut text = String::new();
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let word = |field: &str| condition[field].as_str().unwrap_or_default();
        let line = format!("{} {} ({}) {}", word("type"), word("status"), word("reason"), word("message"));
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

async fn explain_cluster(host: &Host, name: &str, args: &ExplainArgs) -> anyhow::Result<Outcome> {
    let Some(cluster) = host.find(&format!("{}/{name}", paths::CLUSTERS)).await? else {
        bail!("no cluster {name} in the fleet; see: koinon status");
    };
    render::show(args.output.output, &cluster, || cluster_text(name, &cluster))?;
    Ok(Outcome::Ok)
}

fn cluster_text(name: &str, cluster: &Value) -> String {
    let status = &cluster["status"];
    let mut text =
        format!("{} {name}  {}\n", render::strong("Cluster"), status["state"].as_str().unwrap_or("Unknown"));
    for taints in [&cluster["spec"]["taints"], &status["taints"]] {
        for taint in taints.as_array().into_iter().flatten() {
            let word = |field: &str| taint[field].as_str().unwrap_or_default();
            text.push_str(&format!("taint {}:{} {}\n", word("key"), word("effect"), word("timeAdded")));
        }
    }
    let sync = &status["sync"];
    if sync.is_object() {
        text.push_str(&format!("orders {} of {} applied\n", sync["applied"], sync["desired"]));
    }
    text.push_str(&conditions_text(status));
    text
}

async fn explain_record(host: &Host, name: &str, args: &ExplainArgs) -> anyhow::Result<Outcome> {
    let mut records = host.list(paths::RECORDS).await?;
    records.retain(|record| {
        let metadata = &record["metadata"];
        metadata["name"] == name && args.namespace.as_deref().is_none_or(|n| metadata["namespace"] == n)
    });
    let [record] = records.as_slice() else {
        bail!("{} global records are named {name}; see: kubectl get globalrecords -A", records.len());
    };
    render::show(args.output.output, record, || record_text(record))?;
    Ok(Outcome::Ok)
}

fn record_text(record: &Value) -> String {
    let host = record["spec"]["host"].as_str().unwrap_or_default();
    let mut text = format!(
        "{} {host}  generation {}\n\n",
        render::strong("GlobalRecord"),
        record["status"]["generation"]
    );
    let mut rows = Vec::new();
    let status: GlobalRecordStatus = v1alpha1::read(record, "status").unwrap_or_default();
    for endpoint in status.endpoints {
        let mood = if endpoint.serves() { Mood::Good } else { Mood::Bad };
        let verdict = render::tint(&endpoint.words(), mood);
        rows.push(vec![
            endpoint.cluster,
            endpoint.address,
            endpoint.weight.to_string(),
            verdict,
            endpoint.since,
            endpoint.evidence,
        ]);
    }
    text.push_str(&render::table(&["CLUSTER", "ADDRESS", "WEIGHT", "VERDICT", "SINCE", "EVIDENCE"], &rows));
    text.push_str(&conditions_text(&record["status"]));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_named_as_kubectl_takes_them() {
        let rows = [
            ("deploy", "deployment"),
            ("Deployments", "deployment"),
            ("deployments.apps", "deployment"),
            ("svc", "service"),
            ("ingress", "ingress"),
            ("networkpolicies", "networkpolicy"),
        ];
        for (said, meant) in rows {
            assert_eq!(canonical_kind(said), meant);
        }
    }

    #[test]
    fn every_cluster_stands_with_its_reason() {
        let binding = json!({
            "spec": {
                "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
                "policy": {"kind": "PropagationPolicy", "namespace": "shop", "name": "shop", "generation": 4},
                "replicas": 5, "clusters": [{"name": "cloud-a", "replicas": 5}],
                "reasons": [
                    {"cluster": "cloud-a", "chosen": true, "weight": 1, "message": "share of 5 over {1}"},
                    {"cluster": "on-prem", "chosen": false, "message": "refused: taint koinon.io/unreachable:NoExecute"}],
            },
            "status": {"clusters": [{"name": "cloud-a", "state": "Applied", "replicas": 5, "readyReplicas": 4}]},
        });
        let text = object_text(&binding);
        assert!(
            text.contains("Deployment shop/web  5 replicas  PropagationPolicy shop (generation 4)"),
            "{text}"
        );
        assert!(
            text.contains("cloud-a  1       5       5        4      Applied  share of 5 over {1}"),
            "{text}"
        );
        assert!(text.contains("refused: taint koinon.io/unreachable:NoExecute"), "{text}");
    }
}
