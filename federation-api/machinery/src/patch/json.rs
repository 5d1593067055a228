//! JSON patch (RFC 6902): a list of operations.
//!
//! A patch that cannot be read is a bad request; one that can be read but does not fit the object is unprocessable.
//! Clients rely on that difference: a failing `test` must not look like a malformed patch.

use json_patch::{PatchOperation, patch_unsafe};

use crate::Value;
use crate::json;
use crate::quote::quoted;
use crate::status::{Cause, Details, Reason, Status};

/// More operations than this are refused, as upstream does: each may touch a whole object.
const OPERATIONS_MAX: usize = 10_000;

/// What all `copy` operations of a patch may add together: as much as a request body may hold. Without it a patch of
/// a kilobyte could double an object some hundred times.
const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// The fields an operation may have.
const FIELDS: [&str; 4] = ["op", "path", "from", "value"];

/// A patch that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    operations: Vec<Value>,
    /// One sentence per unknown or repeated field of an operation, worded for strict validation.
    pub findings: Vec<String>,
}

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    /// A bad request when it is not a list of objects, or too large when it has too many operations.
    pub fn parse(text: &[u8]) -> Result<Self, Status> {
        let unreadable = |why: &str| Status::bad_request(format!("error decoding patch: {why}"));
        let parsed = json::parse(text).map_err(|error| unreadable(&error.to_string()))?;
        let Value::Array(operations) = parsed.value else {
            return Err(unreadable("a JSON patch is a list of operations"));
        };
        if operations.len() > OPERATIONS_MAX {
            return Err(Status::too_large(&format!(
                "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
                operations.len()
            )));
        }
        let mut findings: Vec<String> =
            parsed.duplicates.iter().map(|duplicate| format!("json patch {duplicate}")).collect();
        for (index, operation) in operations.iter().enumerate() {
            let Value::Object(fields) = operation else {
                return Err(unreadable("every operation of a JSON patch is an object"));
            };
            let unknown = fields.keys().filter(|field| !FIELDS.contains(&field.as_str()));
            findings.extend(
                unknown.map(|field| {
                    format!("json patch unknown field {}", quoted(&format!("[{index}].{field}")))
                }),
            );
        }
        Ok(Self { operations, findings })
    }

    /// Applies the operations one after the other; on failure `object` is left half patched.
    ///
    /// # Errors
    /// Unprocessable (422) when an operation does not fit the object.
    pub fn apply(&self, object: &mut Value) -> Result<(), Status> {
        let mut n_copied_bytes = 0;
        for operation in &self.operations {
            let operation: PatchOperation = serde_json::from_value(operation.clone())
                .map_err(|error| unprocessable(&error.to_string()))?;
            if let PatchOperation::Copy(copy) = &operation {
                n_copied_bytes += object.pointer(copy.from.as_str()).map_or(0, size);
                if n_copied_bytes > COPIED_BYTES_MAX {
                    return Err(unprocessable("the patch copies more than 3 MiB"));
                }
            }
            if is_test_for_absence(&operation, object) {
                continue;
            }
            patch_unsafe(object, std::slice::from_ref(&operation)).map_err(|error| {
                unprocessable(&format!("{} {}: {}", name(&operation), error.path, error.kind))
            })?;
        }
        Ok(())
    }
}

/// A `test` for null holds where nothing is.
fn is_test_for_absence(operation: &PatchOperation, object: &Value) -> bool {
    match operation {
        PatchOperation::Test(test) => test.value.is_null() && object.pointer(test.path.as_str()).is_none(),
        PatchOperation::Add(_)
        | PatchOperation::Remove(_)
        | PatchOperation::Replace(_)
        | PatchOperation::Move(_)
        | PatchOperation::Copy(_) => false,
    }
}

fn name(operation: &PatchOperation) -> &'static str {
    match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    }
}

/// The number of bytes of the value as JSON, about.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(map) => 2 + map.iter().map(|(key, value)| key.len() + 4 + size(value)).sum::<usize>(),
    }
}

/// Upstream's answer, with the reason as a cause that kubectl shows.
fn unprocessable(why: &str) -> Status {
    let cause =
        Cause { reason: "FieldValueInvalid".to_owned(), message: why.to_owned(), field: "patch".to_owned() };
    let message = "the server rejected our request due to an error in our request";
    let details = Details { causes: vec![cause], ..Details::default() };
    Status { details: Some(Box::new(details)), ..Status::plain(Reason::Invalid, message) }
}

#[cfg(test)]
mod tests;
