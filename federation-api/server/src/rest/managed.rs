//! Field management: who owns which fields.

use jiff::Timestamp;
use koinon_machinery::Value;
use koinon_machinery::patch;
use koinon_machinery::status::Status;

use super::write::Write;

/// Notes which fields a write changed.
pub(super) fn update(
    _write: &Write<'_>,
    _old: Option<&Value>,
    _new: &mut Value,
    _now: Timestamp,
) -> Result<(), Status> {
    Ok(())
}

/// What an apply makes of an object.
pub(super) fn apply(
    _write: &Write<'_>,
    old: Option<&Value>,
    applied: &Value,
    _now: Timestamp,
) -> Result<Value, Status> {
    let mut new = old.cloned().unwrap_or_else(|| applied.clone());
    patch::merge::apply(&mut new, applied);
    Ok(new)
}

/// Whether two versions say the same.
pub(super) fn is_same(new: &Value, old: &Value) -> bool {
    new == old
}
