//! The door from wire to model: what is let in, and what is refused by the field at fault.

use serde_json::{Value, json};

use super::*;

mod health;
mod served;

/// A valid object of each kind, in the shape users write it.
fn valid(kind: &str) -> Value {
    let spec = match kind {
        "Cluster" => json!({
            "connection": {"secretRef": {"namespace": "koinon-system", "name": "eu-west"},
                           "apiEndpoint": "https://10.0.0.1:6443"},
            "provider": "aws", "region": "eu-west-1", "zone": "eu-west-1a",
            "taints": [{"key": "koinon.io/drain", "effect": "NoSchedule"}],
            "health": {"failureThreshold": 3},
        }),
        "PropagationPolicy" | "ClusterPropagationPolicy" => valid_propagation(),
        "OverridePolicy" | "ClusterOverridePolicy" => valid_overrides(),
        "DnsZone" => json!({
            "soa": {"mname": "ns1.global.example", "rname": "hostmaster.example.com"},
            "nameServers": [{"name": "ns1.global.example", "addresses": ["192.0.2.1"]}],
            "records": [
                {"name": "@", "type": "CAA", "data": "0 issue \"ca.example.net\""},
                {"name": "www", "type": "CNAME", "data": "shop"},
                {"name": "*.wild", "type": "A", "data": "192.0.2.9"},
                {"name": "mail", "type": "MX", "data": "10 mx.example.net."},
            ],
            "transfer": {
                "allow": [{"cidr": "192.0.2.0/24", "keyRef": {"namespace": "dns", "name": "secondary"}}],
                "notify": [{"address": "192.0.2.53"}],
            },
            "updates": {"allow": [{"keyRef": {"namespace": "dns", "name": "updater"}, "cidr": "192.0.2.0/24",
                                   "names": ["*.dyn"], "types": ["TXT"]}]},
        }),
        "GlobalRecord" => json!({
            "host": "shop.global.example",
            "endpoints": {"service": {"name": "shop"}},
            "routing": [{"weighted": {"from": "Replicas"}}],
            "answer": {"maxAddresses": 1},
            "ttlSeconds": {"stable": 30, "unstable": 5},
            "health": {"http": {"port": 80, "path": "/healthz"}, "minHealthyShare": "50%",
                       "onAllDown": "LastKnownGood"},
        }),
        other => panic!("no example of {other}"),
    };
    let metadata = match kind {
        "Cluster" => json!({"name": "eu-west"}),
        "DnsZone" => json!({"name": "global.example"}),
        "ClusterPropagationPolicy" | "ClusterOverridePolicy" => json!({"name": "shop"}),
        _ => json!({"name": "shop", "namespace": "shop"}),
    };
    json!({"apiVersion": "koinon.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

/// The spec of a propagation policy that uses everything.
fn valid_propagation() -> Value {
    json!({
        "resourceSelectors": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"app": "shop"}}},
            {"apiVersion": "v1", "kind": "Service", "name": "shop"},
        ],
        "placement": {
            "clusterAffinity": {"labelSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
                                "fieldSelector": {"matchExpressions": [
                                    {"key": "region", "operator": "In", "values": ["eu-west-1"]}]}},
            "clusterTolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute",
                                    "tolerationSeconds": 30}],
            "replicaScheduling": {"type": "Divided", "weights": {"static": [
                {"targetCluster": {"clusterNames": ["on-prem"]}, "weight": 3, "minReplicas": 2, "maxReplicas": 20},
                {"targetCluster": {"labelSelector": {"matchLabels": {"cloud": "public"}}}, "weight": 1}]},
                "movement": {"sticky": true}},
        },
        "failover": {"cluster": {"tolerationSeconds": 0}},
        "failback": {"mode": "Automatic", "stabilizationSeconds": 300,
                     "pace": {"percent": 25, "intervalSeconds": 60}},
        "suspension": {"clusters": ["cloud-b"]},
    })
}

/// The spec of an override policy that uses everything.
fn valid_overrides() -> Value {
    json!({
        "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}],
        "overrideRules": [{
            "targetCluster": {"clusterNames": ["cloud-a"]},
            "overriders": {
                "imageOverrider": [{"component": "Tag", "operator": "replace", "value": "v2"}],
                "argsOverrider": [{"containerName": "web", "operator": "add", "value": ["--verbose"]}],
                "envOverrider": [{"operator": "add", "value": {"REGION": "eu"}}],
                "labelsOverrider": [{"operator": "add", "value": {"cloud": "a"}}],
                "annotationsOverrider": [{"operator": "remove", "value": {"note": ""}}],
                "plaintext": [{"path": "/spec/template/spec/priorityClassName", "operator": "add", "value": "x"}],
            },
        }],
    })
}

