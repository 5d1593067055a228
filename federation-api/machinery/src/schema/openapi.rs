//! Reads OpenAPI v3 and JSON Schema into types: for the kinds that are known only at run time.
//!
//! It reads what Kubernetes publishes, what CRDs carry and what `schemars` derives: references into
//! `components/schemas`, `definitions` or `$defs`, `allOf` around one reference, nullable in its three spellings,
//! enums as `oneOf`, and the `x-kubernetes-*` extensions that decide how values merge. It does not check values:
//! `minimum`, `pattern` and their like are not read.

use std::collections::BTreeMap;

use serde_json::Map as Object;

use super::{Atomicity, Builder, Field, Patch, Scalar, Schema, Struct, Topology, Type, TypeId};
use crate::Value;
use crate::gvk::GroupVersionKind;

/// The deepest nesting of anonymous schemas: far more than people write, far less than the stack holds.
const DEPTH_MAX: usize = 64;

/// The name of the metadata every object carries.
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Why an OpenAPI document does not describe types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A reference leads nowhere.
    #[error("schema {at} refers to {reference}, which is not defined")]
    UnknownReference {
        /// Where the reference is.
        at: String,
        /// What it names.
        reference: String,
    },
    /// Schemas nest deeper than is read.
    #[error("schema {at} nests deeper than {DEPTH_MAX} levels")]
    TooDeep {
        /// Where the limit was reached.
        at: String,
    },
}

impl Schema {
    /// Answers this schema with the kinds of an OpenAPI document added.
    ///
    /// `components` is what stands under `components/schemas` (an object, or null when there are none): each
    /// becomes a named type, and a kind when it carries `x-kubernetes-group-version-kind`. `kinds` are documents
    /// of their own, each with its own `definitions` or `$defs`, which may also refer to `components` and to the
    /// named types of this schema. Objects of a kind have `apiVersion`, `kind` and `metadata` whether or not
    /// the document says so. A kind that this schema already has is replaced in the answer.
    ///
    /// # Errors
    /// When a reference leads nowhere, or schemas nest too deeply.
    pub fn extend_openapi(
        &self,
        components: &Value,
        kinds: &[(GroupVersionKind, &Value)],
    ) -> Result<Schema, Invalid> {
        let empty = Object::new();
        let components = components.as_object().unwrap_or(&empty);
        let mut reader = Reader::new(Builder::over(self), components);
        for (name, schema) in components {
            let id = reader.component(name)?;
            for gvk in kinds_of(schema) {
                let id = reader.kind_type(id);
                reader.builder.kind(gvk, id);
            }
        }
        for (gvk, document) in kinds {
            let id = reader.document(&gvk.kind, document)?;
            let id = reader.kind_type(id);
            reader.builder.kind(gvk.clone(), id);
        }
        Ok(reader.builder.finish())
    }
}

/// The kinds that a schema says it describes.
fn kinds_of(schema: &Value) -> Vec<GroupVersionKind> {
    let listed = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
    let text = |gvk: &Value, key: &str| gvk.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    listed
        .into_iter()
        .flatten()
        .map(|gvk| GroupVersionKind::new(text(gvk, "group"), text(gvk, "version"), text(gvk, "kind")))
        .collect()
}

/// A walk through one document.
struct Reader<'a> {
    builder: Builder,
    components: &'a Object<String, Value>,
    /// The components begun so far; their ids are reserved before they are read, so that they may be recursive.
    begun: BTreeMap<String, TypeId>,
    /// The definitions of the document being read, and those begun so far.
    local: Vec<&'a Object<String, Value>>,
    local_begun: BTreeMap<String, TypeId>,
}

impl<'a> Reader<'a> {
    fn new(builder: Builder, components: &'a Object<String, Value>) -> Self {
        Reader {
            builder,
            components,
            begun: BTreeMap::new(),
            local: Vec::new(),
            local_begun: BTreeMap::new(),
        }
    }

