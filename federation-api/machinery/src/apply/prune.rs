//! What a manager applied before and does not name any more goes, unless somebody else owns it.

use serde_json::Map;

use super::walk::{Part, Parts, parts};
use super::{Element, FieldSet};
use crate::Value;
use crate::schema::{Schema, TypeId};

/// Removes from `value` what is in `last` and in nobody's set of `kept`.
pub(super) fn prune(schema: &Schema, ty: TypeId, value: Value, last: &FieldSet, kept: &FieldSet) -> Value {
    if last.is_empty() {
        return value;
    }
    pruned(schema, Some(ty), &value, last, kept).unwrap_or(value)
}

/// What is left of a value; `None` when everything that was in it goes.
fn pruned(
    schema: &Schema,
    ty: Option<TypeId>,
    value: &Value,
    last: &FieldSet,
    kept: &FieldSet,
) -> Option<Value> {
    let (parts, is_list) = match parts(schema, ty, value) {
        Parts::Leaf => return Some(value.clone()),
        Parts::Fields(parts) => (parts, false),
        Parts::Items(parts) => (parts, true),
    };
    let was_empty = parts.is_empty();
    let nobody = FieldSet::default();
    let mut left = Vec::with_capacity(parts.len());
    for part in parts {
        if owns(last, &part) && !owns(kept, &part) {
            continue;
        }
        let Some(last) = last.below(&part.element) else {
            left.push((part.element, part.value.clone()));
            continue;
        };
        let rest = pruned(schema, part.ty, part.value, last, kept.below(&part.element).unwrap_or(&nobody));
        // What somebody owns stays, although nothing is left in it.
        let rest = rest.or_else(|| owns(kept, &part).then(|| emptied(part.value)));
        left.extend(rest.map(|rest| (part.element, rest)));
    }
    if left.is_empty() && !was_empty {
        return None;
    }
    if is_list {
        return Some(left.into_iter().map(|(_, part)| part).collect());
    }
    let fields = left.into_iter().filter_map(|(element, part)| match element {
        Element::Field(name) => Some((name, part)),
        Element::Keys(_) | Element::Value(_) | Element::Index(_) => None,
    });
    Some(Value::Object(fields.collect()))
}

/// Whether a part belongs to a set: itself, or for a field that the schema names, something in it.
fn owns(set: &FieldSet, part: &Part<'_>) -> bool {
    set.has(&part.element) || part.is_declared && set.below(&part.element).is_some()
}

fn emptied(value: &Value) -> Value {
    if value.is_array() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) }
}
