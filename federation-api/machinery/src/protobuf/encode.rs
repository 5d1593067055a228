//! Writes an object's message and the envelope, guided by the schema, as Go writes them.
//!
//! Go writes every field it does not hold by pointer, empty or not, in the order of their numbers; so do we.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::decode::{DEPTH_MAX, JSON_SCHEMA_PROPS};
use super::wire::{put_bytes, put_fixed64, put_varint};
use super::{Error, MAGIC};
use crate::Value;
use crate::schema::{Field, Form, Scalar, Schema, Struct, Type, TypeId};
use crate::time;

/// Writes the envelope around an object.
pub(super) fn envelope(schema: &Schema, id: TypeId, object: &Value) -> Result<Vec<u8>, Error> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut kind = Vec::new();
    put_bytes(&mut kind, 1, text("apiVersion").as_bytes());
    put_bytes(&mut kind, 2, text("kind").as_bytes());
    let raw = Encoder { schema, path: Vec::new() }.message(id, object)?;
    let mut out = Vec::with_capacity(MAGIC.len() + kind.len() + raw.len() + 16);
    out.extend_from_slice(&MAGIC);
    put_bytes(&mut out, 1, &kind);
    put_bytes(&mut out, 2, &raw);
    put_bytes(&mut out, 3, b"");
    put_bytes(&mut out, 4, b"");
    Ok(out)
}

struct Encoder<'a> {
    schema: &'a Schema,
    path: Vec<&'a str>,
}

impl<'a> Encoder<'a> {
    fn message(&mut self, id: TypeId, value: &Value) -> Result<Vec<u8>, Error> {
        let Type::Struct(structure) = self.schema.get(id) else {
            return Err(Error::Undescribed { field: self.path.join(".") });
        };
        if !value.is_object() && !value.is_null() {
            return Err(self.mismatch("expected an object"));
        }
        let mut out = Vec::new();
        self.fields(structure, [0; 2], value, &mut out)?;
        Ok(out)
    }

