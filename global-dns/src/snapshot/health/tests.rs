//! What is answered when health says little, nothing, or the contrary.

use super::*;
use crate::snapshot::tests::support::{record, tcp_check};

fn decided(record: &Record, failing: &[&str], last_good: &[&str]) -> (Vec<String>, Mode, TtlReason) {
    let key = |cluster: &str| {
        let endpoint = record.endpoints.iter().find(|endpoint| endpoint.cluster == cluster).unwrap();
        Probed { record: record.source.clone(), cluster: cluster.to_owned(), target: endpoint.target.clone() }
    };
    let down = || ProbeVerdict {
        outcome: ProbeOutcome::Failing { reason: "refused".into() },
        since_ms: 0,
        wavers: false,
    };
    let verdicts: Verdicts = failing.iter().map(|cluster| (key(cluster), down())).collect();
    let good: Vec<Target> = last_good.iter().map(|cluster| key(cluster).target).collect();
    let last_good = LastGood::from([(record.source.clone(), good)]);
    let view = decide(record, Aliases::Allowed, &verdicts, &last_good);
    let answered = view.answered(record).map(|(_, endpoint)| endpoint.cluster.clone()).collect();
    (answered, view.mode, view.ttl_reason)
}

fn shop() -> Record {
    let mut shop =
        record("shop.example", &[("a", "192.0.2.1", 3), ("b", "192.0.2.2", 1), ("c", "192.0.2.3", 0)]);
    shop.check = Some(tcp_check());
    shop
}

#[test]
fn the_unhealthy_and_the_weightless_are_left_out() {
    let shop = shop();
    assert_eq!(decided(&shop, &[], &[]), (vec!["a".into(), "b".into()], Mode::Healthy, TtlReason::Stable));
    assert_eq!(decided(&shop, &["a"], &[]).0, ["b"]);
    assert_eq!(decided(&shop, &["a", "b"], &[]).0, ["c"], "a weight of 0 answers when nothing else can");
}

#[test]
fn health_alone_never_empties_a_name() {
    let mut shop = shop();
    let all = ["a", "b", "c"];
    assert_eq!(
        decided(&shop, &all, &["b"]),
        (vec!["b".into()], Mode::LastKnownGood, TtlReason::HealthOverruled)
    );
    assert_eq!(decided(&shop, &all, &[]).1, Mode::All, "nothing was ever good");
    shop.on_all_down = OnAllDown::All;
    assert_eq!(decided(&shop, &all, &["b"]).0, ["a", "b"]);
    shop.on_all_down = OnAllDown::NoData;
    assert_eq!(decided(&shop, &all, &["b"]), (vec![], Mode::NoData, TtlReason::HealthOverruled));
}

#[test]
fn too_few_healthy_ones_are_not_believed() {
    let mut shop = shop();
    shop.healthy_share_min_percent = 50;
    assert_eq!(
        decided(&shop, &["a", "b"], &[]),
        (vec!["a".into(), "b".into()], Mode::Panic { healthy_percent: 33 }, TtlReason::HealthOverruled)
    );
    assert_eq!(decided(&shop, &["a"], &[]).1, Mode::Healthy);
}

#[test]
fn the_host_has_a_word_of_its_own() {
    let mut shop = shop();
    shop.endpoints[0].state = EndpointState::Withdrawn(Withdrawal::ClusterUnreachable);
    shop.unstable = true;
    assert_eq!(decided(&shop, &[], &[]), (vec!["b".into()], Mode::Healthy, TtlReason::HostExpectsChange));
}

/// Which clusters are answered, and how they were selected, when probes here find these well and these down.
fn seen(record: &Record, well: &[&str], failing: &[&str]) -> (Vec<String>, Mode) {
    let verdict = |outcome: ProbeOutcome| ProbeVerdict { outcome, since_ms: 0, wavers: false };
    let verdicts = record.endpoints.iter().filter_map(|endpoint| {
        let key = Probed {
            record: record.source.clone(),
            cluster: endpoint.cluster.clone(),
            target: endpoint.target.clone(),
        };
        let cluster = endpoint.cluster.as_str();
        if well.contains(&cluster) {
            return Some((key, verdict(ProbeOutcome::Passing)));
        }
        failing.contains(&cluster).then(|| (key, verdict(ProbeOutcome::Failing { reason: "refused".into() })))
    });
    let view = decide(record, Aliases::Allowed, &verdicts.collect(), &LastGood::new());
    (view.answered(record).map(|(_, endpoint)| endpoint.cluster.clone()).collect(), view.mode)
}

#[test]
fn what_is_well_here_is_answered_before_what_is_well_nowhere() {
    let mut shop = shop();
    shop.endpoints[0].state = EndpointState::Withdrawn(Withdrawal::Flapping);
    shop.endpoints[1].state = EndpointState::Withdrawn(Withdrawal::ProbesFailing);
    shop.endpoints[2].state = EndpointState::Withdrawn(Withdrawal::ClusterUnreachable);
    assert_eq!(seen(&shop, &["a", "c"], &["b"]), (vec!["a".into()], Mode::WellHere));
    assert_eq!(seen(&shop, &["b", "c"], &["a"]), (vec!["b".into()], Mode::WellHere));
    assert_eq!(seen(&shop, &["c"], &["a", "b"]).1, Mode::All, "a lost cluster is no matter of opinion");
    shop.endpoints[2].state = EndpointState::Serving;
    assert_eq!(seen(&shop, &["a", "b", "c"], &[]), (vec!["c".into()], Mode::Healthy));
}

#[test]
fn an_operator_decides_before_everybody_else() {
    let mut shop = shop();
    let forced = |state| Some(Forced { state, reason: "test".into(), until_ms: None });
    shop.endpoints[0].state = EndpointState::Withdrawn(Withdrawal::ClusterUnreachable);
    shop.endpoints[0].forced = forced(ForcedState::Up);
    shop.endpoints[1].forced = forced(ForcedState::Down);
    assert_eq!(seen(&shop, &["b"], &["a"]), (vec!["a".into()], Mode::Healthy));
    shop.endpoints[0].forced = forced(ForcedState::Down);
    assert_eq!(seen(&shop, &["a", "b"], &["c"]), (vec!["c".into()], Mode::All), "down is down");
    shop.endpoints[2].forced = forced(ForcedState::Down);
    assert_eq!(seen(&shop, &[], &[]), (vec!["a".into(), "b".into()], Mode::All), "a name is not emptied");
    shop.on_all_down = OnAllDown::NoData;
    assert_eq!(seen(&shop, &[], &[]), (vec![], Mode::Empty));
}
