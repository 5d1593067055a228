//! Why a cluster was chosen or refused, as values and as users read them.
//!
//! Taints are boxed: a decision carries a reason per cluster, and most have no taint to carry.

use std::fmt;
use std::sync::Arc;

use koinon_model::labels::Requirement;
use koinon_model::policy::FieldRequirement;
use koinon_model::taint::Taint;
use koinon_model::weight::Weight;

/// Why a cluster holds a workload, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It holds it.
    Chosen(Chosen),
    /// It does not.
    Refused(Refused),
}

/// Why a cluster holds a workload, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The object has no replicas; the cluster gets it whole.
    Whole,
    /// Every cluster gets all replicas.
    Copy {
        /// How many it gets.
        replicas: u32,
        /// What keeps it below all of them.
        limit: Option<Limit>,
    },
    /// The clusters share the replicas.
    Share {
        /// How many it gets.
        replicas: u32,
        /// Of how many.
        of: u32,
        /// The weights of all that share, in name order.
        weights: Arc<[Weight]>,
        /// What makes it differ from what the weights alone would give.
        limit: Option<Limit>,
    },
}

/// What stood against a weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The cluster can run no more.
    Capacity(u32),
    /// The policy allows no more.
    Max(u32),
    /// The policy wants as many.
    Min(u32),
    /// A failback lets it hold no more yet.
    Failback(u32),
    /// They run there and the policy is sticky, or a frozen cluster keeps everything where it is.
    Sticky,
    /// A taint keeps new replicas away; what runs stays.
    Closed {
        /// The taint.
        taint: Box<Taint>,
    },
    /// Nothing may move there now.
    Frozen {
        /// The taint whose eviction is held; none when the cluster's verdict freezes it.
        taint: Option<Box<Taint>>,
    },
}

/// Why a cluster does not hold a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It left the fleet.
    NotAMember,
    /// It is leaving the fleet.
    Leaving,
    /// The affinity excludes it by name.
    Excluded,
    /// The affinity names other clusters.
    NotNamed,
    /// Its labels differ.
    Label(Requirement),
    /// Its region, zone or provider differs.
    Field(FieldRequirement),
    /// Its API does not serve the kind.
    Api {
        /// Group and version.
        api_version: String,
        /// Plural resource name.
        plural: String,
    },
    /// A taint keeps it away.
    Taint(Box<Taint>),
    /// A taint drove it out.
    Released {
        /// The taint.
        taint: Box<Taint>,
    },
    /// The cluster's verdict allows nothing new.
    Frozen,
    /// It weighs nothing while others weigh something.
    Weightless,
    /// Its share came to nothing.
    NoShare {
        /// Of how many.
        of: u32,
        /// The weights of all that shared, in name order.
        weights: Arc<[Weight]>,
    },
    /// Its share came to nothing because of a bound.
    Limited(Limit),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(chosen) => chosen.fmt(f),
            Self::Refused(refused) => write!(f, "refused: {refused}"),
        }
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = match self {
            Self::Whole => return f.write_str("every cluster gets it"),
            Self::Copy { limit, .. } => {
                f.write_str("every cluster gets all replicas")?;
                limit
            }
            Self::Share { of, weights, limit, .. } => {
                write!(f, "share of {of} over {}", Set(weights))?;
                limit
            }
        };
        match limit {
            Some(limit) => write!(f, ", {limit}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(count) => write!(f, "limited to {count} by free capacity"),
            Self::Max(count) => write!(f, "limited to {count} by maxReplicas"),
            Self::Min(count) => write!(f, "raised to {count} by minReplicas"),
            Self::Failback(count) => write!(f, "limited to {count} by the pace of the failback"),
            Self::Sticky => f.write_str("kept where they run"),
            Self::Closed { taint } => write!(f, "no more because of taint {taint}"),
            Self::Frozen { taint: Some(taint) } => write!(f, "eviction held for taint {taint}"),
            Self::Frozen { taint: None } => f.write_str("nothing moves while the cluster is in doubt"),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAMember => f.write_str("not a member any more"),
            Self::Leaving => f.write_str("leaving the fleet"),
            Self::Excluded => f.write_str("excluded by the cluster affinity"),
            Self::NotNamed => f.write_str("not named by the cluster affinity"),
            Self::Label(requirement) => write!(f, "labels do not meet {requirement}"),
            Self::Field(required) => {
                let FieldRequirement { field, operator } = required;
                let shown = Requirement { key: field.to_string(), operator: operator.clone() };
                write!(f, "does not meet {shown}")
            }
            Self::Api { api_version, plural } => write!(f, "does not serve {plural} of {api_version}"),
            Self::Taint(taint) => write!(f, "taint {taint}"),
            Self::Released { taint } => write!(f, "evicted by taint {taint}"),
            Self::Frozen => f.write_str("nothing new while the cluster is in doubt"),
            Self::Weightless => f.write_str("weight 0"),
            Self::NoShare { of, weights } => write!(f, "no share of {of} over {}", Set(weights)),
            Self::Limited(limit) => limit.fmt(f),
        }
    }
}

/// Most weights written out; a fleet of hundreds is counted instead.
const WEIGHTS_SHOWN_MAX: usize = 16;

/// Writes weights as `{1, 1, 3}`.
struct Set<'a>(&'a [Weight]);

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (position, weight) in self.0.iter().take(WEIGHTS_SHOWN_MAX).enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            weight.fmt(f)?;
        }
        if self.0.len() > WEIGHTS_SHOWN_MAX {
            write!(f, ", and {} more", self.0.len() - WEIGHTS_SHOWN_MAX)?;
        }
        f.write_str("}")
    }
}
