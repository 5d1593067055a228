//! Through which door a write comes: the object itself or one of its subresources, each of which opens only a part.

use std::sync::Arc;

use koinon_machinery::Value;
use koinon_machinery::status::Status;

use crate::registry::Resource;

use super::metadata;

/// A door to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The object itself: everything but the status, where the status has a door of its own.
    Object,
    /// `/status`: nothing but the status, and for built-in kinds the metadata.
    Status,
    /// `/finalize` of a namespace: the finalizers of its content.
    Finalize,
    /// `/scale`: the wanted replicas, set by the server on behalf of who writes the scale.
    Scale,
}

// === impl Door ===

impl Door {
    /// The door that a path names.
    ///
    /// # Errors
    /// 404 when the resource has no such door.
    pub(crate) fn of(resource: &Arc<Resource>, subresource: &str) -> Result<Self, Status> {
        let served = subresource.is_empty() || resource.catalog.subresource(subresource).is_some();
        match subresource {
            "" => Ok(Self::Object),
            "status" if served => Ok(Self::Status),
            "finalize" if served => Ok(Self::Finalize),
            _ => Err(Status::unknown_resource()),
        }
    }

    /// What field managers of this door are filed under.
    pub(crate) fn subresource(self) -> &'static str {
        match self {
            Self::Object => "",
            Self::Status => "status",
            Self::Finalize => "finalize",
            Self::Scale => "scale",
        }
    }

    /// Undoes what `new` changes behind other doors; what the server owns of the metadata has been undone before.
    pub(crate) fn confine(self, new: &mut Value, old: &Value, resource: &Resource) {
        match self {
            Self::Object if resource.has_status() => put_back(new, old, "status"),
            Self::Object | Self::Scale => {}
            Self::Status => {
                let custom = !resource.is_built_in();
                confine_to(new, old, |key| key == "status" || key == "metadata");
                if custom {
                    put_back_metadata(new, old);
                } else if resource.names() == ("apps", "deployments") {
                    // As upstream: a Deployment's labels belong to its owner alone.
                    put_back_label(new, old);
                }
            }
            Self::Finalize => {
                let wanted = new["spec"]["finalizers"].clone();
                *new = old.clone();
                new["spec"]["finalizers"] = wanted;
            }
        }
    }

    /// Leaves out of a new object what it may not begin with.
    pub(crate) fn confine_new(new: &mut Value, resource: &Resource) {
        if resource.has_status()
            && let Some(members) = new.as_object_mut()
        {
            members.remove("status");
        }
    }
}

/// Keeps of `new` only the members that `open` lets through.
fn confine_to(new: &mut Value, old: &Value, open: impl Fn(&str) -> bool) {
    let Some(members) = new.as_object_mut() else { return };
    members.retain(|key, _| open(key));
    for (key, value) in old.as_object().into_iter().flatten().filter(|(key, _)| !open(key)) {
        members.insert(key.clone(), value.clone());
    }
}

fn put_back(new: &mut Value, old: &Value, key: &str) {
    let Some(members) = new.as_object_mut() else { return };
    match old.get(key) {
        Some(value) => members.insert(key.to_owned(), value.clone()),
        None => members.remove(key),
    };
}

/// The metadata of the old object, with what field management has to say about the new one.
fn put_back_metadata(new: &mut Value, old: &Value) {
    let managed = new["metadata"]["managedFields"].take();
    put_back(new, old, "metadata");
    if !managed.is_null() {
        metadata::of(new).insert("managedFields".to_owned(), managed);
    }
}

fn put_back_label(new: &mut Value, old: &Value) {
    match old["metadata"].get("labels") {
        Some(labels) => metadata::of(new).insert("labels".to_owned(), labels.clone()),
        None => metadata::of(new).remove("labels"),
    };
}
