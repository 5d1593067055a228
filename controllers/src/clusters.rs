//! The members as the loops of a workload's road see them: what placement asks of a cluster, and whether its word counts.

use std::collections::BTreeMap;

use koinon_api_server::local::{Client, Stored};
use koinon_model::cluster::{Capacity, Cluster, Fleet, State};
use koinon_model::health::Verdict;
use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;
use koinon_policies::failover::ClusterHealth;
use koinon_policies::health::Standing;
use koinon_types::conditions::{self, ConditionType, Reason};
use koinon_types::convert;
use koinon_types::v1alpha1::{self, ClusterStatus};
use tracing::warn;

use crate::cluster_health::UNREACHABLE;
use crate::resources;

/// One member, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// What placement asks of it.
    pub(crate) cluster: Cluster,
    /// What is believed of it; none until it was judged.
    pub(crate) standing: Option<Standing>,
    /// Whether it shows signs of failure that do not suffice for a verdict.
    pub(crate) is_doubtful: bool,
    /// Why nothing leaves it although it is lost, when so much of the fleet looks dead that the host doubts its own view.
    pub(crate) brake: Option<String>,
    /// Since when it is Ready without a break; none while it is not.
    pub(crate) ready_since: Option<Timestamp>,
}

/// Every member by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clusters {
    members: BTreeMap<ClusterName, Member>,
    fleet: Fleet,
}

/// What a change of a cluster means to the loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing that they decide by.
    Nothing,
    /// Only what it can run.
    Capacity,
    /// More than that.
    Standing,
}

// === impl Clusters ===

impl Clusters {
    /// Every member as it is now.
    pub(crate) fn of_host(client: &Client) -> Self {
        let mut clusters = Self::default();
        for stored in client.list(&resources::clusters()).0 {
            clusters.apply(&stored, true);
        }
        clusters
    }

    /// Takes a change in.
    pub(crate) fn apply(&mut self, stored: &Stored, is_there: bool) -> News {
        if !is_there {
            self.fleet.remove(stored.name());
            return self.members.remove(stored.name()).map_or(News::Nothing, |_| News::Standing);
        }
        let value = stored.value();
        let Some(member) = Member::read(&value) else {
            // What it was before is the better guess: it may have been written by another release.
            warn!(cluster = stored.name(), "cannot read the Cluster; what was known of it stands");
            return News::Nothing;
        };
        let news = match self.members.get(&member.cluster.name) {
            Some(known) if *known == member => News::Nothing,
            Some(known) if known.without_capacity() == member.without_capacity() => News::Capacity,
            Some(_) | None => News::Standing,
        };
        let name = member.cluster.name.clone();
        self.fleet.insert(name.clone(), member.cluster.clone());
        self.members.insert(name, member);
        news
    }

    /// The members as placement takes them.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// One member.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }

    /// Every member.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&ClusterName, &Member)> {
        self.members.iter()
    }

    /// Why nothing may leave any lost member now, where the host brakes.
    pub(crate) fn brake(&self) -> Option<&str> {
        self.members.values().find_map(|member| member.brake.as_deref())
    }

    /// How every judged member is doing.
    pub(crate) fn health(&self) -> BTreeMap<ClusterName, ClusterHealth> {
        let health = |member: &Member| {
            member.standing.map(|standing| ClusterHealth { standing, doubtful: member.is_doubtful })
        };
        self.members.iter().filter_map(|(name, member)| Some((name.clone(), health(member)?))).collect()
    }
}

// === impl Member ===

impl Member {
    fn read(value: &koinon_machinery::Value) -> Option<Self> {
        let cluster = convert::cluster(value).ok()?;
        let status: ClusterStatus = v1alpha1::read(value, "status").ok()?;
        let verdict = Verdict::named(&status.state);
        let ready = conditions::find(&status.conditions, ConditionType::Ready);
        let changed_at = ready.and_then(|ready| convert::timestamp(&ready.last_transition_time));
        let returned_at = status.returned_at.as_deref().and_then(convert::timestamp);
        let is_ready = verdict == Some(Verdict::Ready);
        let lost_at =
            cluster.taints.iter().find(|taint| taint.key == UNREACHABLE).and_then(|taint| taint.since);
        let since = match verdict {
            Some(Verdict::Unreachable) => lost_at.or(changed_at),
            Some(Verdict::Ready | Verdict::ControlPlaneOnly | Verdict::DataPlaneOnly | Verdict::Suspect)
            | None => changed_at,
        }
        .unwrap_or_default();
        let braked = ready.filter(|ready| ready.reason == Reason::Braked.as_str());
        Some(Self {
            standing: verdict.map(|verdict| Standing { verdict, since }),
            is_doubtful: is_doubtful(&status),
            brake: braked.map(|ready| ready.message.clone()),
            ready_since: is_ready.then(|| returned_at.map_or(since, |returned| returned.max(since))),
            cluster,
        })
    }

    fn without_capacity(&self) -> Self {
        let cluster = Cluster { capacity: Capacity::Unknown, ..self.cluster.clone() };
        Self { cluster, ..self.clone() }
    }

    /// What is believed of it.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.standing.map(|standing| standing.verdict)
    }

    /// Whether it can be told something, and its word be trusted. A member that leaves takes its orders from elsewhere.
    pub(crate) fn is_reachable(&self) -> bool {
        if self.cluster.state == State::Leaving {
            return false;
        }
        match self.verdict() {
            Some(Verdict::Ready | Verdict::DataPlaneOnly) => true,
            Some(Verdict::ControlPlaneOnly | Verdict::Unreachable | Verdict::Suspect) | None => false,
        }
    }
}

/// Whether there are signs of failure. A member that answers and does not know us is not failing.
fn is_doubtful(status: &ClusterStatus) -> bool {
    let failing = |kind| conditions::find(&status.conditions, kind).filter(|found| found.status == "False");
    let strange = [Reason::Unauthorized, Reason::CertificateInvalid, Reason::Misconfigured];
    let is_silent = failing(ConditionType::ApiReachable)
        .is_some_and(|found| !strange.iter().any(|reason| reason.as_str() == found.reason));
    is_silent || failing(ConditionType::DataPlaneHealthy).is_some()
}