    /// Writes the fields of a struct that lie in its own message, or in the inlined message `outer` of it.
    fn fields(
        &mut self,
        structure: &'a Struct,
        outer: [u16; 2],
        object: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if self.path.len() >= DEPTH_MAX {
            return Err(Error::TooDeep);
        }
        for number in numbers(structure, outer) {
            let here =
                |field: &&Field| field.proto.is_some_and(|proto| proto.outer == outer && proto.tag == number);
            if let Some(field) = structure.fields.iter().find(here) {
                self.path.push(&field.name);
                self.field(field, u64::from(number), object.get(&field.name).unwrap_or(&Value::Null), out)?;
                self.path.pop();
            } else {
                let inner = if outer[0] == 0 { [number, 0] } else { [outer[0], number] };
                let mut message = Vec::new();
                self.fields(structure, inner, object, &mut message)?;
                put_bytes(out, u64::from(number), &message);
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &'a Field,
        number: u64,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let form = field.proto.map_or(Form::Plain, |proto| proto.form);
        if value.is_null() && field.proto.is_some_and(|proto| proto.pointer) {
            return Ok(());
        }
        match (self.schema.get(field.ty), value) {
            (Type::List(_) | Type::Map(_), Value::Null) => Ok(()),
            // An absent byte string is nil in Go, which is not written.
            (Type::Scalar(Scalar::Bytes), Value::Null) => Ok(()),
            (Type::List(list), Value::Array(items)) if form != Form::Strings => {
                items.iter().try_for_each(|item| self.value(list.items, form, number, item, out))
            }
            (Type::Map(map), Value::Object(entries)) => {
                for (key, value) in entries {
                    let mut entry = Vec::new();
                    put_bytes(&mut entry, 1, key.as_bytes());
                    self.value(map.values, form, 2, value, &mut entry)?;
                    put_bytes(out, number, &entry);
                }
                Ok(())
            }
            (Type::Map(_), _) => Err(self.mismatch("expected an object")),
            (Type::List(_), _) if form != Form::Strings => Err(self.mismatch("expected a list")),
            (Type::Scalar(_) | Type::Struct(_) | Type::List(_) | Type::Any | Type::Atom, value) => {
                self.value(field.ty, form, number, value, out)
            }
        }
    }

    fn value(
        &mut self,
        id: TypeId,
        form: Form,
        number: u64,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut message = Vec::new();
        match form {
            Form::Plain => match self.schema.get(id) {
                Type::Scalar(scalar) => return self.scalar(*scalar, number, value, out),
                Type::Struct(_) => message = self.message(id, value)?,
                Type::Map(_) | Type::List(_) | Type::Any | Type::Atom => {
                    return Err(Error::Undescribed { field: self.path.join(".") });
                }
            },
            Form::Raw => {
                if !value.is_null() {
                    put_bytes(&mut message, 1, value.to_string().as_bytes());
                }
            }
            Form::Strings => self.strings(1, value, &mut message)?,
            Form::SchemaOrArray => match value {
                Value::Array(schemas) => self.schemas(2, schemas, &mut message)?,
                schema => self.schemas(1, std::slice::from_ref(schema), &mut message)?,
            },
            Form::SchemaOrStrings => match value {
                names @ Value::Array(_) => self.strings(2, names, &mut message)?,
                schema => self.schemas(1, std::slice::from_ref(schema), &mut message)?,
            },
            Form::SchemaOrBool => {
                put_varint(&mut message, 1, u64::from(value != &Value::Bool(false) && !value.is_null()));
                if value.is_object() {
                    self.schemas(2, std::slice::from_ref(value), &mut message)?;
                }
            }
        }
        put_bytes(out, number, &message);
        Ok(())
    }

    fn scalar(&self, scalar: Scalar, number: u64, value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
        let text = || match value {
            Value::Null => Ok(""),
            Value::String(text) => Ok(text.as_str()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.mismatch("expected a string"))
            }
        };
        let integer = || match value {
            Value::Null => Ok(0),
            value => value.as_i64().ok_or_else(|| self.mismatch("expected an integer")),
        };
        match scalar {
            Scalar::String => put_bytes(out, number, text()?.as_bytes()),
            Scalar::Bytes => {
                let bytes = STANDARD.decode(text()?).map_err(|_| self.mismatch("expected base64"))?;
                put_bytes(out, number, &bytes);
            }
            Scalar::Bool => put_varint(out, number, u64::from(value == &Value::Bool(true))),
            Scalar::Int32 | Scalar::Int64 => put_varint(out, number, integer()? as u64),
            Scalar::Number => put_fixed64(out, number, value.as_f64().unwrap_or(0.0).to_bits()),
            Scalar::Time | Scalar::MicroTime => {
                let mut message = Vec::new();
                if !value.is_null() {
                    let (seconds, nanos) =
                        time::read(text()?).ok_or_else(|| self.mismatch("expected a time"))?;
                    let nanos = if scalar == Scalar::Time { 0 } else { nanos };
                    put_varint(&mut message, 1, seconds as u64);
                    put_varint(&mut message, 2, i64::from(nanos) as u64);
                }
                put_bytes(out, number, &message);
            }
            Scalar::Quantity => {
                let mut message = Vec::new();
                let quantity = if value.is_number() { value.to_string() } else { text()?.to_owned() };
                put_bytes(&mut message, 1, if quantity.is_empty() { b"0" } else { quantity.as_bytes() });
                put_bytes(out, number, &message);
            }
            Scalar::IntOrString => {
                let mut message = Vec::new();
                let string = value.as_str();
                put_varint(&mut message, 1, u64::from(string.is_some()));
                put_varint(&mut message, 2, if string.is_some() { 0 } else { integer()? as u64 });
                put_bytes(&mut message, 3, string.unwrap_or_default().as_bytes());
                put_bytes(out, number, &message);
            }
        }
        Ok(())
    }

    fn strings(&self, number: u64, value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
        for item in value.as_array().into_iter().flatten() {
            let item = item.as_str().ok_or_else(|| self.mismatch("expected strings"))?;
            put_bytes(out, number, item.as_bytes());
        }
        Ok(())
    }

    fn schemas(&mut self, number: u64, schemas: &[Value], out: &mut Vec<u8>) -> Result<(), Error> {
        let undescribed = || Error::Undescribed { field: JSON_SCHEMA_PROPS.to_owned() };
        let id = self.schema.type_named(JSON_SCHEMA_PROPS).ok_or_else(undescribed)?;
        for schema in schemas.iter().filter(|schema| !schema.is_null()) {
            let message = self.message(id, schema)?;
            put_bytes(out, number, &message);
        }
        Ok(())
    }

    fn mismatch(&self, reason: &'static str) -> Error {
        Error::Malformed { field: self.path.join("."), reason }
    }
}

/// The field numbers of a message, in order: its own fields, and the messages inlined into it.
fn numbers(structure: &Struct, outer: [u16; 2]) -> BTreeSet<u16> {
    let protos = structure.fields.iter().filter_map(|field| field.proto);
    let number = |proto: crate::schema::Proto| match (outer, proto.outer) {
        (outer, inner) if outer == inner => Some(proto.tag),
        ([0, _], [first, _]) => Some(first),
        ([first, 0], [other, second]) if first == other => Some(second),
        _ => None,
    };
    protos.filter_map(number).collect()
}
