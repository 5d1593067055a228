//! Rewrites a tree as Go would write it after reading it into its types.
//!
//! Go clients and upstream's server hold objects as structs, so what they write is not what they read: empty
//! strings vanish where a field says `omitempty`, structs appear even when empty, nulls vanish, times and
//! quantities take their canonical spelling. A server whose objects are to look like upstream's does the same.
//! Only fields with Go facts are touched; what the schema does not know is kept.

use serde_json::Map as Object;

use crate::Value;
use crate::quantity::Quantity;
use crate::schema::{Empty, Field, Form, Proto, Scalar, Schema, Type, TypeId};
use crate::time;

/// The type that a CRD's schemas are made of.
const JSON_SCHEMA_PROPS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Rewrites a value of type `id` as Go would write it.
///
/// Values that contradict their type are left as they are: telling is for `validate`.
pub fn as_go_writes(schema: &Schema, id: TypeId, value: &mut Value) {
    rewrite(schema, id, Form::Plain, value);
}

fn rewrite(schema: &Schema, id: TypeId, form: Form, value: &mut Value) {
    match (form, value) {
        (Form::Raw | Form::Strings, _) => {}
        (Form::SchemaOrArray | Form::SchemaOrBool | Form::SchemaOrStrings, value) => {
            rewrite_schemas(schema, value);
        }
        (Form::Plain, value) => match (schema.get(id), value) {
            (Type::Struct(structure), Value::Object(object)) => {
                for field in &structure.fields {
                    rewrite_field(schema, field, object);
                }
            }
            (Type::Scalar(scalar), value) => rewrite_scalar(*scalar, value),
            (Type::Struct(_) | Type::Map(_) | Type::List(_) | Type::Any | Type::Atom, _) => {}
        },
    }
}

/// Rewrites the schemas inside a CRD's schema that may also be lists, booleans or names.
fn rewrite_schemas(schema: &Schema, value: &mut Value) {
    let Some(id) = schema.type_named(JSON_SCHEMA_PROPS) else { return };
    match value {
        Value::Array(schemas) => {
            schemas
                .iter_mut()
                .filter(|item| item.is_object())
                .for_each(|item| as_go_writes(schema, id, item));
        }
        Value::Object(_) => as_go_writes(schema, id, value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn rewrite_field(schema: &Schema, field: &Field, object: &mut Object<String, Value>) {
    let present = object.get_mut(&field.name);
    let Some(proto) = field.proto else {
        if let Some(value) = present {
            rewrite_inside(schema, field.ty, Form::Plain, value);
        }
        return;
    };
    let kept = match present {
        Some(value) if !value.is_null() => {
            rewrite_inside(schema, field.ty, proto.form, value);
            proto.pointer || !leaves_out(schema, field.ty, proto, value)
        }
        // The protobuf reader leaves a null where a pointer to an empty time is; Go writes null for it.
        Some(_) if is_null_capable(schema, field.ty, proto) => true,
        Some(_) | None => {
            let mut zero = if proto.pointer { Value::Null } else { zero(schema, field.ty) };
            let written = match (proto.pointer, proto.empty) {
                (true, empty) => empty == Empty::Written,
                (false, _) => !leaves_out(schema, field.ty, proto, &zero),
            };
            if written {
                rewrite(schema, field.ty, proto.form, &mut zero);
                object.insert(field.name.clone(), zero);
            }
            written
        }
    };
    if !kept {
        object.remove(&field.name);
    }
}

/// Rewrites what a list, a map or a single value holds.
fn rewrite_inside(schema: &Schema, id: TypeId, form: Form, value: &mut Value) {
    match (schema.get(id), value) {
        (Type::List(list), Value::Array(items)) => {
            items.iter_mut().for_each(|item| rewrite(schema, list.items, form, item));
        }
        (Type::Map(map), Value::Object(entries)) => {
            entries.values_mut().for_each(|value| rewrite(schema, map.values, form, value));
        }
        (
            Type::Scalar(_) | Type::Struct(_) | Type::Any | Type::Atom | Type::Map(_) | Type::List(_),
            value,
        ) => {
            rewrite(schema, id, form, value);
        }
    }
}

/// Whether Go leaves the value of a field that is not a pointer out of the JSON.
fn leaves_out(schema: &Schema, id: TypeId, proto: Proto, value: &Value) -> bool {
    match (proto.empty, schema.get(id)) {
        (Empty::Written, _) => false,
        (Empty::OmittedZero, _) if value.is_null() => true,
        // omitempty has no effect on Go structs, and these are structs there.
        (_, Type::Struct(_) | Type::Any | Type::Atom) => false,
        (_, Type::Scalar(Scalar::Time | Scalar::MicroTime | Scalar::Quantity | Scalar::IntOrString)) => false,
        (_, Type::Scalar(_) | Type::Map(_) | Type::List(_)) => is_empty(value),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

/// Whether a null in the tree is a value, not an absence: an empty time or raw JSON behind a pointer.
fn is_null_capable(schema: &Schema, id: TypeId, proto: Proto) -> bool {
    let time = matches!(schema.get(id), Type::Scalar(Scalar::Time | Scalar::MicroTime));
    proto.pointer && (time || proto.form != Form::Plain)
}

/// What Go writes for the zero value of a type that is not behind a pointer.
fn zero(schema: &Schema, id: TypeId) -> Value {
    match schema.get(id) {
        Type::Struct(_) => Value::Object(Object::new()),
        Type::Map(_) | Type::List(_) | Type::Any | Type::Atom => Value::Null,
        Type::Scalar(scalar) => match scalar {
            Scalar::String => "".into(),
            Scalar::Bool => false.into(),
            Scalar::Int32 | Scalar::Int64 | Scalar::IntOrString => 0.into(),
            Scalar::Number => 0.0.into(),
            Scalar::Bytes | Scalar::Time | Scalar::MicroTime => Value::Null,
            Scalar::Quantity => "0".into(),
        },
    }
}

/// Gives times and quantities the spelling Go gives them.
fn rewrite_scalar(scalar: Scalar, value: &mut Value) {
    let canonical = match (scalar, &*value) {
        (Scalar::Time, Value::String(text)) => time::read(text).and_then(|(s, _)| time::in_seconds(s)),
        (Scalar::MicroTime, Value::String(text)) => time::read(text).and_then(|(s, n)| time::in_micros(s, n)),
        (Scalar::Quantity, quantity) => Quantity::from_value(quantity).ok().map(|q| q.to_string()),
        (_, _) => None,
    };
    if let Some(canonical) = canonical {
        *value = Value::String(canonical);
    }
}
