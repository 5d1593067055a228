//! `OverridePolicy` and `ClusterOverridePolicy`: how an object differs per cluster.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::propagation_policy::{ClusterAffinity, ResourceSelector};

/// How objects differ in some clusters. Policies apply in order of their names, cluster-scoped ones first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverridePolicySpec {
    /// The objects; all of them when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub resource_selectors: Vec<ResourceSelector>,
    /// What changes where, in order.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub override_rules: Vec<OverrideRule>,
}

/// What changes in some clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverrideRule {
    /// The clusters. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_cluster: Option<ClusterAffinity>,
    /// What changes there.
    pub overriders: Overriders,
}

/// What changes, applied in the order of these fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Overriders {
    /// Parts of container images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub image_overrider: Vec<ImageOverrider>,
    /// Commands of containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub command_overrider: Vec<ListOverrider>,
    /// Arguments of containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub args_overrider: Vec<ListOverrider>,
    /// Environment variables of containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub env_overrider: Vec<EnvOverrider>,
    /// Labels of the object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub labels_overrider: Vec<MapOverrider>,
    /// Annotations of the object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub annotations_overrider: Vec<MapOverrider>,
    /// Any field, as JSON Patch operations (RFC 6902).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub plaintext: Vec<PlaintextOverrider>,
}

/// Changes one part of the images of containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageOverrider {
    /// The container. Default: all, init containers included.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container_name: String,
    /// Which part of registry/repository:tag.
    pub component: ImageComponent,
    /// What happens to it.
    pub operator: OverrideOperator,
    /// The new part, or what is appended; none for remove.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// A part of an image name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImageComponent {
    /// The host it comes from.
    Registry,
    /// The path.
    Repository,
    /// What follows the colon, or the digest when there is no tag.
    Tag,
}

/// Changes a command or its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListOverrider {
    /// The container. Default: all, init containers included.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container_name: String,
    /// Add appends the words, remove takes them away, replace puts them in place of all.
    pub operator: OverrideOperator,
    /// The words.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub value: Vec<String>,
}

/// What happens to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OverrideOperator {
    /// A text is appended; a key is set.
    Add,
    /// It goes.
    Remove,
    /// A text becomes the new one; a key that is there gets the new value.
    Replace,
}

/// Changes environment variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvOverrider {
    /// The container. Default: all, init containers included.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container_name: String,
    /// What happens to them.
    pub operator: OverrideOperator,
    /// Names and values; values do not matter for remove.
    pub value: BTreeMap<String, String>,
}

/// Changes labels or annotations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapOverrider {
    /// What happens to them.
    pub operator: OverrideOperator,
    /// Keys and values; values do not matter for remove.
    pub value: BTreeMap<String, String>,
}

/// One JSON Patch operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaintextOverrider {
    /// A JSON pointer into the object, such as /spec/template/spec/priorityClassName.
    pub path: String,
    /// What happens there.
    pub operator: PatchOperator,
    /// The value; none for remove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub value: Option<Value>,
}

/// What a patch operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PatchOperator {
    /// Inserts.
    Add,
    /// Removes.
    Remove,
    /// Replaces what must be there.
    Replace,
}
