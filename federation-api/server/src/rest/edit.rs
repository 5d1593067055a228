//! What a write wants an object to become.

use koinon_machinery::status::Status;
use koinon_machinery::{Value, default, patch};
use serde_json::Map;

use crate::registry::{Registry, Resource};

use super::write::Write;

/// What a write wants.
pub(crate) enum Edit {
    /// This object instead.
    Replace(Value),
    /// These changes.
    Patch(Patch),
    /// These fields, owned by the manager that asks (server-side apply).
    Apply(Value),
    /// What a part of the server does to it.
    With(Box<dyn Fn(&mut Value) + Send + Sync>),
}

/// Changes to an object.
pub(crate) enum Patch {
    /// RFC 6902.
    Json(patch::json::Patch),
    /// RFC 7396.
    Merge(Value),
    /// Kubernetes' own, for kinds with merge keys.
    Strategic(Map<String, Value>),
}

/// What an edit makes of `old`.
///
/// # Errors
/// When the edit does not fit the object.
pub(super) fn result(write: &Write<'_>, edit: &Edit, old: &Value) -> Result<Value, Status> {
    match edit {
        Edit::Replace(new) | Edit::Apply(new) => Ok(new.clone()),
        Edit::Patch(patch) => patched(write, patch, old),
        Edit::With(change) => {
            let mut new = old.clone();
            change(&mut new);
            Ok(new)
        }
    }
}

fn patched(write: &Write<'_>, patch: &Patch, old: &Value) -> Result<Value, Status> {
    let mut new = old.clone();
    match patch {
        Patch::Json(patch) => patch.apply(&mut new)?,
        Patch::Merge(patch) => patch::merge::apply(&mut new, patch),
        Patch::Strategic(patch) => {
            let object =
                new.as_object_mut().ok_or_else(|| Status::internal("a stored object is no object"))?;
            let schema = write.api.registry.schema();
            patch::strategic::apply(schema, write.resource.ty, object, patch.clone())
                .map_err(|error| Status::from(&error))?;
        }
    }
    if !new.is_object() {
        return Err(Status::bad_request("the patch leaves no object"));
    }
    Ok(new)
}

/// Writes an object as upstream's server would hold it: defaults filled in, canonical spellings, no nulls.
pub(super) fn normalize(registry: &Registry, resource: &Resource, object: &mut Value) {
    default::apply(registry.schema(), &resource.gvk, object);
}
