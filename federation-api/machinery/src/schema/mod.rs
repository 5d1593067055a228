//! What the fields of each kind are: an arena of types, looked up by kind.
//!
//! Objects are untyped JSON trees everywhere in Koinon; this is the table that says what a tree means: which
//! lists are merged and by which keys, which maps are replaced whole, which fields have defaults, how a field
//! travels in protobuf. The built-in kinds come from a committed table of facts ([`Schema::built_in`]); kinds
//! known only at run time come from their OpenAPI schema ([`Schema::extend_openapi`]). A schema never changes:
//! extending one answers a new schema that shares the old one's types, so a request keeps the schema it began
//! with. Nothing here reads or judges objects: that is for `validate`, `default`, `apply` and `patch`.

mod build;
pub mod catalog;
mod openapi;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Value;
use crate::gvk::GroupVersionKind;

pub use build::Builder;
pub use openapi::Invalid;

/// A set of types and the kinds they describe; cheap to clone, immutable.
#[derive(Clone, Debug, Default)]
pub struct Schema(Arc<Layer>);

/// One extension of a schema over another; the first has no base.
#[derive(Debug, Default)]
struct Layer {
    base: Option<Schema>,
    /// The number of types in all the layers below.
    offset: u32,
    types: Vec<Type>,
    names: BTreeMap<String, TypeId>,
    kinds: BTreeMap<GroupVersionKind, TypeId>,
}

/// A type of one [`Schema`] or of a schema that extends it; meaningless in any other.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u32);

/// What a value at some place of an object may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// A leaf.
    Scalar(Scalar),
    /// An object with known fields.
    Struct(Struct),
    /// An object with free keys and values of one type.
    Map(Map),
    /// An array with items of one type.
    List(List),
    /// An untyped subtree: objects in it merge key by key, everything else is replaced whole.
    Any,
    /// An untyped subtree that is only ever replaced whole, such as a default inside a CRD's schema.
    Atom,
}

/// A leaf's type. In JSON all are strings, booleans or numbers.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// Text.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// True or false.
    Bool,
    /// A signed 32-bit integer.
    Int32,
    /// A signed 64-bit integer.
    Int64,
    /// A floating-point number.
    Number,
    /// An instant in whole seconds, RFC 3339 in JSON; null when unset.
    Time,
    /// An instant in microseconds, RFC 3339 with six decimals in JSON; null when unset.
    MicroTime,
    /// A quantity with a suffix, such as `500m` or `1Gi`.
    Quantity,
    /// A number or a text, such as a port or a percentage.
    IntOrString,
}

/// An object with known fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Struct {
    /// The name in OpenAPI documents, such as `io.k8s.api.core.v1.PodSpec`; empty when it has none.
    pub name: String,
    /// The fields, sorted by name.
    pub fields: Vec<Field>,
    /// Whether the object is only ever replaced whole.
    pub atomic: bool,
    /// Whether fields that are not in `fields` are kept and merged as [`Type::Any`].
    pub preserve_unknown: bool,
}

/// One field of a [`Struct`].
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name in JSON.
    pub name: String,
    /// What the field holds.
    pub ty: TypeId,
    /// Whether OpenAPI lists the field as required.
    pub required: bool,
    /// What OpenAPI says the field is when it is absent.
    pub default: Option<Value>,
    /// How a strategic merge patch treats the field.
    pub patch: Patch,
    /// How the field travels in protobuf, and what Go writes when it is empty; absent outside the built-in kinds.
    pub proto: Option<Proto>,
}

/// How a strategic merge patch treats a field; all false means: by the kind of the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// The item field that tells the items of a merged list apart.
    pub merge_key: Option<String>,
    /// `merge`: items of the patch are merged into the list.
    pub merge: bool,
    /// `replace`: the value is replaced even where it would be merged.
    pub replace: bool,
    /// `retainKeys`: the patch may name the only keys to keep.
    pub retain_keys: bool,
}

/// How a field of a Go type travels in protobuf, and what Go makes of it when it is empty.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Proto {
    /// The field's number in its message.
    pub tag: u16,
    /// The numbers of the inlined messages the field sits in, outermost first, 0 for none.
    /// (`Volume` in JSON has the fields of `VolumeSource`; in protobuf `VolumeSource` is field 2 of it.)
    pub outer: [u16; 2],
    /// Whether Go holds it by pointer, so that a present zero differs from an absent one.
    pub pointer: bool,
    /// What Go writes to JSON when the field is empty.
    pub empty: Empty,
    /// The message that stands for the (innermost) value where it is not simply its type's.
    pub form: Form,
}

