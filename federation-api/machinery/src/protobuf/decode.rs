//! Reads the envelope and the object's message, guided by the schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map as Object, Number};

use super::wire::{Fields, Shape};
use super::{Error, MAGIC};
use crate::Value;
use crate::default;
use crate::gvk::GroupVersionKind;
use crate::schema::{Field, Form, Scalar, Schema, Struct, Type, TypeId};
use crate::time;

/// The most values of one object. A body of 3 MiB of ordinary fields has about a hundred thousand; more are made of
/// empty messages, which cost two bytes each on the wire and hundreds in memory.
pub(super) const VALUES_MAX: usize = 250_000;

/// The deepest nesting of messages: schemas inside CRDs are the deepest there are, and people do not nest them so.
pub(super) const DEPTH_MAX: usize = 100;

/// The type that a CRD's schemas are made of.
pub(super) const JSON_SCHEMA_PROPS: &str =
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// An envelope, opened.
pub(super) struct Envelope<'a> {
    pub(super) gvk: GroupVersionKind,
    pub(super) raw: &'a [u8],
}

/// Opens an envelope: `runtime.Unknown` after the magic bytes.
pub(super) fn envelope(body: &[u8]) -> Result<Envelope<'_>, Error> {
    let message = body.strip_prefix(&MAGIC).ok_or(Error::NoEnvelope)?;
    let malformed = |reason| Error::Malformed { field: String::new(), reason };
    let (mut raw, mut api_version, mut kind) = (&[][..], String::new(), String::new());
    let mut fields = Fields::new(message);
    while let Some((number, shape)) = fields.next().map_err(malformed)? {
        let Shape::Bytes(bytes) = shape else { continue };
        match number {
            1 => {
                let mut fields = Fields::new(bytes);
                while let Some((number, shape)) = fields.next().map_err(malformed)? {
                    match (number, shape) {
                        (1, Shape::Bytes(bytes)) => api_version = text(bytes),
                        (2, Shape::Bytes(bytes)) => kind = text(bytes),
                        _ => {}
                    }
                }
            }
            2 => raw = bytes,
            3 | 4 if !bytes.is_empty() && bytes != super::MEDIA_TYPE.as_bytes() => {
                return Err(Error::Content { content: text(bytes) });
            }
            _ => {}
        }
    }
    let gvk = GroupVersionKind::from_api_version(&api_version, &kind);
    let gvk = gvk.map_err(|_| malformed("its apiVersion is not a group and version"))?;
    Ok(Envelope { gvk, raw })
}

/// Reads an object's message into the tree that Go writes.
pub(super) fn object(schema: &Schema, id: TypeId, message: &[u8]) -> Result<Value, Error> {
    let mut decoder = Decoder { schema, values: 0, path: Vec::new() };
    let mut value = decoder.message(id, message)?;
    default::as_go_writes(schema, id, &mut value);
    Ok(value)
}

struct Decoder<'a> {
    schema: &'a Schema,
    values: usize,
    /// The fields around the one being read, for messages to people.
    path: Vec<&'a str>,
}

impl<'a> Decoder<'a> {
    /// Reads a message of a type, with zero values as they stand in the bytes.
    fn message(&mut self, id: TypeId, bytes: &[u8]) -> Result<Value, Error> {
        let Type::Struct(structure) = self.schema.get(id) else {
            return Err(Error::Undescribed { field: self.path.join(".") });
        };
        let mut object = Object::new();
        self.fields(structure, [0; 2], bytes, &mut object)?;
        Ok(Value::Object(object))
    }

    /// Reads the fields of a struct that lie in its own message, or in the inlined message `outer` of it.
    fn fields(
        &mut self,
        structure: &'a Struct,
        outer: [u16; 2],
        bytes: &[u8],
        object: &mut Object<String, Value>,
    ) -> Result<(), Error> {
        let mut fields = Fields::new(bytes);
        while let Some((number, shape)) = fields.next().map_err(|reason| self.malformed(reason))? {
            let Ok(number) = u16::try_from(number) else { continue };
            let here =
                |field: &&Field| field.proto.is_some_and(|proto| proto.outer == outer && proto.tag == number);
            if let Some(field) = structure.fields.iter().find(here) {
                self.values += 1;
                if self.values > VALUES_MAX {
                    return Err(Error::TooLarge);
                }
                if self.path.len() >= DEPTH_MAX {
                    return Err(Error::TooDeep);
                }
                self.path.push(&field.name);
                self.field(field, shape, object)?;
                self.path.pop();
            } else if let (Some(inner), Shape::Bytes(bytes)) = (inlined(structure, outer, number), shape) {
                self.fields(structure, inner, bytes, object)?;
            }
        }
        Ok(())
    }

