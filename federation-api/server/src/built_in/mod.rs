//! What the built-in kinds do differently from each other.
//!
//! Everything that all kinds share is in `rest`; schemas, names and columns come from machinery's tables. What is left
//! is little: which kinds are served at all, which of their fields can be selected by, when a generation begins, and
//! the few things that a kind fills in or forbids by itself.

use koinon_machinery::Value;
use koinon_machinery::gvk::GroupVersionKind;
use koinon_machinery::validate::{FieldError, format};
use sha2::{Digest as _, Sha256};

use crate::registry::{ScalePaths, Serving, View};

use validate::NameRule;

pub(crate) mod autoscalers;
pub(crate) mod core;
pub(crate) mod events;
mod serve;
pub(crate) mod services;
mod strategies;
pub(crate) mod validate;

pub(crate) use serve::{serves, serving};
pub(crate) use strategies::strategy;

/// What one kind does differently.
#[derive(Clone, Copy)]
pub(crate) struct Strategy {
    /// Fields that can be selected by, besides `metadata.name` and `metadata.namespace`.
    pub(crate) fields: &'static [&'static str],
    /// When a new generation begins.
    pub(crate) generation: Generation,
    /// Whether an update without a version replaces whatever is there.
    pub(crate) blind_update: BlindUpdate,
    /// Folds fields that are only ways to write others into those, before anyone is said to own them.
    pub(crate) fold: fn(new: &mut Value),
    /// Fills in what the kind itself decides, which nobody owns; the old object is absent for a create.
    pub(crate) prepare: fn(new: &mut Value, old: Option<&Value>),
    /// Finds what the kind forbids; the old object is absent for a create.
    pub(crate) validate: fn(new: &Value, old: Option<&Value>) -> Vec<FieldError>,
    /// What the name of an object may look like.
    pub(crate) name: NameRule,
}

/// When a new generation of an object begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// The kind has no generations.
    Never,
    /// When `spec` changes.
    Spec,
    /// When `spec` or an annotation changes.
    SpecOrAnnotations,
    /// When anything but metadata and status changes.
    Content,
}

/// Whether an update without a version replaces whatever is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlindUpdate {
    /// It does.
    Allowed,
    /// It is refused.
    Refused,
}

// === impl Strategy ===

impl Strategy {
    const PLAIN: Self = Self {
        fields: &[],
        generation: Generation::Never,
        blind_update: BlindUpdate::Allowed,
        fold: |_| {},
        prepare: |_, _| {},
        validate: |_, _| Vec::new(),
        name: format::dns_subdomain,
    };

    /// How kinds behave that are not built in.
    pub(crate) const fn custom() -> Self {
        Self { generation: Generation::Content, blind_update: BlindUpdate::Refused, ..Self::PLAIN }
    }

    const fn spec(fields: &'static [&'static str]) -> Self {
        Self { fields, generation: Generation::Spec, ..Self::PLAIN }
    }

    const fn content() -> Self {
        Self { generation: Generation::Content, ..Self::PLAIN }
    }
}

/// The value of a selectable field as selectors compare it; empty when absent.
pub(crate) fn select(object: &Value, field: &str) -> Box<str> {
    let found = field.split('.').try_fold(object, |value, key| value.get(key));
    let found = match (field, found) {
        // The component that reported, wherever the event has it.
        ("source", Some(source)) => {
            source.get("component").filter(|text| *text != "").or(object.get("reportingComponent"))
        }
        ("status.podIPs", Some(ips)) => ips.get(0).and_then(|first| first.get("ip")),
        _ => found,
    };
    match found {
        Some(Value::String(text)) => text.as_str().into(),
        Some(Value::Number(number)) => number.to_string().into(),
        Some(Value::Bool(flag)) => flag.to_string().into(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => match field {
            "status.replicas" | "status.successful" => "0".into(),
            "spec.unschedulable" | "spec.hostNetwork" => "false".into(),
            _ => "".into(),
        },
    }
}

/// Where the scalable built-in kinds keep their numbers; all in the same places.
pub(crate) fn scale_paths() -> ScalePaths {
    ScalePaths {
        spec: ".spec.replicas".to_owned(),
        status: ".status.replicas".to_owned(),
        selector: ".spec.selector".to_owned(),
    }
}

/// The hash that migrators compare to see whether the stored version of a kind changed.
pub(crate) fn storage_hash(gvk: &GroupVersionKind) -> String {
    use base64::Engine as _;
    let digest = Sha256::digest(format!("{}/{}/{}", gvk.group, gvk.version, gvk.kind));
    base64::prelude::BASE64_STANDARD.encode(&digest[..8])
}
