//! What the member has of ours, followed by one list and watch per kind.
//!
//! Only objects that carry our ownership label are followed: what is not ours costs neither memory nor traffic.
//! A watch resumes where it was; only when the member has forgotten that point is everything listed again. An object
//! that a list does not show is reported as gone, which leads to looking again, never to deleting something.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use koinon_machinery::Value;
use koinon_types::sync::{ObjectRef, Observed};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

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
    /// One kind is followed from where it was left.
    Resumed(Collection),
    /// One object appeared or changed.
    Changed(ObjectRef, Copy),
    /// One object is gone, or no longer carries our label.
    Gone(ObjectRef),
    /// One kind can no longer be followed, for now.
    Lost(Collection, Failure),
}

/// The member's copy of one object: what orders are compared with, as compact text, and what the host is told about it.
///
/// Text, because a tree takes about eight times as much and there is one of these per object and member.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// `metadata.resourceVersion`, when it is a number (every etcd-backed API server's is).
    resource_version: Option<u64>,
    uid: Arc<str>,
    /// The object without its status, its version, and (when it is ours) its managed fields: half of it, and nothing asks for them.
    body: Arc<str>,
    report: Observed,
}

impl Copy {
    /// Takes an object as the member sent it.
    pub fn new(mut object: Value) -> Self {
        let report = report(&mut object);
        let metadata = &mut object["metadata"];
        let resource_version = metadata["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        let uid = metadata["uid"].as_str().unwrap_or_default().into();
        let is_ours = metadata["labels"][marks::MANAGED] == "true";
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("resourceVersion");
            if is_ours {
                metadata.remove("managedFields");
            }
        }
        Self { resource_version, uid, body: object.to_string().into(), report }
    }

    /// Whether this is certainly older than `other`; versions that are no numbers say nothing.
    /// Source: KEP-5504.
    pub fn is_older_than(&self, other: &Self) -> bool {
        matches!((self.resource_version, other.resource_version), (Some(a), Some(b)) if a < b)
    }

    /// Whether both are the same but for their status.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.body == other.body
    }

    /// The identity of the object, so that a change meets the one that was seen.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The object, without what nothing asks for.
    pub fn tree(&self) -> Value {
        // The text was written from a tree in `new`.
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// What the host is told about the copy.
    pub fn report(&self) -> Observed {
        self.report.clone()
    }
}

/// Reads what the host is told about an object, and takes its status out.
fn report(object: &mut Value) -> Observed {
    let status = object.as_object_mut().and_then(|members| members.remove("status")).map(Arc::new);
    let metadata = &object["metadata"];
    let annotation = |name: &str| metadata["annotations"][name].as_str().unwrap_or_default();
    let spec = &object["spec"];
    Observed {
        generation: metadata["generation"].as_i64().unwrap_or_default(),
        template_generation: annotation(marks::TEMPLATE_GENERATION).parse().unwrap_or_default(),
        replicas_spec: spec["replicas"].as_i64().or_else(|| spec["parallelism"].as_i64()),
        status,
        digest: u64::from_str_radix(annotation(marks::DESIRED_DIGEST), 16).unwrap_or_default(),
    }
}

/// Follows one kind until the receiver is gone. Each change of `contact` says that the member is back: a connection of before
/// may be dead without knowing it, so a new one is opened at once.
pub async fn follow(
    member: Member,
    kind: ObjectRef,
    seen: mpsc::Sender<Seen>,
    mut contact: watch::Receiver<u64>,
) {
    let collection = Collection::of(&kind);
    let mut position: Option<String> = None;
    let mut wait = RETRY_MIN;
    loop {
        contact.mark_unchanged();
        let started = Instant::now();
        let ended = tokio::select! {
            ended = follow_once(&member, &kind, &collection, &mut position, &seen) => ended,
            changed = contact.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        match ended {
            Ok(()) => {}
            Err(End::Closed) => return,
            Err(End::Failed(Failure::Gone(_))) => position = None,
            Err(End::Failed(failure)) => {
                if seen.send(Seen::Lost(collection.clone(), failure)).await.is_err() {
                    return;
                }
            }
        }
        // A member that ends every watch at once is asked again at the pace of one that fails.
        if started.elapsed() >= RETRY_MAX {
            wait = RETRY_MIN;
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(RETRY_MAX),
            changed = contact.changed() => match changed {
                Ok(()) => wait = RETRY_MIN,
                Err(_) => return,
            },
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
    let (from, opened) = match position.clone() {
        Some(from) => (from, Seen::Resumed(collection.clone())),
        None => {
            let Listed { items, resource_version } = member.list(collection, MANAGED_SELECTOR).await?;
            let copies =
                items.into_iter().map(|item| (key(kind, &item), Copy::new(complete(kind, item)))).collect();
            (resource_version, Seen::Listed(collection.clone(), copies))
        }
    };
    let mut events = std::pin::pin!(member.watch(collection, MANAGED_SELECTOR, &from).await?);
    seen.send(opened).await.map_err(|_| End::Closed)?;
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
            return Err(End::Failed(match object["code"].as_u64() {
                Some(410) => Failure::Gone(message),
                Some(_) | None => Failure::Protocol(message),
            }));
        }
        let version = object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        let news = match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => Some(Seen::Changed(key(kind, &object), Copy::new(object))),
            Some("DELETED") => Some(Seen::Gone(key(kind, &object))),
            Some(_) | None => None,
        };
        if let Some(news) = news {
            seen.send(news).await.map_err(|_| End::Closed)?;
        }
        // Only now: an event that was dropped half-way is asked for again.
        if version.is_some() {
            *position = version;
        }
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
    fn a_copy_keeps_what_orders_are_compared_with_and_little_else() {
        let object = |version: &str, ready: i64, managed: &str| {
            json!({
                "metadata": {"resourceVersion": version, "labels": {"koinon.io/managed": managed},
                             "managedFields": [{"manager": "kubectl"}]},
                "spec": {"replicas": 2}, "status": {"readyReplicas": ready},
            })
        };
        let ours = Copy::new(object("1", 0, "true"));
        assert_eq!(
            ours.tree(),
            json!({"metadata": {"labels": {"koinon.io/managed": "true"}}, "spec": {"replicas": 2}})
        );
        assert!(ours.says_the_same_as(&Copy::new(object("2", 2, "true"))), "only its status changed");
        let foreign = Copy::new(object("1", 0, "false"));
        assert_eq!(foreign.tree()["metadata"]["managedFields"][0]["manager"], "kubectl");
    }

    #[test]
    fn only_numbers_tell_which_copy_is_older() {
        let copy = |version: &str| Copy::new(json!({"metadata": {"resourceVersion": version}}));
        assert!(copy("9").is_older_than(&copy("10")));
        assert!(!copy("10").is_older_than(&copy("9")));
        assert!(!copy("a").is_older_than(&copy("b")));
    }
}
