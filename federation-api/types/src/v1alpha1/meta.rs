//! The parts that several kinds share: metadata as far as we read it, selectors and conditions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Reads one part (`spec`, `status`, `metadata`) of an object; a part that is missing reads as an empty one.
///
/// # Errors
/// When the part does not fit the shape. Stored objects have passed `convert`, so this is for what a person wrote
/// before that, or for a store that another release wrote.
pub fn read<T: DeserializeOwned>(object: &Value, part: &str) -> Result<T, serde_json::Error> {
    match object.get(part) {
        Some(Value::Null) | None => T::deserialize(Value::Object(serde_json::Map::new())),
        Some(value) => T::deserialize(value),
    }
}

/// The metadata that Koinon's own logic reads. Everything else stays in the object's tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Object name.
    pub name: String,
    /// Namespace, empty for cluster-scoped kinds.
    pub namespace: String,
    /// Identity over time.
    pub uid: String,
    /// Counts changes of the spec.
    pub generation: i64,
    /// Counts changes of the object.
    pub resource_version: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Who must agree before the object goes.
    pub finalizers: Vec<String>,
    /// Set once the object has been asked to go.
    pub deletion_timestamp: Option<String>,
}

/// Selects objects by their labels; all parts must match, and no parts match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LabelSelector {
    /// Labels and the values they must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<Expression>,
}

/// One condition on a label or field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expression {
    /// The label or field.
    pub key: String,
    /// How its value relates to `values`.
    pub operator: Operator,
    /// The values; none for Exists and DoesNotExist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub values: Vec<String>,
}

/// How a value relates to a set of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// It is one of them.
    In,
    /// It is none of them, or missing.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// One aspect of an object's state, as every Kubernetes object reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// The generation of the spec that was looked at.
    #[serde(default)]
    pub observed_generation: i64,
    /// When `status` changed last.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// Why, in one CamelCase word that programs may test.
    pub reason: String,
    /// Why, for people.
    #[serde(default)]
    pub message: String,
}
