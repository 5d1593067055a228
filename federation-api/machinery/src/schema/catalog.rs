//! What a server serves: resources with their names, verbs and subresources, group by group.
//!
//! [`Catalog::built_in`] is everything a Kubernetes server of the pinned version can serve; a server picks from it
//! and adds resources of its own in the same form. Discovery and OpenAPI documents are made from these.

use super::table;
use crate::gvk::{GroupVersion, GroupVersionKind, GroupVersionResource};

/// The groups and resources of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The groups in the order discovery lists them; the core group first.
    pub groups: Vec<Group>,
    /// The resources, by group and version in the order of `groups`, then by name.
    pub resources: Vec<Resource>,
}

/// A group and its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name; empty for the core group.
    pub name: String,
    /// The versions, the preferred one first.
    pub versions: Vec<String>,
}

/// One resource in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The kind of its objects; group and version are also those of its path.
    pub kind: GroupVersionKind,
    /// The lower-case plural of its path, such as `deployments`.
    pub plural: String,
    /// The lower-case singular, such as `deployment`.
    pub singular: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Shorter names that command lines take, such as `deploy`.
    pub short_names: Vec<String>,
    /// Groups of resources that command lines take, such as `all`.
    pub categories: Vec<String>,
    /// What may be done, in alphabetical order.
    pub verbs: Vec<Verb>,
    /// The subresources, by name.
    pub subresources: Vec<Subresource>,
    /// A hash that changes with the version objects are stored in; empty for what is not stored.
    pub storage_version_hash: String,
}

/// A part of a resource with a path of its own, such as `deployments/scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// The last part of its path, such as `scale`.
    pub name: String,
    /// The kind it answers with.
    pub kind: GroupVersionKind,
    /// What may be done, in alphabetical order.
    pub verbs: Vec<Verb>,
}

/// What may be done with a resource.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// POST.
    Create,
    /// DELETE of one object.
    Delete,
    /// DELETE of a list.
    DeleteCollection,
    /// GET of one object.
    Get,
    /// GET of a list.
    List,
    /// PATCH.
    Patch,
    /// PUT.
    Update,
    /// GET of a stream of changes.
    Watch,
}

impl Catalog {
    /// Answers everything that a Kubernetes server of the pinned version can serve.
    ///
    /// It is decoded anew at each call.
    pub fn built_in() -> Catalog {
        table::catalog(table::KUBERNETES).expect("the committed table is well formed: a test reads it")
    }
}

impl Resource {
    /// Answers the group and version of its path.
    pub fn group_version(&self) -> GroupVersion {
        self.kind.group_version()
    }

    /// Answers how it is named in authorization and in paths.
    pub fn group_version_resource(&self) -> GroupVersionResource {
        self.group_version().with_resource(self.plural.clone())
    }

    /// Whether `verb` may be used on it.
    pub fn allows(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
    }

    /// Answers the subresource called `name`.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }
}

impl Verb {
    /// Every verb, in alphabetical order: what a stored resource allows.
    pub const ALL: [Verb; 8] = [
        Verb::Create,
        Verb::Delete,
        Verb::DeleteCollection,
        Verb::Get,
        Verb::List,
        Verb::Patch,
        Verb::Update,
        Verb::Watch,
    ];

    /// Answers the verb as discovery and RBAC write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Patch => "patch",
            Verb::Update => "update",
            Verb::Watch => "watch",
        }
    }

    /// Reads a verb as discovery and RBAC write it.
    pub fn read(text: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}