/// What Go writes to JSON for an empty field.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Empty {
    /// The zero value: `0`, `""`, `{}`; `null` for lists, maps and pointers.
    Written,
    /// Nothing (`omitempty`); but a struct that is not a pointer is always written.
    Omitted,
    /// Nothing (`omitzero`), structs included.
    OmittedZero,
}

/// How the innermost value of a field is laid out in protobuf.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// As its type says.
    Plain,
    /// A message whose field 1 is the JSON text: `RawExtension`, `FieldsV1`, `JSON`.
    Raw,
    /// A message whose field 1 is the list of strings: `ExtraValue`.
    Strings,
    /// `JSONSchemaPropsOrArray`: a schema, or schemas.
    SchemaOrArray,
    /// `JSONSchemaPropsOrBool`: a schema, or whether anything is allowed.
    SchemaOrBool,
    /// `JSONSchemaPropsOrStringArray`: a schema, or names.
    SchemaOrStrings,
}

/// An object with free keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// What every value is.
    pub values: TypeId,
    /// Whether the object is only ever replaced whole.
    pub atomic: bool,
}

/// Whether an object with free keys is merged key by key or replaced whole.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atomicity {
    /// Each key is merged on its own.
    Granular,
    /// The object is only ever replaced whole.
    Atomic,
}

/// An array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What every item is.
    pub items: TypeId,
    /// How two versions of the list are merged.
    pub topology: Topology,
}

/// How the items of a list are told apart when two versions of it are merged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topology {
    /// They are not: the list is replaced whole.
    Atomic,
    /// By their value.
    Set,
    /// By the values of some of their fields.
    Map {
        /// The fields, in the order OpenAPI lists them.
        keys: Vec<String>,
    },
}

impl Schema {
    /// Answers the schema of the kinds that Kubernetes itself serves, from the committed table.
    ///
    /// It is decoded anew at each call: make one and clone it.
    pub fn built_in() -> Schema {
        table::schema(table::KUBERNETES).expect("the committed table is well formed: a test reads it")
    }

    /// Answers the type of a kind's objects.
    pub fn type_of(&self, gvk: &GroupVersionKind) -> Option<TypeId> {
        self.layers().find_map(|layer| layer.kinds.get(gvk).copied())
    }

    /// Answers the type that OpenAPI documents know as `name`.
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        self.layers().find_map(|layer| layer.names.get(name).copied())
    }

    /// Answers what `id` stands for.
    ///
    /// Shape: `id` must come from this schema or from one it extends; from another schema, the answer is
    /// some other type of this one, or [`Type::Any`] past its end.
    pub fn get(&self, id: TypeId) -> &Type {
        self.layers()
            .find(|layer| layer.offset <= id.0)
            .and_then(|layer| layer.types.get((id.0 - layer.offset) as usize))
            .unwrap_or(&Type::Any)
    }

    /// Answers every kind with a type.
    ///
    /// Shape: in (group, version, kind) order; a kind that was described again appears once.
    pub fn kinds(&self) -> BTreeMap<GroupVersionKind, TypeId> {
        let mut kinds = BTreeMap::new();
        for layer in self.layers() {
            for (kind, id) in &layer.kinds {
                kinds.entry(kind.clone()).or_insert(*id);
            }
        }
        kinds
    }

    /// Answers the number of types.
    pub fn n_types(&self) -> usize {
        self.0.offset as usize + self.0.types.len()
    }

    /// The layers, the latest first.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::successors(Some(self.0.as_ref()), |layer| layer.base.as_ref().map(|base| base.0.as_ref()))
    }
}

impl Struct {
    /// Answers the field called `name` in JSON.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok()?;
        self.fields.get(at)
    }
}

impl Field {
    /// Describes an optional field without default or patch rules.
    pub fn new(name: impl Into<String>, ty: TypeId) -> Self {
        Field { name: name.into(), ty, required: false, default: None, patch: Patch::default(), proto: None }
    }

    /// The same field with a default.
    #[must_use]
    pub fn with_default(mut self, default: Value) -> Self {
        self.default = Some(default);
        self
    }

    /// The same field, required.
    #[must_use]
    pub fn with_required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same field, merged by `merge_key` in strategic merge patches.
    #[must_use]
    pub fn with_merge_key(mut self, merge_key: impl Into<String>) -> Self {
        self.patch.merge = true;
        self.patch.merge_key = Some(merge_key.into());
        self
    }
}

impl Patch {
    /// Reads OpenAPI's `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`.
    pub fn read(strategy: &str, merge_key: Option<&str>) -> Self {
        let has = |wanted: &str| strategy.split(',').any(|word| word == wanted);
        Patch {
            merge_key: merge_key.map(str::to_owned),
            merge: has("merge"),
            replace: has("replace"),
            retain_keys: has("retainKeys"),
        }
    }
}

#[cfg(test)]
mod tests;
