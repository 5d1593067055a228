//! Field management: who owns which fields, as server-side apply wants it.

use jiff::Timestamp;
use koinon_machinery::Value;
use koinon_machinery::apply::{self, Conflict, Force, Managers, Place, Reset, Writer};
use koinon_machinery::status::{Cause, Status};
use koinon_machinery::{default, time};
use serde_json::json;

use super::door::Door;
use super::metadata;
use super::options;
use super::write::Write;

/// The annotation that kubectl's client-side apply compares with; its own server-side apply keeps it up to date.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Notes which fields a write changed.
pub(super) fn update(
    write: &Write<'_>,
    old: Option<&Value>,
    new: &mut Value,
    now: Timestamp,
) -> Result<(), Status> {
    let stored = old.map_or(&Value::Null, |old| &old["metadata"]["managedFields"]);
    let sent = &new["metadata"]["managedFields"];
    // Who sends other owners than there are edits them; an empty list, or one empty entry, forgets them all.
    let is_edit = !sent.is_null() && sent != stored;
    let base = if is_edit && *sent != json!([{}]) { sent } else { stored };
    let owners = if is_edit && (*sent == json!([]) || *sent == json!([{}])) {
        Managers::default()
    } else {
        Managers::read(base).map_err(|error| Status::bad_request(error.to_string()))?
    };
    let time = written(now);
    let place = place(write);
    let empty = empty(write, new);
    let (api_version, subresource) = (write.resource.reference.api_version(), write.door.subresource());
    let writer =
        Writer { manager: &write.options.manager, api_version: &api_version, subresource, time: &time };
    let owners = apply::update(place, old.unwrap_or(&empty), new, owners, writer);
    keep(new, &owners);
    Ok(())
}

/// What an apply makes of an object.
pub(super) fn apply(
    write: &Write<'_>,
    old: Option<&Value>,
    applied: &Value,
    now: Timestamp,
) -> Result<Value, Status> {
    if !applied["metadata"]["managedFields"].is_null() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let (time, place) = (written(now), place(write));
    let empty = json!({"apiVersion": applied["apiVersion"], "kind": applied["kind"]});
    let live = old.unwrap_or(&empty);
    let owners = Managers::read(&live["metadata"]["managedFields"]).unwrap_or_default();
    let (api_version, subresource) = (write.resource.reference.api_version(), write.door.subresource());
    let owners = match old {
        Some(live) => apply::before_first_apply(place, live, &api_version, owners),
        None => owners,
    };
    let writer =
        Writer { manager: &write.options.manager, api_version: &api_version, subresource, time: &time };
    let mut configuration = applied.clone();
    renew_last_applied(live, &mut configuration, &write.options.manager);
    // What identifies an object at one moment pins the apply, and is not part of it.
    if let Some(metadata) = configuration["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.remove("uid");
    }
    let mut unowned = live.clone();
    metadata::of(&mut unowned).remove("managedFields");
    let force = match write.options.force {
        options::Force::No => Force::No,
        options::Force::Yes => Force::Yes,
    };
    let (mut new, owners) = apply::apply(place, &unowned, &configuration, owners, writer, force)
        .map_err(|conflicts| refuse(&conflicts))?;
    keep(&mut new, &owners);
    // The pins are compared with what is stored by whoever commits.
    for pin in ["resourceVersion", "uid"] {
        if !applied["metadata"][pin].is_null() {
            new["metadata"][pin] = applied["metadata"][pin].clone();
        }
    }
    Ok(new)
}

/// Whether two versions say the same.
pub(super) fn is_same(new: &Value, old: &Value) -> bool {
    new == old
}

fn place<'a>(write: &'a Write<'_>) -> Place<'a> {
    let reset = match (write.door, write.resource.has_status()) {
        (Door::Status, _) => Reset::AllButStatus,
        (_, true) => Reset::Status,
        (_, false) => Reset::Server,
    };
    Place { schema: write.api.registry.schema(), ty: write.resource.ty, reset }
}

/// A new object before anything was written into it: Go's empty values, which nobody owns.
fn empty(write: &Write<'_>, new: &Value) -> Value {
    let mut empty = json!({"apiVersion": new["apiVersion"], "kind": new["kind"]});
    default::as_go_writes(write.api.registry.schema(), write.resource.ty, &mut empty);
    empty
}

fn keep(object: &mut Value, owners: &Managers) {
    let metadata = metadata::of(object);
    if owners.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), owners.write());
    }
}

/// Lets kubectl's client-side apply go on where its server-side apply was.
fn renew_last_applied(live: &Value, configuration: &mut Value, manager: &str) {
    if manager != "kubectl" || live["metadata"]["annotations"][LAST_APPLIED].is_null() {
        return;
    }
    let text = format!("{configuration}\n");
    let annotations = &mut configuration["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations[LAST_APPLIED] = json!(text);
}

fn written(now: Timestamp) -> String {
    time::in_seconds(now.as_second()).unwrap_or_default()
}

/// Says who owns what an apply wants to set, in the words that clients know.
fn refuse(conflicts: &[Conflict]) -> Status {
    let causes: Vec<Cause> = conflicts
        .iter()
        .map(|conflict| Cause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!("conflict with {}", conflict.owner),
            field: conflict.path.clone(),
        })
        .collect();
    let message = match conflicts {
        [one] => format!("Apply failed with 1 conflict: conflict with {}: {}", one.owner, one.path),
        several => {
            let mut lines = Vec::new();
            let mut owner = "";
            for conflict in several {
                if conflict.owner != owner {
                    lines.push(format!("conflicts with {}:", conflict.owner));
                    owner = &conflict.owner;
                }
                lines.push(format!("- {}", conflict.path));
            }
            format!("Apply failed with {} conflicts: {}", several.len(), lines.join("\n"))
        }
    };
    Status::apply_conflict(message, causes)
}
