//! Every condition type and reason that Koinon writes, once, and the one way to write them.
//!
//! Programs branch on these words, so they live here and nowhere else. A condition keeps its transition time as
//! long as its status stays the same, whatever happens to reason and message.

use koinon_model::time::Timestamp;

use crate::v1alpha1::Condition;

macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$inner])* $variant,)* }

        impl $name {
            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

words! {
    /// An aspect of an object's state.
    ConditionType {
        /// Cluster: workloads run there.
        Ready,
        /// Cluster: its API answers.
        ApiReachable,
        /// Cluster: its published endpoints answer.
        DataPlaneHealthy,
        /// Cluster: everything decided is there, and its watches are live.
        Synced,
        /// Cluster: what its nodes can run is known.
        CapacityKnown,
        /// Binding: clusters were found, for every replica.
        Scheduled,
        /// Binding: every cluster has it as decided.
        Applied,
        /// Binding: it is healthy in every cluster. GlobalRecord: every endpoint is.
        Healthy,
        /// Policy: it is in force.
        InForce,
        /// DnsZone, GlobalRecord: it is answered.
        Served,
        /// GlobalRecord: where clients and clusters are is known, as far as its routing asks.
        Located,
        /// DnsZone: everybody that it names for transfers can be known.
        TransfersReady,
        /// DnsZone: everybody that it lets change its records can be known.
        UpdatesReady,
        /// DnsZone: it is a catalog and lists every zone that it selects.
        MembersListed,
        /// DnsZone, GlobalRecord: it is answered as it is written; nothing of it is held back.
        Current,
        /// DnsZone: its answers are signed.
        Signed,
        /// DnsZone: the parent has the DS records of its keys, and no other ones.
        DelegationSecure,
    }
}

words! {
    /// Why a condition has its status.
    Reason {
        /// API and data plane answer.
        ApiAndDataPlaneAnswer,
        /// The API answers, and nothing else was ever asked.
        ApiAnswers,
        /// The API is gone, the data plane answers.
        ControlPlaneOnly,
        /// API and data plane are gone.
        Unreachable,
        /// The API answers, the endpoints do not.
        DataPlaneOnly,
        /// Vantages disagree, or evidence is stale.
        Suspect,
        /// So many clusters look unhealthy that our own view is doubted: nothing is moved.
        Braked,
        /// Nothing has been heard yet.
        NotYetProbed,
        /// The connection was refused.
        ConnectionRefused,
        /// There was no answer in time.
        Timeout,
        /// It answers that it is not ready.
        NotReady,
        /// It rejects our credentials.
        Unauthorized,
        /// Its certificate is not trusted.
        CertificateInvalid,
        /// The connection settings cannot be used.
        Misconfigured,
        /// Endpoints answer the probes.
        EndpointsAnswer,
        /// Endpoints do not answer the probes.
        EndpointsSilent,
        /// No probes are set up.
        NotProbed,
        /// Nothing is waiting.
        UpToDate,
        /// Changes are waiting.
        Behind,
        /// Nodes were counted.
        NodesCounted,
        /// Nodes were not counted yet.
        NodesNotCounted,
        /// Every replica has a cluster.
        Placed,
        /// Some replicas have no cluster.
        CapacityShort,
        /// No cluster may have it.
        NoCluster,
        /// The policy that decided is gone; the decision stands.
        NoPolicy,
        /// Changes are held back, because the policy says so.
        Suspended,
        /// Every cluster confirmed.
        AllApplied,
        /// Some cluster has not confirmed yet.
        Waiting,
        /// Something that is not ours stands in the way in some cluster.
        Conflict,
        /// Some cluster refused it.
        Refused,
        /// An override policy cannot be applied to it.
        OverrideInvalid,
        /// It is healthy everywhere.
        AllHealthy,
        /// It is on its way somewhere.
        Progressing,
        /// It is not healthy somewhere.
        Degraded,
        /// The spec is acted on.
        Accepted,
        /// The spec makes no sense to this release.
        Invalid,
        /// It is in the name table.
        Published,
        /// Some DNS node has no location database.
        NoLocationDatabase,
        /// Nobody says where some cluster is.
        ClusterNotLocated,
        /// No zone holds the name.
        NoZone,
        /// The zone does not take names from this namespace.
        NamespaceNotAllowed,
        /// Another record has the name.
        HostTaken,
        /// The Service or Ingress does not exist.
        NotFound,
        /// No cluster has an address yet.
        NoEndpoints,
        /// No endpoint is healthy; what is answered follows `onAllDown`.
        AllDown,
        /// Some endpoints are not answered.
        SomeDown,
        /// A Secret that should hold a key for transfers is missing, or holds none.
        KeyUnusable,
        /// A catalog selects zones that nobody may copy.
        MembersClosed,
        /// So much would be gone that it waits for an acknowledgement.
        RemovalHeld,
        /// Nothing has an address for the name, so the last ones stay.
        LastAddressKept,
        /// The keys that sign a zone are missing, or cannot be opened.
        KeysLost,
        /// The parent trusts the zone's keys.
        DsPublished,
        /// The parent does not yet have the DS records that it must have.
        DsMissing,
        /// The parent has DS records of keys that are not ours.
        DsForeign,
        /// The parent could not be asked.
        ParentSilent,
    }
}

words! {
    /// What a condition says.
    Truth {
        /// It holds.
        True,
        /// It does not.
        False,
        /// Nobody can tell.
        Unknown,
    }
}

/// One condition as a controller finds it, before its transition time is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The aspect.
    pub kind: ConditionType,
    /// Whether it holds.
    pub truth: Truth,
    /// Why, in a word.
    pub reason: Reason,
    /// Why, for people; times and counters that keep changing do not belong here.
    pub message: String,
}

