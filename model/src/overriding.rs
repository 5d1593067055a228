//! Checked override intent: what differs in which cluster.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Json;
use crate::name::PolicyKey;
use crate::policy::{ClusterAffinity, ResourceSelector};

/// Everything one override policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideIntent {
    /// Which policy.
    pub key: PolicyKey,
    /// Which objects; empty selects every object that the policy reaches.
    pub selectors: Vec<ResourceSelector>,
    /// Rules in the order they apply.
    pub rules: Vec<OverrideRule>,
}

/// What differs in some clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideRule {
    /// In which clusters.
    pub target: ClusterAffinity,
    /// What differs, in the order it applies.
    pub overriders: Vec<Overrider>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overrider {
    /// A part of an image reference.
    Image {
        /// Whose image.
        containers: Containers,
        /// Which part.
        part: ImagePart,
        /// What to do with it.
        edit: TextEdit,
    },
    /// The object's labels.
    Labels(MapEdit),
    /// The object's annotations.
    Annotations(MapEdit),
    /// Environment variables.
    Env {
        /// Whose.
        containers: Containers,
        /// The change.
        edit: EnvEdit,
    },
    /// The command.
    Command {
        /// Whose.
        containers: Containers,
        /// The change.
        edit: ListEdit,
    },
    /// The arguments.
    Args {
        /// Whose.
        containers: Containers,
        /// The change.
        edit: ListEdit,
    },
    /// RFC 6902.
    JsonPatch(Vec<PatchOperation>),
}

/// Which containers of a pod template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Containers {
    /// All of them, the init containers included.
    All,
    /// The one of this name.
    Named(String),
}

/// The parts of `registry/repository:tag@digest`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ImagePart {
    /// Host and port.
    Registry,
    /// Path.
    Repository,
    /// Tag, or digest when there is no tag.
    Tag,
}

/// What to do with a part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextEdit {
    /// Append.
    Add(String),
    /// Put in its place.
    Replace(String),
    /// Take away.
    Remove,
}

/// What to do with labels or annotations: first removals, then values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapEdit {
    /// Set, whether there or not.
    pub set: BTreeMap<String, String>,
    /// Set only where the key is already there.
    pub replace: BTreeMap<String, String>,
    /// Taken away.
    pub remove: BTreeSet<String>,
}

/// What to do with environment variables: first removals, then values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvEdit {
    /// Set, whether there or not.
    pub set: BTreeMap<String, String>,
    /// Set only where the variable is already there.
    pub replace: BTreeMap<String, String>,
    /// Taken away.
    pub remove: BTreeSet<String>,
}

/// What to do with a command or its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEdit {
    /// Append these.
    Add(Vec<String>),
    /// Take every one of these away.
    Remove(BTreeSet<String>),
    /// Put these in place of all.
    Replace(Vec<String>),
}

/// One operation of RFC 6902; paths are JSON pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchOperation {
    /// Adds a value.
    Add {
        /// Where.
        path: String,
        /// What.
        value: Json,
    },
    /// Removes what is there.
    Remove {
        /// Where.
        path: String,
    },
    /// Replaces what is there.
    Replace {
        /// Where.
        path: String,
        /// With what.
        value: Json,
    },
    /// Moves a value.
    Move {
        /// From where.
        from: String,
        /// To where.
        path: String,
    },
    /// Copies a value.
    Copy {
        /// From where.
        from: String,
        /// To where.
        path: String,
    },
    /// Refuses the patch unless the value is there.
    Test {
        /// Where.
        path: String,
        /// What.
        value: Json,
    },
}
