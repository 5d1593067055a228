//! How each event changes what a session knows.

use std::sync::Arc;

use koinon_machinery::Value;
use koinon_types::sync::{Desired, OnConflict, digest};
use serde_json::json;

use super::*;
use crate::marks;
use crate::member::Failure;

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}]
";

/// A session's state with its orders, without a loop around it.
struct Bench {
    state: State,
    desired: DesiredSet,
    now: Instant,
    _seen: mpsc::Receiver<Seen>,
}

impl Bench {
    async fn new() -> Self {
        let member = Member::from_kubeconfig(KUBECONFIG, None).await.expect("a usable kubeconfig");
        let (sender, seen) = mpsc::channel(1);
        let state = State::new("a".into(), member, sender);
        Self { state, desired: DesiredSet::new(), now: Instant::now(), _seen: seen }
    }

    /// A bench on which `web` was ordered at version 1, applied, and shown by the watch.
    async fn settled() -> Self {
        let mut bench = Self::new().await;
        bench.order(&present(1, 3));
        bench.see(Seen::Listed(Collection::of(&web()), Vec::new()));
        bench.work();
        bench.done(1, End::Applied(copy(10, 3, 0)));
        bench.see(Seen::Changed(web(), copy(10, 3, 0)));
        bench.told();
        bench
    }

    fn order(&mut self, order: &Order) {
        self.desired.publish(order.clone());
        self.state.ordered(web(), Some(order), self.now);
    }

    fn see(&mut self, news: Seen) {
        self.state.seen(news, &self.desired, self.now);
    }

    fn work(&mut self) -> Option<Work> {
        self.state.next_work(&self.desired, self.now)
    }

    fn done(&mut self, version: u64, end: End) {
        let done = Done { object: web(), version, end, took: std::time::Duration::ZERO };
        self.state.done(done, &self.desired, self.now);
    }

    fn told(&mut self) -> Option<Feedback> {
        self.state.next_feedback()
    }
}

fn web() -> ObjectRef {
    ObjectRef {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        plural: "deployments".into(),
        namespaced: true,
        namespace: "shop".into(),
        name: "web".into(),
    }
}

fn ordered(version: u64, replicas: i64) -> Desired {
    let manifest = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": replicas}});
    Desired {
        object: web(),
        version,
        digest: digest(&manifest),
        binding: "b".into(),
        template_generation: 1,
        on_conflict: OnConflict::Abort,
        manifest: Arc::new(manifest),
    }
}

fn present(version: u64, replicas: i64) -> Order {
    Order::Present(Arc::new(ordered(version, replicas)))
}

/// The member's copy of what was ordered with 3 replicas, as a hand may have changed it.
fn copy(resource_version: u64, replicas: i64, ready: i64) -> Copy {
    let mut object: Value = marks::stamp(&ordered(1, 3));
    object["metadata"]["resourceVersion"] = resource_version.to_string().into();
    object["metadata"]["uid"] = "u".into();
    object["spec"]["replicas"] = replicas.into();
    object["status"] = json!({"readyReplicas": ready});
    Copy::new(object)
}

fn probe(outcome: ApiOutcome) -> ApiProbe {
    ApiProbe { outcome, message: String::new(), at_ms: 0, latency_ms: 1 }
}

#[tokio::test]
async fn the_first_order_of_a_kind_waits_for_its_list() {
    let mut bench = Bench::new().await;
    bench.order(&present(1, 3));
    assert!(bench.state.next_watch().is_some());
    assert!(bench.work().is_none(), "what is there is not known yet");
    bench.see(Seen::Listed(Collection::of(&web()), vec![(web(), copy(7, 3, 3))]));
    let work = bench.work().expect("the list was read");
    assert_eq!(work.copy, Some(copy(7, 3, 3)), "no request is needed to find it");
}

#[tokio::test]
async fn a_kind_that_cannot_be_listed_keeps_no_order_waiting() {
    let mut bench = Bench::new().await;
    bench.order(&present(1, 3));
    bench.see(Seen::Lost(Collection::of(&web()), Failure::Forbidden("list".into())));
    assert!(bench.work().is_some());
}

#[tokio::test]
async fn a_changed_status_is_told_and_costs_no_work() {
    let mut bench = Bench::settled().await;
    bench.see(Seen::Changed(web(), copy(11, 3, 3)));
    assert!(bench.work().is_none());
    let told = bench.told().expect("the status is news");
    assert_eq!((told.version, &told.outcome), (1, &Outcome::Applied));
    let status = told.observed.and_then(|observed| observed.status).expect("a status");
    assert_eq!(status["readyReplicas"], 3);
}

#[tokio::test]
async fn what_a_hand_changed_or_deleted_is_ordered_again() {
    let mut bench = Bench::settled().await;
    bench.see(Seen::Changed(web(), copy(11, 9, 3)));
    assert!(bench.work().is_some_and(|work| work.copy == Some(copy(11, 9, 3))));
    let mut bench = Bench::settled().await;
    bench.see(Seen::Gone(web()));
    assert!(bench.work().is_some_and(|work| work.copy.is_none()));
}

