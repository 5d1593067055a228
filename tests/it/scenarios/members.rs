//! Members as the host sees them: they take orders, carry them out when they live, and say so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use koinon_controllers::fleet::Fleet;
use koinon_controllers::observations::Observations;
use koinon_model::name::ClusterName;
use koinon_types::sync::{Desired, DesiredSet, Feedback, ObjectRef, Observed, Order, Outcome};
use serde_json::{Value, json};

/// All members of a test, and everything that they were told, in order.
#[derive(Clone, Default)]
pub(super) struct Members {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    dead: BTreeSet<String>,
    /// Members that run what they are told and never become ready.
    slow: BTreeSet<String>,
    /// What each member holds.
    held: BTreeMap<(String, ObjectRef), Arc<Desired>>,
    /// Replicas of the Deployment that each member was told to run, whenever one was told.
    told: Vec<BTreeMap<String, i64>>,
}

impl Members {
    /// Plays one member until the test ends.
    pub(super) async fn play(self, name: ClusterName, fleet: Fleet, observations: Observations) {
        let orders = fleet.ensure(&name);
        loop {
            for object in orders.changed().await {
                self.take(name.as_str(), &orders, &object, &observations);
            }
        }
    }

    /// Whether members answer.
    pub(super) fn kill(&self, name: &str) {
        self.lock().dead.insert(name.to_owned());
    }

    /// A dead member lives again and does what it was told meanwhile.
    pub(super) fn revive(&self, name: &str, fleet: &Fleet, observations: &Observations) {
        self.lock().dead.remove(name);
        self.catch_up(name, fleet, observations);
    }

    /// Whether replicas in a member become ready.
    pub(super) fn set_slow(&self, name: &str, slow: bool, fleet: &Fleet, observations: &Observations) {
        let mut state = self.lock();
        if slow {
            state.slow.insert(name.to_owned())
        } else {
            state.slow.remove(name)
        };
        drop(state);
        self.catch_up(name, fleet, observations);
    }

    /// The manifest that a member holds.
    pub(super) fn held(&self, name: &str, kind: &str, object: &str) -> Option<Value> {
        let state = self.lock();
        let found = state
            .held
            .iter()
            .find(|((member, held), _)| member == name && held.kind == kind && held.name == object);
        found.map(|(_, desired)| Value::clone(&desired.manifest))
    }

    /// Replicas of the Deployment `web` that a member holds; none when it does not have it.
    pub(super) fn replicas(&self, name: &str) -> Option<i64> {
        self.held(name, "Deployment", "web")?["spec"]["replicas"].as_i64()
    }

    /// What all members were told to run of the Deployment, each time that one of them was told.
    pub(super) fn history(&self) -> Vec<BTreeMap<String, i64>> {
        self.lock().told.clone()
    }

    fn catch_up(&self, name: &str, fleet: &Fleet, observations: &Observations) {
        let name = ClusterName::try_from(name).expect("tests name members well");
        let orders = fleet.ensure(&name);
        for order in orders.all() {
            self.take(name.as_str(), &orders, order.object(), observations);
        }
    }

    fn take(&self, name: &str, orders: &DesiredSet, object: &ObjectRef, observations: &Observations) {
        let mut state = self.lock();
        if state.dead.contains(name) {
            return;
        }
        let Some(order) = orders.get(object) else { return };
        let key = (name.to_owned(), object.clone());
        let (outcome, observed) = match &order {
            Order::Present(desired) => {
                let is_slow = state.slow.contains(name);
                state.held.insert(key, Arc::clone(desired));
                (Outcome::Applied, Some(observed(desired, is_slow)))
            }
            Order::Remove { .. } => {
                state.held.remove(&key);
                (Outcome::Removed, None)
            }
        };
        if object.kind == "Deployment" {
            let told = state.held.iter().filter(|((_, held), _)| held.kind == "Deployment");
            let told = told.map(|((member, _), desired)| {
                (member.clone(), desired.manifest["spec"]["replicas"].as_i64().unwrap_or(0))
            });
            let told = told.collect();
            state.told.push(told);
        }
        drop(state);
        observations.take(Feedback {
            cluster: name.to_owned(),
            object: object.clone(),
            version: order.version(),
            outcome,
            observed,
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The member's copy: everything that was asked is there, and ready unless the member is slow.
fn observed(desired: &Desired, is_slow: bool) -> Observed {
    let spec = &desired.manifest["spec"];
    let replicas = spec["replicas"].as_i64().or_else(|| spec["parallelism"].as_i64());
    let ready = if is_slow { 0 } else { replicas.unwrap_or(0) };
    let status = match desired.object.kind.as_str() {
        "Deployment" | "StatefulSet" | "ReplicaSet" => json!({
            "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": ready, "availableReplicas": ready, "fullyLabeledReplicas": replicas,
            "currentRevision": "a", "updateRevision": "a",
            "conditions": [{"type": "Available", "status": if is_slow { "False" } else { "True" }}],
        }),
        "DaemonSet" => json!({
            "observedGeneration": 1, "desiredNumberScheduled": 1, "currentNumberScheduled": 1,
            "numberReady": 1, "updatedNumberScheduled": 1, "numberAvailable": 1, "numberMisscheduled": 0,
        }),
        "Job" => json!({
            "succeeded": replicas, "startTime": "2026-01-01T00:00:01Z", "completionTime": "2026-01-01T00:00:02Z",
            "conditions": [{"type": "Complete", "status": "True"}],
        }),
        "Service" | "Ingress" => json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
        "PersistentVolumeClaim" => json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"]}),
        _ => Value::Null,
    };
    Observed {
        generation: 1,
        template_generation: desired.template_generation,
        replicas_spec: replicas,
        status: (!status.is_null()).then(|| Arc::new(status)),
        digest: desired.digest,
    }
}
