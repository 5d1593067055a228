//! Values by their types: the parts of a value, and the set of all its fields.

use std::collections::{BTreeMap, BTreeSet};

use super::{Element, FieldSet};
use crate::Value;
use crate::schema::{Schema, Topology, Type, TypeId};

/// How a value is taken apart.
pub(super) enum Parts<'a> {
    /// It is not: a leaf, or an atomic value.
    Leaf,
    /// An object, field by field.
    Fields(Vec<Part<'a>>),
    /// A list whose items have names. Shape: in the order of the list; an item that is there twice comes twice.
    Items(Vec<Part<'a>>),
}

/// One part of a value.
pub(super) struct Part<'a> {
    pub(super) element: Element,
    /// `None` stands for a type that nobody knows.
    pub(super) ty: Option<TypeId>,
    pub(super) value: &'a Value,
    /// Whether it is a field that the schema names. Such a one is owned by owning something in it; an entry of a map
    /// or an item of a list is owned on its own.
    pub(super) is_declared: bool,
}

/// What a configuration leaves unclear about a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// Two items have one name.
    #[error("{list}: duplicate entries for key {item}")]
    Twice {
        /// The list.
        list: String,
        /// The name.
        item: String,
    },
    /// An item has no name.
    #[error(
        "{list}: element {index}: associative list with keys has an element that omits all key fields {keys:?} \
         (and doesn't have default values for any key fields)"
    )]
    Nameless {
        /// The list.
        list: String,
        /// The item.
        index: usize,
        /// What would name it.
        keys: Vec<String>,
    },
}

/// Takes a value of type `ty` apart; `None` stands for a type that nobody knows.
pub(super) fn parts<'a>(schema: &Schema, ty: Option<TypeId>, value: &'a Value) -> Parts<'a> {
    let known = ty.map_or(&Type::Any, |ty| schema.get(ty));
    match (known, value) {
        (Type::Struct(fields), Value::Object(object)) if !fields.atomic => {
            let typed = object.iter().map(|(name, value)| {
                let ty = fields.field(name).map(|field| field.ty);
                Part { element: Element::Field(name.clone()), ty, value, is_declared: ty.is_some() }
            });
            Parts::Fields(typed.collect())
        }
        (Type::Map(map), Value::Object(object)) if !map.atomic => {
            Parts::Fields(entries(Some(map.values), object))
        }
        (Type::Any, Value::Object(object)) => Parts::Fields(entries(None, object)),
        (Type::List(list), Value::Array(items)) => {
            let named = |name: &dyn Fn(&Value) -> Element| {
                let part =
                    |value| Part { element: name(value), ty: Some(list.items), value, is_declared: false };
                Parts::Items(items.iter().map(part).collect())
            };
            match &list.topology {
                Topology::Atomic => Parts::Leaf,
                Topology::Set => named(&|item| Element::value(item)),
                Topology::Map { keys } => named(&|item| item_keys(schema, list.items, keys, item)),
            }
        }
        (Type::Scalar(_) | Type::Struct(_) | Type::Map(_) | Type::List(_) | Type::Any | Type::Atom, _) => {
            Parts::Leaf
        }
    }
}

fn entries(ty: Option<TypeId>, object: &serde_json::Map<String, Value>) -> Vec<Part<'_>> {
    let entry = |(name, value)| {
        let name: &String = name;
        Part { element: Element::Field(name.clone()), ty, value, is_declared: false }
    };
    object.iter().map(entry).collect()
}

/// The name of an item: its key fields, those that are absent by their defaults.
fn item_keys(schema: &Schema, ty: TypeId, keys: &[String], item: &Value) -> Element {
    let default = |key: &str| match schema.get(ty) {
        Type::Struct(fields) => fields.field(key).and_then(|field| field.default.as_ref()),
        Type::Scalar(_) | Type::Map(_) | Type::List(_) | Type::Any | Type::Atom => None,
    };
    let pairs = keys.iter().filter_map(|key| {
        let value = item.get(key).filter(|value| !value.is_null()).or_else(|| default(key))?;
        Some((key.as_str(), value))
    });
    Element::keys(pairs)
}

/// Every field of a value that one who wrote it owns.
pub(super) fn field_set(schema: &Schema, ty: TypeId, value: &Value) -> FieldSet {
    below(schema, Some(ty), value)
}

fn below(schema: &Schema, ty: Option<TypeId>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    let (Parts::Fields(parts) | Parts::Items(parts)) = parts(schema, ty, value) else { return set };
    let mut seen = BTreeMap::new();
    for part in &parts {
        *seen.entry(part.element.clone()).or_insert(0_usize) += 1;
    }
    for part in parts {
        let is_whole = match self::parts(schema, part.ty, part.value) {
            Parts::Leaf => true,
            Parts::Fields(inner) => inner.is_empty(),
            // As upstream: nobody owns that a list is empty.
            Parts::Items(_) => false,
        };
        if is_whole || !part.is_declared {
            set.insert(part.element.clone());
        }
        // Of an item that is there twice, only that it is there is owned.
        if seen.get(&part.element) == Some(&1) {
            set.insert_below(part.element, below(schema, part.ty, part.value));
        }
    }
    set
}

/// Checks that every item a configuration names is named once, so that it is clear what to merge it into.
///
/// # Errors
/// With the first list that is not so.
pub fn check(schema: &Schema, ty: TypeId, configuration: &Value) -> Result<(), Unclear> {
    check_at(schema, Some(ty), configuration, "")
}

fn check_at(schema: &Schema, ty: Option<TypeId>, value: &Value, path: &str) -> Result<(), Unclear> {
    let (parts, is_list) = match parts(schema, ty, value) {
        Parts::Leaf => return Ok(()),
        Parts::Fields(parts) => (parts, false),
        Parts::Items(parts) => (parts, true),
    };
    let mut seen = BTreeSet::new();
    for (index, part) in parts.iter().enumerate() {
        if is_list && part.element == Element::Keys(BTreeMap::new()) {
            let keys = ty.map_or_else(Vec::new, |ty| keys_of(schema, ty));
            return Err(Unclear::Nameless { list: path.to_owned(), index, keys });
        }
        if !seen.insert(&part.element) {
            return Err(Unclear::Twice { list: path.to_owned(), item: part.element.to_string() });
        }
        check_at(schema, part.ty, part.value, &format!("{path}{}", part.element))?;
    }
    Ok(())
}

fn keys_of(schema: &Schema, ty: TypeId) -> Vec<String> {
    match schema.get(ty) {
        Type::List(list) => match &list.topology {
            Topology::Map { keys } => keys.clone(),
            Topology::Atomic | Topology::Set => Vec::new(),
        },
        Type::Scalar(_) | Type::Struct(_) | Type::Map(_) | Type::Any | Type::Atom => Vec::new(),
    }
}
