//! Clusters' verdicts, probe by probe.

use koinon_model::health::{ApiEvidence, ApiOutcome, DataPlaneEvidence, Vantage};

use super::*;

/// Plays one API probe a second: `+` answered, `r` refused, `h` hung, `u` answered and refused our credentials. Endpoints are `None` where nobody probes.
struct Cluster {
    evidence: Evidence,
    standing: Option<Standing>,
    now: Timestamp,
}

impl Cluster {
    fn ready() -> Self {
        let mut cluster =
            Self { evidence: Evidence::default(), standing: None, now: Timestamp::from_seconds(1_000) };
        cluster.play("+++", None);
        assert_eq!(cluster.verdict(), Verdict::Ready);
        cluster
    }

    fn play(&mut self, probes: &str, endpoints: Option<EndpointVerdict>) -> Judgement {
        let mut judgement = self.judge();
        for probe in probes.chars() {
            let started = self.now;
            self.now = self.now + Duration::from_secs(1);
            let outcome = match probe {
                '+' => ApiOutcome::Reachable,
                'r' => ApiOutcome::Refused,
                'u' => ApiOutcome::Unauthorized,
                _ => ApiOutcome::Hung,
            };
            self.evidence.api = ApiEvidence::observed(self.evidence.api, outcome, started);
            self.evidence.data_plane =
                endpoints.map(|verdict| self.vote("dns-1", verdict)).into_iter().collect();
            judgement = self.judge();
        }
        judgement
    }

    fn vote(&self, vantage: &str, verdict: EndpointVerdict) -> DataPlaneEvidence {
        let endpoint = IpAddr::from([192, 0, 2, 1]);
        let answered = (verdict == EndpointVerdict::Up).then_some(self.now);
        DataPlaneEvidence { endpoint, vantage: Vantage(vantage.to_owned()), verdict, at: self.now, answered }
    }

    fn judge(&mut self) -> Judgement {
        let thresholds = Thresholds::default();
        let judgement =
            judge(&Request { evidence: &self.evidence, previous: self.standing, thresholds, now: self.now });
        self.standing = Some(judgement.standing);
        judgement
    }

    fn verdict(&self) -> Verdict {
        self.standing.unwrap().verdict
    }
}

#[test]
fn a_refused_api_with_dead_endpoints_is_unreachable_within_six_seconds() {
    let mut cluster = Cluster::ready();
    cluster.play("rrrr", Some(EndpointVerdict::Down));
    assert_eq!(cluster.verdict(), Verdict::Ready, "4 s are not enough");
    cluster.play("r", Some(EndpointVerdict::Down));
    assert_eq!(cluster.verdict(), Verdict::Unreachable);
}

#[test]
fn blips_of_three_seconds_never_trip() {
    let mut cluster = Cluster::ready();
    for _ in 0..50 {
        cluster.play("hhh+", Some(EndpointVerdict::Down));
        assert_ne!(cluster.verdict(), Verdict::Unreachable);
        cluster.play("rrrr+", Some(EndpointVerdict::Down));
        assert_ne!(cluster.verdict(), Verdict::Unreachable);
    }
}

#[test]
fn a_lost_api_with_living_endpoints_moves_nothing() {
    let mut cluster = Cluster::ready();
    cluster.play(&"r".repeat(120), Some(EndpointVerdict::Up));
    assert_eq!(cluster.verdict(), Verdict::ControlPlaneOnly);
}

#[test]
fn endpoints_that_have_not_answered_since_the_api_was_lost_prove_nothing() {
    let mut cluster = Cluster::ready();
    cluster.play("+", Some(EndpointVerdict::Up));
    let answered = cluster.now;
    cluster.play("rrrrrr", Some(EndpointVerdict::Up));
    // They are asked once a minute, and were not asked since.
    cluster.evidence.data_plane[0].answered = Some(answered);
    let judgement = cluster.judge();
    assert_eq!(judgement.standing.verdict, Verdict::Suspect);
    assert!(judgement.doubtful, "the brake counts it");
    assert_eq!(judgement.data_plane, DataPlane::Up);
    cluster.play("r", Some(EndpointVerdict::Up));
    assert_eq!(cluster.verdict(), Verdict::ControlPlaneOnly);
}

#[test]
fn dead_endpoints_with_a_living_api_are_the_data_plane_only() {
    let mut cluster = Cluster::ready();
    let judgement = cluster.play("+", Some(EndpointVerdict::Down));
    assert_eq!(judgement.standing.verdict, Verdict::DataPlaneOnly);
    assert!(judgement.doubtful);
}

#[test]
fn the_api_alone_condemns_only_after_its_longer_time_and_says_so() {
    let mut cluster = Cluster::ready();
    let judgement = cluster.play(&"h".repeat(10), None);
    assert_eq!(judgement.standing.verdict, Verdict::Suspect);
    assert!(judgement.again.is_some());
    let judgement = cluster.play(&"h".repeat(21), None);
    assert_eq!(judgement.standing.verdict, Verdict::Unreachable);
    assert!(judgement.api_only);
}

#[test]
fn a_lost_cluster_is_back_after_two_answers() {
    let mut cluster = Cluster::ready();
    cluster.play("rrrrrr", Some(EndpointVerdict::Down));
    cluster.play("+", Some(EndpointVerdict::Up));
    assert_eq!(cluster.verdict(), Verdict::Unreachable);
    cluster.play("+", Some(EndpointVerdict::Up));
    assert_eq!(cluster.verdict(), Verdict::Ready);
}

#[test]
fn vantages_that_disagree_freeze_everything() {
    let mut cluster = Cluster::ready();
    cluster.play("rrrrrr", Some(EndpointVerdict::Up));
    cluster.evidence.data_plane =
        vec![cluster.vote("dns-1", EndpointVerdict::Up), cluster.vote("dns-2", EndpointVerdict::Down)];
    assert_eq!(cluster.judge().standing.verdict, Verdict::Suspect);
    let third = cluster.vote("dns-3", EndpointVerdict::Down);
    cluster.evidence.data_plane.push(third);
    assert_eq!(cluster.judge().standing.verdict, Verdict::Unreachable);
}

#[test]
fn a_cluster_that_does_not_know_us_is_suspect_and_never_condemned() {
    for endpoints in [None, Some(EndpointVerdict::Up), Some(EndpointVerdict::Down)] {
        let mut cluster = Cluster::ready();
        let judgement = cluster.play(&"u".repeat(60), endpoints);
        assert_eq!((judgement.standing.verdict, judgement.api), (Verdict::Suspect, Api::Estranged));
    }
}

#[test]
fn what_is_told_changes_only_with_what_it_tells() {
    let mut cluster = Cluster::ready();
    let early = cluster.play("rrrrr", Some(EndpointVerdict::Down));
    let late = cluster.play("rrrrr", Some(EndpointVerdict::Down));
    assert_eq!(
        (early.api_text.as_str(), early.api_text == late.api_text),
        ("api: refused since 1970-01-01T00:16:43Z", true)
    );
    assert_eq!(early.data_plane_text, late.data_plane_text);
}

#[test]
fn evidence_that_nobody_renews_is_no_evidence() {
    let mut cluster = Cluster::ready();
    cluster.now = cluster.now + Duration::from_secs(60);
    assert_eq!(cluster.judge().standing.verdict, Verdict::Suspect);
}

#[test]
fn a_verdict_keeps_the_time_it_began() {
    let mut cluster = Cluster::ready();
    let since = cluster.standing.unwrap().since;
    cluster.play("++++", None);
    assert_eq!(cluster.standing.unwrap().since, since);
}
