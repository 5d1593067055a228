//! Server-side apply: who owns which fields of an object, and what an apply makes of it.
//!
//! ```text
//! apply:  live + configuration ─► merge ─► prune what the manager gave up ─► conflicts? ─► owners
//! other:  old, new ─► compare ─► what changed is now this manager's, and nobody else's
//! ```
//! Trees are read by the schema: lists with keys merge item by item, sets by value, atomic values as one. What the
//! schema does not know merges key by key, and its lists are atomic.
//! Source: KEP-555; `sigs.k8s.io/structured-merge-diff` for results and spelling.

mod compare;
mod element;
mod fieldset;
mod managed;
mod merge;
mod prune;
#[cfg(test)]
mod tests;
mod walk;

use crate::Value;
use crate::schema::{Schema, TypeId};
use managed::Claim;

pub use element::Element;
pub use fieldset::FieldSet;
pub use managed::{Conflict, Entry, Managers, Operation, Unreadable};
pub use walk::{Unclear, check};

/// Who writes, and how.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// The version the object is written in, such as `apps/v1`.
    pub api_version: &'a str,
    /// `status`, `scale` and the like; empty for the object itself.
    pub subresource: &'a str,
    /// When, in the form of `metav1.Time`.
    pub time: &'a str,
}

/// What an apply does about fields that others own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It is refused with the conflicts.
    No,
    /// It takes them over.
    Yes,
}

/// Fields that belong to the server, or to another door; nobody owns them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// What the server sets.
    Server,
    /// That, and the status: the object itself where the kind has a status door.
    Status,
    /// Everything but the status: the status door of a custom kind.
    AllButStatus,
    /// Everything but the status and the metadata: the status door of a built-in kind.
    Content,
}

/// What only the server sets of the metadata.
const OF_SERVER: [&str; 10] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Where an object is applied to: its meaning and its owners so far.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The meaning of types.
    pub schema: &'a Schema,
    /// The type of the object.
    pub ty: TypeId,
    /// What nobody owns.
    pub reset: Reset,
}

/// Merges `configuration` into `live` for a writer. The answer holds the object without managed fields, and the owners.
///
/// # Errors
/// When others own what would change and `force` is no.
pub fn apply(
    place: Place<'_>,
    live: &Value,
    configuration: &Value,
    owners: Managers,
    writer: Writer<'_>,
    force: Force,
) -> Result<(Value, Managers), Vec<Conflict>> {
    let mut owners = owners;
    let merged = merge::merge(place.schema, place.ty, live, configuration);
    let named = place.reset.leave_out(walk::field_set(place.schema, place.ty, configuration));
    let last = owners.applied(writer).map(|entry| entry.fields.clone()).unwrap_or_default();
    let claim = owners.claim_applied(writer, place.reset.strip(named.clone()));
    // What the configuration says of the server's fields counts as owned until it is merged.
    let kept = owners.union().union(&named);
    let pruned = prune::prune(place.schema, place.ty, merged, &last, &kept);
    let mut change = compare::compare(place.schema, place.ty, live, &pruned);
    change.strip(place.reset);
    let conflicts = owners.conflicts(writer, Operation::Apply, &change.written());
    if !conflicts.is_empty() && force == Force::No {
        return Err(conflicts);
    }
    owners.release(writer, Operation::Apply, &change);
    if claim == Claim::New || pruned != *live {
        owners.date(writer, Operation::Apply);
    }
    owners.drop_empty();
    Ok((pruned, owners))
}

/// Notes that a writer made `new` of `old` by other means than apply.
pub fn update(place: Place<'_>, old: &Value, new: &Value, owners: Managers, writer: Writer<'_>) -> Managers {
    let mut owners = owners;
    let mut change = compare::compare(place.schema, place.ty, old, new);
    change.strip(place.reset);
    owners.release(writer, Operation::Update, &change);
    owners.claim_updated(writer, &change);
    owners.drop_empty();
    owners.draw_together();
    owners
}

/// What of a configuration that was applied by a client is still as it says in `live`.
///
/// Who applies on the server what it applied on the client before has no conflict about it.
pub fn still_as_applied(place: Place<'_>, live: &Value, configuration: &Value) -> FieldSet {
    let change = compare::compare(place.schema, place.ty, configuration, live);
    walk::field_set(place.schema, place.ty, configuration).difference(&change.all())
}

// === impl Reset ===

impl Reset {
    /// Leaves out what is written through other doors.
    fn leave_out(self, set: FieldSet) -> FieldSet {
        let mut set = set;
        match self {
            Self::Server => {}
            Self::Status => set.forget(&["status"]),
            Self::AllButStatus => set.keep_only(&["status"]),
            Self::Content => set.keep_only(&["metadata", "status"]),
        }
        set
    }

    /// Leaves out that, and what the server sets.
    fn strip(self, set: FieldSet) -> FieldSet {
        let mut set = self.leave_out(set);
        for field in ["apiVersion", "kind"] {
            set.forget(&[field]);
        }
        set.forget_member("metadata");
        for field in OF_SERVER {
            set.forget(&["metadata", field]);
        }
        set
    }
}