/// Puts `value` at a JSON pointer, making objects on the way; null takes the member away.
fn put(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    let mut steps = pointer.trim_start_matches('/').split('/').peekable();
    while let Some(step) = steps.next() {
        if steps.peek().is_none() && value.is_null() {
            place.as_object_mut().expect("an object").remove(step);
            return;
        }
        place = match step.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[step],
        };
    }
    *place = value;
}

/// One mistake in an otherwise valid object: where it is made, what is written, which field the finding names, and a
/// part of what is said.
type Mistake = (&'static str, &'static str, Value, &'static str, &'static str);

fn check(mistakes: Vec<Mistake>) {
    let door = Door::new();
    for (kind, pointer, value, field, said) in mistakes {
        let mut object = valid(kind);
        put(&mut object, &format!("/spec{pointer}"), value.clone());
        let errors = door.admit(kind, &object, None);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(
            errors.iter().any(|error| error.field == field && error.body().contains(said)),
            "{kind} with {value} at {pointer}: wanted {field} to say {said:?}, got {told:#?}"
        );
    }
}

#[test]
fn valid_objects_of_every_kind_pass() {
    let door = Door::new();
    let kinds = ["Cluster", "PropagationPolicy", "ClusterPropagationPolicy", "OverridePolicy"];
    for kind in kinds.into_iter().chain(["ClusterOverridePolicy", "DnsZone", "GlobalRecord"]) {
        assert_eq!(door.admit(kind, &valid(kind), None), Vec::new(), "{kind}");
    }
    assert_eq!(door.admit("Deployment", &json!({"spec": {"x": 1}}), None), Vec::new(), "not ours to judge");
}

#[test]
fn every_mistake_in_a_cluster_names_its_field() {
    check(vec![
        ("Cluster", "/conection", json!({}), "spec.conection", "known here: connection, health"),
        ("Cluster", "/connection/mode", json!("Pull"), "spec.connection.mode", "supported values: \"Push\""),
        ("Cluster", "/connection/secretRef", Value::Null, "spec.connection.secretRef", "kubeconfig"),
        (
            "Cluster",
            "/connection/secretRef/name",
            json!("A b"),
            "spec.connection.secretRef.name",
            "subdomain",
        ),
        (
            "Cluster",
            "/connection/secretRef/namespace",
            Value::Null,
            "spec.connection.secretRef.namespace",
            "a text",
        ),
        ("Cluster", "/connection/apiEndpoint", json!("10.0.0.1"), "spec.connection.apiEndpoint", "https://"),
        (
            "Cluster",
            "/location",
            json!({"latitude": "90.5", "longitude": "8"}),
            "spec.location.latitude",
            "from -90 to 90",
        ),
        (
            "Cluster",
            "/location",
            json!({"latitude": "50.1", "longitude": "east"}),
            "spec.location.longitude",
            "from -180 to 180",
        ),
        ("Cluster", "/connection/proxyUrl", json!("http://p"), "spec.connection.proxyUrl", "unknown field"),
        ("Cluster", "/region", json!(7), "spec.region", "must be a text"),
        ("Cluster", "/zone", json!("a b"), "spec.zone", "must be an empty string or consist of"),
        ("Cluster", "/taints/0/effect", json!("PreferNoSchedule"), "spec.taints[0].effect", "NoExecute"),
        ("Cluster", "/taints/0/key", json!("koinon.io/unreachable"), "spec.taints[0].key", "itself"),
        ("Cluster", "/taints/0/timeAdded", json!("now"), "spec.taints[0].timeAdded", "2026-01-02"),
        (
            "Cluster",
            "/health/failureThreshold",
            json!(0),
            "spec.health.failureThreshold",
            "between 1 and 600",
        ),
        ("Cluster", "/onUnjoin", json!("Delete"), "spec.onUnjoin", "Prune"),
    ]);
}

