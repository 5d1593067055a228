//! What a configuration makes of a live object: every field it names is as it says, every other stays.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;

use super::Element;
use super::walk::{Parts, parts};
use crate::Value;
use crate::schema::{Schema, TypeId};

/// Merges a configuration into a live object.
pub(super) fn merge(schema: &Schema, ty: TypeId, live: &Value, configuration: &Value) -> Value {
    merged(schema, Some(ty), live, configuration)
}

fn merged(schema: &Schema, ty: Option<TypeId>, live: &Value, configuration: &Value) -> Value {
    match (parts(schema, ty, live), parts(schema, ty, configuration)) {
        (Parts::Fields(_), Parts::Fields(news)) => {
            let mut object = live.as_object().cloned().unwrap_or_else(Map::new);
            for (element, ty, new) in news {
                let Element::Field(name) = element else { continue };
                let value = match object.get(&name) {
                    Some(old) => merged(schema, ty, old, new),
                    None => new.clone(),
                };
                object.insert(name, value);
            }
            Value::Object(object)
        }
        (Parts::Items(olds), Parts::Items(news)) => items(schema, &olds, &news),
        _ => configuration.clone(),
    }
}

/// Items that both have stand in the order of the configuration; those that only the live list has keep their places
/// among them.
fn items(
    schema: &Schema,
    olds: &[(Element, Option<TypeId>, &Value)],
    news: &[(Element, Option<TypeId>, &Value)],
) -> Value {
    let wanted: BTreeSet<&Element> = news.iter().map(|(element, ..)| element).collect();
    let known: BTreeMap<&Element, &Value> =
        olds.iter().map(|(element, _, value)| (element, *value)).collect();
    let mut list = Vec::with_capacity(olds.len() + news.len());
    let mut rest = olds.iter().peekable();
    for (element, ty, new) in news {
        // What stands before this item in the live list, and is not named, stays before it.
        if known.contains_key(element) {
            let place = olds.iter().position(|(old, ..)| old == element).unwrap_or_default();
            while let Some((old, _, value)) = rest.next_if(|(old, ..)| {
                olds.iter().position(|(other, ..)| other == old).is_some_and(|at| at < place)
            }) {
                if !wanted.contains(old) {
                    list.push((*value).clone());
                }
            }
        }
        list.push(match known.get(element) {
            Some(old) => merged(schema, *ty, old, new),
            None => (*new).clone(),
        });
    }
    list.extend(rest.filter(|(old, ..)| !wanted.contains(old)).map(|(_, _, value)| (*value).clone()));
    Value::Array(list)
}
