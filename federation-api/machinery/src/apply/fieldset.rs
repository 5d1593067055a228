//! A set of paths, kept as a tree: `FieldsV1` in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;

use super::Element;
use crate::Value;

/// The deepest path that is read; objects nest far less.
const DEPTH_MAX: usize = 64;

/// A set of paths. A path may be a member and have members below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<Element>,
    /// Shape: no child is empty.
    children: BTreeMap<Element, FieldSet>,
}

// === impl FieldSet ===

impl FieldSet {
    /// Whether there is no path.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// Whether the step itself is a member.
    pub fn has(&self, element: &Element) -> bool {
        self.members.contains(element)
    }

    /// What lies below a step.
    pub fn below(&self, element: &Element) -> Option<&Self> {
        self.children.get(element)
    }

    /// Adds a step.
    pub fn insert(&mut self, element: Element) {
        self.members.insert(element);
    }

    /// Adds everything of `below` under a step.
    pub fn insert_below(&mut self, element: Element, below: Self) {
        if below.is_empty() {
            return;
        }
        let both = match self.children.get(&element) {
            Some(child) => child.union(&below),
            None => below,
        };
        self.children.insert(element, both);
    }

    /// The paths of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.members.extend(other.members.iter().cloned());
        for (element, below) in &other.children {
            union.insert_below(element.clone(), below.clone());
        }
        union
    }

    /// The paths of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let members = self.members.intersection(&other.members).cloned().collect();
        let shared = self.children.iter().filter_map(|(element, below)| {
            let both = below.intersection(other.children.get(element)?);
            (!both.is_empty()).then(|| (element.clone(), both))
        });
        Self { members, children: shared.collect() }
    }

    /// The paths of this one that the other does not have.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let members = self.members.difference(&other.members).cloned().collect();
        let left = self.children.iter().filter_map(|(element, below)| {
            let left = match other.children.get(element) {
                Some(taken) => below.difference(taken),
                None => below.clone(),
            };
            (!left.is_empty()).then(|| (element.clone(), left))
        });
        Self { members, children: left.collect() }
    }

    /// The paths of this one that do not lie at or below a path of the other.
    #[must_use]
    pub fn outside(&self, other: &Self) -> Self {
        let members = self.members.difference(&other.members).cloned().collect();
        let left =
            self.children.iter().filter(|(element, _)| !other.has(element)).filter_map(|(element, below)| {
                let left = match other.children.get(element) {
                    Some(taken) => below.outside(taken),
                    None => below.clone(),
                };
                (!left.is_empty()).then(|| (element.clone(), left))
            });
        Self { members, children: left.collect() }
    }

    /// Every path, as conflicts name it. Shape: what is at a level before what is below it.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.write_paths("", &mut paths);
        paths
    }

    fn write_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        paths.extend(self.members.iter().map(|element| format!("{prefix}{element}")));
        for (element, below) in &self.children {
            below.write_paths(&format!("{prefix}{element}"), paths);
        }
    }

    /// Forgets a path of fields and everything below it.
    pub(super) fn forget(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let element = Element::Field((*first).to_owned());
        if rest.is_empty() {
            self.members.remove(&element);
            self.children.remove(&element);
        } else if let Some(below) = self.children.get_mut(&element) {
            below.forget(rest);
            if below.is_empty() {
                self.children.remove(&element);
            }
        }
    }

    /// Forgets that a field itself is a member; what lies below it stays.
    pub(super) fn forget_member(&mut self, field: &str) {
        self.members.remove(&Element::Field(field.to_owned()));
    }

    /// Forgets every field but these.
    pub(super) fn keep_only(&mut self, fields: &[&str]) {
        let is_kept = |element: &Element| match element {
            Element::Field(name) => fields.contains(&name.as_str()),
            Element::Keys(_) | Element::Value(_) | Element::Index(_) => false,
        };
        self.members.retain(is_kept);
        self.children.retain(|element, _| is_kept(element));
    }

    /// Reads `FieldsV1`; `None` for what is none.
    pub fn read(value: &Value) -> Option<Self> {
        Self::read_at(value, 0)
    }

    fn read_at(value: &Value, depth: usize) -> Option<Self> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut set = Self::default();
        for (key, member) in value.as_object()? {
            if key == "." {
                continue;
            }
            let element = Element::read(key)?;
            let below = Self::read_at(member, depth + 1)?;
            if below.is_empty() || member.get(".").is_some() {
                set.members.insert(element.clone());
            }
            set.insert_below(element, below);
        }
        Some(set)
    }

    /// Writes `FieldsV1`.
    pub fn write(&self) -> Value {
        let mut object = Map::new();
        let elements: BTreeSet<&Element> = self.members.iter().chain(self.children.keys()).collect();
        for element in elements {
            let mut member = match self.children.get(element) {
                Some(below) => below.write(),
                None => Value::Object(Map::new()),
            };
            if self.has(element) && self.children.contains_key(element) {
                member["."] = Value::Object(Map::new());
            }
            object.insert(element.write(), member);
        }
        Value::Object(object)
    }
}
