//! A member's life as its Cluster tells it.

use std::net::IpAddr;

use koinon_machinery::Value;
use koinon_types::names::{EndpointProbe, ProbeOutcome, ProbeReport, RecordRef, Target};
use koinon_types::sync::{ApiOutcome, ApiProbe, Backlog, Capacity};
use tokio::task::JoinHandle;

use super::*;
use crate::testing::{self, Host, eventually};

/// The controller at work on one member, whose probes a test makes up.
struct Bench {
    host: Host,
    reports: mpsc::Sender<MemberReport>,
    vantages: Vantages,
    told: watch::Receiver<Healths>,
    /// When the latest probe was made: a second after the one before, so that no test waits for the time to pass.
    clock_ms: i64,
    task: JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bench {
    async fn new() -> Self {
        let host = testing::host().await;
        host.cluster("a").await;
        Self::over(host)
    }

    fn over(host: Host) -> Self {
        let (reports, reported) = mpsc::channel(64);
        let (healths, told) = watch::channel(Healths::default());
        let vantages = Vantages::default();
        let client = host.client("health");
        let task =
            tokio::spawn(run(Links { client, reports: reported, vantages: vantages.clone(), healths }));
        Self { host, reports, vantages, told, clock_ms: clock::now().as_millis(), task }
    }

    async fn probe(&mut self, outcome: ApiOutcome, n_times: usize) {
        for _ in 0..n_times {
            self.clock_ms += 1_000;
            let answers = outcome == ApiOutcome::Reachable;
            let report = MemberReport {
                cluster: "a".into(),
                api: ApiProbe {
                    outcome,
                    message: format!("{outcome:?}"),
                    at_ms: self.clock_ms,
                    latency_ms: 1,
                },
                synced: answers,
                version: answers.then(|| "v1.36.3".to_owned()),
                api_enablements: None,
                capacity: answers.then(Capacity::default),
                backlog: Backlog::default(),
            };
            self.reports.send(report).await.expect("the controller runs");
        }
    }

    fn endpoints(&self, outcome: ProbeOutcome) {
        let now = clock::now().as_millis();
        let endpoint = EndpointProbe {
            cluster: "a".into(),
            target: Target::Ip(IpAddr::from([192, 0, 2, 1])),
            since_ms: now,
            last_ms: now,
            answered_ms: (outcome == ProbeOutcome::Passing).then_some(self.clock_ms),
            outcome,
            wavers: false,
        };
        let record = RecordRef { namespace: "shop".into(), name: "shop".into() };
        self.vantages.take_probes(ProbeReport {
            vantage: "dns".into(),
            record,
            at_ms: now,
            endpoints: vec![endpoint],
        });
    }

    fn status(&self) -> Value {
        self.host.read(&resources::clusters(), "", "a")["status"].clone()
    }

    async fn says(&self, state: &str) -> Value {
        eventually(state, || Some(self.status()).filter(|status| status["state"] == state)).await
    }

    fn lost(&self) -> Option<bool> {
        self.told.borrow().get("a").map(|health| health.lost)
    }
}

fn failing() -> ProbeOutcome {
    ProbeOutcome::Failing { reason: "refused".into() }
}

#[tokio::test]
async fn a_member_is_ready_then_lost_then_back() {
    let mut bench = Bench::new().await;
    bench.probe(ApiOutcome::Reachable, 2).await;
    let status = bench.says("Ready").await;
    assert_eq!(status["kubernetesVersion"], "v1.36.3");
    bench.endpoints(failing());
    bench.probe(ApiOutcome::Refused, 5).await;
    let status = bench.says("Unreachable").await;
    assert_eq!(status["taints"][0]["key"], UNREACHABLE);
    assert_eq!(bench.lost(), Some(true), "names hear of it before it is written");
    bench.endpoints(ProbeOutcome::Passing);
    bench.probe(ApiOutcome::Reachable, 2).await;
    let status = bench.says("Ready").await;
    assert!(status["returnedAt"].is_string() && status["taints"].is_null(), "{status}");
    assert_eq!(bench.lost(), Some(false));
}

#[tokio::test]
async fn a_lost_api_with_living_endpoints_is_no_loss() {
    let mut bench = Bench::new().await;
    bench.probe(ApiOutcome::Reachable, 2).await;
    bench.endpoints(ProbeOutcome::Passing);
    bench.probe(ApiOutcome::Hung, 8).await;
    bench.says("Suspect").await;
    bench.endpoints(ProbeOutcome::Passing);
    let status = bench.says("ControlPlaneOnly").await;
    assert!(status["taints"].is_null(), "{status}");
    assert_eq!(bench.lost(), Some(false));
}

#[tokio::test]
async fn what_is_said_already_is_not_written_again() {
    let mut bench = Bench::new().await;
    bench.probe(ApiOutcome::Reachable, 2).await;
    bench.says("Ready").await;
    let version = bench.host.read(&resources::clusters(), "", "a")["metadata"]["resourceVersion"].clone();
    bench.probe(ApiOutcome::Reachable, 3).await;
    bench.probe(ApiOutcome::Refused, 1).await;
    bench.probe(ApiOutcome::Reachable, 1).await;
    // The next verdict is written after everything before it was taken in.
    bench.endpoints(failing());
    bench.says("DataPlaneOnly").await;
    let after = bench.host.read(&resources::clusters(), "", "a")["metadata"]["resourceVersion"].clone();
    let number = |version: &Value| version.as_str().and_then(|text| text.parse::<u64>().ok());
    assert_eq!(number(&after), number(&version).map(|version| version + 1), "one verdict, one write");
}

#[tokio::test]
async fn a_member_that_does_not_know_us_is_named_and_nothing_else() {
    for (outcome, reason) in
        [(ApiOutcome::Unauthorized, "Unauthorized"), (ApiOutcome::Misconfigured, "Misconfigured")]
    {
        let mut bench = Bench::new().await;
        bench.probe(outcome, 3).await;
        let status = bench.says("Suspect").await;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let reachable = conditions.iter().find(|condition| condition["type"] == "ApiReachable");
        assert_eq!(reachable.map(|condition| &condition["reason"]), Some(&Value::from(reason)));
    }
}

#[tokio::test]
async fn a_verdict_survives_the_start_of_the_host() {
    let host = testing::host().await;
    host.cluster("a").await;
    let since = "2026-01-02T03:04:05Z";
    let status = json!({"state": "Unreachable",
        "taints": [{"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": since}]});
    host.set_status(&resources::clusters(), "", "a", status).await;
    let mut bench = Bench::over(host);
    let lost = eventually("it is believed", || bench.lost()).await;
    assert!(lost);
    bench.probe(ApiOutcome::Refused, 1).await;
    let count = eventually("it is judged anew", || {
        let status = bench.status();
        status["conditions"].as_array().map(Vec::len)
    })
    .await;
    assert_eq!(count, 5);
    assert_eq!(bench.status()["taints"][0]["timeAdded"], since);
}
