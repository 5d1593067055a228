//! The behaviour of a member: one loop that looks at everything and does the next step.
//!
//! A look is a pure function of what is stored and how long pods have had their nodes; what it wants is written, and the
//! writes bring the next look. So nothing is kept but the moments at which pods began to start.

mod owned;
mod pods;
mod rollout;
mod services;
mod workloads;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use koinon_api_server::ResourceRef;
use koinon_api_server::local::{Client, Stored};
use koinon_machinery::Value;
use koinon_machinery::status::Reason;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::debug;

use crate::endpoints::Endpoints;
use crate::kinds;
use owned::Owned;

/// Changes close together cost one look.
const GATHER_DELAY: Duration = Duration::from_millis(10);

/// How soon pods that are starting are looked at again.
const STARTING_INTERVAL: Duration = Duration::from_millis(25);

/// From one look to the next when nothing happens.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);

/// Something to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Create(ResourceRef, Value),
    Update(ResourceRef, Value),
    Status(ResourceRef, Value),
    Delete(ResourceRef, String, String),
}

/// Everything that is stored, as trees.
pub(crate) struct Seen {
    pub(crate) nodes: Vec<Arc<Value>>,
    pub(crate) pods: Owned,
    pub(crate) services: Vec<Arc<Value>>,
    pub(crate) replica_sets: Owned,
    pub(crate) deployments: Vec<Arc<Value>>,
    pub(crate) stateful_sets: Vec<Arc<Value>>,
    pub(crate) daemon_sets: Vec<Arc<Value>>,
    pub(crate) jobs: Vec<Arc<Value>>,
    /// The pods that have started for long enough, by uid.
    pub(crate) started: BTreeMap<String, bool>,
}

/// What one look wants written, and what it leaves of the nodes.
pub(crate) struct Plan {
    pub(crate) room: pods::Room,
    /// Pods that this look makes.
    pub(crate) n_made: usize,
    pub(crate) actions: Vec<Action>,
}

// === impl Plan ===

impl Plan {
    pub(crate) fn make(&mut self, pod: Value) {
        self.n_made += 1;
        self.actions.push(Action::Create(kinds::pods(), pod));
    }
}

/// Behaves until asked to stop.
pub(crate) async fn run(
    client: Client,
    ip: Ipv4Addr,
    ready_delay: Duration,
    mut endpoints: Endpoints,
    mut stop: watch::Receiver<bool>,
) {
    let (wake, mut woken) = mpsc::channel(1);
    let mut watches = JoinSet::new();
    for resource in kinds::followed() {
        watches.spawn(follow(client.watch(&resource), wake.clone()));
    }
    let mut since: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let seen = look(&client, &mut since, ready_delay);
        let is_starting = seen.started.values().any(|started| !started);
        endpoints.set(&services::ports(&seen));
        for action in decide(&seen, ip) {
            carry_out(&client, action).await;
        }
        let pause = if is_starting { STARTING_INTERVAL } else { IDLE_INTERVAL };
        tokio::select! {
            _ = woken.recv() => {}
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::time::sleep(GATHER_DELAY).await;
    }
}

/// Tells that something changed; what it was is seen by the next look.
async fn follow(mut watch: koinon_api_server::local::Watch, wake: mpsc::Sender<()>) {
    while watch.next().await.is_some() {
        // A full channel says so already.
        let _ = wake.try_send(());
    }
}

fn look(client: &Client, since: &mut BTreeMap<String, Instant>, ready_delay: Duration) -> Seen {
    let list = |resource: ResourceRef| -> Vec<Arc<Value>> {
        client.list(&resource).0.iter().map(|stored| Stored::value(stored)).collect()
    };
    let pods = list(kinds::pods());
    let now = Instant::now();
    let mut started = BTreeMap::new();
    for pod in &pods {
        let uid = text(&pod["metadata"]["uid"]);
        if !text(&pod["spec"]["nodeName"]).is_empty() && pod["status"]["phase"] == "Pending" {
            let began = *since.entry(uid.clone()).or_insert(now);
            started.insert(uid, now.duration_since(began) >= ready_delay);
        }
    }
    since.retain(|uid, _| started.contains_key(uid));
    Seen {
        nodes: list(kinds::nodes()),
        services: list(kinds::services()),
        replica_sets: Owned::from(list(kinds::replica_sets())),
        deployments: list(kinds::deployments()),
        stateful_sets: list(kinds::stateful_sets()),
        daemon_sets: list(kinds::daemon_sets()),
        jobs: list(kinds::jobs()),
        pods: Owned::from(pods),
        started,
    }
}

/// The next step of everything; pods that wait already come before new ones.
fn decide(seen: &Seen, ip: Ipv4Addr) -> Vec<Action> {
    let mut plan = Plan { room: pods::Room::of(seen), n_made: 0, actions: Vec::new() };
    plan.actions.extend(seen.deployments.iter().flat_map(|deployment| rollout::step(deployment, seen)));
    pods::start(seen, &mut plan);
    workloads::step(seen, &mut plan);
    plan.actions.extend(seen.services.iter().filter_map(|service| services::give_address(service, ip)));
    plan.actions
}

async fn carry_out(client: &Client, action: Action) {
    let result = match action {
        Action::Create(resource, object) => client.create(&resource, object).await.map(drop),
        Action::Update(resource, object) => client.update(&resource, object).await.map(drop),
        Action::Status(resource, object) => client.update_status(&resource, object).await.map(drop),
        Action::Delete(resource, namespace, name) => client.delete(&resource, &namespace, &name, None).await,
    };
    match result {
        Ok(()) => {}
        // Decided on something older; the next look knows better.
        Err(status)
            if matches!(status.reason, Reason::Conflict | Reason::NotFound | Reason::AlreadyExists) => {}
        Err(status) => debug!(message = status.message, "a simulated write was refused"),
    }
}

// === What all behaviours ask ===

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn number(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok())
}

/// Whether an object is being deleted.
pub(crate) fn is_ending(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Whether a pod is ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// A short name of a template: FNV-1a over its text, as long as upstream's.
pub(crate) fn hash(template: &Value) -> String {
    let mut digest: u32 = 0x811c_9dc5;
    for byte in template.to_string().bytes() {
        digest = (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    format!("{digest:08x}")
}

/// The status of an object, if it is another one than it has.
pub(crate) fn told(resource: ResourceRef, object: &Value, status: Value) -> Option<Action> {
    if object["status"] == status {
        return None;
    }
    let mut object = object.clone();
    object["status"] = status;
    Some(Action::Status(resource, object))
}
