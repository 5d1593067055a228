//! Which tables are believed, what follows from findings, and what the host hears of it.

use koinon_types::names::{Check, Forced, ForcedState, ProbeOutcome, Zone};

use super::*;
use crate::snapshot::ProbeVerdict;
use crate::snapshot::tests::support::{ask, record, signed_zone, tcp_check, zone};
use crate::snapshot::tests::validator::validate;

/// One owner with all its channels in hand.
struct Owned {
    publisher: Publisher,
    table: watch::Sender<Arc<NameTable>>,
    probes: mpsc::Receiver<ProbeReport>,
    answers: mpsc::Receiver<AnswerReport>,
}

fn owned() -> Owned {
    let kept = Kept { table: table(50, "192.0.2.50", None), ..Kept::default() };
    let snapshot = Arc::new(ArcSwap::from_pointee(first(&kept, &Arc::default(), [1, 2], 1)));
    let (table, follow) = watch::channel(Arc::default());
    let ((probe_sender, probes), (answer_sender, answers)) = (mpsc::channel(4), mpsc::channel(1));
    let atlas = watch::channel(Arc::default()).1;
    let links = Links { table: follow, atlas, probes: probe_sender, answers: answer_sender };
    let setup = Setup {
        vantage: "test".into(),
        seed: [1, 2],
        last_good: kept.last_good,
        keeper: None,
        swaps: watch::channel(1).0,
    };
    let publisher = Publisher::new(setup, snapshot, links, Metrics::new(), mpsc::channel(4).0);
    Owned { publisher, table, probes, answers }
}

fn zones() -> Vec<Zone> {
    vec![zone("example", "")]
}

fn table(generation: u64, address: &str, check: Option<Check>) -> Arc<NameTable> {
    let mut shop = record("shop.example", &[("a", address, 1), ("b", "192.0.2.9", 0)]);
    shop.check = check;
    Arc::new(NameTable { generation, zones: zones(), records: vec![shop] })
}

impl Owned {
    /// What is answered after the host said this.
    async fn after(&mut self, table: Arc<NameTable>) -> String {
        self.table.send_replace(table);
        self.publisher.take_table().await;
        self.served()
    }

