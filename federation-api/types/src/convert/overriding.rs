//! Override policies, from wire to model.

use std::collections::{BTreeMap, BTreeSet};

use koinon_machinery::validate::{FieldError, format};
use koinon_model::overriding::{
    Containers, EnvEdit, ImagePart, ListEdit, MapEdit, OverrideIntent, OverrideRule, Overrider,
    PatchOperation, TextEdit,
};
use serde_json::Value;

use super::propagation::key_and_reach;
use super::{Invalid, affinity, json, name, parts, selector, unless};
use crate::v1alpha1::{self, OverrideOperator};

/// What makes an object the one it is; no cluster may have it under another identity.
const FIXED_PATHS: [&str; 5] = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/status"];

/// Reads an OverridePolicy or, when it has no namespace, a ClusterOverridePolicy.
///
/// # Errors
/// Every field that makes no sense.
pub fn override_policy(object: &Value) -> Result<OverrideIntent, Invalid> {
    let (meta, spec): (_, v1alpha1::OverridePolicySpec) = parts(object)?;
    let mut errors = Vec::new();
    let (key, reach) = key_and_reach(&meta);
    if spec.override_rules.is_empty() {
        errors.push(FieldError::required("spec.overrideRules", "at least one rule"));
    }
    let selectors =
        selector::resources(&spec.resource_selectors, reach, "spec.resourceSelectors", &mut errors);
    let each = |(index, wire)| rule(wire, &format!("spec.overrideRules[{index}]"), &mut errors);
    let rules = spec.override_rules.iter().enumerate().map(each).collect();
    unless(errors, OverrideIntent { key, selectors, rules })
}

fn rule(wire: &v1alpha1::OverrideRule, path: &str, errors: &mut Vec<FieldError>) -> OverrideRule {
    let target = affinity::affinity(wire.target_cluster.as_ref(), &format!("{path}.targetCluster"), errors);
    let path = format!("{path}.overriders");
    let set = &wire.overriders;
    let mut overriders = Vec::new();
    for (index, wire) in set.image_overrider.iter().enumerate() {
        overriders.push(image(wire, &format!("{path}.imageOverrider[{index}]"), errors));
    }
    for (index, wire) in set.command_overrider.iter().enumerate() {
        let edit = words(wire, &format!("{path}.commandOverrider[{index}]"), errors);
        overriders.push(Overrider::Command { containers: containers(&wire.container_name), edit });
    }
    for (index, wire) in set.args_overrider.iter().enumerate() {
        let edit = words(wire, &format!("{path}.argsOverrider[{index}]"), errors);
        overriders.push(Overrider::Args { containers: containers(&wire.container_name), edit });
    }
    for (index, wire) in set.env_overrider.iter().enumerate() {
        overriders.push(env(wire, &format!("{path}.envOverrider[{index}]"), errors));
    }
    for (index, wire) in set.labels_overrider.iter().enumerate() {
        let at = format!("{path}.labelsOverrider[{index}]");
        for (key, value) in &wire.value {
            name::complain(format::label_value(value), value, &format!("{at}.value[{key}]"), errors);
        }
        overriders.push(Overrider::Labels(map(wire, &at, errors)));
    }
    for (index, wire) in set.annotations_overrider.iter().enumerate() {
        let at = format!("{path}.annotationsOverrider[{index}]");
        overriders.push(Overrider::Annotations(map(wire, &at, errors)));
    }
    let each = |(index, wire)| patch(wire, &format!("{path}.plaintext[{index}]"), errors);
    let patches: Vec<_> = set.plaintext.iter().enumerate().filter_map(each).collect();
    if !patches.is_empty() {
        overriders.push(Overrider::JsonPatch(patches));
    }
    if *set == v1alpha1::Overriders::default() {
        let accepted = "at least one of imageOverrider, commandOverrider, argsOverrider, envOverrider, \
                        labelsOverrider, annotationsOverrider, plaintext";
        errors.push(FieldError::required(path, accepted));
    }
    OverrideRule { target, overriders }
}

fn containers(name: &str) -> Containers {
    if name.is_empty() { Containers::All } else { Containers::Named(name.to_owned()) }
}

fn image(wire: &v1alpha1::ImageOverrider, path: &str, errors: &mut Vec<FieldError>) -> Overrider {
    let at = format!("{path}.value");
    let given = !wire.value.is_empty();
    let edit = match wire.operator {
        OverrideOperator::Add => TextEdit::Add(wire.value.clone()),
        OverrideOperator::Replace => TextEdit::Replace(wire.value.clone()),
        OverrideOperator::Remove => TextEdit::Remove,
    };
    match (wire.operator, given) {
        (OverrideOperator::Remove, true) => {
            errors.push(FieldError::forbidden(&at, "no value with operator remove"));
        }
        (OverrideOperator::Add | OverrideOperator::Replace, false) => {
            errors.push(FieldError::required(&at, "the new text with operators add and replace"));
        }
        (OverrideOperator::Remove, false) | (OverrideOperator::Add | OverrideOperator::Replace, true) => {}
    }
    let part = match wire.component {
        v1alpha1::ImageComponent::Registry => ImagePart::Registry,
        v1alpha1::ImageComponent::Repository => ImagePart::Repository,
        v1alpha1::ImageComponent::Tag => ImagePart::Tag,
    };
    if part == ImagePart::Repository && wire.operator == OverrideOperator::Remove {
        let accepted = "add or replace; an image without a repository names nothing";
        errors.push(FieldError::invalid(format!("{path}.operator"), "remove", accepted));
    }
    if wire.value.contains(char::is_whitespace) {
        errors.push(FieldError::invalid(at, wire.value.as_str(), "must hold no white space"));
    }
    Overrider::Image { containers: containers(&wire.container_name), part, edit }
}

