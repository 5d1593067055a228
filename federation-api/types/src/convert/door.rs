//! What admission asks about an object of the group before it is stored.

use std::collections::BTreeMap;

use koinon_machinery::validate::FieldError;
use serde_json::Value;

use super::shape::Shape;
use super::{cluster, dns_zone, global_record, override_policy, propagation_policy};
use crate::api;

/// The checks of every kind, with their shapes read once.
#[derive(Clone, Debug)]
pub struct Door {
    shapes: BTreeMap<&'static str, Shape>,
}

impl Default for Door {
    fn default() -> Self {
        Self::new()
    }
}

impl Door {
    /// Reads the published schemas.
    pub fn new() -> Self {
        let shape =
            |resource: api::Resource| (resource.kind, Shape::of(&resource.schema["properties"]["spec"]));
        Self { shapes: api::api().into_iter().map(shape).collect() }
    }

    /// Finds everything that is wrong with an object of `kind` that is about to be stored over `old`.
    ///
    /// Shape: empty when it may be stored, and for kinds of other groups. Names of unknown fields come with the
    /// known ones; a spec of the wrong shape is not asked whether it makes sense.
    pub fn admit(&self, kind: &str, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let Some(shape) = self.shapes.get(kind) else { return Vec::new() };
        // A spec that is already stored may have been written by another release, and has to let finalizers,
        // labels and status through.
        if old.is_some_and(|old| old.get("spec") == new.get("spec")) {
            return Vec::new();
        }
        let mut errors = Vec::new();
        match new.get("spec") {
            Some(spec) if !spec.is_null() => shape.check(spec, "spec", &mut errors),
            Some(_) | None => errors.push(FieldError::required("spec", "an object; see kubectl explain")),
        }
        if !errors.is_empty() {
            return errors;
        }
        let sense = match kind {
            "Cluster" => cluster(new).map(drop),
            "PropagationPolicy" | "ClusterPropagationPolicy" => propagation_policy(new).map(drop),
            "OverridePolicy" | "ClusterOverridePolicy" => override_policy(new).map(drop),
            "DnsZone" => dns_zone(new).map(drop),
            "GlobalRecord" => global_record(new).map(drop),
            // Koinon writes bindings itself; their shape is all there is to ask.
            _ => Ok(()),
        };
        sense.err().unwrap_or_default()
    }
}
