//! What is written down of names, and why it changed.

use koinon_types::names::{AnswerReport, EndpointProbe, ProbeOutcome, ProbeReport, Target};

use super::*;
use crate::names::journal::{Act, Cause, Entry, Query};

impl Bench {
    /// What is known of a name.
    fn known(&self, host: &str) -> Vec<Entry> {
        let query = Query { name: Some(host.to_owned()), limit: usize::MAX, ..Query::default() };
        self.history.read(&query).expect("the history can be read")
    }

    async fn told(&self, host: &str, what: &str, is_told: impl Fn(&Entry) -> bool) -> Entry {
        eventually(&format!("the history of {host} tells of {what}"), || {
            self.known(host).into_iter().rfind(|entry| is_told(entry))
        })
        .await
    }
}

fn side(entry: &Entry) -> [Vec<String>; 2] {
    [&entry.before, &entry.after].map(|said| {
        let endpoints = said.iter().flat_map(|said| &said.endpoints);
        let each = endpoints.map(|endpoint| {
            let how = endpoint.withdrawn.clone().unwrap_or_else(|| endpoint.weight.to_string());
            format!("{} {how}", endpoint.target)
        });
        each.collect()
    })
}

#[tokio::test]
async fn a_failover_is_told_with_its_evidence() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.member_says("b", &["192.0.2.2"], 2);
    bench.answers("shop", &["a 192.0.2.1 6", "b 192.0.2.2 2"]).await;
    bench.believe("a", Verdict::Unreachable, true, false);
    let host = "shop.example.com";
    let lost = bench.told(host, "a verdict", |entry| matches!(entry.cause, Cause::Verdict { .. })).await;
    let evidence = "cluster Unreachable, 6 replicas ready".to_owned();
    assert_eq!(lost.cause, Cause::Verdict { cluster: "a".into(), evidence });
    assert_eq!(
        side(&lost),
        [["192.0.2.1 6", "192.0.2.2 2"], ["192.0.2.1 ClusterUnreachable", "192.0.2.2 2"]]
    );
    let ttls = [&lost.before, &lost.after].map(|said| said.as_ref().and_then(|said| said.ttl));
    assert_eq!(ttls, [Some(30), Some(5)]);
    assert_eq!(lost.generation, bench.table.borrow().generation);

    bench.member_says("b", &["192.0.2.2"], 5);
    let grown = |entry: &Entry| matches!(&entry.cause, Cause::Member { cluster, .. } if cluster == "b");
    let grown = bench.told(host, "what a member says", |entry| {
        grown(entry) && side(entry)[1].contains(&"192.0.2.2 5".to_owned())
    });
    assert_eq!(side(&grown.await)[0], ["192.0.2.1 ClusterUnreachable", "192.0.2.2 2"]);
}

#[tokio::test]
async fn a_write_is_told_with_its_author_and_a_status_is_none() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.says("shop", "Served", "Published").await;
    bench.member_says("a", &["192.0.2.1"], 3);
    let host = "shop.example.com";
    let is_member = |entry: &Entry| matches!(entry.cause, Cause::Member { .. });
    bench.told(host, "fewer replicas", |entry| is_member(entry) && side(entry)[1] == ["192.0.2.1 3"]).await;
    bench.host.delete(&resources::records(), "shop", "shop").await;
    let gone = bench.told(host, "its end", |entry| entry.after.is_none()).await;
    let Cause::Object { act, object, user, resource_version } = gone.cause else { panic!("{gone:?}") };
    assert_eq!((act, object.as_str()), (Act::Deleted, "GlobalRecord shop/shop"));
    assert_eq!(user.as_deref(), Some("system:koinon:test"));
    assert!(resource_version.is_empty() || resource_version.parse::<u64>().is_ok(), "{resource_version}");
}

#[tokio::test]
async fn static_records_are_told_by_name_and_what_is_let_pass_by_whom() {
    let bench = Bench::new().await;
    let mut wanted = zone(&Value::Null);
    wanted["metadata"]["name"] = json!("example.org");
    wanted["spec"]["records"] = json!(
        (0..4)
            .map(|n| json!({"name": format!("n{n}"), "type": "A", "data": "192.0.2.1"}))
            .collect::<Vec<_>>()
    );
    bench.host.create(&resources::zones(), wanted).await;
    let new = bench.told("n1.example.org", "a new name", |_| true).await;
    assert_eq!(new.before, None);
    assert_eq!(new.after.map(|said| said.records), Some(vec!["300 A 192.0.2.1".to_owned()]));
    let mut emptied = bench.host.read(&resources::zones(), "", "example.org");
    emptied["spec"]["records"] = json!([]);
    bench.host.client.update(&resources::zones(), emptied).await.expect("a good zone");
    let held = eventually("it is held", || bench.desk.held().first().cloned()).await;
    assert_eq!(bench.known("n1.example.org").len(), 1, "what is held is no change");
    bench.desk.acknowledge(held.digest.clone(), "ann".into()).await.expect("it passes");
    let gone = bench.told("n1.example.org", "its end", |entry| entry.after.is_none()).await;
    assert_eq!(gone.cause, Cause::Acknowledged { digest: held.digest, by: "ann".into() });
}

#[tokio::test]
async fn what_a_node_answers_by_its_probes_is_told_of_that_node() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.member_says("b", &["192.0.2.2"], 2);
    let record = bench.answers("shop", &["a 192.0.2.1 6", "b 192.0.2.2 2"]).await;
    let [a, b] = [1, 2].map(|last| Target::Ip([192, 0, 2, last].into()));
    let now = clock::now().as_millis();
    let answers = |targets: &[&Target], at_ms, refused| AnswerReport {
        vantage: "dns-1".into(),
        generation: bench.table.borrow().generation,
        at_ms,
        answers: [(record.source.clone(), targets.iter().map(|target| (*target).clone()).collect())].into(),
        refused,
        blind: std::collections::BTreeSet::new(),
    };
    // Its status tells when the first report was looked at.
    let refused = [(record.host.clone(), "a test".to_owned())].into();
    bench.vantages.take_answers(answers(&[&a, &b], now, refused));
    bench.says("shop", "Served", "Refused").await;
    bench.vantages.take_probes(ProbeReport {
        vantage: "dns-1".into(),
        record: record.source.clone(),
        at_ms: now,
        endpoints: vec![EndpointProbe {
            cluster: "a".into(),
            target: a.clone(),
            outcome: ProbeOutcome::Failing { reason: "connection refused".into() },
            since_ms: now,
            last_ms: now,
            answered_ms: None,
            wavers: false,
        }],
    });
    bench.vantages.take_answers(answers(&[&b], now + 1, BTreeMap::new()));
    let probed = bench.told("shop.example.com", "probes", |entry| entry.node.is_some()).await;
    assert_eq!(probed.node.as_deref(), Some("dns-1"));
    assert_eq!(probed.cause, Cause::Probes { evidence: "192.0.2.1: connection refused".into() });
    assert_eq!(side(&probed), [vec!["192.0.2.1 6", "192.0.2.2 2"], vec!["192.0.2.2 2"]]);
}
