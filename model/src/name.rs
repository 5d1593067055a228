//! What things are called: clusters, kinds, objects, policies.
//!
//! A name is checked once, where it enters; afterwards it is cheap to clone and ordered by its text. Namespaces and
//! object names keep the host's own validation and are plain text here.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Longest cluster name: it must fit a label value and one DNS label (RFC 1123: 63 octets).
pub const CLUSTER_NAME_LENGTH_MAX: usize = 63;

/// Names one member cluster: an RFC 1123 label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(Arc<str>);

/// Says why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nothing was given.
    #[error("empty name")]
    Empty,
    /// Longer than the limit.
    #[error("name of {length} octets is longer than {max}")]
    TooLong {
        /// Octets given.
        length: usize,
        /// Octets accepted.
        max: usize,
    },
    /// A character outside the accepted set, or a hyphen at an end.
    #[error(
        "name {name:?} must be lowercase letters, digits and '-', and start and end with a letter or digit"
    )]
    Shape {
        /// What was given.
        name: String,
    },
}

impl ClusterName {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ClusterName {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::Empty);
        }
        if text.len() > CLUSTER_NAME_LENGTH_MAX {
            return Err(Invalid::TooLong { length: text.len(), max: CLUSTER_NAME_LENGTH_MAX });
        }
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !text.bytes().all(inner) || text.starts_with('-') || text.ends_with('-') {
            return Err(Invalid::Shape { name: text.to_owned() });
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for ClusterName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::try_from(text.as_str())
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ClusterName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Names a kind in one version of its group; the core group is the empty text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind {
    /// API group, empty for the core group.
    pub group: String,
    /// Version in the group.
    pub version: String,
    /// Kind, in the singular and capitalised.
    pub kind: String,
}

impl GroupVersionKind {
    /// Joins an `apiVersion` as written in manifests (`v1`, `apps/v1`) with a kind.
    #[must_use]
    pub fn from_api_version(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// The `apiVersion` as written in manifests.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}

/// Names one object of the host; the namespace of a cluster-scoped object is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub gvk: GroupVersionKind,
    /// Its namespace, empty for cluster scope.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.gvk.kind)?;
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// Names a policy and says how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKey {
    /// A namespaced policy: it reaches objects of its own namespace only.
    Namespaced {
        /// The policy's namespace.
        namespace: String,
        /// The policy's name.
        name: String,
    },
    /// A cluster-scoped policy: it reaches every namespace and cluster-scoped objects.
    Cluster {
        /// The policy's name.
        name: String,
    },
}

impl PolicyKey {
    /// The policy's namespace; empty for a cluster-scoped one.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Namespaced { namespace, .. } => namespace,
            Self::Cluster { .. } => "",
        }
    }

    /// The policy's name without its namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Namespaced { name, .. } | Self::Cluster { name } => name,
        }
    }
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespaced { namespace, name } => write!(f, "{namespace}/{name}"),
            Self::Cluster { name } => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_rfc_1123_labels_and_refuses_everything_else() {
        for good in ["a", "eu-west", "0", &"x".repeat(63)] {
            assert_eq!(ClusterName::try_from(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "é", &"x".repeat(64)] {
            assert!(ClusterName::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_api_version_splits_and_joins_without_loss() {
        for text in ["v1", "apps/v1", "networking.k8s.io/v1"] {
            assert_eq!(GroupVersionKind::from_api_version(text, "X").api_version(), text);
        }
    }
}
