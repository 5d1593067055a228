//! What becomes of a name's endpoints over time, as the table and the record's status have it.

use koinon_types::names::{self, EndpointProbe, ProbeOutcome, ProbeReport, Target};

use super::*;

impl Bench {
    /// A name of two written addresses, with these settings.
    async fn addresses(&self, more: &Value) {
        let mut spec = json!({"host": "shop.example.com", "endpoints": {"addresses": [
            {"cluster": "a", "ips": ["192.0.2.1"]}, {"cluster": "b", "ips": ["192.0.2.2"]}]}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let record = json!({"apiVersion": v1alpha1::API_VERSION, "kind": "GlobalRecord",
            "metadata": {"namespace": "shop", "name": "shop"}, "spec": spec});
        self.host.create(&resources::records(), record).await;
    }

    /// A node says what it sees of `a` and `b`: `+` up, `-` down, `~` up and wavering.
    fn node_says(&self, vantage: &str, seen: &str) {
        let now = clock::now().as_millis();
        let endpoints = seen.chars().zip([("a", 1), ("b", 2)]).map(|(seen, (cluster, last))| EndpointProbe {
            cluster: cluster.into(),
            target: Target::Ip([192, 0, 2, last].into()),
            outcome: match seen {
                '-' => ProbeOutcome::Failing { reason: "refused".into() },
                _ => ProbeOutcome::Passing,
            },
            since_ms: now,
            last_ms: now,
            answered_ms: None,
            wavers: seen == '~',
        });
        self.vantages.take_probes(ProbeReport {
            vantage: vantage.into(),
            record: RecordRef { namespace: "shop".into(), name: "shop".into() },
            at_ms: now,
            endpoints: endpoints.collect(),
        });
    }
}

#[tokio::test]
async fn a_cluster_that_returns_gets_its_weight_in_steps() {
    let bench = Bench::new().await;
    bench.ready();
    let mut record = json!({"apiVersion": v1alpha1::API_VERSION, "kind": "GlobalRecord",
        "metadata": {"namespace": "shop", "name": "shop"},
        "spec": {"host": "shop.example.com", "endpoints": {"service": {"name": "web"}}}});
    record["spec"]["health"] = json!({"ramp": {"steps": [10, 50], "holdSeconds": 1}});
    bench.host.create(&resources::records(), record).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.member_says("b", &["192.0.2.2"], 2);
    let first = bench.answers("shop", &["a 192.0.2.1 6", "b 192.0.2.2 2"]).await;
    assert_eq!((first.unstable, first.endpoints[0].ramp), (false, None));
    bench.believe("a", Verdict::Unreachable, true, false);
    bench.answers("shop", &["a 192.0.2.1 6 ClusterUnreachable", "b 192.0.2.2 2"]).await;
    bench.believe("a", Verdict::Ready, false, true);
    let tenth = bench.answers("shop", &["a 192.0.2.1 3", "b 192.0.2.2 10"]).await;
    let told = tenth.endpoints[0].ramp.expect("it returns");
    assert_eq!((told.percent, tenth.unstable), (10, true));
    assert!(told.next_ms.is_some());
    bench.answers("shop", &["a 192.0.2.1 3", "b 192.0.2.2 2"]).await;
    let whole = bench.answers("shop", &["a 192.0.2.1 6", "b 192.0.2.2 2"]).await;
    assert_eq!((whole.unstable, whole.endpoints[0].ramp), (false, None));
}

#[tokio::test]
async fn an_endpoint_is_down_for_all_when_most_nodes_say_so() {
    let bench = Bench::new().await;
    let health = json!({"tcp": {"port": 80}, "ramp": {"steps": [20], "holdSeconds": 3600}});
    bench.addresses(&json!({"health": health})).await;
    for node in ["dns-1", "dns-2", "dns-3"] {
        bench.node_says(node, "++");
    }
    bench.answers("shop", &["a 192.0.2.1 1", "b 192.0.2.2 1"]).await;
    bench.node_says("dns-1", "-+");
    let told = eventually("one node's word is told", || {
        bench.find("shop").filter(|record| record.endpoints[0].evidence.contains("down for 1 of 3 nodes"))
    })
    .await;
    assert_eq!(endpoints(&told), ["a 192.0.2.1 1", "b 192.0.2.2 1"]);
    bench.node_says("dns-2", "-+");
    let down = bench.answers("shop", &["a 192.0.2.1 1 ProbesFailing", "b 192.0.2.2 1"]).await;
    assert!(down.unstable && down.endpoints[0].evidence.contains("down for 2 of 3 nodes"), "{down:?}");
    let status = bench.says("shop", "Healthy", "SomeDown").await;
    let evidence = status["endpoints"][0]["evidence"].as_str().unwrap_or_default();
    assert!(evidence.ends_with("; probe of dns-1: refused"), "{evidence}");
    bench.node_says("dns-1", "++");
    bench.answers("shop", &["a 192.0.2.1 1", "b 192.0.2.2 5"]).await;
}

#[tokio::test]
async fn a_start_of_the_host_goes_on_where_an_endpoint_was() {
    let bench = Bench::new().await;
    let health =
        json!({"tcp": {"port": 80}, "ramp": {"steps": [20, 50], "holdSeconds": 3600}, "damping": {}});
    bench.addresses(&json!({"health": health})).await;
    bench.node_says("dns-1", "++");
    bench.answers("shop", &["a 192.0.2.1 1", "b 192.0.2.2 1"]).await;
    bench.node_says("dns-1", "-+");
    bench.answers("shop", &["a 192.0.2.1 1 ProbesFailing", "b 192.0.2.2 1"]).await;
    let told = |bench: &Bench, field: &'static str| {
        let host = bench.host.clone();
        move || {
            let status = host.read(&resources::records(), "shop", "shop")["status"].clone();
            Some(status["endpoints"][0][field].clone()).filter(|told| !told.is_null())
        }
    };
    let penalty = eventually("its fall is written down", told(&bench, "damping")).await;
    assert_eq!((&penalty["penalty"], &penalty["suppressed"]), (&json!(1000), &json!(false)));

    // Nobody has told the new host anything yet.
    let bench = Bench::over(bench.host.clone());
    bench.answers("shop", &["a 192.0.2.1 1 ProbesFailing", "b 192.0.2.2 1"]).await;
    bench.node_says("dns-1", "++");
    bench.answers("shop", &["a 192.0.2.1 1", "b 192.0.2.2 5"]).await;
    let ramp = eventually("its ramp is written down", told(&bench, "ramp")).await;
    assert_eq!(ramp["percent"], 20);
    let bench = Bench::over(bench.host.clone());
    let record = bench.answers("shop", &["a 192.0.2.1 1", "b 192.0.2.2 5"]).await;
    assert_eq!(record.endpoints[0].ramp.map(|ramp| ramp.percent), Some(20));
}

#[tokio::test]
async fn what_an_operator_decides_stands_beside_what_is_seen() {
    let bench = Bench::new().await;
    bench.ready();
    let until = (clock::now() + Duration::from_secs(3)).to_string();
    let forced = json!([
        {"cluster": "a", "state": "Up", "reason": "the probe is wrong"},
        {"cluster": "b", "state": "Down", "reason": "maintenance", "until": until},
    ]);
    bench.addresses(&json!({"health": {"tcp": {"port": 80}}, "forced": forced})).await;
    bench.node_says("dns-1", "-+");
    let record = bench.answers("shop", &["a 192.0.2.1 1 ProbesFailing", "b 192.0.2.2 1"]).await;
    let states = record.endpoints.iter().map(|endpoint| endpoint.forced.as_ref().map(|f| f.state));
    let states: Vec<_> = states.collect();
    assert_eq!(states, [Some(names::ForcedState::Up), Some(names::ForcedState::Down)]);
    let status = bench.says("shop", "Healthy", "SomeDown").await;
    let told = &status["endpoints"];
    assert_eq!((&told[0]["verdict"], &told[0]["forced"]["state"]), (&json!("ProbesFailing"), &json!("Up")));
    assert_eq!(told[1]["forced"], json!({"state": "Down", "reason": "maintenance", "until": until}));
    eventually("the decision on b is over", || {
        bench.find("shop").filter(|record| record.endpoints[1].forced.is_none())
    })
    .await;
}
