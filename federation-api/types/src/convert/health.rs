//! How a name's endpoints are judged, and what operators decide about them: from wire to checked intent.

use std::time::Duration;

use koinon_machinery::validate::FieldError;
use koinon_model::endpoint_health::{Damping, Quorum, RampPlan};
use koinon_model::name::ClusterName;
use koinon_model::served_name::OnAllDown;
use koinon_model::time::Timestamp;

use super::probe::check;
use super::record::EndpointSource;
use super::{name, seconds, timestamp};
use crate::names::{Check, ForcedState, Target};
use crate::v1alpha1;

/// The steps of a ramp that gives none: the weight doubles with each.
const STEPS: [i64; 4] = [10, 25, 50, 100];

/// How long each lasts: some probes at every usual interval, and as long as resolvers keep an answer at the default TTL.
const HOLD_SECONDS: i64 = 30;

/// A half-life that forgives a fall in minutes: names are not routes, whose usual 15 minutes would keep a cluster out for an hour.
const HALF_LIFE_SECONDS: i64 = 60;

/// Reached by the third fall within a half-life.
const SUPPRESS_THRESHOLD: i64 = 2_500;

/// Below what a single fall costs; the usual value of routers.
const REUSE_THRESHOLD: i64 = 750;

/// How a name's endpoints are probed and judged.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedHealth {
    /// How they are probed, where they are.
    pub check: Option<Check>,
    /// How many vantages must agree.
    pub quorum: Quorum,
    /// In which steps one returns; at once when there are none.
    pub ramp: Option<RampPlan>,
    /// How flapping is damped, if it is.
    pub damping: Option<Damping>,
    /// The panic threshold in percent; 0 is none.
    pub healthy_share_min_percent: u8,
    /// What is answered when nothing is healthy.
    pub on_all_down: OnAllDown,
}

/// An operator's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedForced {
    /// The cluster.
    pub cluster: ClusterName,
    /// The endpoint; none for every one of the cluster.
    pub target: Option<Target>,
    /// What it is taken for.
    pub state: ForcedState,
    /// Why.
    pub reason: String,
    /// Until when it holds; none for as long as it is written.
    pub until: Option<Timestamp>,
}

pub(super) fn health(wire: &v1alpha1::RecordHealth, errors: &mut Vec<FieldError>) -> CheckedHealth {
    let check = check(wire, errors);
    if check.is_none() && wire.quorum.is_some() {
        let accepted = "only with one of http, tcp, grpc and dns";
        errors.push(FieldError::forbidden("spec.health.quorum", accepted));
    }
    CheckedHealth {
        check,
        quorum: match wire.quorum.unwrap_or_default() {
            v1alpha1::Quorum::Any => Quorum::Any,
            v1alpha1::Quorum::Majority => Quorum::Majority,
            v1alpha1::Quorum::All => Quorum::All,
        },
        ramp: wire.ramp.as_ref().and_then(|wire| ramp(wire, errors)),
        damping: wire.damping.as_ref().and_then(|wire| damping(wire, errors)),
        healthy_share_min_percent: share(&wire.min_healthy_share, errors),
        on_all_down: match wire.on_all_down {
            v1alpha1::OnAllDown::LastKnownGood => OnAllDown::LastKnownGood,
            v1alpha1::OnAllDown::All => OnAllDown::All,
            v1alpha1::OnAllDown::NoData => OnAllDown::NoData,
        },
    }
}

fn ramp(wire: &v1alpha1::ReturnRamp, errors: &mut Vec<FieldError>) -> Option<RampPlan> {
    let steps = if wire.steps.is_empty() { &STEPS[..] } else { &wire.steps };
    match RampPlan::new(steps, span(wire.hold_seconds, HOLD_SECONDS)) {
        Ok(plan) => Some(plan),
        Err(error) => {
            let given = steps.to_vec();
            errors.push(FieldError::invalid("spec.health.ramp.steps", given, error.to_string()));
            None
        }
    }
}

