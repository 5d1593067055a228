//! Answers whether a cluster may hold a workload at all; one function per finding.

use koinon_model::cluster::{Cluster, State};
use koinon_model::taint::{Effect, Taint};

use super::Request;
use super::reason::Refused;
use crate::affinity::{self, Unmet};

/// How a cluster that is not refused takes part.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// It may get what it is owed.
    Open,
    /// It keeps at most what it holds: nothing new may come.
    Closed {
        /// What keeps new replicas away.
        taint: &'a Taint,
    },
    /// It keeps what it holds, and so do the others: nothing may move.
    Frozen {
        /// The taint that would drive its replicas out once they are released; none when its verdict freezes it.
        taint: Option<&'a Taint>,
    },
}

/// How the cluster takes part, or why it does not.
pub(super) fn stand<'a>(request: &Request<'_>, cluster: &'a Cluster) -> Result<Standing<'a>, Refused> {
    if cluster.state == State::Leaving {
        return Err(Refused::Leaving);
    }
    if let Some(unmet) = affinity::unmet(&request.intent.affinity, cluster) {
        return Err(not_meant(&unmet));
    }
    let holds = request.current.holds(&cluster.name);
    if lacks_api(request, cluster) && !holds {
        // A cluster that holds the workload serves its API, whatever a failed discovery says.
        return Err(Refused::Api {
            api_version: request.api.api_version.to_owned(),
            plural: request.api.plural.to_owned(),
        });
    }
    let frozen = request.frozen.contains(&cluster.name);
    if let Some(taint) = untolerated(request, cluster, Effect::NoExecute) {
        return match (holds, request.released.contains(&cluster.name)) {
            (true, false) => Ok(Standing::Frozen { taint: Some(taint) }),
            (true, true) => Err(Refused::Released { taint: taint.clone().into() }),
            (false, _) => Err(Refused::Taint(taint.clone().into())),
        };
    }
    if frozen {
        return if holds { Ok(Standing::Frozen { taint: None }) } else { Err(Refused::Frozen) };
    }
    match untolerated(request, cluster, Effect::NoSchedule) {
        Some(taint) if holds => Ok(Standing::Closed { taint }),
        Some(taint) => Err(Refused::Taint(taint.clone().into())),
        None => Ok(Standing::Open),
    }
}

fn not_meant(unmet: &Unmet<'_>) -> Refused {
    match unmet {
        Unmet::Excluded => Refused::Excluded,
        Unmet::NotNamed => Refused::NotNamed,
        Unmet::Label(requirement) => Refused::Label((*requirement).clone()),
        Unmet::Field(requirement) => Refused::Field((*requirement).clone()),
    }
}

fn lacks_api(request: &Request<'_>, cluster: &Cluster) -> bool {
    cluster.apis.lacks(request.api.api_version, request.api.plural)
}

/// The first taint of this effect that no toleration covers for ever.
///
/// A toleration with seconds delays an eviction; it does not invite new replicas. `failover::evacuate` counts it.
fn untolerated<'a>(request: &Request<'_>, cluster: &'a Cluster, effect: Effect) -> Option<&'a Taint> {
    let tolerated = |taint: &Taint| {
        request
            .intent
            .tolerations
            .iter()
            .any(|toleration| toleration.seconds.is_none() && toleration.covers(taint))
    };
    cluster.taints.iter().find(|taint| taint.effect == effect && !tolerated(taint))
}
