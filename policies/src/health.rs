//! What is to be believed about a cluster, and about an endpoint?
//!
//! Health is a vote, not a timeout: the API's probes say one thing, the probes of published endpoints another, and only
//! together do they condemn a cluster. What is unknown is not down.
//!
//! ```text
//!                      endpoints answer     endpoints are dead    nothing known of endpoints
//! API answers          Ready                DataPlaneOnly         Ready
//! API is gone          ControlPlaneOnly     Unreachable           Suspect, then Unreachable on the API's word alone
//!                      (Suspect until one has answered since)
//! the API refuses us (credentials, certificate), vantages disagree, or nobody looked lately: Suspect
//! ```

mod endpoint;

mod damping;
mod fleet;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use koinon_model::health::{ApiOutcome, EndpointVerdict, Evidence, Run, Verdict};
use koinon_model::time::Timestamp;

pub use damping::{Fell, Penalty, damp, points_at, reused_at};
pub use endpoint::{Answered, EndpointHistory, EndpointThresholds, judge_endpoint, pause};
pub use fleet::{Vote, agree};

/// When a cluster's API counts as gone and as back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Failed probes in a row, one a second, until the API is gone.
    pub failures: u32,
    /// Answered probes in a row until it is back.
    pub successes: u32,
    /// How long the API must be gone when nothing else is known of the cluster.
    pub api_only: Duration,
}

impl Default for Thresholds {
    /// Three failures that lie 3.5 s apart. Probes start every second, so a blip of 3 s, which fails at most the probes started
    /// within 3 s, never trips; a refused API is noticed at most 1 s late and condemned by the probe 4 s after that: 5 s and the
    /// probe's own time, within the 6 s that are promised. A hung probe takes its deadline of 1 s longer, within 10 s.
    fn default() -> Self {
        Self { failures: 3, successes: 2, api_only: Duration::from_secs(30) }
    }
}

/// What a run of failures must span beyond one second per failure, so that the bound above holds at its edge.
const SPAN_SLACK: Duration = Duration::from_millis(500);

/// How long an API probe may take: a hung API may have died that long after its first failed probe began.
const PROBE_MAX: Duration = Duration::from_secs(1);

/// Evidence older than this is no evidence: five probes have been missed, so whoever looks has a problem of its own.
const STALE_AFTER: Duration = Duration::from_secs(6);

/// What a cluster's data plane must be judged by: probes run at most every few seconds, by their owner's choice.
const DATA_PLANE_STALE_AFTER: Duration = Duration::from_secs(30);

/// A verdict and how long it has stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The verdict.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
}

/// What to judge a cluster by.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What was seen.
    pub evidence: &'a Evidence,
    /// What was believed so far; none for a cluster that has just joined.
    pub previous: Option<Standing>,
    /// When to believe otherwise.
    pub thresholds: Thresholds,
    /// Now.
    pub now: Timestamp,
}

/// What is believed and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict and since when.
    pub standing: Standing,
    /// Whether there are signs of failure that do not suffice for a verdict yet. Brakes count them.
    pub doubtful: bool,
    /// Whether the verdict rests on the API alone.
    pub api_only: bool,
    /// What the API's probes say.
    pub api: Api,
    /// The same for a person; it changes only with what it tells.
    pub api_text: String,
    /// What the endpoints' probes say.
    pub data_plane: DataPlane,
    /// The same for a person; it changes only with what it tells.
    pub data_plane_text: String,
    /// When the verdict may change without new evidence.
    pub again: Option<Timestamp>,
}

/// Judges one cluster.
pub fn judge(request: &Request<'_>) -> Judgement {
    let api = judge_api(request);
    let data_plane = judge_data_plane(request.evidence, request.now);
    let gone_for = request.evidence.api.failures.map_or(Duration::ZERO, |run| request.now.since(run.first));
    let api_only_due = gone_for >= request.thresholds.api_only;
    let verdict = match (api, data_plane.state) {
        (Api::Stale | Api::Estranged, _) | (_, DataPlane::Disputed) => Verdict::Suspect,
        (Api::Unclear, _) => request.previous.map_or(Verdict::Suspect, |standing| standing.verdict),
        (Api::Answers, DataPlane::Up | DataPlane::Unknown) => Verdict::Ready,
        (Api::Answers, DataPlane::Down) => Verdict::DataPlaneOnly,
        (Api::Gone, DataPlane::Up) if has_outlived(request.evidence) => Verdict::ControlPlaneOnly,
        (Api::Gone, DataPlane::Up) => Verdict::Suspect,
        (Api::Gone, DataPlane::Down) => Verdict::Unreachable,
        (Api::Gone, DataPlane::Unknown) if api_only_due => Verdict::Unreachable,
        (Api::Gone, DataPlane::Unknown) => Verdict::Suspect,
    };
    let since = match request.previous {
        Some(standing) if standing.verdict == verdict => standing.since,
        Some(_) | None => request.now,
    };
    let alone = api == Api::Gone && data_plane.state == DataPlane::Unknown;
    Judgement {
        standing: Standing { verdict, since },
        doubtful: request.evidence.api.failures.is_some() || data_plane.state == DataPlane::Down,
        api_only: alone && verdict == Verdict::Unreachable,
        api,
        api_text: api_text(request, api),
        data_plane: data_plane.state,
        data_plane_text: data_plane.text,
        again: (alone && !api_only_due)
            .then(|| request.evidence.api.failures.map(|run| run.first + request.thresholds.api_only))
            .flatten(),
    }
}