    /// Reads one occurrence of a field: its value, one more item, or one more entry.
    fn field(
        &mut self,
        field: &'a Field,
        shape: Shape<'_>,
        object: &mut Object<String, Value>,
    ) -> Result<(), Error> {
        let form = field.proto.map_or(Form::Plain, |proto| proto.form);
        match self.schema.get(field.ty) {
            Type::List(list) if form != Form::Strings => {
                let place = object.entry(field.name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(items) = place else { return Ok(()) };
                if let (Type::Scalar(scalar), Shape::Bytes(bytes)) = (self.schema.get(list.items), shape)
                    && matches!(scalar, Scalar::Int32 | Scalar::Int64 | Scalar::Bool)
                {
                    return self.packed(*scalar, bytes, items);
                }
                let item = self.value(list.items, form, shape)?;
                items.push(item);
            }
            Type::Map(map) => {
                let Shape::Bytes(bytes) = shape else { return Err(self.malformed("expected a map entry")) };
                let (key, value) = self.entry(map.values, form, bytes)?;
                let place = object.entry(field.name.clone()).or_insert_with(|| Value::Object(Object::new()));
                if let Value::Object(entries) = place {
                    entries.insert(key, value);
                }
            }
            Type::Scalar(_) | Type::Struct(_) | Type::List(_) | Type::Any | Type::Atom => {
                let value = self.value(field.ty, form, shape)?;
                merge(object, &field.name, value);
            }
        }
        Ok(())
    }

    /// Reads the numbers of a packed list.
    fn packed(&mut self, scalar: Scalar, bytes: &[u8], items: &mut Vec<Value>) -> Result<(), Error> {
        let mut numbers = Fields::new(bytes);
        while !numbers.is_empty() {
            self.values += 1;
            if self.values > VALUES_MAX {
                return Err(Error::TooLarge);
            }
            let number = numbers.varint().map_err(|reason| self.malformed(reason))?;
            items.push(self.scalar(scalar, Shape::Varint(number))?);
        }
        Ok(())
    }

    /// Reads a map entry: a message of a key and a value, either of which may be missing when empty.
    fn entry(&mut self, values: TypeId, form: Form, bytes: &[u8]) -> Result<(String, Value), Error> {
        let (mut key, mut value) = (String::new(), None);
        let mut fields = Fields::new(bytes);
        while let Some((number, shape)) = fields.next().map_err(|reason| self.malformed(reason))? {
            match (number, shape) {
                (1, Shape::Bytes(bytes)) => key = text(bytes),
                (2, shape) => value = Some(self.value(values, form, shape)?),
                _ => {}
            }
        }
        let value = match (value, self.schema.get(values)) {
            (Some(value), _) => value,
            (None, Type::Scalar(Scalar::Int32 | Scalar::Int64)) => {
                self.value(values, form, Shape::Varint(0))?
            }
            (None, _) => self.value(values, form, Shape::Bytes(&[]))?,
        };
        Ok((key, value))
    }

    fn value(&mut self, id: TypeId, form: Form, shape: Shape<'_>) -> Result<Value, Error> {
        match (form, shape) {
            (Form::Plain, shape) => match self.schema.get(id) {
                Type::Scalar(scalar) => self.scalar(*scalar, shape),
                Type::Struct(_) => match shape {
                    Shape::Bytes(bytes) => self.message(id, bytes),
                    _ => Err(self.malformed("expected a message")),
                },
                Type::Map(_) | Type::List(_) | Type::Any | Type::Atom => {
                    Err(Error::Undescribed { field: self.path.join(".") })
                }
            },
            (Form::Raw, Shape::Bytes(bytes)) => match self.first(bytes, 1)? {
                Some(Shape::Bytes(raw)) if !raw.is_empty() => {
                    serde_json::from_slice(raw).map_err(|_| self.malformed("expected JSON"))
                }
                _ => Ok(Value::Null),
            },
            (Form::Strings, Shape::Bytes(bytes)) => self.strings(bytes, 1),
            (Form::SchemaOrArray, Shape::Bytes(bytes)) => match self.schemas(bytes, 2)? {
                schemas if !schemas.is_empty() => Ok(Value::Array(schemas)),
                _ => Ok(self.schemas(bytes, 1)?.pop().unwrap_or(Value::Null)),
            },
            (Form::SchemaOrStrings, Shape::Bytes(bytes)) => match self.strings(bytes, 2)? {
                Value::Array(names) if !names.is_empty() => Ok(Value::Array(names)),
                _ => Ok(self.schemas(bytes, 1)?.pop().unwrap_or(Value::Null)),
            },
            (Form::SchemaOrBool, Shape::Bytes(bytes)) => {
                let allows = matches!(self.first(bytes, 1)?, Some(Shape::Varint(allows)) if allows != 0);
                Ok(self.schemas(bytes, 2)?.pop().unwrap_or(Value::Bool(allows)))
            }
            (_, _) => Err(self.malformed("expected a message")),
        }
    }

    fn scalar(&self, scalar: Scalar, shape: Shape<'_>) -> Result<Value, Error> {
        let value = match (scalar, shape) {
            (Scalar::String, Shape::Bytes(bytes)) => text(bytes).into(),
            (Scalar::Bytes, Shape::Bytes(bytes)) => STANDARD.encode(bytes).into(),
            (Scalar::Bool, Shape::Varint(value)) => Value::Bool(value != 0),
            // Go keeps the low bits; negative numbers are sign-extended on the wire.
            (Scalar::Int32, Shape::Varint(value)) => Value::from(value as i32),
            (Scalar::Int64, Shape::Varint(value)) => Value::from(value as i64),
            (Scalar::Number, Shape::Fixed64(bits)) => {
                Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
            }
            (Scalar::Time | Scalar::MicroTime, Shape::Bytes(bytes)) => self.time(scalar, bytes)?,
            (Scalar::Quantity, Shape::Bytes(bytes)) => match self.first(bytes, 1)? {
                Some(Shape::Bytes(quantity)) if !quantity.is_empty() => text(quantity).into(),
                _ => "0".into(),
            },
            (Scalar::IntOrString, Shape::Bytes(bytes)) => {
                match (self.first(bytes, 1)?, self.first(bytes, 2)?, self.first(bytes, 3)?) {
                    (Some(Shape::Varint(1)), _, Some(Shape::Bytes(string))) => text(string).into(),
                    (Some(Shape::Varint(1)), _, _) => "".into(),
                    (_, Some(Shape::Varint(value)), _) => Value::from(value as i32),
                    (_, _, _) => 0.into(),
                }
            }
            (_, _) => return Err(self.malformed("the wire type is not the field's")),
        };
        Ok(value)
    }

    /// Reads a time: seconds and nanoseconds; an empty message is the zero time, which JSON writes as null.
    fn time(&self, scalar: Scalar, bytes: &[u8]) -> Result<Value, Error> {
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        let number = |shape| if let Some(Shape::Varint(value)) = shape { value as i64 } else { 0 };
        let (seconds, nanos) = (number(self.first(bytes, 1)?), number(self.first(bytes, 2)?));
        let nanos = i32::try_from(nanos).map_err(|_| self.malformed("the nanoseconds exceed a second"))?;
        let text =
            if scalar == Scalar::Time { time::in_seconds(seconds) } else { time::in_micros(seconds, nanos) };
        text.map(Value::String).ok_or_else(|| self.malformed("the time lies outside the years 1 to 9999"))
    }

    /// The last occurrence of field `number` in a small message.
    fn first<'b>(&self, bytes: &'b [u8], number: u64) -> Result<Option<Shape<'b>>, Error> {
        let (mut found, mut fields) = (None, Fields::new(bytes));
        while let Some((other, shape)) = fields.next().map_err(|reason| self.malformed(reason))? {
            if other == number {
                found = Some(shape);
            }
        }
        Ok(found)
    }

    fn strings(&mut self, bytes: &[u8], number: u64) -> Result<Value, Error> {
        let (mut items, mut fields) = (Vec::new(), Fields::new(bytes));
        while let Some((other, shape)) = fields.next().map_err(|reason| self.malformed(reason))? {
            if let (true, Shape::Bytes(bytes)) = (other == number, shape) {
                items.push(Value::String(text(bytes)));
            }
        }
        self.values += items.len();
        Ok(Value::Array(items))
    }

    fn schemas(&mut self, bytes: &[u8], number: u64) -> Result<Vec<Value>, Error> {
        let undescribed = || Error::Undescribed { field: JSON_SCHEMA_PROPS.to_owned() };
        let id = self.schema.type_named(JSON_SCHEMA_PROPS).ok_or_else(undescribed)?;
        let (mut items, mut fields) = (Vec::new(), Fields::new(bytes));
        while let Some((other, shape)) = fields.next().map_err(|reason| self.malformed(reason))? {
            if let (true, Shape::Bytes(bytes)) = (other == number, shape) {
                self.values += 1;
                items.push(self.message(id, bytes)?);
            }
        }
        Ok(items)
    }

    fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed { field: self.path.join("."), reason }
    }
}

/// The inlined message that field `number` of `outer` is, when some field lies in it.
fn inlined(structure: &Struct, outer: [u16; 2], number: u16) -> Option<[u16; 2]> {
    let inner = match outer {
        [0, _] => [number, 0],
        [first, 0] => [first, number],
        [_, _] => return None,
    };
    let within = |field: &Field| {
        field.proto.is_some_and(|proto| proto.outer == inner || (inner[1] == 0 && proto.outer[0] == inner[0]))
    };
    (number != 0 && structure.fields.iter().any(within)).then_some(inner)
}

/// Sets a field; a message that occurs again is merged into the first, as protobuf demands.
fn merge(object: &mut Object<String, Value>, name: &str, value: Value) {
    match (object.get_mut(name), value) {
        (Some(Value::Object(before)), Value::Object(after)) => before.extend(after),
        (Some(place), value) => *place = value,
        (None, value) => {
            object.insert(name.to_owned(), value);
        }
    }
}

/// Go does not check UTF-8 either, and writes the replacement character into JSON.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
