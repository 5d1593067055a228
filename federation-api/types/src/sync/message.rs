//! The messages themselves: plain structs, every value valid, compared by content.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher;
use std::io;
use std::sync::Arc;

use serde_json::Value;

/// Names one object in a member, with everything that is needed to address it there.
///
/// `plural` comes along so that a syncer need not ask the member's discovery before it can act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// API group, empty for the core group.
    pub group: String,
    /// API version within the group.
    pub version: String,
    /// Kind in CamelCase.
    pub kind: String,
    /// Resource name in the URL.
    pub plural: String,
    /// Whether the kind lives in namespaces.
    pub namespaced: bool,
    /// Namespace, empty for cluster-scoped kinds.
    pub namespace: String,
    /// Object name.
    pub name: String,
}

impl ObjectRef {
    /// The `apiVersion` field of such an object: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for ObjectRef {
    /// Writes `Deployment shop/cart`, the way log lines and reasons name an object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// What to do when the member already has an object of that name which is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Leave it alone and report.
    Abort,
    /// Take it over and make it what we want.
    Overwrite,
    /// Take it over only when it already says what we want.
    AdoptIfEqual,
}

/// One object as one member should have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The object.
    pub object: ObjectRef,
    /// Grows with every order for this object; an older one is dropped.
    pub version: u64,
    /// [`digest`] of `manifest`; equal digests need no apply.
    pub digest: u64,
    /// Identity of the binding it came from, for the ownership label.
    pub binding: String,
    /// Generation of the template that was rendered.
    pub template_generation: i64,
    /// What to do with an object of that name that is not ours.
    pub on_conflict: OnConflict,
    /// The whole manifest, without status and without server-set metadata.
    pub manifest: Arc<Value>,
}

/// The latest word on one object in one member.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// It must be there and look like this.
    Present(Arc<Desired>),
    /// It must be gone (or merely released): the tombstone. Absence from the set is never an order.
    Remove {
        /// The object.
        object: ObjectRef,
        /// Grows with every order for this object.
        version: u64,
        /// Leave the object running and only drop our ownership marks.
        preserve: bool,
    },
}

impl Order {
    /// The object the order is about.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Order::Present(desired) => &desired.object,
            Order::Remove { object, .. } => object,
        }
    }

    /// The version of the order.
    pub fn version(&self) -> u64 {
        match self {
            Order::Present(desired) => desired.version,
            Order::Remove { version, .. } => *version,
        }
    }
}

/// What became of one order, or what a member's copy says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Feedback {
    /// The member.
    pub cluster: String,
    /// The object.
    pub object: ObjectRef,
    /// The order's version this answers.
    pub version: u64,
    /// What happened.
    pub outcome: Outcome,
    /// The member's copy; none when it is gone or unknown.
    pub observed: Option<Observed>,
}

/// What happened to an order in the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written to the member.
    Applied,
    /// The member already had it so.
    Unchanged,
    /// Gone from the member, or released when the order said so.
    Removed,
    /// Something that is not ours stands there, and the policy says to leave it.
    Conflict {
        /// What stands there and whose it is.
        reason: String,
    },
    /// The member refused or could not be asked.
    Failed {
        /// The member's answer.
        reason: String,
        /// When the syncer will try again, in milliseconds.
        retry_in_ms: u64,
    },
    /// Accepted and not finished, such as a deletion that waits for finalizers.
    Pending,
}

/// What a member's copy says.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// `metadata.generation` in the member.
    pub generation: i64,
    /// The template generation that the copy was written for, from its annotation; 0 when it has none.
    pub template_generation: i64,
    /// `spec.replicas` (`spec.parallelism` for a Job) in the member, when the kind has it.
    pub replicas_spec: Option<i64>,
    /// The member's `status`.
    pub status: Option<Arc<Value>>,
    /// The digest of the manifest that was applied last, from its annotation; 0 when it has none.
    pub digest: u64,
}

/// One member as its syncer sees it, sent on every change and at least with every probe.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberReport {
    /// The member.
    pub cluster: String,
    /// The latest probe of its API.
    pub api: ApiProbe,
    /// Every watch is live and its initial list has been read.
    pub synced: bool,
    /// Kubernetes version (`v1.36.3`), once asked.
    pub version: Option<String>,
    /// What the member serves, once asked; shared because it is large and seldom changes.
    pub api_enablements: Option<Arc<Vec<ApiEnablement>>>,
    /// Nodes and what they can run, once read.
    pub capacity: Option<Capacity>,
    /// What still has to be done there.
    pub backlog: Backlog,
}