/// Writes what was found into `conditions`: in the order of `findings`, with the transition time kept where the
/// status is unchanged. Conditions of other types stay.
pub fn record(
    conditions: &mut Vec<Condition>,
    findings: &[Finding],
    observed_generation: i64,
    now: Timestamp,
) {
    for finding in findings {
        let mut condition = Condition {
            kind: finding.kind.as_str().to_owned(),
            status: finding.truth.as_str().to_owned(),
            observed_generation,
            last_transition_time: now.to_string(),
            reason: finding.reason.as_str().to_owned(),
            message: finding.message.clone(),
        };
        match conditions.iter_mut().find(|known| known.kind == condition.kind) {
            Some(known) => {
                if known.status == condition.status {
                    condition.last_transition_time = known.last_transition_time.clone();
                }
                *known = condition;
            }
            None => conditions.push(condition),
        }
    }
}

/// The condition of this type, where there is one.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.kind == kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(truth: Truth, reason: Reason) -> Finding {
        Finding { kind: ConditionType::Ready, truth, reason, message: String::new() }
    }

    #[test]
    fn the_transition_time_changes_only_with_the_status() {
        let mut conditions = Vec::new();
        let at = Timestamp::from_seconds;
        record(&mut conditions, &[ready(Truth::True, Reason::ApiAnswers)], 1, at(10));
        record(&mut conditions, &[ready(Truth::True, Reason::ApiAndDataPlaneAnswer)], 2, at(20));
        let condition = find(&conditions, ConditionType::Ready).expect("recorded");
        assert_eq!(condition.last_transition_time, at(10).to_string());
        assert_eq!((condition.reason.as_str(), condition.observed_generation), ("ApiAndDataPlaneAnswer", 2));
        record(&mut conditions, &[ready(Truth::False, Reason::Unreachable)], 2, at(30));
        let condition = find(&conditions, ConditionType::Ready).expect("recorded");
        assert_eq!(condition.last_transition_time, at(30).to_string());
        assert_eq!(conditions.len(), 1);
    }
}
