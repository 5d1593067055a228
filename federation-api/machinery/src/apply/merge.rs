//! What a configuration makes of a live object: every field it names is as it says, every other stays.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Element;
use super::walk::{Part, Parts, parts};
use crate::Value;
use crate::schema::{Schema, TypeId};

/// Merges a configuration into a live object.
pub(super) fn merge(schema: &Schema, ty: TypeId, live: &Value, configuration: &Value) -> Value {
    merged(schema, Some(ty), live, configuration)
}

fn merged(schema: &Schema, ty: Option<TypeId>, live: &Value, configuration: &Value) -> Value {
    match (parts(schema, ty, live), parts(schema, ty, configuration)) {
        (Parts::Fields(_), Parts::Fields(news)) => {
            let mut object = live.as_object().cloned().unwrap_or_default();
            for new in news {
                let Element::Field(name) = new.element else { continue };
                let value = match object.get(&name) {
                    Some(old) => merged(schema, new.ty, old, new.value),
                    None => new.value.clone(),
                };
                object.insert(name, value);
            }
            Value::Object(object)
        }
        (Parts::Items(olds), Parts::Items(news)) => items(schema, &olds, &news),
        // A null names no field of an object and no item of a list: what is there stays.
        (Parts::Fields(olds) | Parts::Items(olds), Parts::Leaf)
            if configuration.is_null() && !olds.is_empty() =>
        {
            live.clone()
        }
        (Parts::Leaf | Parts::Fields(_) | Parts::Items(_), _) => configuration.clone(),
    }
}

/// Items that both have stand in the order of the configuration; those that only the live list has keep their places
/// among them, before what is new.
fn items(schema: &Schema, olds: &[Part<'_>], news: &[Part<'_>]) -> Value {
    let wanted: BTreeSet<&Element> = news.iter().map(|new| &new.element).collect();
    // Of an item that the live list names twice, nothing is merged into.
    let mut known: BTreeMap<&Element, Option<&Part<'_>>> = BTreeMap::new();
    for old in olds {
        known.entry(&old.element).and_modify(|part| *part = None).or_insert(Some(old));
    }
    let mut shared: VecDeque<&Element> =
        news.iter().map(|new| &new.element).filter(|element| known.contains_key(element)).collect();
    let mut placed = BTreeSet::new();
    let mut list = Vec::with_capacity(olds.len() + news.len());
    let (mut olds, mut news) = (olds.iter().peekable(), news.iter().peekable());
    while olds.peek().is_some() || news.peek().is_some() {
        if let Some(old) = olds.peek() {
            if !wanted.contains(&old.element) {
                list.push(old.value.clone());
                olds.next();
                continue;
            }
            let is_here = news.peek().is_some_and(|new| new.element == old.element);
            let comes_later =
                news.peek().is_some() && shared.front().is_some_and(|next| **next != old.element);
            if is_here || comes_later || placed.contains(&old.element) {
                olds.next();
            }
            if comes_later && !is_here {
                continue;
            }
        }
        if let Some(new) = news.next() {
            list.push(match known.get(&new.element) {
                Some(Some(old)) => merged(schema, new.ty, old.value, new.value),
                Some(None) | None => new.value.clone(),
            });
            placed.insert(&new.element);
            if shared.front() == Some(&&new.element) {
                shared.pop_front();
            }
        }
    }
    Value::Array(list)
}
