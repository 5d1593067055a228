//! What differs between two versions of an object, field by field.

use std::collections::BTreeMap;

use super::walk::{Parts, parts};
use super::{Element, FieldSet, Reset};
use crate::Value;
use crate::schema::{Schema, TypeId};

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    added: FieldSet,
    modified: FieldSet,
    pub(super) removed: FieldSet,
}

// === impl Change ===

impl Change {
    /// What whoever made the change now owns.
    pub(super) fn written(&self) -> FieldSet {
        self.added.union(&self.modified)
    }

    /// Leaves out what nobody owns.
    pub(super) fn strip(&mut self, reset: Reset) {
        for set in [&mut self.added, &mut self.modified, &mut self.removed] {
            *set = reset.strip(std::mem::take(set));
        }
    }
}

/// Compares two versions.
pub(super) fn compare(schema: &Schema, ty: TypeId, old: &Value, new: &Value) -> Change {
    let mut change = Change::default();
    below(schema, Some(ty), old, new, &mut change);
    change
}

/// Compares the parts of two values; answers whether they are to be compared as wholes instead.
fn below(schema: &Schema, ty: Option<TypeId>, old: &Value, new: &Value, change: &mut Change) -> bool {
    let pair = match (parts(schema, ty, old), parts(schema, ty, new)) {
        // Go writes null for a list without items; what is in the other one is then what differs.
        (Parts::Leaf, Parts::Items(news)) if old.is_null() => (Parts::Items(Vec::new()), Parts::Items(news)),
        (Parts::Items(olds), Parts::Leaf) if new.is_null() => (Parts::Items(olds), Parts::Items(Vec::new())),
        pair => pair,
    };
    let ((Parts::Fields(olds), Parts::Fields(news)) | (Parts::Items(olds), Parts::Items(news))) = pair else {
        return true;
    };
    if olds.is_empty() && news.is_empty() {
        return false;
    }
    let mut olds: BTreeMap<Element, (Option<TypeId>, &Value)> =
        olds.into_iter().map(|(element, ty, value)| (element, (ty, value))).collect();
    for (element, ty, new) in news {
        match olds.remove(&element) {
            None => add_whole(schema, element, ty, new, &mut change.added),
            Some((_, old)) if old == new => {}
            Some((_, old)) => {
                let mut inner = Change::default();
                if below(schema, ty, old, new, &mut inner) {
                    change.modified.insert(element);
                } else {
                    change.added.insert_below(element.clone(), inner.added);
                    change.modified.insert_below(element.clone(), inner.modified);
                    change.removed.insert_below(element, inner.removed);
                }
            }
        }
    }
    for (element, (ty, old)) in olds {
        add_whole(schema, element, ty, old, &mut change.removed);
    }
    false
}

/// Adds a value that the other version lacks: itself, and all of its parts.
fn add_whole(schema: &Schema, element: Element, ty: Option<TypeId>, value: &Value, set: &mut FieldSet) {
    let mut inner = FieldSet::default();
    match parts(schema, ty, value) {
        Parts::Leaf => {}
        Parts::Fields(parts) | Parts::Items(parts) => {
            for (element, ty, value) in parts {
                add_whole(schema, element, ty, value, &mut inner);
            }
        }
    }
    set.insert(element.clone());
    set.insert_below(element, inner);
}