fn words(wire: &v1alpha1::ListOverrider, path: &str, errors: &mut Vec<FieldError>) -> ListEdit {
    let at = format!("{path}.value");
    match wire.operator {
        OverrideOperator::Add | OverrideOperator::Remove if wire.value.is_empty() => {
            errors.push(FieldError::required(at, "at least one word"));
        }
        OverrideOperator::Add | OverrideOperator::Remove | OverrideOperator::Replace => {}
    }
    match wire.operator {
        OverrideOperator::Add => ListEdit::Add(wire.value.clone()),
        OverrideOperator::Remove => ListEdit::Remove(wire.value.iter().cloned().collect()),
        OverrideOperator::Replace => ListEdit::Replace(wire.value.clone()),
    }
}

/// Keys and values sorted by what happens to them.
type Sorted = (BTreeMap<String, String>, BTreeMap<String, String>, BTreeSet<String>);

fn sort(operator: OverrideOperator, value: &BTreeMap<String, String>) -> Sorted {
    match operator {
        OverrideOperator::Add => (value.clone(), BTreeMap::new(), BTreeSet::new()),
        OverrideOperator::Replace => (BTreeMap::new(), value.clone(), BTreeSet::new()),
        OverrideOperator::Remove => (BTreeMap::new(), BTreeMap::new(), value.keys().cloned().collect()),
    }
}

fn env(wire: &v1alpha1::EnvOverrider, path: &str, errors: &mut Vec<FieldError>) -> Overrider {
    let at = format!("{path}.value");
    if wire.value.is_empty() {
        errors.push(FieldError::required(&at, "at least one variable"));
    }
    for key in wire.value.keys() {
        name::complain(format::env_name(key), key, &format!("{at}[{key}]"), errors);
    }
    let (set, replace, remove) = sort(wire.operator, &wire.value);
    Overrider::Env { containers: containers(&wire.container_name), edit: EnvEdit { set, replace, remove } }
}

fn map(wire: &v1alpha1::MapOverrider, path: &str, errors: &mut Vec<FieldError>) -> MapEdit {
    let at = format!("{path}.value");
    if wire.value.is_empty() {
        errors.push(FieldError::required(&at, "at least one key"));
    }
    for key in wire.value.keys() {
        name::complain(format::label_key(key), key, &format!("{at}[{key}]"), errors);
        if key.starts_with("koinon.io/") {
            let accepted = "keys of koinon.io say whose an object is and cannot be overridden";
            errors.push(FieldError::forbidden(format!("{at}[{key}]"), accepted));
        }
    }
    let (set, replace, remove) = sort(wire.operator, &wire.value);
    MapEdit { set, replace, remove }
}

fn patch(
    wire: &v1alpha1::PlaintextOverrider,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> Option<PatchOperation> {
    let at = format!("{path}.path");
    let fixed = FIXED_PATHS.iter().find(|fixed| {
        wire.path.strip_prefix(**fixed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if !wire.path.starts_with('/') || wire.path == "/" {
        let accepted = "must be a JSON pointer such as /spec/template/spec/priorityClassName";
        errors.push(FieldError::invalid(at, wire.path.as_str(), accepted));
    } else if wire.path == "/metadata" {
        let accepted = "name the field under /metadata; the whole of it holds the object's name";
        errors.push(FieldError::invalid(at, wire.path.as_str(), accepted));
    } else if let Some(fixed) = fixed {
        let accepted = format!("{fixed} says which object it is and cannot be overridden");
        errors.push(FieldError::forbidden(at, accepted));
    }
    let path_of = wire.path.clone();
    let at = format!("{path}.value");
    let value = wire.value.as_ref().map(json::from_value);
    match (wire.operator, value) {
        (v1alpha1::PatchOperator::Remove, None) => Some(PatchOperation::Remove { path: path_of }),
        (v1alpha1::PatchOperator::Add, Some(value)) => Some(PatchOperation::Add { path: path_of, value }),
        (v1alpha1::PatchOperator::Replace, Some(value)) => {
            Some(PatchOperation::Replace { path: path_of, value })
        }
        (v1alpha1::PatchOperator::Remove, Some(_)) => {
            errors.push(FieldError::forbidden(at, "no value with operator remove"));
            None
        }
        (v1alpha1::PatchOperator::Add | v1alpha1::PatchOperator::Replace, None) => {
            errors.push(FieldError::required(at, "the new value with operators add and replace"));
            None
        }
    }
}
