//! The last word before a commit: rules that whoever composes the server brings along.
//!
//! An admission sees the whole object as it would be stored, defaults included, and either lets it pass or names the
//! fields that are wrong and what would be accepted. It changes nothing and waits for nothing: rules that need other
//! objects hold their own view of them.

use koinon_machinery::Value;
use koinon_machinery::validate::FieldError;

use crate::authenticate::User;
use crate::registry::ResourceRef;

/// A rule over writes.
pub trait Admission: Send + Sync {
    /// Lets a write pass, or names what is wrong with it.
    ///
    /// # Errors
    /// The fields that are wrong, at least one; the client is answered 422 `Invalid` with them as causes.
    fn admit(&self, request: &Request<'_>) -> Result<(), Vec<FieldError>>;
}

/// What is done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The object is new.
    Create,
    /// The object changes.
    Update,
    /// The object is asked to go.
    Delete,
}

/// One write that is about to be committed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is done.
    pub operation: Operation,
    /// The resource, as the client addressed it.
    pub resource: &'a ResourceRef,
    /// `status`, `scale` and the like; empty for the object itself.
    pub subresource: &'a str,
    /// Empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// The name of the object.
    pub name: &'a str,
    /// The object as it would be stored; for a delete, the object that goes.
    pub new: &'a Value,
    /// The object as it is stored; absent for a create.
    pub old: Option<&'a Value>,
    /// Who asks.
    pub user: &'a User,
}
