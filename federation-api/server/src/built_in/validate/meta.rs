//! Names, labels, annotations, finalizers and owners: the same for every kind.

use koinon_machinery::Value;
use koinon_machinery::validate::{FieldError, format};

use super::{Errors, all, at, entries, items, text};

/// What the name of an object may look like.
pub(crate) type NameRule = fn(&str) -> Vec<String>;

/// All annotations of an object together.
const ANNOTATION_BYTES_MAX: usize = 256 * 1024;

/// Finalizers that need no domain.
const KNOWN_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Whether finalizers must name their domain, as those of built-in kinds must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finalizers {
    Qualified,
    Free,
}

/// Complaints about the metadata of an object.
pub(crate) fn check(object: &Value, name_rule: NameRule, finalizers: Finalizers) -> Errors {
    let mut errors = Vec::new();
    let metadata = at(object, "metadata");
    names(&mut errors, metadata, name_rule);
    labels(&mut errors, "metadata.labels", metadata);
    annotations(&mut errors, "metadata.annotations", metadata);
    owners(&mut errors, metadata);
    for (index, finalizer) in items(metadata, "finalizers").iter().enumerate() {
        let finalizer = finalizer.as_str().unwrap_or_default();
        all(&mut errors, "metadata.finalizers", finalizer, format::label_key(finalizer));
        let known = finalizer.contains('/') || KNOWN_FINALIZERS.contains(&finalizer);
        if finalizers == Finalizers::Qualified && !known {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(format!("metadata.finalizers[{index}]"), finalizer, detail));
        }
    }
    errors
}

fn names(errors: &mut Errors, metadata: &Value, rule: NameRule) {
    let (name, prefix) = (text(metadata, "name"), text(metadata, "generateName"));
    if !prefix.is_empty() {
        // What is generated takes the place of a dash at the end.
        let shown = prefix.strip_suffix('-').filter(|rest| !rest.is_empty()).unwrap_or(prefix);
        all(errors, "metadata.generateName", prefix, rule(shown));
    }
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        all(errors, "metadata.name", name, rule(name));
    }
}

/// Complaints about the labels of `metadata`, filed under `path`.
pub(super) fn labels(errors: &mut Errors, path: &str, metadata: &Value) {
    for (key, value) in entries(metadata, "labels") {
        label(errors, path, key, value.as_str().unwrap_or_default());
    }
}

/// Complaints about one label.
pub(super) fn label(errors: &mut Errors, path: &str, key: &str, value: &str) {
    all(errors, path, key, format::label_key(key));
    all(errors, path, value, format::label_value(value));
}

/// Complaints about the annotations of `metadata`, filed under `path`.
pub(super) fn annotations(errors: &mut Errors, path: &str, metadata: &Value) {
    let mut bytes = 0;
    for (key, value) in entries(metadata, "annotations") {
        bytes += key.len() + value.as_str().unwrap_or_default().len();
        all(errors, path, key, format::label_key(&key.to_ascii_lowercase()));
    }
    if bytes > ANNOTATION_BYTES_MAX {
        errors.push(FieldError::too_long(path, ANNOTATION_BYTES_MAX));
    }
}

fn owners(errors: &mut Errors, metadata: &Value) {
    const PATH: &str = "metadata.ownerReferences";
    let owners = items(metadata, "ownerReferences");
    for owner in owners {
        if text(owner, "apiVersion").is_empty() {
            errors.push(FieldError::invalid(format!("{PATH}.apiVersion"), "", "version must not be empty"));
        }
        for key in ["kind", "name", "uid"] {
            if text(owner, key).is_empty() {
                errors.push(FieldError::invalid(format!("{PATH}.{key}"), "", "must not be empty"));
            }
        }
    }
    let mut controllers = owners.iter().filter(|owner| at(owner, "controller") == true);
    if let (Some(first), Some(second)) = (controllers.next(), controllers.next()) {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {}/{} and {}/{}",
            text(first, "kind"),
            text(first, "name"),
            text(second, "kind"),
            text(second, "name")
        );
        errors.push(FieldError::invalid(PATH, Value::from(owners.to_vec()), detail));
    }
}
