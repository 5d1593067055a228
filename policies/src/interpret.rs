//! What does an object say about its replicas, its health and its addresses?
//!
//! It knows the built-in kinds. A kind that it does not know has no replicas, and its health is unknown: that it is there is all
//! that can be said. Templates are read for what they ask, members' copies for how they are.

use std::collections::BTreeSet;

use koinon_model::cluster::Resources;
use koinon_model::quantity::Quantity;
use serde_json::Value;

/// The kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// apps Deployment.
    Deployment,
    /// apps StatefulSet.
    StatefulSet,
    /// apps ReplicaSet.
    ReplicaSet,
    /// apps DaemonSet.
    DaemonSet,
    /// batch Job.
    Job,
    /// batch CronJob.
    CronJob,
    /// core Pod.
    Pod,
    /// core Service.
    Service,
    /// networking.k8s.io Ingress.
    Ingress,
    /// core PersistentVolumeClaim.
    PersistentVolumeClaim,
    /// Anything else.
    Other,
}

/// A member's copy of an object, as far as it is read.
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// `spec.replicas`, or `spec.parallelism` of a Job.
    pub replicas: Option<i64>,
    /// `status`.
    pub status: Option<&'a Value>,
}

impl Copy<'_> {
    /// Whether its status speaks of no earlier generation than it has; kinds that do not tell are taken at their word.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let looked_at = self.status.and_then(|status| status["observedGeneration"].as_i64());
        looked_at.is_none_or(|observed| observed >= self.generation)
    }
}

/// What a member's copy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its replicas; none for kinds without.
    pub replicas: Option<Replicas>,
    /// How it is.
    pub health: Health,
    /// What is wrong or awaited, for a person; empty when nothing is.
    pub message: String,
    /// Where it is reached from outside its cluster: addresses and host names.
    pub addresses: BTreeSet<String>,
}

/// Counts of replicas in one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Asked for.
    pub wanted: u32,
    /// There.
    pub current: u32,
    /// There, of the latest template. 0 while the member has not looked at the latest template.
    pub updated: u32,
    /// Ready. Of a Job: running or done.
    pub ready: u32,
    /// Ready for long enough.
    pub available: u32,
}

/// How an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It does what it should.
    Healthy,
    /// It is on its way.
    Progressing,
    /// It failed or is stuck.
    Degraded,
    /// Nobody can tell.
    Unknown,
}

impl Health {
    /// The word that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }
}

impl Kind {
    /// Which kind it is.
    #[must_use]
    pub fn of(group: &str, kind: &str) -> Self {
        match (group, kind) {
            ("apps", "Deployment") => Self::Deployment,
            ("apps", "StatefulSet") => Self::StatefulSet,
            ("apps", "ReplicaSet") => Self::ReplicaSet,
            ("apps", "DaemonSet") => Self::DaemonSet,
            ("batch", "Job") => Self::Job,
            ("batch", "CronJob") => Self::CronJob,
            ("", "Pod") => Self::Pod,
            ("", "Service") => Self::Service,
            ("networking.k8s.io", "Ingress") => Self::Ingress,
            ("", "PersistentVolumeClaim") => Self::PersistentVolumeClaim,
            (_, _) => Self::Other,
        }
    }

    /// Whether clusters can share its replicas.
    #[must_use]
    pub fn has_replicas(self) -> bool {
        match self {
            Self::Deployment | Self::StatefulSet | Self::ReplicaSet | Self::Job => true,
            Self::DaemonSet
            | Self::CronJob
            | Self::Pod
            | Self::Service
            | Self::Ingress
            | Self::PersistentVolumeClaim
            | Self::Other => false,
        }
    }

