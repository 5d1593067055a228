//! Evidence about clusters and endpoints, and the verdicts that it leads to.
//!
//! Evidence is what was seen, when and from where; it never says what to do. `koinon-policies` turns it into a verdict.

use std::fmt;
use std::net::IpAddr;

use crate::time::Timestamp;

/// What one probe of a cluster's API saw.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiOutcome {
    /// It answered and is ready.
    Reachable,
    /// It answered and is not ready, or answered with a server error.
    NotReady,
    /// The connection was refused or reset, or there was no route.
    Refused,
    /// Nothing came before the deadline.
    Hung,
    /// It answered but refused our credentials, or we refused its certificate.
    Unauthorized,
}

/// Several equal outcomes in a row.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many.
    pub count: u32,
    /// When the first of them was started.
    pub first: Timestamp,
    /// When the last of them was started.
    pub last: Timestamp,
}

impl Run {
    /// The run that follows when the same is seen once more.
    #[must_use]
    pub fn extended(previous: Option<Self>, at: Timestamp) -> Self {
        match previous {
            Some(run) => Self { count: run.count.saturating_add(1), first: run.first, last: at },
            None => Self { count: 1, first: at, last: at },
        }
    }
}

/// What the API probes of a cluster saw lately.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiEvidence {
    /// The current run of answers; none while it fails.
    pub successes: Option<Run>,
    /// The current run of failures; none while it answers.
    pub failures: Option<Run>,
    /// The last outcome.
    pub last: Option<ApiOutcome>,
}

impl ApiEvidence {
    /// The evidence after one more probe. An `Unauthorized` answer is an answer: somebody is at home.
    #[must_use]
    pub fn observed(self, outcome: ApiOutcome, started: Timestamp) -> Self {
        match outcome {
            ApiOutcome::Reachable | ApiOutcome::Unauthorized => Self {
                successes: Some(Run::extended(self.successes, started)),
                failures: None,
                last: Some(outcome),
            },
            ApiOutcome::NotReady | ApiOutcome::Refused | ApiOutcome::Hung => Self {
                successes: None,
                failures: Some(Run::extended(self.failures, started)),
                last: Some(outcome),
            },
        }
    }
}

/// Who looked: a DNS node, the host, another member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vantage(pub String);

/// What one vantage says about one published endpoint of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPlaneEvidence {
    /// Which address.
    pub endpoint: IpAddr,
    /// Who looked.
    pub vantage: Vantage,
    /// What it concluded.
    pub verdict: EndpointVerdict,
    /// When it last looked.
    pub at: Timestamp,
    /// When it last got a good answer; none when it never did.
    pub answered: Option<Timestamp>,
}

/// What is known about one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The API probes.
    pub api: ApiEvidence,
    /// When a watch or agent stream last gave a sign of life, where one exists.
    pub heartbeat: Option<Timestamp>,
    /// What the vantages say about its endpoints; empty where nobody probes.
    pub data_plane: Vec<DataPlaneEvidence>,
}

/// What is to be believed about a cluster.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// API and data plane answer.
    Ready,
    /// The API is gone, the data plane answers: keep names, move nothing.
    ControlPlaneOnly,
    /// Both are gone for the threshold: names drop, workloads move.
    Unreachable,
    /// The API answers, the endpoints do not: names drop the dead ones.
    DataPlaneOnly,
    /// Vantages disagree or evidence is stale: freeze.
    Suspect,
}

impl Verdict {
    /// Every verdict.
    const ALL: [Self; 5] =
        [Self::Ready, Self::ControlPlaneOnly, Self::Unreachable, Self::DataPlaneOnly, Self::Suspect];

    /// The verdict that users see as this.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }

    /// The verdict as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::ControlPlaneOnly => "ControlPlaneOnly",
            Self::Unreachable => "Unreachable",
            Self::DataPlaneOnly => "DataPlaneOnly",
            Self::Suspect => "Suspect",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is to be believed about one endpoint. Unknown is not down.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointVerdict {
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// Nobody can tell.
    Unknown,
}

impl fmt::Display for EndpointVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        })
    }
}
