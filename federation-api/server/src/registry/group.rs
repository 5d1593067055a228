//! How whoever composes a server describes kinds of its own.

use koinon_machinery::Value;
use koinon_machinery::gvk::GroupVersionKind;
use koinon_machinery::schema::{Invalid, Schema};

use super::Scope;

/// A group of kinds that is not built in.
#[derive(Debug, Clone, Default)]
pub struct ApiGroup {
    /// The group, such as `koinon.io`.
    pub group: String,
    /// The version, such as `v1alpha1`.
    pub version: String,
    /// Its kinds.
    pub resources: Vec<ApiResource>,
}

/// One kind of an [`ApiGroup`].
#[derive(Debug, Clone)]
pub struct ApiResource {
    /// The plural in paths.
    pub plural: String,
    /// The singular.
    pub singular: String,
    /// The kind.
    pub kind: String,
    /// Short names for people.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Whether objects live in namespaces.
    pub scope: Scope,
    /// Whether `/status` is served, and the status protected from writes to the object itself.
    pub status: Endpoint,
    /// Where `/scale` finds its numbers, when it is served.
    pub scale: Option<ScalePaths>,
    /// The columns of tables, besides the name; with none there is also the age.
    pub columns: Vec<Column>,
    /// The schema of the kind as a document of its own: OpenAPI v3 or JSON Schema, with `definitions` or `$defs`.
    pub schema: Value,
}

/// Whether a subresource is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Endpoint {
    /// It is.
    Served,
    /// It is not.
    #[default]
    Absent,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    /// The OpenAPI format; may be empty.
    pub format: String,
    /// What the column says.
    pub description: String,
    /// 0 for columns that are always shown, more for those of wide output only.
    pub priority: u32,
    /// Where the value is, such as `.status.phase`.
    pub json_path: String,
}

/// Where `/scale` finds its numbers, as dotted paths from the root of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePaths {
    /// The wanted replicas, such as `.spec.replicas`.
    pub spec: String,
    /// The counted replicas, such as `.status.replicas`.
    pub status: String,
    /// The selector as text, such as `.status.selector`; empty when there is none.
    pub selector: String,
}

/// Why a registry cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The schemas of a group cannot be used.
    #[error("use the schemas of {group}/{version}")]
    Schema {
        /// The group.
        group: String,
        /// The version.
        version: String,
        /// Why not.
        #[source]
        source: Invalid,
    },
}

// === impl ApiGroup ===

impl ApiGroup {
    /// Adds the kinds of the group to `schema`.
    pub(super) fn extend(&self, schema: &Schema) -> Result<Schema, RegistryError> {
        let kinds: Vec<_> =
            self.resources.iter().map(|resource| (self.gvk(resource), &resource.schema)).collect();
        schema.extend_openapi(&Value::Null, &kinds).map_err(|source| RegistryError::Schema {
            group: self.group.clone(),
            version: self.version.clone(),
            source,
        })
    }

    /// The kind of one of the group's resources.
    pub(crate) fn gvk(&self, resource: &ApiResource) -> GroupVersionKind {
        GroupVersionKind::new(self.group.clone(), self.version.clone(), resource.kind.clone())
    }
}
