//! Puts a [`Schema`] together, type by type; the only way to make one.
//!
//! Used by the decoder of the committed table, by the OpenAPI reader, and by tests that want a small schema of
//! their own. Scalars, lists and maps of the same description share one id; structs never do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Atomicity, Layer, List, Map, Scalar, Schema, Struct, Topology, Type, TypeId};
use crate::gvk::GroupVersionKind;

/// A schema in the making.
#[derive(Debug, Default)]
pub struct Builder {
    layer: Layer,
    scalars: BTreeMap<Scalar, TypeId>,
    lists: BTreeMap<(TypeId, Topology), TypeId>,
    maps: BTreeMap<(TypeId, Atomicity), TypeId>,
    any: Option<TypeId>,
    atom: Option<TypeId>,
}

impl Builder {
    /// Begins an empty schema.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Begins an extension of `base`: its types and kinds are part of the result.
    pub fn over(base: &Schema) -> Self {
        let offset = u32::try_from(base.n_types()).expect("a schema has far fewer than 2^32 types");
        let layer = Layer { base: Some(base.clone()), offset, ..Layer::default() };
        Builder { layer, ..Builder::default() }
    }

    /// Answers the id of a leaf type.
    pub fn scalar(&mut self, scalar: Scalar) -> TypeId {
        if let Some(id) = self.scalars.get(&scalar) {
            return *id;
        }
        let id = self.push(Type::Scalar(scalar));
        self.scalars.insert(scalar, id);
        id
    }

    /// Answers the id of [`Type::Any`].
    pub fn any(&mut self) -> TypeId {
        let id = self.any.unwrap_or_else(|| self.push(Type::Any));
        self.any = Some(id);
        id
    }

    /// Answers the id of [`Type::Atom`].
    pub fn atom(&mut self) -> TypeId {
        let id = self.atom.unwrap_or_else(|| self.push(Type::Atom));
        self.atom = Some(id);
        id
    }

    /// Answers the id of a list of `items`.
    pub fn list(&mut self, items: TypeId, topology: Topology) -> TypeId {
        let key = (items, topology);
        if let Some(id) = self.lists.get(&key) {
            return *id;
        }
        let id = self.push(Type::List(List { items, topology: key.1.clone() }));
        self.lists.insert(key, id);
        id
    }

    /// Answers the id of a list of `items` that are told apart by the fields `keys`.
    pub fn map_list(&mut self, items: TypeId, keys: &[&str]) -> TypeId {
        self.list(items, Topology::Map { keys: keys.iter().map(|key| (*key).to_owned()).collect() })
    }

    /// Answers the id of an object with free keys and `values`.
    pub fn map(&mut self, values: TypeId, atomicity: Atomicity) -> TypeId {
        if let Some(id) = self.maps.get(&(values, atomicity)) {
            return *id;
        }
        let id = self.push(Type::Map(Map { values, atomic: atomicity == Atomicity::Atomic }));
        self.maps.insert((values, atomicity), id);
        id
    }

    /// Adds a struct; its fields are sorted here. A struct with a name can be found by it.
    pub fn structure(&mut self, structure: Struct) -> TypeId {
        let id = if structure.name.is_empty() { self.push(Type::Any) } else { self.named(&structure.name) };
        self.define(id, structure);
        id
    }

    /// Answers the id of the struct called `name` in this layer, reserving it when it is not yet defined.
    /// Until [`Builder::define`] is called it stands for anything.
    pub fn named(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.layer.names.get(name) {
            return *id;
        }
        let id = self.push(Type::Any);
        self.layer.names.insert(name.to_owned(), id);
        id
    }

    /// Answers the id of the type called `name`, here or in the base.
    pub fn find(&self, name: &str) -> Option<TypeId> {
        let here = self.layer.names.get(name).copied();
        here.or_else(|| self.layer.base.as_ref().and_then(|base| base.type_named(name)))
    }

    /// Says what a reserved id stands for; its fields are sorted here.
    pub fn define(&mut self, id: TypeId, mut structure: Struct) {
        structure.fields.sort_by(|a, b| a.name.cmp(&b.name));
        structure.fields.shrink_to_fit();
        self.replace(id, Type::Struct(structure));
    }

    /// Says that `id` stands for the struct `atomic`, merged field by field.
    pub(super) fn define_granular(&mut self, id: TypeId, atomic: TypeId) {
        if let Some(Type::Struct(structure)) = self.peek(atomic).cloned() {
            self.replace(id, Type::Struct(Struct { atomic: false, ..structure }));
        }
    }

    /// Says what a reserved id stands for when it is not a struct.
    pub(super) fn replace(&mut self, id: TypeId, ty: Type) {
        let at = id.0.checked_sub(self.layer.offset).map(|at| at as usize);
        if let Some(place) = at.and_then(|at| self.layer.types.get_mut(at)) {
            *place = ty;
        }
    }

    /// Answers what an id stands for so far, here or in the base.
    pub(super) fn peek(&self, id: TypeId) -> Option<&Type> {
        match id.0.checked_sub(self.layer.offset) {
            Some(at) => self.layer.types.get(at as usize),
            None => self.layer.base.as_ref().map(|base| base.get(id)),
        }
    }

    /// Says that objects of kind `gvk` are of type `id`.
    pub fn kind(&mut self, gvk: GroupVersionKind, id: TypeId) {
        self.layer.kinds.insert(gvk, id);
    }

    /// Answers the schema.
    pub fn finish(mut self) -> Schema {
        self.layer.types.shrink_to_fit();
        Schema(Arc::new(self.layer))
    }

    fn push(&mut self, ty: Type) -> TypeId {
        let at = u32::try_from(self.layer.types.len()).expect("a schema has far fewer than 2^32 types");
        self.layer.types.push(ty);
        TypeId(self.layer.offset + at)
    }
}