#[tokio::test]
async fn a_hands_change_right_after_our_write_is_noticed() {
    let mut bench = Bench::settled().await;
    bench.order(&present(2, 3));
    bench.work().expect("the order is due");
    bench.see(Seen::Changed(web(), copy(21, 9, 3)));
    bench.done(2, End::Applied(copy(20, 3, 3)));
    assert!(bench.work().is_some(), "version 21 is not as ordered");
}

#[tokio::test]
async fn an_event_of_the_past_is_no_drift() {
    let mut bench = Bench::settled().await;
    bench.see(Seen::Changed(web(), copy(9, 1, 0)));
    assert!(bench.work().is_none());
}

#[tokio::test]
async fn a_newer_order_during_work_stays_pending_until_it_is_carried_out() {
    let mut bench = Bench::settled().await;
    bench.order(&present(2, 3));
    bench.work().expect("the order is due");
    bench.order(&present(3, 3));
    bench.done(2, End::Applied(copy(20, 3, 3)));
    bench.state.probed(probe(ApiOutcome::Reachable));
    let report = bench.state.report(bench.now).expect("it was probed");
    assert_eq!((report.backlog.n_desired, report.backlog.n_applied), (1, 0));
    assert!(bench.work().is_some_and(|work| work.order.version() == 3));
}

#[tokio::test]
async fn a_failure_stays_told_while_the_status_changes() {
    let mut bench = Bench::settled().await;
    bench.order(&present(2, 3));
    bench.work().expect("the order is due");
    bench.done(2, End::Failed(Failure::Invalid("spec.selector is immutable".into())));
    bench.told();
    bench.see(Seen::Changed(web(), copy(12, 3, 2)));
    let told = bench.told().expect("the status is news");
    assert_eq!(told.version, 2);
    assert!(matches!(told.outcome, Outcome::Failed { .. }));
    assert!(bench.work().is_none(), "the next attempt waits");
}

#[tokio::test]
async fn a_tombstone_is_confirmed_once_the_copy_is_gone() {
    let mut bench = Bench::settled().await;
    bench.order(&Order::Remove { object: web(), version: 2, preserve: false });
    bench.work().expect("the order is due");
    bench.done(2, End::Leaving(copy(30, 3, 3)));
    assert_eq!(bench.told().map(|told| told.outcome), Some(Outcome::Pending));
    bench.see(Seen::Gone(web()));
    bench.work().expect("it is looked at again at once");
    bench.done(2, End::Removed);
    let told = bench.told().expect("it is confirmed");
    assert_eq!((told.outcome, told.observed), (Outcome::Removed, None));
    bench.state.probed(probe(ApiOutcome::Reachable));
    assert_eq!(bench.state.report(bench.now).map(|report| report.backlog.n_desired), Some(0));
}

#[tokio::test]
async fn what_was_not_ordered_is_left_alone() {
    let mut bench = Bench::new().await;
    bench.see(Seen::Changed(web(), copy(5, 3, 3)));
    bench.see(Seen::Gone(web()));
    assert!(bench.work().is_none() && bench.told().is_none());
}

#[tokio::test]
async fn a_member_is_synced_while_it_answers_and_every_kind_is_followed() {
    let mut bench = Bench::settled().await;
    let collection = Collection::of(&web());
    let rows = [
        (None, ApiOutcome::Reachable, true),
        (Some(Seen::Lost(collection.clone(), Failure::Reset("gone".into()))), ApiOutcome::Reachable, false),
        (Some(Seen::Resumed(collection)), ApiOutcome::Reachable, true),
        (None, ApiOutcome::Hung, false),
    ];
    for (news, outcome, synced) in rows {
        if let Some(news) = news {
            bench.see(news);
        }
        bench.state.probed(probe(outcome));
        assert_eq!(bench.state.report(bench.now).map(|report| report.synced), Some(synced));
    }
}

#[tokio::test]
async fn a_member_that_is_back_is_worked_on_and_watched_anew_at_once() {
    let mut bench = Bench::settled().await;
    let mut contact = bench.state.contact.subscribe();
    assert!(bench.state.probed(probe(ApiOutcome::Reachable)));
    assert!(!contact.has_changed().expect("the state holds the sender"), "it was never away");
    bench.order(&present(2, 3));
    bench.work().expect("the order is due");
    bench.done(2, End::Failed(Failure::Refused("nobody listens".into())));
    bench.state.probed(probe(ApiOutcome::Refused));
    assert!(bench.work().is_none());
    assert!(bench.state.probed(probe(ApiOutcome::Reachable)));
    assert!(contact.has_changed().expect("the state holds the sender"));
    contact.mark_unchanged();
    assert!(bench.work().is_some());
}
