//! Values by their types: the parts of a value, and the set of all its fields.

use std::collections::BTreeMap;

use super::{Element, FieldSet};
use crate::Value;
use crate::schema::{Schema, Topology, Type, TypeId};

/// How a value is taken apart.
pub(super) enum Parts<'a> {
    /// It is not: a leaf, or an atomic value.
    Leaf,
    /// An object, field by field.
    Fields(Vec<(Element, Option<TypeId>, &'a Value)>),
    /// A list whose items have names. Shape: in the order of the list.
    Items(Vec<(Element, Option<TypeId>, &'a Value)>),
}

/// Takes a value of type `ty` apart; `None` stands for a type that nobody knows.
pub(super) fn parts<'a>(schema: &Schema, ty: Option<TypeId>, value: &'a Value) -> Parts<'a> {
    let known = ty.map_or(&Type::Any, |ty| schema.get(ty));
    match (known, value) {
        (Type::Struct(fields), Value::Object(object)) if !fields.atomic => {
            let typed = object.iter().map(|(name, value)| {
                (Element::Field(name.clone()), fields.field(name).map(|field| field.ty), value)
            });
            Parts::Fields(typed.collect())
        }
        (Type::Map(map), Value::Object(object)) if !map.atomic => {
            let values =
                object.iter().map(|(name, value)| (Element::Field(name.clone()), Some(map.values), value));
            Parts::Fields(values.collect())
        }
        (Type::Any, Value::Object(object)) => {
            let values = object.iter().map(|(name, value)| (Element::Field(name.clone()), None, value));
            Parts::Fields(values.collect())
        }
        (Type::List(list), Value::Array(items)) => match &list.topology {
            Topology::Atomic => Parts::Leaf,
            Topology::Set => {
                let named = items.iter().map(|item| (Element::value(item), Some(list.items), item));
                Parts::Items(distinct(named))
            }
            Topology::Map { keys } => {
                let named = items
                    .iter()
                    .map(|item| (item_keys(schema, list.items, keys, item), Some(list.items), item));
                Parts::Items(distinct(named))
            }
        },
        _ => Parts::Leaf,
    }
}

/// The first item of each name: a list that names one twice has no better meaning.
fn distinct<'a>(
    items: impl Iterator<Item = (Element, Option<TypeId>, &'a Value)>,
) -> Vec<(Element, Option<TypeId>, &'a Value)> {
    let mut seen = BTreeMap::new();
    let mut kept = Vec::new();
    for item in items {
        if seen.insert(item.0.clone(), ()).is_none() {
            kept.push(item);
        }
    }
    kept
}

/// The name of an item: its key fields, those that are absent by their defaults.
fn item_keys(schema: &Schema, ty: TypeId, keys: &[String], item: &Value) -> Element {
    let default = |key: &str| match schema.get(ty) {
        Type::Struct(fields) => fields.field(key).and_then(|field| field.default.as_ref()),
        _ => None,
    };
    let pairs = keys.iter().filter_map(|key| {
        let value = item.get(key).filter(|value| !value.is_null()).or_else(|| default(key))?;
        Some((key.as_str(), value))
    });
    Element::keys(pairs)
}

/// Every field of a value that one who wrote it owns.
pub(super) fn field_set(schema: &Schema, ty: TypeId, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    add(schema, Some(ty), value, &mut set);
    set
}

/// Adds the parts of a value; answers whether it had any.
fn add(schema: &Schema, ty: Option<TypeId>, value: &Value, set: &mut FieldSet) -> bool {
    let (parts, are_items) = match parts(schema, ty, value) {
        Parts::Leaf => return false,
        Parts::Fields(parts) => (parts, false),
        Parts::Items(parts) => (parts, true),
    };
    for (element, ty, value) in parts {
        let mut below = FieldSet::default();
        let is_whole = !add(schema, ty, value, &mut below) || below.is_empty();
        // An empty list is owned by its field alone when it is one value; with items, they are what is owned.
        if is_whole || are_items || ty.is_none() {
            set.insert(element.clone());
        }
        set.insert_below(element, below);
    }
    true
}
