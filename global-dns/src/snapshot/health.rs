//! Which endpoints of a name may be answered now, why not the others, and for how long the answer holds.
//!
//! The host's word on an endpoint and this node's own probes are joined here: an endpoint must pass both, and
//! what nobody has looked at yet counts as healthy, because unknown is not down. An operator's decision counts before
//! both. Health alone never empties a name: when nothing is healthy, what other nodes find down and this one does not is
//! answered; then the owner's choice applies.

use std::collections::BTreeMap;

use koinon_types::names::{
    Endpoint, EndpointState, Forced, ForcedState, OnAllDown, ProbeOutcome, Record, RecordRef, Target,
    Withdrawal,
};

use super::route::{Plan, plan};

/// Names one endpoint that is probed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probed {
    /// The record.
    pub record: RecordRef,
    /// The endpoint's cluster.
    pub cluster: String,
    /// The endpoint's target.
    pub target: Target,
}

/// What this node's probes say about one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeVerdict {
    /// The verdict after thresholds.
    pub outcome: ProbeOutcome,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// The latest probes disagree with the verdict, or it is new: it may change soon.
    pub wavers: bool,
}

/// What this node's probes say about all endpoints they have judged.
pub type Verdicts = BTreeMap<Probed, ProbeVerdict>;

/// What each name was answered with when it last had a healthy endpoint.
pub type LastGood = BTreeMap<RecordRef, Vec<Target>>;

/// What was decided for one record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordView {
    /// How its endpoints were selected.
    pub mode: Mode,
    /// One per endpoint of the record, in its order.
    pub endpoints: Vec<EndpointView>,
    /// Seconds its answers may be kept.
    pub ttl: u32,
    /// Why that long.
    pub ttl_reason: TtlReason,
    /// Who gets which of the endpoints.
    pub plan: Plan,
}

/// How the endpoints of a name were selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The healthy ones.
    Healthy,
    /// All, because so few are healthy that health itself is doubted.
    Panic {
        /// Healthy endpoints, in percent.
        healthy_percent: u8,
    },
    /// None is healthy for the host: those that are well here, though they flap or fail elsewhere.
    WellHere,
    /// None is healthy: those that were last known to be.
    LastKnownGood,
    /// None is healthy: all.
    All,
    /// None is healthy: none, as the owner wants.
    NoData,
    /// There is none that can be answered.
    Empty,
}

/// What was decided for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointView {
    /// Why it is not answered; none when it is.
    pub excluded: Option<Exclusion>,
    /// What this node's probes say, if it is probed and judged.
    pub probe: Option<ProbeVerdict>,
}

/// Why an endpoint is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// The host withdrew it.
    Withdrawn(Withdrawal),
    /// This node's probes of it fail.
    ProbesFailing,
    /// An operator took it out.
    ForcedDown,
    /// It weighs nothing and others of its family do.
    Weightless,
    /// Its routing keeps others for everybody, as long as they can be answered.
    StandingBy,
    /// It is an alias, and the name holds other data or is an apex (RFC 1034 §3.6.2).
    AliasBesideData,
    /// Its target is not a domain name.
    InvalidTarget,
    /// Nothing is healthy, and it was not among the last known good.
    NotLastKnownGood,
    /// Nothing is healthy, and the owner wants no answer then.
    OwnerWantsNone,
}

/// Why an answer may be kept as long as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlReason {
    /// No change is in sight.
    Stable,
    /// The host expects a change.
    HostExpectsChange,
    /// Probes of an endpoint disagree with its verdict, or the verdict is new.
    ProbesWaver,
    /// The answer is not what health alone would give, and should follow a recovery.
    HealthOverruled,
}

/// Whether an alias may be answered where the record lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aliases {
    Allowed,
    /// The name is an apex or holds static data.
    Forbidden,
}

