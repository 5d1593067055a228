//! The three names Kubernetes gives to what it serves: group and version, with a kind, with a resource.
//!
//! Plain values: nothing here knows which kinds exist. The group of the legacy core API is the empty string.

use std::fmt;
use std::str::FromStr;

/// A group and one of its versions, written `apps/v1`, or `v1` for the core group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersion {
    /// The group; empty for the core group.
    pub group: String,
    /// The version, such as `v1beta1`.
    pub version: String,
}

/// The kind of an object, as `apiVersion` and `kind` say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind {
    /// The group; empty for the core group.
    pub group: String,
    /// The version, such as `v1beta1`.
    pub version: String,
    /// The kind in CamelCase, such as `Deployment`.
    pub kind: String,
}

/// A resource as it appears in paths: `/apis/<group>/<version>/<resource>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionResource {
    /// The group; empty for the core group.
    pub group: String,
    /// The version, such as `v1beta1`.
    pub version: String,
    /// The lower-case plural, such as `deployments`.
    pub resource: String,
}

/// Why a text is not a group and version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unexpected GroupVersion string: {text}")]
pub struct Malformed {
    /// The text as it was given.
    pub text: String,
}

impl GroupVersion {
    /// Names version `version` of `group`; the core group is `""`.
    pub fn new(group: impl Into<String>, version: impl Into<String>) -> Self {
        GroupVersion { group: group.into(), version: version.into() }
    }

    /// Names `kind` in this group and version.
    pub fn with_kind(&self, kind: impl Into<String>) -> GroupVersionKind {
        GroupVersionKind { group: self.group.clone(), version: self.version.clone(), kind: kind.into() }
    }

    /// Names `resource` in this group and version.
    pub fn with_resource(&self, resource: impl Into<String>) -> GroupVersionResource {
        GroupVersionResource {
            group: self.group.clone(),
            version: self.version.clone(),
            resource: resource.into(),
        }
    }

    /// Answers the path under which the server serves it: `api/v1` or `apis/apps/v1`, without a leading slash.
    pub fn path(&self) -> String {
        if self.group.is_empty() { format!("api/{}", self.version) } else { format!("apis/{self}") }
    }
}

impl GroupVersionKind {
    /// Names `kind` of `group` in `version`; the core group is `""`.
    pub fn new(group: impl Into<String>, version: impl Into<String>, kind: impl Into<String>) -> Self {
        GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// Reads the kind of an object from its `apiVersion` and `kind`.
    ///
    /// # Errors
    /// When `api_version` has more than one slash.
    pub fn from_api_version(api_version: &str, kind: &str) -> Result<Self, Malformed> {
        Ok(api_version.parse::<GroupVersion>()?.with_kind(kind))
    }

    /// Answers the group and version, without the kind.
    pub fn group_version(&self) -> GroupVersion {
        GroupVersion::new(self.group.clone(), self.version.clone())
    }

    /// Answers what an object of this kind carries as `apiVersion`.
    pub fn api_version(&self) -> String {
        self.group_version().to_string()
    }
}

impl GroupVersionResource {
    /// Names `resource` of `group` in `version`; the core group is `""`.
    pub fn new(group: impl Into<String>, version: impl Into<String>, resource: impl Into<String>) -> Self {
        GroupVersionResource { group: group.into(), version: version.into(), resource: resource.into() }
    }

    /// Answers the group and version, without the resource.
    pub fn group_version(&self) -> GroupVersion {
        GroupVersion::new(self.group.clone(), self.version.clone())
    }
}

impl fmt::Display for GroupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.version)
        } else {
            write!(f, "{}/{}", self.group, self.version)
        }
    }
}

impl FromStr for GroupVersion {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.split_once('/') {
            None => Ok(GroupVersion::new("", text)),
            Some((group, version)) if !version.contains('/') => Ok(GroupVersion::new(group, version)),
            Some(_) => Err(Malformed { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, Kind={}", self.group_version(), self.kind)
    }
}

impl fmt::Display for GroupVersionResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, Resource={}", self.group_version(), self.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_version_reads_back_as_it_was_written() {
        for (text, group, version) in [("v1", "", "v1"), ("apps/v1", "apps", "v1")] {
            let parsed: GroupVersion = text.parse().unwrap();
            assert_eq!(parsed, GroupVersion::new(group, version));
            assert_eq!(parsed.to_string(), text);
        }
        assert!("a/b/c".parse::<GroupVersion>().is_err());
    }

    #[test]
    fn the_core_group_lives_under_api_and_the_others_under_apis() {
        assert_eq!(GroupVersion::new("", "v1").path(), "api/v1");
        assert_eq!(GroupVersion::new("apps", "v1").path(), "apis/apps/v1");
    }
}
