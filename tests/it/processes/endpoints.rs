//! Endpoints that die, return and are forced, as clients of names and operators see it.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use koinon_tests::address::Address;
use koinon_tests::clock::eventually;
use koinon_tests::dig;
use koinon_tests::host::Host;
use koinon_tests::world::story;
use serde_json::Value;

const NAME: &str = "shop.global.example";

/// Where the endpoints listen.
const PORT: u16 = 8080;

/// Two busy cores.
const SOON: Duration = Duration::from_secs(20);

fn names(a: &Address, b: &Address) -> String {
    format!(
        "
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {{name: global.example}}
spec:
  soa: {{mname: ns1.global.example, rname: hostmaster.global.example}}
  nameServers: [{{name: ns.example}}]
---
apiVersion: koinon.io/v1alpha1
kind: GlobalRecord
metadata: {{name: shop, namespace: default}}
spec:
  host: {NAME}
  endpoints: {{addresses: [{{cluster: a, ips: [{}]}}, {{cluster: b, ips: [{}]}}]}}
  answer: {{maxAddresses: 2}}
  health:
    tcp: {{port: {PORT}}}
    intervalMilliseconds: 400
    timeoutMilliseconds: 300
    ramp: {{steps: [20, 50], holdSeconds: 4}}
",
        a.ip(),
        b.ip()
    )
}

/// What `koinon resolve` tells of a cluster's endpoint.
async fn told(host: &Host, cluster: &str) -> Result<Value> {
    let answer = host.koinon(&["resolve", NAME, "-o", "json"]).await?;
    let told: Value = serde_json::from_str(&answer.stdout).context("resolve prints JSON")?;
    let endpoints = told["endpoints"].as_array().context("resolve tells of endpoints")?;
    let found = endpoints.iter().find(|endpoint| endpoint["cluster"] == cluster);
    found.cloned().with_context(|| format!("{cluster} is not told of: {told}"))
}

/// Waits until a cluster's endpoint has this share of its weight, and gives what is told of it.
async fn has_percent(host: &Host, cluster: &str, percent: &Value) -> Result<Value> {
    eventually(SOON, format!("{cluster} has {percent} %"), async || {
        let told = told(host, cluster).await?;
        ensure!(told["ramp"]["percent"] == *percent && told["excluded"].is_null(), "it says {told}");
        anyhow::Ok(told)
    })
    .await
}

/// Waits until exactly these addresses are answered.
async fn answers(server: SocketAddr, wanted: &[&Address]) -> Result<()> {
    let mut wanted: Vec<String> = wanted.iter().map(|address| address.ip().to_string()).collect();
    wanted.sort();
    eventually(SOON, format!("dig says {wanted:?}"), async || {
        let mut seen = dig::addresses(server, NAME).await?;
        seen.sort();
        ensure!(seen == wanted, "it says {seen:?}");
        anyhow::Ok(())
    })
    .await
}

#[test]
fn an_endpoint_returns_in_steps_and_operators_decide() {
    story("an_endpoint_returns_in_steps_and_operators_decide", Duration::from_secs(240), async |world| {
        let (a, b) = (Address::claim()?, Address::claim()?);
        let listener = TcpListener::bind(a.port(PORT))?;
        let _other = TcpListener::bind(b.port(PORT))?;
        let host = Host::start(world, "host", &[]).await?;
        host.kubectl().apply(&names(&a, &b)).await?;
        let server = host.dns_address();
        answers(server, &[&a, &b]).await?;
        ensure!(told(&host, "a").await?["ramp"].is_null(), "a name that is new has its weights at once");

        drop(listener);
        answers(server, &[&b]).await?;
        let excluded = told(&host, "a").await?["excluded"].clone();
        ensure!(excluded == "ProbesFailing", "it is told as {excluded}");
        let _listener = TcpListener::bind(a.port(PORT))?;
        let fifth = has_percent(&host, "a", &20.into()).await?;
        let evidence = fifth["evidence"].as_str().unwrap_or_default();
        ensure!(evidence.contains("20 % of its weight, next step in "), "{evidence}");
        let weights = (fifth["weight"].clone(), told(&host, "b").await?["weight"].clone());
        ensure!(weights == (1.into(), 5.into()), "{weights:?}");
        has_percent(&host, "a", &50.into()).await?;
        has_percent(&host, "a", &Value::Null).await?;
        answers(server, &[&a, &b]).await?;

        let force = |forced: &str| format!(r#"{{"spec": {{"forced": {forced}}}}}"#);
        let patch = async |patch: &str| {
            let shop = ["patch", "globalrecord", "shop", "-n", "default", "--type=merge", "-p", patch];
            host.kubectl().run(shop).await
        };
        patch(&force(r#"[{"cluster": "b", "state": "Down", "reason": "new switch"}]"#)).await?;
        answers(server, &[&a]).await?;
        let forced = told(&host, "b").await?;
        let evidence = forced["evidence"].as_str().unwrap_or_default();
        ensure!(forced["excluded"] == "ForcedDown", "{forced}");
        ensure!(evidence.starts_with("forced Down: new switch (observed Serving)"), "{evidence}");
        eventually(SOON, "its status tells of it", async || {
            let path = "jsonpath={.status.endpoints[1].verdict} {.status.endpoints[1].forced.state}";
            let look = ["get", "globalrecord", "shop", "-n", "default", "-o", path];
            let seen = host.kubectl().run(look).await?;
            ensure!(seen == "Serving Down", "it says {seen:?}");
            anyhow::Ok(())
        })
        .await?;
        let refused = patch(&force(r#"[{"cluster": "c", "state": "Down", "reason": "x"}]"#)).await;
        let refused = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
        ensure!(refused.contains("spec.forced[0].cluster"), "{refused}");
        patch(&force("null")).await?;
        answers(server, &[&a, &b]).await?;
        Ok(())
    });
}
