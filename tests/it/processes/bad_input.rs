//! Thirty and more things that people get wrong: each is refused with the field at fault, and nothing is stored.

use std::time::Duration;

use anyhow::{Result, ensure};
use koinon_tests::host::Host;
use koinon_tests::world::story;

/// What is applied, and what the refusal must say: the field, and a part of what would be accepted.
type Mistake = (&'static str, &'static str, &'static str);

/// Koinon's own kinds.
const POLICIES: &[Mistake] = &[
    ("kind: PropagationPolicy\nmetadata: {name: a}\nspec: {}", "spec.resourceSelectors", "list"),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: []}",
        "spec.resourceSelectors",
        "at least one",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: deployments}]}",
        "spec.resourceSelectors[0].kind",
        "Deployment",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, namespace: other}]}",
        "spec.resourceSelectors[0].namespace",
        "default",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], priority: high}",
        "spec.priority",
        "whole number",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], placment: {}}",
        "spec.placment",
        "placement",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], placement: {replicaScheduling: {type: Split}}}",
        "spec.placement.replicaScheduling.type",
        "Divided",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], placement: {replicaScheduling: {type: Divided, weights: {static: [{targetCluster: {clusterNames: [a]}, weight: -1}]}}}}",
        "weights.static[0].weight",
        "between 0 and 1000000",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], placement: {clusterAffinity: {clusterNames: [EU]}}}",
        "clusterAffinity.clusterNames[0]",
        "Cluster",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], failback: {mode: Sometimes}}",
        "spec.failback.mode",
        "Manual",
    ),
    (
        "kind: PropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], failback: {pace: {percent: 0}}}",
        "spec.failback.pace.percent",
        "between 1 and 100",
    ),
    (
        "kind: ClusterPropagationPolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: koinon.io/v1alpha1, kind: Cluster}]}",
        "spec.resourceSelectors[0].apiVersion",
        "do not go to clusters",
    ),
    (
        "kind: OverridePolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], overrideRules: [{overriders: {imageOverrider: [{component: Colour, operator: replace, value: x}]}}]}",
        "imageOverrider[0].component",
        "Tag",
    ),
    (
        "kind: OverridePolicy\nmetadata: {name: a}\nspec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], overrideRules: [{overriders: {plaintext: [{path: spec.replicas, operator: add, value: 1}]}}]}",
        "plaintext[0].path",
        "/",
    ),
    ("kind: Cluster\nmetadata: {name: a}\nspec: {connection: {mode: Pull}}", "spec.connection.mode", "Push"),
    (
        "kind: Cluster\nmetadata: {name: a}\nspec: {connection: {mode: Push}}",
        "spec.connection.secretRef",
        "kubeconfig",
    ),
    (
        "kind: Cluster\nmetadata: {name: a}\nspec: {connection: {apiEndpoint: 10.0.0.1, secretRef: {namespace: a, name: b}}}",
        "spec.connection.apiEndpoint",
        "https://",
    ),
    (
        "kind: Cluster\nmetadata: {name: a}\nspec: {connection: {secretRef: {namespace: a, name: b}}, health: {failureThreshold: 0}}",
        "spec.health.failureThreshold",
        "between 1 and 600",
    ),
    (
        "kind: DnsZone\nmetadata: {name: global.example}\nspec: {soa: {mname: ns1.global.example, rname: h.example}, nameServers: []}",
        "spec.nameServers",
        "at least one",
    ),
    (
        "kind: DnsZone\nmetadata: {name: global.example}\nspec: {soa: {mname: ns1.global.example, rname: h.example}, nameServers: [{name: ns1.global.example}]}",
        "spec.nameServers[0].addresses",
        "address",
    ),
    (
        "kind: DnsZone\nmetadata: {name: global.example}\nspec: {soa: {mname: ns1.global.example, rname: h.example}, nameServers: [{name: ns.example}], records: [{name: www, type: A, data: not-an-address}]}",
        "spec.records[0].data",
        "IPv4",
    ),
    (
        "kind: DnsZone\nmetadata: {name: global.example}\nspec: {soa: {mname: ns1.global.example, rname: h.example}, nameServers: [{name: ns.example}], records: [{name: www, type: SPF, data: x}]}",
        "spec.records[0].type",
        "TXT",
    ),
    (
        "kind: GlobalRecord\nmetadata: {name: a}\nspec: {host: under_score..example, endpoints: {service: {name: a}}}",
        "spec.host",
        "name",
    ),
    (
        "kind: GlobalRecord\nmetadata: {name: a}\nspec: {host: a.global.example, endpoints: {}}",
        "spec.endpoints",
        "one of service, ingress or addresses",
    ),
    (
        "kind: GlobalRecord\nmetadata: {name: a}\nspec: {host: a.global.example, endpoints: {addresses: [{cluster: a, ips: [300.1.1.1]}]}}",
        "spec.endpoints.addresses[0].ips[0]",
        "IP address",
    ),
    (
        "kind: GlobalRecord\nmetadata: {name: a}\nspec: {host: a.global.example, endpoints: {service: {name: a}}, ttlSeconds: {stable: -5}}",
        "spec.ttlSeconds.stable",
        "between 0 and 604800",
    ),
    (
        "kind: GlobalRecord\nmetadata: {name: a}\nspec: {host: a.global.example, endpoints: {service: {name: a}}, health: {http: {port: 99999}}}",
        "spec.health.http.port",
        "between 1 and 65535",
    ),
];