/// Decides which endpoints of a record are answered.
pub(super) fn decide(
    record: &Record,
    aliases: Aliases,
    verdicts: &Verdicts,
    last_good: &LastGood,
) -> RecordView {
    let mut endpoints: Vec<EndpointView> =
        record.endpoints.iter().map(|endpoint| observe(record, endpoint, aliases, verdicts)).collect();
    let mode = select(record, &mut endpoints, last_good);
    let plan = settle(record, &mut endpoints);
    let ttl_reason = ttl_reason(record, mode, &endpoints);
    let ttl = if ttl_reason == TtlReason::Stable { record.ttl.stable } else { record.ttl.unstable };
    RecordView { mode, endpoints, ttl, ttl_reason, plan }
}

impl RecordView {
    /// The endpoints that are answered, with their places in the record.
    pub fn answered<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = (usize, &'a Endpoint)> {
        let pairs = record.endpoints.iter().zip(&self.endpoints).enumerate();
        pairs.filter(|(_, (_, view))| view.excluded.is_none()).map(|(at, (endpoint, _))| (at, endpoint))
    }
}

/// Whether an endpoint could be answered at all, and whether it is healthy.
fn observe(record: &Record, endpoint: &Endpoint, aliases: Aliases, verdicts: &Verdicts) -> EndpointView {
    let probe = record.check.as_ref().and_then(|_| {
        let key = Probed {
            record: record.source.clone(),
            cluster: endpoint.cluster.clone(),
            target: endpoint.target.clone(),
        };
        verdicts.get(&key).cloned()
    });
    let unusable = match &endpoint.target {
        Target::Ip(_) => None,
        Target::Hostname(_) if aliases == Aliases::Forbidden => Some(Exclusion::AliasBesideData),
        Target::Hostname(name) => {
            name.parse::<crate::wire::name::Name>().err().map(|_| Exclusion::InvalidTarget)
        }
    };
    let forced = endpoint.forced.as_ref().map(|forced: &Forced| forced.state);
    let unhealthy = match (endpoint.state, &probe) {
        _ if forced == Some(ForcedState::Up) => None,
        _ if forced == Some(ForcedState::Down) => Some(Exclusion::ForcedDown),
        (EndpointState::Withdrawn(why), _) => Some(Exclusion::Withdrawn(why)),
        (EndpointState::Serving, Some(ProbeVerdict { outcome: ProbeOutcome::Failing { .. }, .. })) => {
            Some(Exclusion::ProbesFailing)
        }
        (EndpointState::Serving, _) => None,
    };
    EndpointView { excluded: unusable.or(unhealthy), probe }
}

impl Exclusion {
    /// Whether the endpoint could be answered all the same when nothing better is left.
    fn is_about_health(self) -> bool {
        match self {
            Self::Withdrawn(_) | Self::ProbesFailing => true,
            Self::ForcedDown
            | Self::Weightless
            | Self::StandingBy
            | Self::AliasBesideData
            | Self::InvalidTarget
            | Self::NotLastKnownGood
            | Self::OwnerWantsNone => false,
        }
    }
}

