//! Asking objects to go.
//!
//! A delete marks the object and then lets it go at once, unless a finalizer holds it: one of its own, or one that the
//! way of propagation adds for the garbage collector. So the end of an object is always the same step, whoever takes
//! it: the write that leaves it marked and not held.

use jiff::Timestamp;
use koinon_machinery::Value;
use koinon_machinery::status::Status;

use crate::admission::Operation;
use crate::built_in::core::IMMORTAL_NAMESPACES;
use crate::object::Stored;

use super::judge;
use super::metadata;
use super::options::{DeleteOptions, Preconditions, Propagation};
use super::write::{ATTEMPTS_MAX, Attempt, Outcome, Write};

/// Dependents go before the object.
const FOREGROUND: &str = "foregroundDeletion";
/// Dependents lose their owner and stay.
const ORPHAN: &str = "orphan";

impl Write<'_> {
    /// Asks the object to go; it goes at once unless it has finalizers.
    pub(crate) async fn delete(&self, options: &DeleteOptions) -> Result<Outcome, Status> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt_delete(options).await? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Raced => {}
            }
        }
        Err(self.conflict(metadata::MODIFIED))
    }

    async fn attempt_delete(&self, options: &DeleteOptions) -> Result<Attempt, Status> {
        let stored =
            self.api.storage.get(self.resource, self.namespace, self.name).ok_or_else(|| self.not_found())?;
        if let Some(preconditions) = &options.preconditions {
            self.check_preconditions(preconditions, &stored)?;
        }
        let namespace = self.resource.names() == ("", "namespaces");
        if namespace && IMMORTAL_NAMESPACES.contains(&self.name) {
            return Err(Status::forbidden("", "namespaces", self.name, "this namespace may not be deleted"));
        }
        let old = self.shown(&stored);
        let errors = judge::admit(self, &old, Some(&old), Operation::Delete);
        if !errors.is_empty() {
            let gvk = &self.resource.gvk;
            return Err(Status::invalid(&gvk.group, &gvk.kind, self.name, &errors));
        }
        let mut new = Value::clone(&old);
        propagate(&mut new, options.propagation());
        metadata::mark_deleted(&mut new, Timestamp::now());
        if namespace {
            new["status"]["phase"] = "Terminating".into();
            metadata::of(&mut new).remove("deletionGracePeriodSeconds");
        }
        self.finish(new, &old, &stored, Vec::new()).await
    }

    fn check_preconditions(&self, preconditions: &Preconditions, stored: &Stored) -> Result<(), Status> {
        let version = stored.resource_version().to_string();
        let another = "The object might have been deleted and then recreated";
        let pins = [
            ("UID", preconditions.uid.as_deref(), stored.uid(), another),
            (
                "ResourceVersion",
                preconditions.resource_version.as_deref(),
                &version,
                "The object might have been modified",
            ),
        ];
        for (what, pin, found, why) in pins {
            if let Some(pin) = pin.filter(|pin| *pin != found) {
                let gvk = &self.resource.gvk;
                let why = format!(
                    "the {what} in the precondition ({pin}) does not match the {what} in record ({found}). {why}"
                );
                return Err(Status::conflict(&gvk.group, &gvk.kind, self.name, &why));
            }
        }
        Ok(())
    }
}

/// Says by finalizers how dependents are to be treated; without a wish, what the object says already stays.
fn propagate(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let mut finalizers: Vec<Value> = metadata::finalizers(object)
        .filter(|finalizer| !matches!(*finalizer, FOREGROUND | ORPHAN))
        .map(Value::from)
        .collect();
    match propagation {
        Propagation::Orphan => finalizers.push(ORPHAN.into()),
        Propagation::Foreground => finalizers.push(FOREGROUND.into()),
        Propagation::Background => {}
    }
    let metadata = metadata::of(object);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), finalizers.into());
    }
}
