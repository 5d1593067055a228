//! How the parts of this process name a resource to each other.

use std::fmt;
use std::sync::Arc;

/// Whether the objects of a kind live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// They live in namespaces.
    Namespaced,
    /// They belong to the cluster as a whole.
    Cluster,
}

/// A resource in one version; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceRef {
    /// The group; empty for the core group.
    pub group: Arc<str>,
    /// The version.
    pub version: Arc<str>,
    /// The plural in paths.
    pub plural: Arc<str>,
    /// The kind in objects.
    pub kind: Arc<str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

// === impl ResourceRef ===

impl ResourceRef {
    /// Names the resource `plural` of `group`/`version`, whose objects are of `kind`.
    pub fn new(group: &str, version: &str, plural: &str, kind: &str, scope: Scope) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            kind: kind.into(),
            namespaced: scope == Scope::Namespaced,
        }
    }

    /// The `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

impl fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            write!(f, "{}", self.plural)
        } else {
            write!(f, "{}.{}", self.plural, self.group)
        }
    }
}