/// One probe of a member's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiProbe {
    /// What came back.
    pub outcome: ApiOutcome,
    /// The member's or the system's own words; empty when it answered well.
    pub message: String,
    /// When the probe ended, Unix milliseconds.
    pub at_ms: i64,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
}

/// What a probe of a member's API found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiOutcome {
    /// `/readyz` answered well.
    Reachable,
    /// No connection: refused, unreachable or reset.
    Refused,
    /// No answer within the deadline.
    Hung,
    /// It answers and says that it is not ready.
    NotReady,
    /// It answers and rejects our credentials.
    Unauthorized,
    /// Its certificate is not the one we trust.
    Certificate,
    /// The connection settings themselves cannot be used (no kubeconfig, no such context).
    Misconfigured,
}

/// One group version and its resources, as a member serves them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiEnablement {
    /// `v1`, `apps/v1`.
    pub group_version: String,
    /// Resource names, sorted, without subresources.
    pub resources: Vec<String>,
}

/// What a member's nodes can run.
///
/// Units: Kubernetes quantities as text, keyed by resource name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Nodes.
    pub n_nodes: u64,
    /// Nodes whose Ready condition is True.
    pub n_nodes_ready: u64,
    /// Sum of `status.allocatable` over ready, schedulable nodes.
    pub allocatable: BTreeMap<String, String>,
    /// Sum of the requests of the pods that run there.
    pub allocated: BTreeMap<String, String>,
}

/// How far a member is behind what is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Objects ordered present.
    pub n_desired: u64,
    /// Of those, objects whose latest order is confirmed.
    pub n_applied: u64,
    /// Age of the oldest unconfirmed order, in milliseconds; none when there is none.
    pub oldest_pending_ms: Option<u64>,
    /// Time from order to confirmation of the latest confirmed order, in milliseconds.
    pub lag_ms: u64,
}

/// Digests a manifest so that equal trees have equal digests on every machine and in every release.
///
/// It is written into members as `koinon.io/desired-digest`, so it must not change. It detects change, it does
/// not resist an attacker: whoever can forge one may write the object anyway.
/// Source: FNV-1a, 64 bits, over the compact JSON text with sorted keys.
pub fn digest(manifest: &Value) -> u64 {
    let mut sink = DigestSink(FNV_OFFSET);
    serde_json::to_writer(&mut sink, manifest)
        .expect("a JSON tree always serializes, and the sink never fails");
    sink.finish()
}

/// FNV-1a's published 64-bit parameters.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Folds what is written to it, so that no text of the manifest is ever built.
struct DigestSink(u64);

impl Hasher for DigestSink {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

impl io::Write for DigestSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Hasher::write(self, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_digest_is_the_published_function_of_the_compact_text() {
        assert_eq!(DigestSink(FNV_OFFSET).finish(), FNV_OFFSET);
        let mut sink = DigestSink(FNV_OFFSET);
        Hasher::write(&mut sink, b"foobar");
        assert_eq!(sink.finish(), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_digest_ignores_the_order_in_which_keys_were_set() {
        let one = json!({"a": 1, "b": {"c": true, "d": null}});
        let other: Value = serde_json::from_str(r#"{"b": {"d": null, "c": true}, "a": 1}"#).expect("valid");
        assert_eq!(digest(&one), digest(&other));
        assert_ne!(digest(&one), digest(&json!({"a": 2, "b": {"c": true, "d": null}})));
    }

    #[test]
    fn an_object_is_named_as_people_write_it() {
        let mut object = ObjectRef {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
            namespaced: true,
            namespace: "shop".into(),
            name: "cart".into(),
        };
        assert_eq!(object.to_string(), "Deployment shop/cart");
        assert_eq!(object.api_version(), "apps/v1");
        object.group.clear();
        object.namespace.clear();
        assert_eq!(object.to_string(), "Deployment cart");
        assert_eq!(object.api_version(), "v1");
    }
}