fn damping(wire: &v1alpha1::FlapDamping, errors: &mut Vec<FieldError>) -> Option<Damping> {
    let suppress = wire.suppress_threshold.unwrap_or(SUPPRESS_THRESHOLD);
    let reuse = wire.reuse_threshold.unwrap_or(REUSE_THRESHOLD);
    let half_life = span(wire.half_life_seconds, HALF_LIFE_SECONDS);
    match Damping::new(half_life, seconds(suppress), seconds(reuse)) {
        Ok(damping) => Some(damping),
        Err(error) => {
            let accepted = format!("{error}, which is {suppress}");
            errors.push(FieldError::invalid("spec.health.damping.reuseThreshold", reuse, accepted));
            None
        }
    }
}

fn span(given: Option<i64>, default: i64) -> Duration {
    Duration::from_secs(seconds(given.unwrap_or(default)).into())
}

fn share(wire: &str, errors: &mut Vec<FieldError>) -> u8 {
    if wire.is_empty() {
        return 0;
    }
    let percent = wire.strip_suffix('%').and_then(|digits| digits.parse::<u8>().ok());
    percent.filter(|percent| *percent <= 100).unwrap_or_else(|| {
        let accepted = "must be a percentage from 0% to 100%";
        errors.push(FieldError::invalid("spec.health.minHealthyShare", wire, accepted));
        0
    })
}

/// Reads what operators decided; where addresses are written, decisions are about those.
pub(super) fn forced(
    wire: &[v1alpha1::ForcedEndpoint],
    source: Option<&EndpointSource>,
    errors: &mut Vec<FieldError>,
) -> Vec<CheckedForced> {
    let mut checked: Vec<CheckedForced> = Vec::new();
    for (index, wire) in wire.iter().enumerate() {
        let path = format!("spec.forced[{index}]");
        let Some(forced) = decision(wire, &path, errors) else { continue };
        if let Some(EndpointSource::Addresses(written)) = source {
            match (written.get(&forced.cluster), &forced.target) {
                (None, _) => {
                    let accepted = "must be a cluster of spec.endpoints.addresses";
                    errors.push(FieldError::invalid(
                        format!("{path}.cluster"),
                        wire.cluster.as_str(),
                        accepted,
                    ));
                }
                (Some(targets), Some(target)) if !targets.contains(target) => {
                    let accepted =
                        "must be an address or the hostname of that cluster in spec.endpoints.addresses";
                    errors.push(FieldError::invalid(
                        format!("{path}.address"),
                        wire.address.as_str(),
                        accepted,
                    ));
                }
                (Some(_), _) => {}
            }
        }
        let is_same =
            |other: &CheckedForced| other.cluster == forced.cluster && other.target == forced.target;
        if checked.iter().any(is_same) {
            errors.push(FieldError::duplicate(path, format!("{} {}", wire.cluster, wire.address)));
        }
        checked.push(forced);
    }
    checked.sort_by_key(|forced| forced.target.is_none());
    checked
}

fn decision(
    wire: &v1alpha1::ForcedEndpoint,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> Option<CheckedForced> {
    let cluster = name::cluster(&wire.cluster, &format!("{path}.cluster"), errors);
    let target = match (wire.address.as_str(), wire.address.parse()) {
        ("", _) => None,
        (_, Ok(ip)) => Some(Target::Ip(ip)),
        (text, Err(_)) => name::host(text, &format!("{path}.address"), errors)
            .map(|host| Target::Hostname(host.to_string())),
    };
    if wire.reason.trim().is_empty() {
        let accepted = "some words for whoever finds it later";
        errors.push(FieldError::required(format!("{path}.reason"), accepted));
    }
    let until = timestamp(&wire.until);
    if until.is_none() && !wire.until.is_empty() {
        let accepted = "must be a time such as 2026-11-24T18:00:00Z";
        errors.push(FieldError::invalid(format!("{path}.until"), wire.until.as_str(), accepted));
    }
    let state = match wire.state {
        v1alpha1::ForcedState::Up => ForcedState::Up,
        v1alpha1::ForcedState::Down => ForcedState::Down,
    };
    Some(CheckedForced { cluster: cluster?, target, state, reason: wire.reason.trim().to_owned(), until })
}
