//! Strategic merge patch: an overlay that knows which lists are merged and by which key.
//!
//! What a patch may say besides plain values:
//!
//! ```text
//! $patch: replace | delete                     in a map: take it whole, or empty it; in a list item: replace the
//!                                              list, or delete the items with the same key
//! $retainKeys: [a, b]                          keep no other keys of the map
//! $deleteFromPrimitiveList/<list>: [x]         remove scalars from a merged list
//! $setElementOrder/<list>: [{name: x}, …]      the order of the result
//! <field>: null                                remove the field
//! ```
//! Results are those of upstream, its oddities included: with a merge key that is not unique (two Service ports of one
//! number) the first item is merged into. Where upstream fails on a field it does not know, the field is merged without
//! a strategy, so that kinds of newer versions can be patched.
//! Not done here: making such patches; clients do that.

mod list;

use serde_json::Map;

use crate::Value;
use crate::schema::{Patch, Schema, Type, TypeId};
use crate::status::{Reason, Status};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const ELEMENT_ORDER: &str = "$setElementOrder";

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `$deleteFromPrimitiveList` without the name of a list.
    #[error("invalid patch format of primitive list")]
    PrimitiveList,
    /// `$retainKeys` is no list, or lacks a key that the patch sets.
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    /// `$setElementOrder` is no list or names none.
    #[error("invalid patch format of setElementOrder list")]
    ElementOrder,
    /// The items of the patch are not in the order that `$setElementOrder` says.
    #[error("The order in patch list doesn't match $setElementOrder list: {list}")]
    OrderMismatch {
        /// The field.
        list: String,
    },
    /// An unknown value of `$patch`.
    #[error("unknown patch type: {directive}")]
    Directive {
        /// The value.
        directive: String,
    },
    /// An item of a merged list lacks the key.
    #[error("map: {item} does not contain declared merge key: {key}")]
    MergeKey {
        /// The item.
        item: String,
        /// The key.
        key: String,
    },
    /// A list of objects is merged but has no merge key.
    #[error("cannot merge lists without merge key for {list}")]
    NoMergeKey {
        /// The field.
        list: String,
    },
    /// Lists whose items are lists cannot be merged.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// The items of a merged list are of several types.
    #[error("list element types are not identical: {list}")]
    MixedItems {
        /// The field.
        list: String,
    },
    /// A value has another type than the directive about it needs.
    #[error("expected a list, but received another type: {field}")]
    NotAList {
        /// The field.
        field: String,
    },
}

impl From<&Error> for Status {
    fn from(error: &Error) -> Self {
        match error {
            Error::ListOfLists => Status::plain(Reason::Invalid, error.to_string()),
            Error::PrimitiveList
            | Error::RetainKeys
            | Error::ElementOrder
            | Error::OrderMismatch { .. }
            | Error::Directive { .. }
            | Error::MergeKey { .. }
            | Error::NoMergeKey { .. }
            | Error::MixedItems { .. }
            | Error::NotAList { .. } => Status::bad_request(error.to_string()),
        }
    }
}

/// Applies `patch` to `object`, whose type is `ty`; on failure `object` is left half patched.
///
/// # Errors
/// When a directive is malformed or does not fit the lists it is about.
pub fn apply(
    schema: &Schema,
    ty: TypeId,
    object: &mut Map<String, Value>,
    patch: Map<String, Value>,
) -> Result<(), Error> {
    Merge { schema }.map(object, patch, Some(ty))
}

/// Carries the schema through the recursion.
#[derive(Clone, Copy)]
struct Merge<'a> {
    schema: &'a Schema,
}

/// What the schema says about one field.
struct Place<'a> {
    /// The field's type; for a list that of the items. `None` where the schema ends.
    ty: Option<TypeId>,
    strategy: Option<&'a Patch>,
}

impl Place<'_> {
    fn is_merged(&self) -> bool {
        self.strategy.is_some_and(|strategy| strategy.merge)
    }

    fn is_replaced(&self) -> bool {
        self.strategy.is_some_and(|strategy| strategy.replace)
    }

    fn merge_key(&self) -> &str {
        self.strategy.and_then(|strategy| strategy.merge_key.as_deref()).unwrap_or_default()
    }
}