    /// Reads a component by its name, once.
    fn component(&mut self, name: &str) -> Result<TypeId, Invalid> {
        if let Some(id) = self.begun.get(name) {
            return Ok(*id);
        }
        let Some(schema) = self.components.get(name) else {
            let unknown =
                || Invalid::UnknownReference { at: "components".into(), reference: name.to_owned() };
            return self.builder.find(name).ok_or_else(unknown);
        };
        let id = self.builder.named(name);
        self.begun.insert(name.to_owned(), id);
        let mut ty = well_known(name);
        if ty.is_none() {
            let read = self.read(schema, name, 0)?;
            ty = self.builder.peek(read).cloned();
        }
        self.settle(id, ty, name);
        Ok(id)
    }

    /// Reads a document with definitions of its own.
    fn document(&mut self, name: &str, document: &'a Value) -> Result<TypeId, Invalid> {
        let own =
            [document.get("definitions"), document.get("$defs"), document.pointer("/components/schemas")];
        self.local = own.into_iter().flatten().filter_map(Value::as_object).collect();
        self.local_begun = BTreeMap::new();
        let id = self.read(document, name, 0)?;
        self.local = Vec::new();
        Ok(id)
    }

    /// Gives a reserved id its meaning; a struct also gets its name.
    fn settle(&mut self, id: TypeId, ty: Option<Type>, name: &str) {
        let ty = match ty {
            Some(Type::Struct(structure)) => Type::Struct(Struct { name: name.to_owned(), ..structure }),
            Some(ty) => ty,
            None => Type::Any,
        };
        self.builder.replace(id, ty);
    }

    /// Answers the type of a reference.
    fn reference(&mut self, reference: &str, at: &str) -> Result<TypeId, Invalid> {
        let name = reference.rsplit('/').next().unwrap_or(reference).replace("~1", "/").replace("~0", "~");
        if let Some(id) = self.local_begun.get(&name) {
            return Ok(*id);
        }
        let Some(schema) = self.local.iter().find_map(|definitions| definitions.get(&name)) else {
            return self.component(&name).map_err(|error| match error {
                Invalid::UnknownReference { reference, .. } if reference == name => {
                    Invalid::UnknownReference { at: at.to_owned(), reference }
                }
                other => other,
            });
        };
        let id = self.builder.structure(Struct::default());
        self.local_begun.insert(name.clone(), id);
        let read = self.read(schema, &name, 0)?;
        let ty = self.builder.peek(read).cloned();
        self.settle(id, ty, "");
        Ok(id)
    }

