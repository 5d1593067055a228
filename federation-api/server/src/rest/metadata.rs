//! The part of metadata that belongs to the server: names, identity, versions, generations, deletion.
//!
//! Whatever a client sends there is replaced by what the server knows.

use jiff::Timestamp;
use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_machinery::time;
use koinon_machinery::validate::FieldError;
use rustls::crypto::SecureRandom;
use serde_json::{Map, json};

use crate::built_in::Generation;
use crate::registry::Resource;

/// Letters and digits that spell no words, as upstream chose them.
const SUFFIX_LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The number of letters that `generateName` adds.
const SUFFIX_LENGTH: usize = 5;

/// What `generateName` keeps of its prefix, so that names stay below 63 characters.
const PREFIX_BYTES_MAX: usize = 58;

/// What only the server writes, once an object exists.
const OWNED: [&str; 6] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];

/// The metadata of an object, created when it has none.
pub(crate) fn of(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    let metadata = &mut object["metadata"];
    if !metadata.is_object() {
        *metadata = json!({});
    }
    metadata.as_object_mut().expect("made an object a line above")
}

/// A text of the metadata, empty when absent.
pub(crate) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

/// An instant as metadata writes it.
pub(crate) fn instant(now: Timestamp) -> Value {
    time::in_seconds(now.as_second()).map_or(Value::Null, Value::String)
}

/// A random identity (UUID version 4).
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn uid(random: &dyn SecureRandom) -> Result<String, Status> {
    let mut bytes = [0_u8; 16];
    fill(random, &mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |part: &[u8]| part.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok([&bytes[..4], &bytes[4..6], &bytes[6..8], &bytes[8..10], &bytes[10..]].map(hex).join("-"))
}

/// A name that starts with `prefix` and that nobody has, most likely.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn generate_name(prefix: &str, random: &dyn SecureRandom) -> Result<String, Status> {
    let mut bytes = [0_u8; SUFFIX_LENGTH];
    fill(random, &mut bytes)?;
    let mut end = prefix.len().min(PREFIX_BYTES_MAX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let letters =
        bytes.iter().map(|byte| char::from(SUFFIX_LETTERS[usize::from(*byte) % SUFFIX_LETTERS.len()]));
    Ok(prefix[..end].chars().chain(letters).collect())
}

fn fill(random: &dyn SecureRandom, bytes: &mut [u8]) -> Result<(), Status> {
    random.fill(bytes).map_err(|_| Status::internal("the system gives no randomness"))
}

/// Fills in the type of an object, and refuses that of another kind.
///
/// # Errors
/// 400 when the object says it is of another kind or version.
pub(crate) fn set_type(object: &mut Value, resource: &Resource) -> Result<(), Status> {
    let Some(members) = object.as_object_mut() else {
        return Err(Status::bad_request("the body is not an object"));
    };
    let api_version = resource.reference.api_version();
    let wanted = [("apiVersion", api_version.as_str()), ("kind", resource.gvk.kind.as_str())];
    let differs = wanted.iter().any(|(key, want)| {
        members.get(*key).and_then(Value::as_str).is_some_and(|found| !found.is_empty() && found != *want)
    });
    if differs {
        let found = |key: &str| members.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Err(Status::bad_request(format!(
            "the object provided is of type {}, Kind={}, and this endpoint takes {api_version}, Kind={}",
            found("apiVersion"),
            found("kind"),
            resource.gvk.kind
        )));
    }
    for (key, want) in wanted {
        members.insert(key.to_owned(), want.into());
    }
    Ok(())
}

/// Makes the object's namespace that of the path.
///
/// # Errors
/// 400 when the object names another.
pub(crate) fn set_namespace(object: &mut Value, resource: &Resource, namespace: &str) -> Result<(), Status> {
    let metadata = of(object);
    let found = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if !resource.catalog.namespaced {
        if !found.is_empty() {
            return Err(Status::bad_request("namespace may not be set on cluster-scoped objects"));
        }
        metadata.remove("namespace");
        return Ok(());
    }
    if !found.is_empty() && found != namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    metadata.insert("namespace".to_owned(), namespace.into());
    Ok(())
}

/// Makes the object's name that of the path.
///
/// # Errors
/// 400 when the object names another.
pub(crate) fn set_name(object: &mut Value, name: &str) -> Result<(), Status> {
    check_name(object, name)?;
    of(object).insert("name".to_owned(), name.into());
    Ok(())
}

/// Refuses an object that has another name than the path.
///
/// # Errors
/// 400 when it has.
pub(crate) fn check_name(object: &Value, name: &str) -> Result<(), Status> {
    let found = text(object, "name");
    if !found.is_empty() && found != name {
        return Err(Status::bad_request(format!(
            "the name of the object ({found}) does not match the name on the URL ({name})"
        )));
    }
    Ok(())
}

/// Gives a new object its identity.
pub(crate) fn begin(object: &mut Value, generation: Generation, uid: String, now: Timestamp) {
    let metadata = of(object);
    for key in OWNED {
        metadata.remove(key);
    }
    metadata.remove("resourceVersion");
    metadata.insert("uid".to_owned(), uid.into());
    metadata.insert("creationTimestamp".to_owned(), instant(now));
    if generation != Generation::Never {
        metadata.insert("generation".to_owned(), 1.into());
    }
}

/// Takes over from the stored object what only the server writes.
pub(crate) fn carry(new: &mut Value, old: &Value) {
    let metadata = of(new);
    for key in OWNED.into_iter().chain(["generateName", "resourceVersion"]) {
        match old["metadata"].get(key) {
            Some(value) => metadata.insert(key.to_owned(), value.clone()),
            None => metadata.remove(key),
        };
    }
}

/// What a client pins: the version and identity it believes the object has.
///
/// # Errors
/// 409 when the object is another, or at another version.
pub(crate) fn check_pins(new: &Value, old: &Value, resource: &Resource) -> Result<(), Status> {
    let (group, plural) = resource.names();
    let name = text(old, "name");
    let uid = text(new, "uid");
    if !uid.is_empty() && uid != text(old, "uid") {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            text(old, "uid")
        );
        return Err(Status::conflict(group, plural, name, &why));
    }
    let version = text(new, "resourceVersion");
    if version.is_empty() || version == text(old, "resourceVersion") {
        return Ok(());
    }
    Err(Status::conflict(group, plural, name, MODIFIED))
}