#[test]
fn every_mistake_in_a_propagation_policy_names_its_field() {
    let kind = "PropagationPolicy";
    check(vec![
        (kind, "/resourceSelectors", Value::Null, "spec.resourceSelectors", "a list"),
        (kind, "/resourceSelectors", json!([]), "spec.resourceSelectors", "at least one selector"),
        (kind, "/resourceSelectors/0/kind", Value::Null, "spec.resourceSelectors[0].kind", "a text"),
        (
            kind,
            "/resourceSelectors/0/kind",
            json!("deployments"),
            "spec.resourceSelectors[0].kind",
            "Deployment",
        ),
        (
            kind,
            "/resourceSelectors/0/apiVersion",
            json!("apps/"),
            "spec.resourceSelectors[0].apiVersion",
            "apps/v1",
        ),
        (
            kind,
            "/resourceSelectors/0/apiVersion",
            json!("koinon.io/v1alpha1"),
            "spec.resourceSelectors[0].apiVersion",
            "do not go to clusters",
        ),
        (
            kind,
            "/resourceSelectors/0/namespace",
            json!("other"),
            "spec.resourceSelectors[0].namespace",
            "shop",
        ),
        (
            kind,
            "/resourceSelectors/0/name",
            json!("a"),
            "spec.resourceSelectors[0].labelSelector",
            "leave out",
        ),
        (kind, "/resourceSelectors/1/name", json!("a/b"), "spec.resourceSelectors[1].name", "'/'"),
        (
            kind,
            "/resourceSelectors/0/labelSelector/matchLabels/app",
            json!("a b"),
            "spec.resourceSelectors[0].labelSelector.matchLabels[app]",
            "valid label",
        ),
    ]);
}

#[test]
fn every_mistake_in_where_objects_go_names_its_field() {
    let kind = "PropagationPolicy";
    check(vec![
        (kind, "/priority", json!("high"), "spec.priority", "whole number"),
        (kind, "/priority", json!(3_000_000_000_i64), "spec.priority", "between"),
        (kind, "/spreadConstraints", json!([]), "spec.spreadConstraints", "unknown field"),
        (
            kind,
            "/placement/clusterAffinity/fieldSelector/matchExpressions/0/key",
            json!("planet"),
            "spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].key",
            "provider",
        ),
        (
            kind,
            "/placement/clusterAffinity/fieldSelector/matchExpressions/0/operator",
            json!("Exists"),
            "spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].operator",
            "NotIn",
        ),
        (
            kind,
            "/placement/clusterAffinity/clusterNames",
            json!(["EU"]),
            "spec.placement.clusterAffinity.clusterNames[0]",
            "must name a Cluster",
        ),
        (
            kind,
            "/placement/clusterAffinity/exclude",
            json!(["a", "a"]),
            "spec.placement.clusterAffinity.exclude[1]",
            "Duplicate",
        ),
        (
            kind,
            "/placement/clusterTolerations/0/value",
            json!("x"),
            "spec.placement.clusterTolerations[0].value",
            "operator Exists",
        ),
        (
            kind,
            "/placement/clusterTolerations/0/tolerationSeconds",
            json!(-1),
            "spec.placement.clusterTolerations[0].tolerationSeconds",
            "0 or more",
        ),
    ]);
}

#[test]
fn every_mistake_in_shares_and_failover_names_its_field() {
    let kind = "PropagationPolicy";
    check(vec![
        (
            kind,
            "/placement/replicaScheduling/type",
            json!("Duplicated"),
            "spec.placement.replicaScheduling.weights",
            "only with type Divided",
        ),
        (
            kind,
            "/placement/replicaScheduling/preference",
            json!("Aggregated"),
            "spec.placement.replicaScheduling.preference",
            "unknown field",
        ),
        (
            kind,
            "/placement/replicaScheduling/weights/static",
            json!([]),
            "spec.placement.replicaScheduling.weights.static",
            "equal shares",
        ),
        (
            kind,
            "/placement/replicaScheduling/weights/static/0/weight",
            json!(1_000_001),
            "spec.placement.replicaScheduling.weights.static[0].weight",
            "between 0 and 1000000",
        ),
        (
            kind,
            "/placement/replicaScheduling/weights/static/0/weight",
            json!(1.5),
            "spec.placement.replicaScheduling.weights.static[0].weight",
            "whole number",
        ),
        (
            kind,
            "/placement/replicaScheduling/weights/static/0/maxReplicas",
            json!(1),
            "spec.placement.replicaScheduling.weights.static[0].maxReplicas",
            "at least minReplicas",
        ),
        (kind, "/failback/mode", json!("Sometimes"), "spec.failback.mode", "Manual"),
        (kind, "/failback/pace/percent", json!(0), "spec.failback.pace.percent", "between 1 and 100"),
        (
            kind,
            "/failover/cluster/tolerationSeconds",
            json!("1m"),
            "spec.failover.cluster.tolerationSeconds",
            "whole number",
        ),
        (kind, "/conflictResolution", json!("Force"), "spec.conflictResolution", "AdoptIfEqual"),
        (kind, "/suspension/clusters", json!("all"), "spec.suspension.clusters", "a list"),
        (kind, "/propagateDependencies", json!("yes"), "spec.propagateDependencies", "true or false"),
    ]);
}

