//! The last questions before a commit: is the object valid, and does every admission let it pass?

use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_machinery::validate::FieldError;

use crate::admission::{Operation, Request};

use super::metadata;
use super::write::Write;

/// Refuses an object that breaks a rule, naming every field that does.
///
/// # Errors
/// 422 with the fields as causes.
pub(super) fn check(
    write: &Write<'_>,
    new: &Value,
    old: Option<&Value>,
    operation: Operation,
) -> Result<(), Status> {
    let mut errors: Vec<FieldError> = Vec::new();
    if let Some(old) = old {
        errors.extend(metadata::check_finalizers(new, old));
    }
    errors.extend((write.resource.strategy.validate)(new, old));
    if errors.is_empty() {
        errors = admit(write, new, old, operation);
    }
    if errors.is_empty() {
        return Ok(());
    }
    let name = metadata::text(new, "name");
    Err(Status::invalid(&write.resource.gvk.group, &write.resource.gvk.kind, name, &errors))
}

/// Asks every admission.
pub(super) fn admit(
    write: &Write<'_>,
    new: &Value,
    old: Option<&Value>,
    operation: Operation,
) -> Vec<FieldError> {
    let request = Request {
        operation,
        resource: &write.resource.reference,
        subresource: write.door.subresource(),
        namespace: write.namespace,
        name: metadata::text(new, "name"),
        new,
        old,
        user: write.user,
    };
    write.api.admissions.iter().filter_map(|admission| admission.admit(&request).err()).flatten().collect()
}