    /// Where its pod template's metadata and spec are, as a JSON pointer; none for kinds that make no pods.
    #[must_use]
    pub fn pod_template(self) -> Option<&'static str> {
        match self {
            Self::Deployment | Self::StatefulSet | Self::ReplicaSet | Self::DaemonSet | Self::Job => {
                Some("/spec/template")
            }
            Self::CronJob => Some("/spec/jobTemplate/spec/template"),
            Self::Pod => Some(""),
            Self::Service | Self::Ingress | Self::PersistentVolumeClaim | Self::Other => None,
        }
    }

    /// The spec of the pods that a template makes.
    #[must_use]
    pub fn pod_spec(self, template: &Value) -> Option<&Value> {
        template.pointer(self.pod_template()?)?.get("spec")
    }
}

// === What a template asks ===

/// How many replicas a template asks for; none for kinds without.
#[must_use]
pub fn replicas(kind: Kind, template: &Value) -> Option<u32> {
    let field = if kind == Kind::Job { "parallelism" } else { "replicas" };
    kind.has_replicas().then(|| count(&template["spec"][field]).unwrap_or(1))
}

/// How many pods of a Job have to succeed; none where nothing counts them.
#[must_use]
pub fn completions(template: &Value) -> Option<u32> {
    count(&template["spec"]["completions"])
}

/// What one replica requests.
///
/// Source: the effective request of a pod: the larger of all containers together and of the largest init container (with the
/// sidecars started before it), and its overhead.
#[must_use]
pub fn requests(kind: Kind, template: &Value) -> Resources {
    let Some(pod) = kind.pod_spec(template) else { return Resources::new() };
    let mut sidecars = Resources::new();
    let mut init_most = Resources::new();
    for container in items(&pod["initContainers"]) {
        let asked = amounts(&container["resources"]["requests"]);
        if container["restartPolicy"] == "Always" {
            add(&mut sidecars, &asked);
            raise(&mut init_most, &sidecars);
        } else {
            let mut with_sidecars = sidecars.clone();
            add(&mut with_sidecars, &asked);
            raise(&mut init_most, &with_sidecars);
        }
    }
    let mut total = sidecars;
    for container in items(&pod["containers"]) {
        add(&mut total, &amounts(&container["resources"]["requests"]));
    }
    raise(&mut total, &init_most);
    add(&mut total, &amounts(&pod["overhead"]));
    add(&mut total, &Resources::from([("pods".to_owned(), Quantity::from_units(1))]));
    total
}

fn amounts(wire: &Value) -> Resources {
    let read = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let pairs = wire.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), read(value)?))).collect()
}

fn add(sum: &mut Resources, more: &Resources) {
    for (name, amount) in more {
        let entry = sum.entry(name.clone()).or_insert(Quantity::ZERO);
        *entry = *entry + *amount;
    }
}

fn raise(most: &mut Resources, other: &Resources) {
    for (name, amount) in other {
        let entry = most.entry(name.clone()).or_insert(Quantity::ZERO);
        *entry = (*entry).max(*amount);
    }
}

// === How a copy is ===

/// Reads a member's copy.
#[must_use]
pub fn read(kind: Kind, copy: Copy<'_>) -> Reading {
    let nothing = Value::Null;
    let status = copy.status.unwrap_or(&nothing);
    let plain = |health, message: &str| Reading {
        replicas: None,
        health,
        message: message.to_owned(),
        addresses: BTreeSet::new(),
    };
    match kind {
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet => workload(kind, copy, status),
        Kind::DaemonSet => daemon_set(copy, status),
        Kind::Job => job(copy, status),
        Kind::Service | Kind::Ingress => {
            Reading { addresses: addresses(status), ..plain(Health::Healthy, "") }
        }
        Kind::PersistentVolumeClaim => match status["phase"].as_str() {
            Some("Bound") => plain(Health::Healthy, ""),
            Some("Lost") => plain(Health::Degraded, "its volume is lost"),
            Some(_) | None => plain(Health::Progressing, "not bound yet"),
        },
        Kind::Pod => match status["phase"].as_str() {
            Some("Running" | "Succeeded") => plain(Health::Healthy, ""),
            Some("Failed") => plain(Health::Degraded, "failed"),
            Some(_) | None => plain(Health::Progressing, "not running yet"),
        },
        Kind::CronJob => plain(Health::Healthy, ""),
        Kind::Other => plain(Health::Unknown, ""),
    }
}