    /// Reads any schema.
    fn read(&mut self, schema: &'a Value, at: &str, depth: usize) -> Result<TypeId, Invalid> {
        if depth > DEPTH_MAX {
            return Err(Invalid::TooDeep { at: at.to_owned() });
        }
        let Some(object) = schema.as_object() else {
            return Ok(self.builder.any());
        };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            return self.reference(reference, at);
        }
        if is_int_or_string(object) {
            return Ok(self.builder.scalar(Scalar::IntOrString));
        }
        let branches = branches(object);
        if let [branch] = branches.as_slice()
            && !object.contains_key("properties")
        {
            let id = self.read(branch, at, depth + 1)?;
            return Ok(self.overridden(id, object));
        }
        match type_name(object) {
            Some("object") => self.object(object, at, depth),
            Some("array") => self.array(object, at, depth),
            Some(name) => Ok(self.builder.scalar(scalar(name, text(object, "format")))),
            None if object.contains_key("properties") => self.object(object, at, depth),
            None => self.untyped(object, &branches, at, depth),
        }
    }

    /// Reads a schema that does not say its type: a union of branches, an enum, or anything at all.
    fn untyped(
        &mut self,
        object: &'a Object<String, Value>,
        branches: &[&'a Value],
        at: &str,
        depth: usize,
    ) -> Result<TypeId, Invalid> {
        let enums = object.get("enum").and_then(Value::as_array);
        let values = enums.into_iter().flatten().chain(object.get("const"));
        if values.clone().next().is_some() && values.clone().all(Value::is_string) {
            return Ok(self.builder.scalar(Scalar::String));
        }
        if flag(object, "x-kubernetes-preserve-unknown-fields") {
            return Ok(self.builder.any());
        }
        if branches.is_empty() {
            return Ok(self.builder.atom());
        }
        let mut ids = Vec::with_capacity(branches.len());
        for branch in branches {
            ids.push(self.read(branch, at, depth + 1)?);
        }
        Ok(self.union(&ids))
    }

    /// Answers the one type that holds what each of `ids` holds.
    fn union(&mut self, ids: &[TypeId]) -> TypeId {
        let types: Vec<Type> = ids.iter().filter_map(|id| self.builder.peek(*id).cloned()).collect();
        let structs: Vec<&Struct> = types.iter().filter_map(as_struct).collect();
        if !structs.is_empty() && structs.len() == types.len() {
            let mut fields: BTreeMap<String, Field> = BTreeMap::new();
            for field in structs.iter().flat_map(|structure| &structure.fields) {
                let optional = Field { required: false, ..field.clone() };
                fields.entry(field.name.clone()).or_insert(optional);
            }
            let preserve_unknown = structs.iter().any(|structure| structure.preserve_unknown);
            let fields = fields.into_values().collect();
            return self.builder.structure(Struct { fields, preserve_unknown, ..Struct::default() });
        }
        let alike = types.first().is_some_and(|first| types.iter().all(|ty| ty == first));
        let first = ids.first().copied().filter(|_| alike);
        first.unwrap_or_else(|| self.builder.atom())
    }

    fn object(
        &mut self,
        object: &'a Object<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<TypeId, Invalid> {
        let atomicity = atomicity(object);
        let properties = object.get("properties").and_then(Value::as_object);
        let additional = object.get("additionalProperties");
        let preserve = flag(object, "x-kubernetes-preserve-unknown-fields");
        let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
            return match (additional, atomicity) {
                (Some(Value::Bool(false)), _) => Ok(self.builder.structure(Struct::default())),
                (Some(values), _) => {
                    let values = self.read(values, &format!("{at}[*]"), depth + 1)?;
                    Ok(self.builder.map(values, atomicity))
                }
                (None, Atomicity::Atomic) => Ok(self.builder.atom()),
                (None, Atomicity::Granular) => Ok(self.builder.any()),
            };
        };
        let required: Vec<&str> = strings(object, "required");
        let mut fields = Vec::with_capacity(properties.len());
        for (name, schema) in properties {
            let mut field = self.field(name, schema, at, depth)?;
            field.required = required.contains(&name.as_str());
            fields.push(field);
        }
        let preserve_unknown =
            preserve || additional.is_some_and(|additional| additional != &Value::Bool(false));
        let atomic = atomicity == Atomicity::Atomic;
        Ok(self.builder.structure(Struct { name: String::new(), fields, atomic, preserve_unknown }))
    }

    fn field(&mut self, name: &str, schema: &'a Value, at: &str, depth: usize) -> Result<Field, Invalid> {
        let mut field = Field::new(name, self.read(schema, &format!("{at}.{name}"), depth + 1)?);
        field.default = schema.get("default").filter(|default| !default.is_null()).cloned();
        let strategy = schema.get("x-kubernetes-patch-strategy").and_then(Value::as_str);
        let merge_key = schema.get("x-kubernetes-patch-merge-key").and_then(Value::as_str);
        field.patch = Patch::read(strategy.unwrap_or_default(), merge_key);
        Ok(field)
    }

    fn array(
        &mut self,
        object: &'a Object<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<TypeId, Invalid> {
        let items = match object.get("items") {
            Some(items) => self.read(items, &format!("{at}[]"), depth + 1)?,
            None => self.builder.atom(),
        };
        Ok(self.builder.list(items, topology(object)))
    }

    /// The type `id` with the merge rules that stand beside a reference to it.
    fn overridden(&mut self, id: TypeId, object: &Object<String, Value>) -> TypeId {
        let map_type = text(object, "x-kubernetes-map-type");
        let list_type = text(object, "x-kubernetes-list-type");
        if map_type.is_none() && list_type.is_none() {
            return id;
        }
        match self.builder.peek(id).cloned() {
            Some(Type::Struct(structure)) if map_type.is_some() => {
                let atomic = atomicity(object) == Atomicity::Atomic;
                self.builder.structure(Struct { name: String::new(), atomic, ..structure })
            }
            Some(Type::Map(map)) if map_type.is_some() => self.builder.map(map.values, atomicity(object)),
            Some(Type::List(list)) if list_type.is_some() => self.builder.list(list.items, topology(object)),
            Some(_) | None => id,
        }
    }

    /// The type of a kind's objects: as described, with the three fields every object has.
    fn kind_type(&mut self, id: TypeId) -> TypeId {
        let Some(Type::Struct(structure)) = self.builder.peek(id).cloned() else {
            return id;
        };
        let mut fields: BTreeMap<String, Field> =
            structure.fields.iter().map(|field| (field.name.clone(), field.clone())).collect();
        let string = self.builder.scalar(Scalar::String);
        for name in ["apiVersion", "kind"] {
            fields.entry(name.to_owned()).or_insert_with(|| Field::new(name, string));
        }
        let meta = self.builder.find(OBJECT_META).unwrap_or_else(|| self.builder.any());
        let typed = |field: &Field| matches!(self.builder.peek(field.ty), Some(Type::Struct(_)));
        if !fields.get("metadata").is_some_and(typed) {
            fields.insert("metadata".to_owned(), Field::new("metadata", meta));
        }
        let fields = fields.into_values().collect();
        self.builder.replace(id, Type::Struct(Struct { fields, ..structure }));
        id
    }
}

