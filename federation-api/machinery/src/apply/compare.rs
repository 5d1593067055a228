//! What differs between two versions of an object, field by field.

use std::collections::BTreeMap;

use super::walk::{Part, Parts, parts};
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

/// The items of both versions that have one name. More than one is a list that names an item twice.
#[derive(Default)]
struct Pair<'a> {
    olds: Vec<Part<'a>>,
    news: Vec<Part<'a>>,
}

// === impl Change ===

impl Change {
    /// What whoever made the change now owns.
    pub(super) fn written(&self) -> FieldSet {
        self.added.union(&self.modified)
    }

    /// Everything that differs.
    pub(super) fn all(&self) -> FieldSet {
        self.written().union(&self.removed)
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
    let both = match (parts(schema, ty, old), parts(schema, ty, new)) {
        (Parts::Fields(olds), Parts::Fields(news)) | (Parts::Items(olds), Parts::Items(news)) => {
            Some((olds, news))
        }
        // Go writes null for a list or a map that is empty; what is in the other one is then what differs.
        (Parts::Leaf, Parts::Fields(news) | Parts::Items(news)) if old.is_null() => Some((Vec::new(), news)),
        (Parts::Fields(olds) | Parts::Items(olds), Parts::Leaf) if new.is_null() => Some((olds, Vec::new())),
        (Parts::Leaf | Parts::Fields(_) | Parts::Items(_), _) => None,
    };
    let Some((olds, news)) = both.filter(|(olds, news)| !(olds.is_empty() && news.is_empty())) else {
        return true;
    };
    let mut pairs: BTreeMap<Element, Pair<'_>> = BTreeMap::new();
    for part in olds {
        pairs.entry(part.element.clone()).or_default().olds.push(part);
    }
    for part in news {
        pairs.entry(part.element.clone()).or_default().news.push(part);
    }
    for (element, pair) in pairs {
        compare_pair(schema, element, &pair, change);
    }
    false
}

fn compare_pair(schema: &Schema, element: Element, pair: &Pair<'_>, change: &mut Change) {
    match (pair.olds.as_slice(), pair.news.as_slice()) {
        ([old], [new]) => {
            if old.value == new.value {
                return;
            }
            let mut inner = Change::default();
            if below(schema, new.ty, old.value, new.value, &mut inner) {
                change.modified.insert(element);
            } else {
                change.added.insert_below(element.clone(), inner.added);
                change.modified.insert_below(element.clone(), inner.modified);
                change.removed.insert_below(element, inner.removed);
            }
        }
        ([], [new]) => add_whole(schema, new, &mut change.added),
        ([old], []) => add_whole(schema, old, &mut change.removed),
        // What is there twice is one value, and another one than that which is there once.
        (olds @ [_, _, ..], news @ [_, _, ..]) => {
            let values = |parts: &[Part<'_>]| parts.iter().map(|part| part.value.clone()).collect::<Vec<_>>();
            if values(olds) != values(news) {
                change.modified.insert(element);
            }
        }
        (olds, [_, _, ..]) => {
            olds.iter().for_each(|old| add_whole(schema, old, &mut change.removed));
            change.added.insert(element);
        }
        ([_, _, ..], news) => {
            news.iter().for_each(|new| add_whole(schema, new, &mut change.added));
            change.removed.insert(element);
        }
        ([], []) => {}
    }
}

/// Adds a value that the other version lacks: itself, and all of its parts.
fn add_whole(schema: &Schema, part: &Part<'_>, set: &mut FieldSet) {
    let mut inner = FieldSet::default();
    match parts(schema, part.ty, part.value) {
        Parts::Leaf => {}
        Parts::Fields(parts) | Parts::Items(parts) => {
            parts.iter().for_each(|part| add_whole(schema, part, &mut inner));
        }
    }
    set.insert(part.element.clone());
    set.insert_below(part.element.clone(), inner);
}
