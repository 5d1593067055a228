//! The questions before a commit: does the object fit its kind, is it valid, and does every admission let it pass?

use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_machinery::validate::FieldError;

use crate::admission::{Operation, Request};
use crate::authorize::escalate;
use crate::built_in::validate::{self, Finalizers};

use super::door::Door;
use super::fields::{self, Findings};
use super::metadata;
use super::options::FieldValidation;
use super::write::Write;

/// Refuses values of wrong types, and refuses or reports unknown and repeated fields as the client wishes.
///
/// # Errors
/// 400 for what a built-in kind cannot hold and for what strict validation finds, 422 for a custom kind's types.
pub(super) fn fields(write: &Write<'_>, new: &Value) -> Result<Vec<String>, Status> {
    let Findings { unknown, mismatched, malformed } =
        fields::find(write.api.registry.schema(), write.resource.ty, new);
    let gvk = &write.resource.gvk;
    let as_kind = |what: &str| {
        if write.resource.is_built_in() {
            format!("{} in version \"{}\" cannot be handled as a {}: {what}", gvk.kind, gvk.version, gvk.kind)
        } else {
            what.to_owned()
        }
    };
    if let Some(first) = mismatched.first() {
        if write.resource.is_built_in() {
            return Err(Status::bad_request(as_kind(&first.as_go_says())));
        }
        let errors: Vec<FieldError> = mismatched.iter().map(fields::Mismatch::as_schema_says).collect();
        return Err(Status::invalid(&gvk.group, &gvk.kind, metadata::text(new, "name"), &errors));
    }
    if let Some((path, complaint)) = malformed {
        if write.resource.is_built_in() {
            return Err(Status::bad_request(as_kind(&complaint)));
        }
        let error = FieldError::invalid(path, Value::Null, complaint);
        return Err(Status::invalid(&gvk.group, &gvk.kind, metadata::text(new, "name"), &[error]));
    }
    let unknown = unknown.iter().map(|unknown| {
        // Tools compare what is said about built-in kinds with upstream's words.
        if write.resource.is_built_in() { unknown.plain() } else { unknown.with_suggestion() }
    });
    let found: Vec<String> = unknown.chain(write.findings.iter().cloned()).collect();
    match write.options.field_validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(found),
        FieldValidation::Strict if found.is_empty() => Ok(found),
        FieldValidation::Strict => {
            Err(Status::bad_request(as_kind(&format!("strict decoding error: {}", found.join(", ")))))
        }
    }
}

/// Refuses an object that breaks a rule, naming every field that does.
///
/// # Errors
/// 422 with the fields as causes; 403 when it gives away rights that the user does not hold.
pub(super) fn check(
    write: &Write<'_>,
    new: &Value,
    old: Option<&Value>,
    operation: Operation,
) -> Result<(), Status> {
    if write.door == Door::Object {
        escalate::check(write.api, write.user, write.resource, new, old)?;
    }
    let finalizers = if write.resource.is_built_in() { Finalizers::Qualified } else { Finalizers::Free };
    let mut errors = validate::metadata(new, write.resource.strategy.name, finalizers);
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