fn as_struct(ty: &Type) -> Option<&Struct> {
    if let Type::Struct(structure) = ty { Some(structure) } else { None }
}

/// The types whose meaning OpenAPI cannot say.
fn well_known(name: &str) -> Option<Type> {
    let ty = match name {
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time" => Type::Scalar(Scalar::Time),
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime" => Type::Scalar(Scalar::MicroTime),
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => Type::Scalar(Scalar::Quantity),
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Type::Scalar(Scalar::IntOrString),
        "io.k8s.apimachinery.pkg.runtime.RawExtension" | "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1" => {
            Type::Any
        }
        _ => return None,
    };
    Some(ty)
}

/// Whether the schema says "a number or a text", in any of the spellings in use.
fn is_int_or_string(object: &Object<String, Value>) -> bool {
    flag(object, "x-kubernetes-int-or-string") || text(object, "format") == Some("int-or-string")
}

/// The alternatives and conditions of a schema, without those that only say "or null".
fn branches(object: &Object<String, Value>) -> Vec<&Value> {
    let lists = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| object.get(key)?.as_array());
    lists.flatten().filter(|branch| branch.get("type").and_then(Value::as_str) != Some("null")).collect()
}

/// The type of a schema; of `["string", "null"]` the one that is not null.
fn type_name(object: &Object<String, Value>) -> Option<&str> {
    match object.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn scalar(type_name: &str, format: Option<&str>) -> Scalar {
    match (type_name, format) {
        ("boolean", _) => Scalar::Bool,
        ("number", _) => Scalar::Number,
        ("integer", Some("int8" | "int16" | "int32" | "uint8" | "uint16")) => Scalar::Int32,
        ("integer", _) => Scalar::Int64,
        (_, Some("byte")) => Scalar::Bytes,
        (_, Some("quantity")) => Scalar::Quantity,
        (_, _) => Scalar::String,
    }
}

fn topology(object: &Object<String, Value>) -> Topology {
    match text(object, "x-kubernetes-list-type") {
        Some("set") => Topology::Set,
        Some("map") => {
            let keys = strings(object, "x-kubernetes-list-map-keys");
            Topology::Map { keys: keys.into_iter().map(str::to_owned).collect() }
        }
        _ => Topology::Atomic,
    }
}

fn atomicity(object: &Object<String, Value>) -> Atomicity {
    let atomic = text(object, "x-kubernetes-map-type") == Some("atomic");
    if atomic { Atomicity::Atomic } else { Atomicity::Granular }
}

fn text<'a>(object: &'a Object<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn flag(object: &Object<String, Value>, key: &str) -> bool {
    object.get(key) == Some(&Value::Bool(true))
}

fn strings<'a>(object: &'a Object<String, Value>, key: &str) -> Vec<&'a str> {
    object.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
