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

/// The manager under which kubectl applies on the server.
const KUBECTL: &str = "kubectl";

/// The annotation that kubectl's client-side apply compares with; its own server-side apply keeps it up to date.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The manager that owns what an object had when nobody was known to own it.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// How much text all annotations of an object may hold: what upstream validates.
const ANNOTATION_BYTES_MAX: usize = 256 * 1024;

/// Keeps the wish to forget all owners, an empty list, from being taken for none: Go writes neither.
pub(super) fn keep_wish(new: &mut Value) {
    if let Some(sent) = metadata::of(new).get_mut("managedFields")
        && *sent == json!([])
    {
        *sent = json!([{}]);
    }
}

/// Notes which fields a write changed. What it says of the owners themselves counts where it can be read.
pub(super) fn update(
    write: &Write<'_>,
    old: Option<&Value>,
    new: &mut Value,
    now: Timestamp,
) -> Result<(), Status> {
    let owners = owners(write, old, new);
    // Owners that were forgotten stay so until somebody applies.
    if old.is_some() && owners.is_empty() {
        metadata::of(new).remove("managedFields");
        return Ok(());
    }
    let (time, api_version) = (written(now), write.resource.reference.api_version());
    let empty = empty(write, new);
    let writer = writer(write, &api_version, &time);
    let owners = apply::update(place(write), old.unwrap_or(&empty), new, owners, writer);
    keep(new, &owners);
    Ok(())
}

/// The owners before a write.
fn owners(write: &Write<'_>, old: Option<&Value>, new: &Value) -> Managers {
    let stored = || {
        let stored = old.map_or(&Value::Null, |old| &old["metadata"]["managedFields"]);
        Managers::read(stored).unwrap_or_default()
    };
    if write.door != Door::Object {
        return stored();
    }
    let sent = &new["metadata"]["managedFields"];
    if *sent == json!([{}]) {
        return Managers::default();
    }
    match Managers::read(sent) {
        Ok(owners) if !owners.is_empty() => owners,
        Ok(_) | Err(_) => stored(),
    }
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
    let mut configuration = applied.clone();
    // What identifies an object at one moment pins the apply, and is not part of it.
    let metadata = metadata::of(&mut configuration);
    metadata.remove("resourceVersion");
    metadata.remove("uid");
    let place = place(write);
    apply::check(place.schema, place.ty, &configuration)
        .map_err(|unclear| Status::bad_request(format!("failed to create typed patch object: {unclear}")))?;
    let (time, api_version) = (written(now), write.resource.reference.api_version());
    let writer = writer(write, &api_version, &time);
    let empty = empty(write, applied);
    let live = old.unwrap_or(&empty);
    let owners = match Managers::read(&live["metadata"]["managedFields"]).unwrap_or_default() {
        owners if owners.is_empty() => {
            let before = Writer { manager: BEFORE_FIRST_APPLY, ..writer };
            apply::update(place, &empty, live, owners, before)
        }
        owners => owners,
    };
    let mut unowned = live.clone();
    metadata::of(&mut unowned).remove("managedFields");
    let (mut new, owners) = settle(place, &unowned, &configuration, owners, writer, write.options.force)?;
    keep(&mut new, &owners);
    if write.options.manager == KUBECTL {
        renew_last_applied(&mut new, applied);
    }
    // The pins are compared with what is stored by whoever commits.
    for pin in ["resourceVersion", "uid"] {
        if !applied["metadata"][pin].is_null() {
            new["metadata"][pin] = applied["metadata"][pin].clone();
        }
    }
    Ok(new)
}

/// Applies; kubectl takes over without force what it applied before on the client.
fn settle(
    place: Place<'_>,
    live: &Value,
    configuration: &Value,
    owners: Managers,
    writer: Writer<'_>,
    force: options::Force,
) -> Result<(Value, Managers), Status> {
    let force = match force {
        options::Force::No => Force::No,
        options::Force::Yes => Force::Yes,
    };
    let again = owners.clone();
    let mut conflicts = match apply::apply(place, live, configuration, owners, writer, force) {
        Ok(done) => return Ok(done),
        Err(conflicts) => conflicts,
    };
    let last = live["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap_or_default();
    if writer.manager == KUBECTL
        && let Ok(last) = serde_json::from_str::<Value>(last)
        && last["apiVersion"] == writer.api_version
    {
        let own = apply::still_as_applied(place, live, &last);
        for conflict in &mut conflicts {
            conflict.fields = conflict.fields.difference(&own);
        }
        conflicts.retain(|conflict| !conflict.fields.is_empty());
        if conflicts.is_empty() {
            return apply::apply(place, live, configuration, again, writer, Force::Yes)
                .map_err(|conflicts| refuse(&conflicts));
        }
    }
    Err(refuse(&conflicts))
}

/// Whether two versions say the same, whenever their owners wrote it.
pub(super) fn is_same(new: &Value, old: &Value) -> bool {
    if new == old {
        return true;
    }
    let entries = |object: &Value| {
        let managed = object["metadata"]["managedFields"].as_array();
        let mut entries: Vec<Value> = managed.into_iter().flatten().cloned().collect();
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        entries.sort_by_cached_key(Value::to_string);
        entries
    };
    let rest = |object: &Value| {
        let mut rest = object.clone();
        metadata::of(&mut rest).remove("managedFields");
        rest
    };
    entries(new) == entries(old) && rest(new) == rest(old)
}

fn writer<'a>(write: &'a Write<'_>, api_version: &'a str, time: &'a str) -> Writer<'a> {
    Writer { manager: &write.options.manager, api_version, subresource: write.door.subresource(), time }
}

fn place<'a>(write: &'a Write<'_>) -> Place<'a> {
    let reset = match (write.door, write.resource.has_status()) {
        (Door::Status, _) if write.resource.is_built_in() => Reset::Content,
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
fn renew_last_applied(new: &mut Value, applied: &Value) {
    let Some(annotations) = new.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else {
        return;
    };
    if annotations.get(LAST_APPLIED).and_then(Value::as_str).is_none_or(str::is_empty) {
        return;
    }
    let mut applied = applied.clone();
    if let Some(annotations) = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    annotations.insert(LAST_APPLIED.to_owned(), json!(format!("{applied}\n")));
    let n_bytes: usize =
        annotations.iter().map(|(key, text)| key.len() + text.as_str().unwrap_or_default().len()).sum();
    if n_bytes > ANNOTATION_BYTES_MAX {
        annotations.remove(LAST_APPLIED);
    }
}

fn written(now: Timestamp) -> String {
    time::in_seconds(now.as_second()).unwrap_or_default()
}

/// Says who owns what an apply wants to set, in the words that clients know.
fn refuse(conflicts: &[Conflict]) -> Status {
    let mut causes = Vec::new();
    let mut lines = Vec::new();
    for conflict in conflicts {
        lines.push(format!("conflicts with {}:", conflict.owner));
        for field in conflict.fields.paths() {
            lines.push(format!("- {field}"));
            causes.push(Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: format!("conflict with {}", conflict.owner),
                field,
            });
        }
    }
    let message = match causes.as_slice() {
        [one] => format!("Apply failed with 1 conflict: {}: {}", one.message, one.field),
        several => format!("Apply failed with {} conflicts: {}", several.len(), lines.join("\n")),
    };
    Status::apply_conflict(message, causes)
}