/// Applies the panic threshold and the owner's choice for the case that nothing is healthy.
fn select(record: &Record, endpoints: &mut [EndpointView], last_good: &LastGood) -> Mode {
    let n_healthy = endpoints.iter().filter(|view| view.excluded.is_none()).count();
    let n_unhealthy = endpoints.iter().filter(|view| view.is_unhealthy()).count();
    let n_usable = n_healthy + n_unhealthy;
    if n_usable == 0 {
        return if readmit_forced(record.on_all_down, endpoints) { Mode::All } else { Mode::Empty };
    }
    let healthy_percent = (n_healthy * 100 / n_usable) as u8;
    if n_healthy > 0 {
        if healthy_percent >= record.healthy_share_min_percent {
            return Mode::Healthy;
        }
        readmit(endpoints);
        return Mode::Panic { healthy_percent };
    }
    if readmit_well(endpoints) {
        return Mode::WellHere;
    }
    match record.on_all_down {
        OnAllDown::LastKnownGood => {
            let good = last_good.get(&record.source).map_or(&[][..], Vec::as_slice);
            let was_good = |endpoint: &Endpoint, view: &EndpointView| {
                view.is_unhealthy() && good.contains(&endpoint.target)
            };
            if !record.endpoints.iter().zip(&*endpoints).any(|(endpoint, view)| was_good(endpoint, view)) {
                readmit(endpoints);
                return Mode::All;
            }
            for (endpoint, view) in record.endpoints.iter().zip(endpoints) {
                if was_good(endpoint, view) {
                    view.excluded = None;
                } else if view.is_unhealthy() {
                    view.excluded = Some(Exclusion::NotLastKnownGood);
                }
            }
            Mode::LastKnownGood
        }
        OnAllDown::All => {
            readmit(endpoints);
            Mode::All
        }
        OnAllDown::NoData => {
            for view in endpoints.iter_mut().filter(|view| view.is_unhealthy()) {
                view.excluded = Some(Exclusion::OwnerWantsNone);
            }
            Mode::NoData
        }
    }
}

impl EndpointView {
    fn is_unhealthy(&self) -> bool {
        self.excluded.is_some_and(Exclusion::is_about_health)
    }
}

/// Answers every endpoint that only its health kept out.
fn readmit(endpoints: &mut [EndpointView]) {
    for view in endpoints.iter_mut().filter(|view| view.is_unhealthy()) {
        view.excluded = None;
    }
}

/// Answers what was forced down when there is nothing else, unless the owner wants no answer then: decisions about each
/// endpoint were none about the name. Whether there is any.
fn readmit_forced(on_all_down: OnAllDown, endpoints: &mut [EndpointView]) -> bool {
    if on_all_down == OnAllDown::NoData {
        return false;
    }
    let mut found = false;
    for view in endpoints.iter_mut().filter(|view| view.excluded == Some(Exclusion::ForcedDown)) {
        view.excluded = None;
        found = true;
    }
    found
}

/// Answers what this node's probes find well and the host withdrew by the word of others, or for flapping. Whether there is any.
fn readmit_well(endpoints: &mut [EndpointView]) -> bool {
    let is_well = |view: &&mut EndpointView| {
        let passes = view.probe.as_ref().is_some_and(|probe| probe.outcome == ProbeOutcome::Passing);
        let is_opinion = matches!(
            view.excluded,
            Some(Exclusion::Withdrawn(Withdrawal::ProbesFailing | Withdrawal::Flapping))
        );
        passes && is_opinion
    };
    let mut found = false;
    for view in endpoints.iter_mut().filter(is_well) {
        view.excluded = None;
        found = true;
    }
    found
}

/// Plans who gets which of the endpoints that can be answered, and leaves out those that nobody gets.
fn settle(record: &Record, endpoints: &mut [EndpointView]) -> Plan {
    let candidates: Vec<usize> =
        (0..endpoints.len()).filter(|&at| endpoints[at].excluded.is_none()).collect();
    let plan = plan(record, candidates.clone());
    let answered = plan.answered();
    for at in candidates.into_iter().filter(|at| !answered.contains(at)) {
        endpoints[at].excluded =
            Some(if plan.is_weightless(at) { Exclusion::Weightless } else { Exclusion::StandingBy });
    }
    plan
}

fn ttl_reason(record: &Record, mode: Mode, endpoints: &[EndpointView]) -> TtlReason {
    if record.unstable {
        return TtlReason::HostExpectsChange;
    }
    if endpoints.iter().any(|view| view.probe.as_ref().is_some_and(|probe| probe.wavers)) {
        return TtlReason::ProbesWaver;
    }
    match mode {
        Mode::Healthy | Mode::Empty => TtlReason::Stable,
        Mode::Panic { .. } | Mode::WellHere | Mode::LastKnownGood | Mode::All | Mode::NoData => {
            TtlReason::HealthOverruled
        }
    }
}

#[cfg(test)]
mod tests;
