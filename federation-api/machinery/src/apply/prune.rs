//! What a manager applied before and does not name any more goes, unless somebody else owns it.

use serde_json::Map;

use super::walk::{Parts, parts};
use super::{Element, FieldSet};
use crate::Value;
use crate::schema::{Schema, TypeId};

/// Removes from `value` what is in `last` and in nobody's set of `kept`.
pub(super) fn prune(schema: &Schema, ty: TypeId, value: Value, last: &FieldSet, kept: &FieldSet) -> Value {
    if last.is_empty() { value } else { pruned(schema, Some(ty), &value, last, kept) }
}

fn pruned(schema: &Schema, ty: Option<TypeId>, value: &Value, last: &FieldSet, kept: &FieldSet) -> Value {
    let (parts, is_list) = match parts(schema, ty, value) {
        Parts::Leaf => return value.clone(),
        Parts::Fields(parts) => (parts, false),
        Parts::Items(parts) => (parts, true),
    };
    let mut left = Vec::with_capacity(parts.len());
    for (element, ty, part) in parts {
        if last.has(&element) && !kept.touches(&element) {
            continue;
        }
        let part = match last.below(&element) {
            Some(last) => {
                let nobody = FieldSet::default();
                pruned(schema, ty, part, last, kept.below(&element).unwrap_or(&nobody))
            }
            None => part.clone(),
        };
        left.push((element, part));
    }
    if is_list {
        return Value::Array(left.into_iter().map(|(_, part)| part).collect());
    }
    let fields = left.into_iter().filter_map(|(element, part)| match element {
        Element::Field(name) => Some((name, part)),
        Element::Keys(_) | Element::Value(_) | Element::Index(_) => None,
    });
    Value::Object(fields.collect::<Map<String, Value>>())
}