fn workload(kind: Kind, copy: Copy<'_>, status: &Value) -> Reading {
    let at = |field: &str| count(&status[field]).unwrap_or(0);
    let wanted = copy.replicas.and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(1);
    let is_observed = has_observed(copy, status);
    // A ReplicaSet never changes the pods that it has, so all of them count as updated.
    let updated = if kind == Kind::ReplicaSet { at("replicas") } else { at("updatedReplicas") };
    let replicas = Replicas {
        wanted,
        current: at("replicas"),
        updated: if is_observed { updated } else { 0 },
        ready: at("readyReplicas"),
        available: at("availableReplicas"),
    };
    let stuck =
        condition(status, "Progressing").filter(|found| found["reason"] == "ProgressDeadlineExceeded");
    let failing = condition(status, "ReplicaFailure").filter(|found| found["status"] == "True");
    let (health, message) = if let Some(found) = stuck.or(failing) {
        (Health::Degraded, text(&found["message"]))
    } else if !is_observed {
        (Health::Progressing, "the change is not observed yet".to_owned())
    } else if replicas.updated < wanted || replicas.current > replicas.updated || replicas.available < wanted
    {
        (
            Health::Progressing,
            format!("{} of {wanted} replicas are up to date and available", {
                replicas.updated.min(replicas.available)
            }),
        )
    } else {
        (Health::Healthy, String::new())
    };
    Reading { replicas: Some(replicas), health, message, addresses: BTreeSet::new() }
}

fn daemon_set(copy: Copy<'_>, status: &Value) -> Reading {
    let at = |field: &str| count(&status[field]).unwrap_or(0);
    let wanted = at("desiredNumberScheduled");
    let done = at("updatedNumberScheduled").min(at("numberAvailable"));
    let (health, message) = if has_observed(copy, status) && done >= wanted {
        (Health::Healthy, String::new())
    } else {
        (Health::Progressing, format!("{done} of {wanted} nodes are up to date and available"))
    };
    Reading { replicas: None, health, message, addresses: BTreeSet::new() }
}

fn job(copy: Copy<'_>, status: &Value) -> Reading {
    let at = |field: &str| count(&status[field]).unwrap_or(0);
    let wanted = copy.replicas.and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(1);
    let is = |kind: &str| condition(status, kind).is_some_and(|found| found["status"] == "True");
    let (health, message) = if is("Failed") {
        (
            Health::Degraded,
            condition(status, "Failed").map(|found| text(&found["message"])).unwrap_or_default(),
        )
    } else if is("Complete") {
        (Health::Healthy, String::new())
    } else {
        (Health::Progressing, format!("{} succeeded, {} running", at("succeeded"), at("active")))
    };
    let done = if is("Complete") { wanted } else { at("succeeded").saturating_add(at("ready")).min(wanted) };
    let replicas =
        Replicas { wanted, current: at("active"), updated: at("active"), ready: done, available: done };
    Reading { replicas: Some(replicas), health, message, addresses: BTreeSet::new() }
}

/// Whether the member's own controllers have looked at the latest generation of the copy.
fn has_observed(copy: Copy<'_>, status: &Value) -> bool {
    status["observedGeneration"].as_i64().is_some_and(|observed| observed >= copy.generation)
}

fn addresses(status: &Value) -> BTreeSet<String> {
    let ingresses = items(&status["loadBalancer"]["ingress"]);
    let address =
        |ingress: &Value| ingress["ip"].as_str().or(ingress["hostname"].as_str()).map(str::to_owned);
    ingresses.filter_map(address).collect()
}

/// The condition of this type in a status.
pub(crate) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&status["conditions"]).find(|condition| condition["type"] == kind)
}

pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(crate) fn count(value: &Value) -> Option<u32> {
    value.as_i64().map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