/// What the probes of an API say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// It answers.
    Answers,
    /// It answers and refuses our credentials, or we refuse its certificate: it lives, and nothing can be done in it.
    Estranged,
    /// It does not answer.
    Gone,
    /// Not long enough either way: what was believed stands.
    Unclear,
    /// Nobody has asked lately.
    Stale,
}

fn judge_api(request: &Request<'_>) -> Api {
    let api = &request.evidence.api;
    let Some(latest) = api.successes.or(api.failures) else { return Api::Stale };
    if request.now.since(latest.last) > STALE_AFTER {
        return Api::Stale;
    }
    if api.last == Some(ApiOutcome::Unauthorized) {
        return Api::Estranged;
    }
    let thresholds = request.thresholds;
    match (api.successes, api.failures) {
        (_, Some(run)) if is_conclusive(run, thresholds.failures) => Api::Gone,
        (_, Some(_)) | (None, None) => Api::Unclear,
        // A cluster that was never lost needs no proof that it is back.
        (Some(run), None) => match request.previous.map(|standing| standing.verdict) {
            Some(Verdict::Ready | Verdict::DataPlaneOnly) => Api::Answers,
            Some(Verdict::ControlPlaneOnly | Verdict::Unreachable | Verdict::Suspect) | None
                if run.count >= thresholds.successes =>
            {
                Api::Answers
            }
            Some(Verdict::ControlPlaneOnly | Verdict::Unreachable | Verdict::Suspect) | None => Api::Unclear,
        },
    }
}

/// Whether an endpoint has answered since the API was lost. Endpoints may be probed once a minute; until they are, that they
/// were well says nothing of a cluster that died in between.
fn has_outlived(evidence: &Evidence) -> bool {
    let Some(run) = evidence.api.failures else { return true };
    evidence.data_plane.iter().any(|seen| {
        seen.verdict == EndpointVerdict::Up && seen.answered.is_some_and(|at| at >= run.first + PROBE_MAX)
    })
}

/// Whether a run of failures is long enough, in number and in time, to be no blip.
fn is_conclusive(run: Run, failures: u32) -> bool {
    run.count >= failures && run.last.since(run.first) >= Duration::from_secs(failures.into()) + SPAN_SLACK
}

fn api_text(request: &Request<'_>, api: Api) -> String {
    let evidence = &request.evidence.api;
    let outcome = evidence.last.map_or("never asked", |outcome| match outcome {
        ApiOutcome::Reachable => "answers",
        ApiOutcome::NotReady => "not ready",
        ApiOutcome::Refused => "refused",
        ApiOutcome::Hung => "hung",
        ApiOutcome::Unauthorized => "does not know us, or we do not know it",
    });
    match (api, evidence.failures) {
        (Api::Stale, _) => "api: nobody has asked lately".to_owned(),
        (_, Some(run)) => format!("api: {outcome} since {}", run.first),
        (_, None) => format!("api: {outcome}"),
    }
}

/// What the probes of a cluster's endpoints say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPlane {
    /// At least one endpoint answers.
    Up,
    /// None answers.
    Down,
    /// Nobody probes.
    Unknown,
    /// None answers for sure, and vantages disagree on some.
    Disputed,
}

struct DataPlaneFinding {
    state: DataPlane,
    text: String,
}

/// Counts the vantages' votes per endpoint: one endpoint that answers means that the data plane works.
fn judge_data_plane(evidence: &Evidence, now: Timestamp) -> DataPlaneFinding {
    let mut votes: BTreeMap<IpAddr, (usize, usize)> = BTreeMap::new();
    for seen in &evidence.data_plane {
        if now.since(seen.at) > DATA_PLANE_STALE_AFTER {
            continue;
        }
        let (up, down) = votes.entry(seen.endpoint).or_default();
        match seen.verdict {
            EndpointVerdict::Up => *up += 1,
            EndpointVerdict::Down => *down += 1,
            EndpointVerdict::Unknown => {}
        }
    }
    votes.retain(|_, (up, down)| *up + *down > 0);
    if votes.is_empty() {
        return DataPlaneFinding {
            state: DataPlane::Unknown,
            text: "data plane: nobody probes it".to_owned(),
        };
    }
    let n_up = votes.values().filter(|(up, down)| up > down).count();
    let n_disputed = votes.values().filter(|(up, down)| up == down).count();
    let state = match (n_up, n_disputed) {
        (0, 0) => DataPlane::Down,
        (0, _) => DataPlane::Disputed,
        (_, _) => DataPlane::Up,
    };
    let dispute =
        if n_disputed == 0 { String::new() } else { format!(", vantages disagree on {n_disputed}") };
    DataPlaneFinding { state, text: format!("data plane: {n_up}/{} endpoints answer{dispute}", votes.len()) }
}

#[cfg(test)]
mod tests;