    fn served(&self) -> String {
        let answer = ask(&self.publisher.snapshot.load(), "shop.example A");
        answer.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    fn finding(&self, cluster: &str, outcome: ProbeOutcome) -> Finding {
        let running = self.publisher.running.keys();
        let probed = running.into_iter().find(|probed| probed.cluster == cluster).unwrap().clone();
        let times = Times { probed_ms: 2, answered_ms: None };
        Finding { probed, verdict: ProbeVerdict { outcome, since_ms: 1, wavers: false }, times }
    }
}

#[tokio::test]
async fn only_a_newer_table_is_believed_once_the_host_has_spoken() {
    let mut owned = owned();
    assert_eq!(owned.after(Arc::default()).await, "192.0.2.50", "the host has said nothing yet");
    assert_eq!(owned.after(table(7, "192.0.2.7", None)).await, "192.0.2.7", "what was kept gives way");
    assert_eq!(owned.after(table(6, "192.0.2.6", None)).await, "192.0.2.7", "stale");
    assert_eq!(owned.after(table(7, "192.0.2.8", None)).await, "192.0.2.7", "not new");
    let before = owned.publisher.generation;
    assert_eq!(owned.after(table(8, "192.0.2.8", None)).await, "192.0.2.8");
    assert_eq!(owned.publisher.generation, before + 1);
}

#[tokio::test]
async fn a_report_that_found_no_room_is_made_again() {
    let mut owned = owned();
    owned.after(table(1, "192.0.2.1", None)).await;
    owned.after(table(2, "192.0.2.2", None)).await;
    assert_eq!(owned.answers.try_recv().unwrap().generation, 1);
    assert!(owned.answers.try_recv().is_err(), "there was room for one");
    owned.publisher.report_all();
    assert_eq!(owned.answers.try_recv().unwrap().generation, 2);
    owned.publisher.report_all();
    assert!(owned.answers.try_recv().is_err(), "nothing is owed any more");
}

#[tokio::test]
async fn a_failing_endpoint_leaves_at_once_and_is_reported() {
    let mut owned = owned();
    owned.after(table(1, "192.0.2.1", Some(tcp_check()))).await;
    let failing = ProbeOutcome::Failing { reason: "refused".into() };
    let finding = owned.finding("a", failing.clone());
    owned.publisher.take_findings(vec![finding.clone()]).await;
    assert_eq!(owned.served(), "192.0.2.9");
    let report = owned.probes.try_recv().unwrap();
    assert_eq!((report.endpoints.len(), &report.endpoints[0].outcome), (1, &failing));

    // The same again is news to nobody, but fresh evidence at the next turn.
    let generation = owned.publisher.generation;
    owned
        .publisher
        .take_findings(vec![Finding { times: Times { probed_ms: 5, answered_ms: None }, ..finding }])
        .await;
    assert!(owned.probes.try_recv().is_err());
    assert_eq!(owned.publisher.generation, generation);
    owned.publisher.report_all();
    assert_eq!(owned.probes.try_recv().unwrap().endpoints[0].last_ms, 5);
}

#[tokio::test]
async fn probes_follow_the_table() {
    let mut owned = owned();
    owned.after(table(1, "192.0.2.1", Some(tcp_check()))).await;
    assert_eq!(owned.publisher.running.len(), 2);
    let kept = owned.finding("b", ProbeOutcome::Passing);
    let gone = owned.finding("a", ProbeOutcome::Passing);
    owned.publisher.take_findings(vec![kept, gone.clone()]).await;
    assert_eq!(owned.publisher.verdicts.len(), 2);
    owned.after(table(2, "192.0.2.2", Some(tcp_check()))).await;
    assert_eq!(owned.publisher.running.len(), 2);
    assert_eq!(owned.publisher.verdicts.len(), 1, "the verdict on an address that is gone is forgotten");
    // What its probe still had under way is not heard.
    owned.publisher.take_findings(vec![gone]).await;
    assert_eq!(owned.publisher.verdicts.len(), 1);
    owned.after(table(3, "192.0.2.2", None)).await;
    assert!(owned.publisher.running.is_empty() && owned.publisher.verdicts.is_empty());
}

#[tokio::test]
async fn what_an_operator_decided_ends_without_the_host() {
    let mut owned = owned();
    let mut forced = Arc::unwrap_or_clone(table(1, "192.0.2.1", None));
    let down = Forced { state: ForcedState::Down, reason: "maintenance".into(), until_ms: Some(5_000) };
    forced.records[0].endpoints[0].forced = Some(down);
    assert_eq!(owned.after(Arc::new(forced)).await, "192.0.2.9");
    owned.publisher.end_forced(Timestamp::from_millis(4_999)).await;
    assert_eq!(owned.served(), "192.0.2.9");
    owned.publisher.end_forced(Timestamp::from_millis(5_000)).await;
    assert_eq!(owned.served(), "192.0.2.1");
}

#[tokio::test]
async fn signatures_are_renewed_for_hours_while_the_host_is_gone() {
    let mut owned = owned();
    let mut signed = NameTable::clone(&table(9, "192.0.2.1", None));
    signed.zones = vec![signed_zone("example", "www.example 60 A 192.0.2.2")];
    // The shortest there is: each signature is replaced several times.
    signed.zones[0].signing.as_mut().unwrap().validity = 3600;
    let signed = Arc::new(signed);
    owned.after(Arc::clone(&signed)).await;
    let started = now().as_seconds();
    let before = owned.publisher.generation;
    let mut n_asked = 0;
    for second in started..started + 2 * 3600 {
        let at = Timestamp::from_seconds(second);
        owned.publisher.refresh(at).await;
        let snapshot = owned.publisher.snapshot.load();
        assert!(snapshot.refresh_at().unwrap() > at, "what was due is done");
        if second % 7 == 0 {
            for question in
                ["shop.example A", "shop.example TXT", "www.example A", "gone.example A", "example DNSKEY"]
            {
                let found = validate(&snapshot, &signed, question, at);
                assert!(found.is_ok(), "{question} after {} s: {found:?}", second - started);
                n_asked += 1;
            }
        }
    }
    let n_built = owned.publisher.generation - before;
    assert!(n_asked > 5000 && (200..300).contains(&n_built), "{n_asked} answers, {n_built} snapshots");
}
