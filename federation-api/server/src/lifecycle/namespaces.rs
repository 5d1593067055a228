//! The end of a namespace: everything in it goes, then the namespace itself.
//!
//! Objects with finalizers may take their time; the namespace waits and says what it waits for.

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
        empty(&client, &name).await;
        let left = left(&client, &name);
        if left.is_empty() {
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

/// Asks everything in a namespace to go.
async fn empty(client: &Client, name: &str) {
    for resource in client.resources().into_iter().filter(|resource| resource.namespaced) {
        let objects = client.list_in(&resource, name);
        for batch in objects.chunks(AT_ONCE) {
            let deletes = batch.iter().filter(|object| !object.is_deleting()).map(|object| {
                let resource = &resource;
                async move {
                    match client.delete(resource, name, object.name(), None).await {
                        Err(status) if status.reason != Reason::NotFound => {
                            tracing::warn!(%status, %resource, object = object.name(), "failed to empty a namespace");
                        }
                        _ => {}
                    }
                }
            });
            let deletes: Vec<_> = deletes.collect();
            futures::future::join_all(deletes).await;
        }
    }
}

/// What is still in a namespace, by resource.
fn left(client: &Client, name: &str) -> Vec<(ResourceRef, usize)> {
    let resources = client.resources().into_iter().filter(|resource| resource.namespaced);
    let counted = resources.map(|resource| {
        let count = client.list_in(&resource, name).len();
        (resource, count)
    });
    counted.filter(|(_, count)| *count > 0).collect()
}

/// Says on the namespace what it waits for.
async fn say(client: &Client, name: &str, left: &[(ResourceRef, usize)]) {
    let parts: Vec<String> =
        left.iter().map(|(resource, count)| format!("{resource} has {count} resource instances")).collect();
    let message = format!("Some resources are remaining: {}", parts.join(", "));
    let now = time::in_seconds(Timestamp::now().as_second());
    let tell = move |object: &mut Value| {
        let old = &object["status"]["conditions"][0];
        if old["message"] == message.as_str() {
            return;
        }
        object["status"]["conditions"] = json!([{"type": "NamespaceContentRemaining", "status": "True",
            "reason": "SomeResourcesRemain", "message": message, "lastTransitionTime": now}]);
    };
    let _ = client.edit(&namespaces(), Door::Status, "", name, tell).await;
}