/// Kubernetes' own kinds.
const MANIFESTS: &[Mistake] = &[
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}", "metadata.name", "lowercase"),
    (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: 'b c'}}",
        "metadata.labels",
        "valid label",
    ),
    (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: many, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}",
        "spec.replicas",
        "",
    ),
    (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replica: 2, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}",
        "spec.replica",
        "unknown field",
    ),
    (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {selector: {matchLabels: {a: c}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}",
        "spec.template.metadata.labels",
        "selector",
    ),
    (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: nowhere}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}",
        "namespaces",
        "nowhere",
    ),
    (
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 70000}]}",
        "spec.ports[0].port",
        "between 1 and 65535",
    ),
];

#[test]
fn what_is_wrong_is_refused_by_its_field() {
    story("what_is_wrong_is_refused_by_its_field", Duration::from_secs(240), async |world| {
        let host = Host::start(world, "host", &[]).await?;
        let own = POLICIES.iter().map(|(text, field, accepted)| {
            (format!("apiVersion: koinon.io/v1alpha1\n{text}"), *field, *accepted)
        });
        let built_in =
            MANIFESTS.iter().map(|(text, field, accepted)| ((*text).to_owned(), *field, *accepted));
        let mut wrong = Vec::new();
        for (manifest, field, accepted) in own.chain(built_in) {
            let arguments = ["apply".to_owned(), "--filename=-".to_owned()];
            let answer = host.kubectl().answer(&arguments, &manifest).await?;
            let said = answer.stderr.contains(field) && answer.stderr.contains(accepted);
            if answer.success || !said {
                wrong.push(format!(
                    "{manifest}\n  wanted {field} and {accepted:?}, got: {}{}",
                    answer.stdout, answer.stderr
                ));
            }
        }
        ensure!(wrong.is_empty(), "{} mistakes are not told well:\n{}", wrong.len(), wrong.join("\n"));
        nothing_was_stored(&host).await
    });
}

async fn nothing_was_stored(host: &Host) -> Result<()> {
    let kinds = "propagationpolicies,clusterpropagationpolicies,overridepolicies,clusters,dnszones,globalrecords,deployments";
    let left = host.kubectl().run(["get", kinds, "-A", "-o", "name"]).await?;
    ensure!(left.trim().is_empty(), "a refused object was stored: {left}");
    Ok(())
}

#[test]
fn a_kubeconfig_that_cannot_be_used_joins_nothing() {
    story("a_kubeconfig_that_cannot_be_used_joins_nothing", Duration::from_secs(120), async |world| {
        let host = Host::start(world, "host", &[]).await?;
        let nowhere = "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:9'}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {token: t}}]\n";
        let cases = [
            ("not YAML", "a: [", "kubeconfig"),
            ("no context", "apiVersion: v1\nkind: Config\nclusters: []\n", "context"),
            ("nobody there", nowhere, "127.0.0.1:9"),
        ];
        for (case, text, said) in cases {
            let file = world.folder().join("kubeconfig");
            std::fs::write(&file, text)?;
            let error = host.join("a", &file, &[]).await.err().map(|error| format!("{error:#}"));
            let told = error.as_deref().is_some_and(|error| error.contains(said));
            ensure!(told, "{case}: the refusal does not say {said}: {error:?}");
        }
        nothing_was_stored(&host).await
    });
}