/// What clients are told to do about a conflict; some match the words.
pub(crate) const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// Counts a new generation when the wanted state changed.
pub(crate) fn count_generation(new: &mut Value, old: &Value, generation: Generation) {
    let changed = match generation {
        Generation::Never => return,
        Generation::Spec => new.get("spec") != old.get("spec"),
        Generation::SpecOrAnnotations => {
            new.get("spec") != old.get("spec")
                || filled(&new["metadata"]["annotations"]) != filled(&old["metadata"]["annotations"])
        }
        Generation::Content => content(new).ne(content(old)),
    };
    let before = old["metadata"]["generation"].as_i64().unwrap_or(1);
    of(new).insert("generation".to_owned(), (before + i64::from(changed)).into());
}

/// A map, unless it is absent, null or empty: those three mean the same.
fn filled(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|map| !map.is_empty())
}

/// Everything but type, metadata and status, in order.
fn content(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let members = object.as_object().into_iter().flatten();
    members.filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"))
}

/// Marks an object as asked to go; answers whether it was not before.
pub(crate) fn mark_deleted(object: &mut Value, now: Timestamp) -> bool {
    let metadata = of(object);
    if metadata.contains_key("deletionTimestamp") {
        return false;
    }
    metadata.insert("deletionTimestamp".to_owned(), instant(now));
    metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
    if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
        metadata.insert("generation".to_owned(), (generation + 1).into());
    }
    true
}

/// The finalizers of an object.
pub(crate) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Finalizers may only go once an object is asked to go.
pub(crate) fn check_finalizers(new: &Value, old: &Value) -> Vec<FieldError> {
    if old["metadata"].get("deletionTimestamp").is_none() {
        return Vec::new();
    }
    let added: Vec<Value> = finalizers(new)
        .filter(|finalizer| !finalizers(old).any(|known| known == *finalizer))
        .map(Value::from)
        .collect();
    if added.is_empty() {
        return Vec::new();
    }
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers {}",
        Value::from(added)
    );
    vec![FieldError::forbidden("metadata.finalizers", detail)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> &'static dyn SecureRandom {
        rustls::crypto::ring::default_provider().secure_random
    }

    #[test]
    fn makes_identities_and_names() {
        let uid = uid(random()).unwrap();
        assert_eq!(uid.len(), 36);
        assert_eq!(&uid[14..15], "4");
        let name = generate_name(&"a".repeat(70), random()).unwrap();
        assert_eq!(name.len(), 63);
        assert!(generate_name("web-", random()).unwrap().starts_with("web-"));
    }

    #[test]
    fn counts_generations_of_wanted_state_only() {
        let old = json!({"metadata": {"generation": 3}, "spec": {"a": 1}, "status": {"b": 1}});
        for (change, generation, want) in [
            (json!({"metadata": {}, "spec": {"a": 2}}), Generation::Spec, 4),
            (
                json!({"metadata": {"labels": {"x": "y"}}, "spec": {"a": 1}, "status": {"b": 2}}),
                Generation::Spec,
                3,
            ),
            (
                json!({"metadata": {"annotations": {"x": "y"}}, "spec": {"a": 1}}),
                Generation::SpecOrAnnotations,
                4,
            ),
            (json!({"metadata": {}, "spec": {"a": 1}, "status": {}}), Generation::Content, 3),
            (json!({"metadata": {}, "spec": {"a": 1}, "more": 1}), Generation::Content, 4),
        ] {
            let mut new = change;
            count_generation(&mut new, &old, generation);
            assert_eq!(new["metadata"]["generation"], want, "{new}");
        }
    }

    #[test]
    fn takes_no_new_finalizers_from_objects_that_go() {
        let old = json!({"metadata": {"deletionTimestamp": "x", "finalizers": ["a"]}});
        assert!(check_finalizers(&json!({"metadata": {}}), &old).is_empty());
        assert_eq!(check_finalizers(&json!({"metadata": {"finalizers": ["a", "b"]}}), &old).len(), 1);
    }
}
