//! The end of a namespace: everything in it goes, then the namespace itself.
//!
//! Objects with finalizers may take their time; the namespace waits and says what it waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use koinon_machinery::status::Reason;
use koinon_machinery::{Value, time};
use serde_json::json;
use tokio::task::JoinSet;

use crate::built_in::core::NAMESPACE_FINALIZER;
use crate::local::{Client, Event, Stored};
use crate::registry::{ResourceRef, Scope};
use crate::rest::door::Door;

/// How soon a namespace that still has something in it is looked at again, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How many objects are deleted at once.
const AT_ONCE: usize = 32;

fn namespaces() -> ResourceRef {
    ResourceRef::new("", "v1", "namespaces", "Namespace", Scope::Cluster)
}

/// Ends namespaces that were asked to go, each at its own pace.
pub(super) async fn run(client: Client) {
    let mut watch = client.watch(&namespaces());
    let mut ending = JoinSet::new();
    let mut known = std::collections::BTreeSet::new();
    loop {
        let event = tokio::select! {
            event = watch.next() => event,
            Some(ended) = ending.join_next(), if !ending.is_empty() => {
                if let Ok(uid) = ended {
                    known.remove(&uid);
                }
                continue;
            }
        };
        match event {
            Some(Event::Applied(namespace)) if namespace.is_deleting() => {
                if known.insert(namespace.uid().to_owned()) {
                    ending.spawn(end(
                        client.clone(),
                        namespace.name().to_owned(),
                        namespace.uid().to_owned(),
                    ));
                }
            }
            Some(Event::Applied(_) | Event::Deleted(_) | Event::Synced) => {}
            None => return,
        }
    }
}

/// Empties a namespace and lets it go; answers its uid.
async fn end(client: Client, name: String, uid: String) -> String {
    let mut pause = PAUSE_MIN;
    loop {
        let is_there = |namespace: &Stored| namespace.uid() == uid && namespace.is_deleting();
        if !client.get(&namespaces(), "", &name).is_some_and(|namespace| is_there(&namespace)) {
            return uid;
        }
        let failures = empty(&client, &name).await;
        let left = Left::of(&client, &name, failures);
        if left.resources.is_empty() {
            let lift = |object: &mut Value| {
                if let Some(finalizers) = object["spec"]["finalizers"].as_array_mut() {
                    finalizers.retain(|finalizer| finalizer != NAMESPACE_FINALIZER);
                }
            };
            let _ = client.edit(&namespaces(), Door::Finalize, "", &name, lift).await;
        } else if pause > PAUSE_MIN {
            say(&client, &name, &left).await;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Asks everything in a namespace to go; answers what refused to.
async fn empty(client: &Client, name: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for resource in client.resources().into_iter().filter(|resource| resource.namespaced) {
        let objects = client.list_in(&resource, name);
        for batch in objects.chunks(AT_ONCE) {
            let deletes = batch
                .iter()
                .filter(|object| !object.is_deleting())
                .map(|object| client.delete(&resource, name, object.name(), None));
            for outcome in futures::future::join_all(deletes).await {
                if let Err(status) = outcome
                    && status.reason != Reason::NotFound
                {
                    tracing::warn!(%status, %resource, "failed to empty a namespace");
                    failures.push(status.message);
                }
            }
        }
    }
    failures
}

/// What a namespace that is going still waits for.
struct Left {
    /// Objects, by resource.
    resources: Vec<(ResourceRef, usize)>,
    /// Objects, by the finalizers that hold them.
    finalizers: BTreeMap<String, usize>,
    /// Why some could not be deleted.
    failures: Vec<String>,
}

// === impl Left ===

impl Left {
    fn of(client: &Client, name: &str, failures: Vec<String>) -> Self {
        let mut left = Self { resources: Vec::new(), finalizers: BTreeMap::new(), failures };
        for resource in client.resources().into_iter().filter(|resource| resource.namespaced) {
            let objects = client.list_in(&resource, name);
            for finalizer in objects.iter().flat_map(|object| object.finalizers()) {
                *left.finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
            if !objects.is_empty() {
                left.resources.push((resource, objects.len()));
            }
        }
        left
    }

    /// The conditions that clients know from upstream's namespace controller, in its order: type, whether it holds, reason,
    /// message.
    fn conditions(&self) -> [(&'static str, bool, &'static str, String); 5] {
        let resources: Vec<String> = self
            .resources
            .iter()
            .map(|(resource, count)| {
                format!("{}.{} has {count} resource instances", resource.plural, resource.group)
            })
            .collect();
        let finalizers: Vec<String> = self
            .finalizers
            .iter()
            .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
            .collect();
        let row = |kind, found: &[String], (yes, no), some: &str, none: &str| {
            let is_so = !found.is_empty();
            let message = if is_so { format!("{some}{}", found.join(", ")) } else { none.to_owned() };
            (kind, is_so, if is_so { yes } else { no }, message)
        };
        [
            row(
                "NamespaceDeletionDiscoveryFailure",
                &[],
                ("DiscoveryFailed", "ResourcesDiscovered"),
                "",
                "All resources successfully discovered",
            ),
            row(
                "NamespaceDeletionGroupVersionParsingFailure",
                &[],
                ("GroupVersionParsingFailed", "ParsedGroupVersions"),
                "",
                "All legacy kube types successfully parsed",
            ),
            row(
                "NamespaceDeletionContentFailure",
                &self.failures,
                ("ContentDeletionFailed", "ContentDeleted"),
                "Failed to delete all resource types: ",
                "All content successfully deleted, may be waiting on finalization",
            ),
            row(
                "NamespaceContentRemaining",
                &resources,
                ("SomeResourcesRemain", "ContentRemoved"),
                "Some resources are remaining: ",
                "All content successfully removed",
            ),
            row(
                "NamespaceFinalizersRemaining",
                &finalizers,
                ("SomeFinalizersRemain", "ContentHasNoFinalizers"),
                "Some content in the namespace has finalizers remaining: ",
                "All content-preserving finalizers finished",
            ),
        ]
    }
}

/// Says on the namespace what it waits for; a condition that says the same as before keeps its time.
async fn say(client: &Client, name: &str, left: &Left) {
    let conditions = left.conditions();
    let now = time::in_seconds(Timestamp::now().as_second());
    let tell = move |object: &mut Value| {
        let told = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let each = conditions.iter().map(|(kind, is_so, reason, message)| {
            let status = if *is_so { "True" } else { "False" };
            let known = told.iter().find(|known| known["type"] == *kind && known["status"] == status);
            let since = known.map_or(json!(now), |known| known["lastTransitionTime"].clone());
            json!({"type": kind, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": since})
        });
        object["status"]["conditions"] = Value::Array(each.collect());
    };
    if let Err(status) = client.edit(&namespaces(), Door::Status, "", name, tell).await {
        tracing::debug!(%status, namespace = name, "cannot say what a namespace waits for");
    }
}
