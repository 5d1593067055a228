//! Which policy owns this object?
//!
//! Several policies may select one object; exactly one decides about it. The higher priority wins; on a tie the more specific
//! selector does (a name over labels over a bare kind), then the namespaced policy over the cluster-wide one, then the lower
//! name. Whoever loses is named with the reason.
//!
//! Some objects are nobody's to place, whatever a policy says: what every cluster makes for itself, and what belongs to the
//! host alone.

use std::cmp::Reverse;
use std::fmt;

use koinon_model::labels::Labels;
use koinon_model::name::PolicyKey;
use koinon_model::overriding::OverrideIntent;
use koinon_model::policy::{PropagationIntent, ResourceSelector};

/// One object as selectors see it.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// API group, empty for the core group. Selectors name a version too, but an object is the same in each.
    pub group: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Namespace, empty for cluster scope.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Labels.
    pub labels: &'a Labels,
}

/// Who owns an object, and who else wanted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The policy that decides.
    pub owner: &'a PropagationIntent,
    /// Those that select it, too, and why each lost, in the order in which they would follow.
    pub losers: Vec<(&'a PolicyKey, Lost)>,
}

/// Why a policy that selects an object does not decide about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The owner's priority is higher.
    Priority {
        /// Its own.
        own: i32,
        /// The owner's.
        owner: i32,
    },
    /// The owner's selector is more specific.
    LessSpecific,
    /// The owner is a policy of the object's namespace.
    ClusterWide,
    /// Only the names differ.
    LaterName,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Priority { own, owner } => write!(f, "priority {own} is below {owner}"),
            Self::LessSpecific => f.write_str("its selector is less specific"),
            Self::ClusterWide => f.write_str("a policy of the namespace goes before a cluster-wide one"),
            Self::LaterName => f.write_str("its name comes later"),
        }
    }
}

/// Finds the owner of an object among policies; none when no policy selects it.
pub fn claim<'a>(
    object: Object<'_>,
    policies: impl IntoIterator<Item = &'a PropagationIntent>,
) -> Option<Claim<'a>> {
    let mut contenders: Vec<(Specificity, &PropagationIntent)> = policies
        .into_iter()
        .filter(|policy| reaches(&policy.key, object))
        .filter_map(|policy| Some((specificity(&policy.selectors, object)?, policy)))
        .collect();
    contenders.sort_by_key(|(specificity, policy)| {
        (Reverse(policy.priority), Reverse(*specificity), is_cluster_wide(&policy.key), policy.key.clone())
    });
    let ((most, owner), others) = contenders.split_first()?;
    let losers = others.iter().map(|(specificity, policy)| {
        let lost = if policy.priority < owner.priority {
            Lost::Priority { own: policy.priority, owner: owner.priority }
        } else if specificity < most {
            Lost::LessSpecific
        } else if is_cluster_wide(&policy.key) && !is_cluster_wide(&owner.key) {
            Lost::ClusterWide
        } else {
            Lost::LaterName
        };
        (&policy.key, lost)
    });
    Some(Claim { owner, losers: losers.collect() })
}

/// Whether an override policy is about this object.
pub fn overrides(policy: &OverrideIntent, object: Object<'_>) -> bool {
    reaches(&policy.key, object)
        && (policy.selectors.is_empty() || specificity(&policy.selectors, object).is_some())
}

/// Why an object is nobody's to place; none when policies may have it.
pub fn unplaceable(object: Object<'_>) -> Option<&'static str> {
    if object.group == "koinon.io" {
        return Some("objects of koinon.io steer the host");
    }
    if OWN_NAMESPACES.contains(&object.namespace) {
        return Some("its namespace belongs to the host");
    }
    let by_itself = match (object.group, object.kind) {
        ("", "Namespace") => RESERVED_NAMESPACES.contains(&object.name),
        ("", "ConfigMap") => object.name == "kube-root-ca.crt",
        ("", "ServiceAccount") => object.name == "default",
        ("", "Service") => object.namespace == "default" && object.name == "kubernetes",
        ("", kind) => CORE_KINDS_OF_ONE_CLUSTER.contains(&kind),
        (group, _) => GROUPS_OF_ONE_CLUSTER.contains(&group),
    };
    by_itself.then_some("every cluster makes its own")
}

/// Namespaces whose objects never leave the host: credentials of members, and what keeps a cluster together.
const OWN_NAMESPACES: [&str; 4] = ["koinon-system", "kube-system", "kube-public", "kube-node-lease"];

/// Namespaces that every cluster has.
const RESERVED_NAMESPACES: [&str; 5] =
    ["default", "koinon-system", "kube-system", "kube-public", "kube-node-lease"];

/// Core kinds that say how one cluster is doing. Everything in a cluster that is not ours would be drowned by them.
const CORE_KINDS_OF_ONE_CLUSTER: [&str; 5] = ["Event", "Node", "Endpoints", "ComponentStatus", "Binding"];

/// Groups of the same sort.
const GROUPS_OF_ONE_CLUSTER: [&str; 9] = [
    "events.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "metrics.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "apiregistration.k8s.io",
    "internal.apiserver.k8s.io",
    "certificates.k8s.io",
];

/// How closely a selector describes an object; the later, the closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    Kind,
    Labels,
    Name,
}

/// How closely the best of these selectors describes the object; none when none selects it.
fn specificity(selectors: &[ResourceSelector], object: Object<'_>) -> Option<Specificity> {
    selectors.iter().filter_map(|selector| selects(selector, object)).max()
}

fn selects(selector: &ResourceSelector, object: Object<'_>) -> Option<Specificity> {
    let group = selector.api_version.split_once('/').map_or("", |(group, _)| group);
    let is_meant = group == object.group
        && selector.kind == object.kind
        && selector.namespace.as_ref().is_none_or(|namespace| namespace == object.namespace);
    if !is_meant {
        return None;
    }
    match (&selector.name, &selector.labels) {
        (Some(name), _) => (name == object.name).then_some(Specificity::Name),
        (None, Some(labels)) => labels.matches(object.labels).then_some(Specificity::Labels),
        (None, None) => Some(Specificity::Kind),
    }
}

fn reaches(policy: &PolicyKey, object: Object<'_>) -> bool {
    match policy {
        PolicyKey::Namespaced { namespace, .. } => namespace == object.namespace,
        PolicyKey::Cluster { .. } => true,
    }
}

fn is_cluster_wide(policy: &PolicyKey) -> bool {
    match policy {
        PolicyKey::Namespaced { .. } => false,
        PolicyKey::Cluster { .. } => true,
    }
}

#[cfg(test)]
mod tests;
