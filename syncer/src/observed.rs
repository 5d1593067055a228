//! What the member has of ours, followed by one list and watch per kind.
//!
//! Only objects that carry our ownership label are followed: what is not ours costs neither memory nor traffic.
//! A watch resumes where it was; only when the member has forgotten that point is everything listed again. An object
//! that a list does not show is reported as gone, which leads to looking again, never to deleting something.

use std::time::Duration;

use futures::stream::StreamExt;
use koinon_machinery::Value;
use koinon_types::sync::{ObjectRef, Observed};
use tokio::sync::mpsc;

use crate::marks;
use crate::member::{Collection, Failure, Listed, Member};

/// The label selector of everything that we manage in a member.
pub const MANAGED_SELECTOR: &str = "koinon.io/managed=true";

/// How long a watch may say nothing. Bookmarks come every minute; twice that means that nobody is there.
const SILENCE_MAX: Duration = Duration::from_secs(130);

/// Waits between attempts to list or watch a kind: a member that is back is noticed by the probe, which is faster.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// One thing that was seen in the member.
#[derive(Debug)]
pub enum Seen {
    /// Everything of one kind, complete at one moment.
    Listed(Collection, Vec<(ObjectRef, Copy)>),
    /// One object appeared or changed.
    Changed(ObjectRef, Copy),
    /// One object is gone, or no longer carries our label.
    Gone(ObjectRef),
    /// One kind can no longer be followed, for now.
    Lost(Collection, Failure),
}

/// The member's copy of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// `metadata.resourceVersion`, when it is a number (every etcd-backed API server's is).
    pub resource_version: Option<u64>,
    /// The object.
    pub object: std::sync::Arc<Value>,
}

impl Copy {
    /// Takes an object as the member sent it.
    ///
    /// Of objects that are ours the managed fields are dropped: they are half of the object and nothing here asks for them.
    pub fn new(mut object: Value) -> Self {
        if object["metadata"]["labels"][marks::MANAGED] == "true"
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("managedFields");
        }
        let resource_version =
            object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        Self { resource_version, object: std::sync::Arc::new(object) }
    }

    /// Whether this is certainly older than `other`; versions that are no numbers say nothing.
    /// Source: KEP-5504.
    pub fn is_older_than(&self, other: &Self) -> bool {
        matches!((self.resource_version, other.resource_version), (Some(a), Some(b)) if a < b)
    }

    /// The identity of the object, so that a deletion meets the one that was seen.
    pub fn uid(&self) -> &str {
        self.object["metadata"]["uid"].as_str().unwrap_or_default()
    }

    /// What the host is told about the copy.
    pub fn report(&self) -> Observed {
        let metadata = &self.object["metadata"];
        let annotation = |name: &str| metadata["annotations"][name].as_str().unwrap_or_default();
        let spec = &self.object["spec"];
        Observed {
            generation: metadata["generation"].as_i64().unwrap_or_default(),
            template_generation: annotation(marks::TEMPLATE_GENERATION).parse().unwrap_or_default(),
            replicas_spec: spec["replicas"].as_i64().or_else(|| spec["parallelism"].as_i64()),
            status: self.object.get("status").map(|status| std::sync::Arc::new(status.clone())),
            digest: u64::from_str_radix(annotation(marks::DESIRED_DIGEST), 16).unwrap_or_default(),
        }
    }
}

/// Follows one kind until the receiver is gone.
pub async fn follow(member: Member, kind: ObjectRef, seen: mpsc::Sender<Seen>) {
    let collection = Collection::of(&kind);
    let mut position: Option<String> = None;
    let mut wait = RETRY_MIN;
    loop {
        match follow_once(&member, &kind, &collection, &mut position, &seen).await {
            Ok(()) => wait = RETRY_MIN,
            Err(End::Closed) => return,
            Err(End::Failed(failure)) => {
                if matches!(failure, Failure::Gone(_)) {
                    position = None;
                } else {
                    if seen.send(Seen::Lost(collection.clone(), failure)).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
            }
        }
    }
}

enum End {
    Closed,
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn follow_once(
    member: &Member,
    kind: &ObjectRef,
    collection: &Collection,
    position: &mut Option<String>,
    seen: &mpsc::Sender<Seen>,
) -> Result<(), End> {
    let from = match position.take() {
        Some(from) => from,
        None => {
            let Listed { items, resource_version } = member.list(collection, MANAGED_SELECTOR).await?;
            let copies =
                items.into_iter().map(|item| (key(kind, &item), Copy::new(complete(kind, item)))).collect();
            seen.send(Seen::Listed(collection.clone(), copies)).await.map_err(|_| End::Closed)?;
            resource_version
        }
    };
    let mut events = std::pin::pin!(member.watch(collection, MANAGED_SELECTOR, &from).await?);
    *position = Some(from);
    loop {
        let event = tokio::time::timeout(SILENCE_MAX, events.next())
            .await
            .map_err(|_| Failure::Hung { after: SILENCE_MAX })?;
        let Some(event) = event else { return Ok(()) };
        let mut event = event?;
        let object = event["object"].take();
        if event["type"] == "ERROR" {
            let message = object["message"].as_str().unwrap_or_default().to_owned();
            return Err(End::Failed(if object["code"] == 410 {
                *position = None;
                Failure::Gone(message)
            } else {
                Failure::Protocol(message)
            }));
        }
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            *position = Some(version.to_owned());
        }
        let news = match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => Seen::Changed(key(kind, &object), Copy::new(object)),
            Some("DELETED") => Seen::Gone(key(kind, &object)),
            _ => continue,
        };
        seen.send(news).await.map_err(|_| End::Closed)?;
    }
}

fn key(kind: &ObjectRef, object: &Value) -> ObjectRef {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    ObjectRef { namespace: text("namespace"), name: text("name"), ..kind.clone() }
}

/// Items of a list come without their own kind; everything else of ours has it.
fn complete(kind: &ObjectRef, mut object: Value) -> Value {
    object["apiVersion"] = Value::String(kind.api_version());
    object["kind"] = Value::String(kind.kind.clone());
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_copy_reports_its_marks_and_its_status() {
        let copy = Copy::new(json!({
            "metadata": {"resourceVersion": "7", "generation": 3, "uid": "u", "annotations": {
                "koinon.io/template-generation": "5", "koinon.io/desired-digest": "00000000000000ff"}},
            "spec": {"replicas": 2},
            "status": {"readyReplicas": 2},
        }));
        let report = copy.report();
        assert_eq!((report.generation, report.template_generation, report.digest), (3, 5, 255));
        assert_eq!(report.replicas_spec, Some(2));
        assert_eq!(report.status.unwrap()["readyReplicas"], 2);
        assert_eq!(copy.uid(), "u");
    }

    #[test]
    fn only_numbers_tell_which_copy_is_older() {
        let copy = |version: &str| Copy::new(json!({"metadata": {"resourceVersion": version}}));
        assert!(copy("9").is_older_than(&copy("10")));
        assert!(!copy("10").is_older_than(&copy("9")));
        assert!(!copy("a").is_older_than(&copy("b")));
    }
}
