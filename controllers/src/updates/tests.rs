//! Updates on their way into the store, beside other writers.

use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_types::dns::rdata;
use koinon_types::names::{Secret, TsigAlgorithm, TsigKey, UpdateGrant, UpdateRecord};
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use crate::testing::{self, Host};

struct Bench {
    host: Host,
    requests: mpsc::Sender<Request>,
    task: JoinHandle<()>,
    _stop: watch::Sender<bool>,
    _table: watch::Sender<Arc<NameTable>>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bench {
    async fn new() -> Self {
        let host = testing::host().await;
        let zone = json!({"apiVersion": "koinon.io/v1alpha1", "kind": "DnsZone", "metadata": {"name": "example"}, "spec": {
            "soa": {"mname": "ns.example.net", "rname": "hostmaster.example"},
            "nameServers": [{"name": "ns.example.net"}],
        }});
        host.create(&resources::zones(), zone).await;
        let (requests, taken) = mpsc::channel(QUEUE);
        let (table, follow) = watch::channel(Arc::default());
        let (stop, stopped) = watch::channel(false);
        let links = Links { client: host.client(MANAGER), table: follow, requests: taken };
        let task = tokio::spawn(run(links, stopped));
        Self { host, requests, task, _stop: stop, _table: table }
    }

    async fn ask(&self, update: Update) -> UpdateOutcome {
        let (answer, outcome) = oneshot::channel();
        self.requests.send(Request { update, answer }).await.unwrap();
        outcome.await.unwrap()
    }

    fn zone(&self) -> Value {
        self.host.read(&resources::zones(), "", "example")
    }

    fn n_records(&self) -> usize {
        self.zone()["spec"]["records"].as_array().map_or(0, Vec::len)
    }
}

/// Adds a TXT record if the name is not in use yet; the signature is `number`.
fn add(number: u64, name: &str, ttl: u32) -> Update {
    let key = TsigKey {
        name: "updater".into(),
        algorithm: TsigAlgorithm::HmacSha256,
        secret: Secret::new(vec![1; 32]),
    };
    let record =
        |class, rtype, ttl, data| UpdateRecord { name: name.parse().unwrap(), rtype, class, ttl, data };
    Update {
        apex: "example".parse().unwrap(),
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        grants: vec![UpdateGrant { key, network: None, names: Vec::new(), types: Vec::new() }],
        mac: number.to_be_bytes().to_vec(),
        expires: Timestamp::from_millis(i64::MAX),
        prerequisites: vec![record(254, 255, 0, None)],
        changes: vec![record(1, 16, ttl, rdata::parse(16, "x").ok())],
    }
}

#[tokio::test]
async fn an_update_that_comes_again_is_done_once() {
    let bench = Bench::new().await;
    let first = bench.ask(add(1, "a.example", 60)).await;
    assert_eq!((first.code, bench.n_records()), (UpdateCode::NoError, 1));
    assert_eq!(first.generation, bench.zone()["metadata"]["generation"].as_i64());
    // Its name is in use now, and yet its sender is told that it was done.
    assert_eq!(bench.ask(add(1, "a.example", 60)).await, first);
    assert_eq!(bench.ask(add(2, "a.example", 60)).await, UpdateOutcome::failed(UpdateCode::YxDomain));
}

#[tokio::test]
async fn what_the_door_refuses_is_refused_and_changes_nothing() {
    let bench = Bench::new().await;
    assert_eq!(bench.ask(add(1, "a.example", 604_801)).await, UpdateOutcome::failed(UpdateCode::Refused));
    assert_eq!(bench.ask(add(2, r"a\032b.example", 60)).await, UpdateOutcome::failed(UpdateCode::Refused));
    assert_eq!(bench.ask(add(3, "a.example", 604_800)).await.code, UpdateCode::NoError);
    assert_eq!(bench.n_records(), 1);
}

#[tokio::test]
async fn updates_and_other_writers_keep_what_each_wrote() {
    const EACH: u64 = 40;
    let bench = Bench::new().await;
    let client = bench.host.client.clone();
    let other = tokio::spawn(async move {
        for number in 0..EACH {
            let label = json!({"metadata": {"labels": {format!("l{number}"): "x"}}});
            client.patch_merge(&resources::zones(), "", "example", label, None).await.unwrap();
        }
    });
    for number in 0..EACH {
        let outcome = bench.ask(add(number, &format!("n{number}.example"), 60)).await;
        assert_eq!(outcome.code, UpdateCode::NoError, "{number}");
    }
    other.await.unwrap();
    assert_eq!(bench.n_records() as u64, EACH);
    assert_eq!(bench.zone()["metadata"]["labels"].as_object().unwrap().len() as u64, EACH);
}

#[tokio::test]
async fn a_key_that_sends_too_many_is_told_to_wait() {
    let bench = Bench::new().await;
    let mut codes = std::collections::BTreeMap::<UpdateCode, usize>::new();
    for number in 0..230 {
        // Nothing is written, so that the test is quicker than the pace.
        let update =
            Update { prerequisites: Vec::new(), changes: Vec::new(), ..add(number, "a.example", 60) };
        *codes.entry(bench.ask(update).await.code).or_default() += 1;
    }
    assert!(codes[&UpdateCode::NoError] >= 200, "{codes:?}");
    assert!(codes.get(&UpdateCode::ServFail).is_some_and(|n| *n > 0), "{codes:?}");
}