impl<'a> Merge<'a> {
    /// What the schema says about `field` of a map of type `ty`.
    fn place(self, ty: Option<TypeId>, field: &str) -> Place<'a> {
        let (ty, strategy) = match ty.map(|ty| self.schema.get(ty)) {
            Some(Type::Struct(structure)) => match structure.field(field) {
                Some(field) => (Some(field.ty), Some(&field.patch)),
                None => (None, None),
            },
            Some(Type::Map(map)) => (Some(map.values), None),
            Some(Type::Scalar(_) | Type::List(_) | Type::Any | Type::Atom) | None => (None, None),
        };
        match ty.map(|ty| self.schema.get(ty)) {
            Some(Type::List(list)) => Place { ty: Some(list.items), strategy },
            Some(Type::Scalar(_) | Type::Struct(_) | Type::Map(_) | Type::Any | Type::Atom) | None => {
                Place { ty, strategy }
            }
        }
    }

    fn map(
        self,
        object: &mut Map<String, Value>,
        mut patch: Map<String, Value>,
        ty: Option<TypeId>,
    ) -> Result<(), Error> {
        if let Some(directive) = patch.remove(DIRECTIVE) {
            *object = match directive.as_str() {
                Some("replace") => clean_map(patch),
                Some("delete") => Map::new(),
                _ => return Err(Error::Directive { directive: directive.to_string() }),
            };
            return Ok(());
        }
        retain_keys(object, &mut patch)?;
        self.ordered_lists(object, &mut patch, ty)?;
        for (field, value) in patch {
            match field.strip_prefix(DELETE_FROM) {
                Some(rest) => {
                    let list = rest.strip_prefix('/').ok_or(Error::PrimitiveList)?;
                    list::delete_scalars(object, list, value);
                }
                None => self.field(object, field, value, ty)?,
            }
        }
        Ok(())
    }

    fn field(
        self,
        object: &mut Map<String, Value>,
        field: String,
        value: Value,
        ty: Option<TypeId>,
    ) -> Result<(), Error> {
        if value.is_null() {
            object.remove(&field);
            return Ok(());
        }
        match (object.get_mut(&field), value) {
            (Some(Value::Object(current)), Value::Object(patch)) => {
                let place = self.place(ty, &field);
                if place.is_replaced() {
                    *current = clean_map(patch);
                } else {
                    self.map(current, patch, place.ty)?;
                }
            }
            (Some(Value::Array(current)), Value::Array(patch)) => {
                let place = self.place(ty, &field);
                *current = if place.is_merged() {
                    self.list(&field, std::mem::take(current), patch, &place)?
                } else {
                    clean_list(patch)
                };
            }
            // The field is new or of another type; a value that is only a directive leaves nothing.
            (_, value) => match cleaned(value) {
                Some(value) => {
                    object.insert(field, value);
                }
                None => {
                    object.remove(&field);
                }
            },
        }
        Ok(())
    }
}

/// Obeys and removes `$retainKeys`.
fn retain_keys(object: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), Error> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let keys = keys.as_array().ok_or(Error::RetainKeys)?;
    let is_retained = |key: &str| keys.iter().any(|retained| retained == key);
    let is_directive = |key: &str| key.starts_with(DELETE_FROM) || key.starts_with(ELEMENT_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !is_directive(key) && !is_retained(key)) {
        return Err(Error::RetainKeys);
    }
    object.retain(|key, _| is_retained(key));
    Ok(())
}

/// What remains of a value that the patch adds: no directives, no nulls; `None` when it is a directive itself.
fn cleaned(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(clean_map(map))),
        Value::Array(items) => Some(Value::Array(clean_list(items))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value),
    }
}

fn clean_map(map: Map<String, Value>) -> Map<String, Value> {
    let is_directive = |key: &str| {
        key == RETAIN_KEYS
            || key.starts_with(DELETE_FROM)
            || key.starts_with(ELEMENT_ORDER)
            || key == DIRECTIVE
    };
    map.into_iter()
        .filter(|(key, value)| !value.is_null() && !is_directive(key))
        .filter_map(|(key, value)| Some((key, cleaned(value)?)))
        .collect()
}

fn clean_list(items: Vec<Value>) -> Vec<Value> {
    items.into_iter().filter_map(cleaned).collect()
}

#[cfg(test)]
mod tests;