#[test]
fn every_mistake_in_an_override_policy_names_its_field() {
    let kind = "OverridePolicy";
    let at = |part: &str| format!("/overrideRules/0/overriders/{part}");
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let mistakes: Vec<(&str, Value, &str, &str)> = vec![
        ("imageOverrider/0/component", json!("Digest"), "imageOverrider[0].component", "Registry"),
        (
            "imageOverrider/0/operator",
            json!("remove"),
            "imageOverrider[0].value",
            "no value with operator remove",
        ),
        ("imageOverrider/0/value", Value::Null, "imageOverrider[0].value", "the new text"),
        ("imageOverrider/0/value", json!("v 2"), "imageOverrider[0].value", "white space"),
        ("argsOverrider/0/value", json!([]), "argsOverrider[0].value", "at least one word"),
        ("envOverrider/0/value", json!({"A=B": "c"}), "envOverrider[0].value[A=B]", "environment variable"),
        (
            "labelsOverrider/0/value",
            json!({"cloud": "a b"}),
            "labelsOverrider[0].value[cloud]",
            "valid label",
        ),
        (
            "labelsOverrider/0/value",
            json!({"koinon.io/managed": "x"}),
            "labelsOverrider[0].value[koinon.io/managed]",
            "",
        ),
        ("plaintext/0/path", json!("spec"), "plaintext[0].path", "JSON pointer"),
        ("plaintext/0/path", json!("/metadata/name"), "plaintext[0].path", "cannot be overridden"),
        ("plaintext/0/value", Value::Null, "plaintext[0].value", "the new value"),
        ("plaintext/0/operator", json!("move"), "plaintext[0].operator", "replace"),
    ];
    let spelled = mistakes.into_iter().map(|(pointer, value, field, said)| {
        let field = format!("spec.overrideRules[0].overriders.{field}");
        (kind, leak(at(pointer)), value, leak(field), leak(said.to_owned()))
    });
    check(spelled.collect());
    check(vec![
        (kind, "/overrideRules", json!([]), "spec.overrideRules", "at least one rule"),
        (
            kind,
            "/overrideRules/0/overriders",
            json!({}),
            "spec.overrideRules[0].overriders",
            "imageOverrider",
        ),
    ]);
}

#[test]
fn a_stored_spec_lets_other_changes_through() {
    let door = Door::new();
    let mut old = valid("Cluster");
    put(&mut old, "/spec/ancient", json!(true));
    let mut new = old.clone();
    put(&mut new, "/metadata/labels", json!({"tier": "gold"}));
    assert_eq!(door.admit("Cluster", &new, Some(&old)), Vec::new());
    put(&mut new, "/spec/region", json!("eu"));
    assert_eq!(door.admit("Cluster", &new, Some(&old)).len(), 1);
}

#[test]
fn names_of_clusters_and_zones_are_checked() {
    let door = Door::new();
    for (kind, name) in [("Cluster", "eu.west"), ("Cluster", "EU"), ("DnsZone", "a..b")] {
        let mut object = valid(kind);
        put(&mut object, "/metadata/name", json!(name));
        let errors = door.admit(kind, &object, None);
        assert_eq!(errors.first().map(|error| error.field.as_str()), Some("metadata.name"), "{kind} {name}");
    }
}

#[test]
fn what_was_not_written_takes_the_published_default() {
    let spec = json!({"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}]});
    let policy = json!({"metadata": {"name": "p", "namespace": "n"}, "spec": spec});
    let intent = propagation_policy(&policy).expect("valid");
    assert_eq!(intent.placement.failback.stabilization_seconds, 300);
    assert_eq!(intent.placement.failback.pace.percent.get(), 25);
    assert_eq!(intent.dependencies, koinon_model::policy::Dependencies::Follow);
    assert_eq!(intent.selectors[0].namespace.as_deref(), Some("n"));
}

#[test]
fn a_cluster_joins_what_is_said_with_what_was_seen() {
    let mut object = valid("Cluster");
    put(
        &mut object,
        "/status",
        json!({
            "taints": [{"key": "koinon.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-01-02T03:04:05Z"}],
            "apiEnablements": [{"groupVersion": "apps/v1", "resources": ["deployments"]}],
            "capacity": {"nodes": 3, "readyNodes": 3, "allocatable": {"cpu": "24"}, "allocated": {"cpu": "500m"}},
        }),
    );
    let cluster = cluster(&object).expect("valid");
    assert_eq!(cluster.taints.len(), 2);
    assert!(cluster.taints[1].since.is_some());
    assert!(cluster.apis.lacks("v1", "pods") && !cluster.apis.lacks("apps/v1", "deployments"));
    put(&mut object, "/metadata/deletionTimestamp", json!("2026-01-02T03:04:05Z"));
    assert_eq!(super::cluster(&object).expect("valid").state, koinon_model::cluster::State::Leaving);
}
