//! Who sends a request: client certificates, bearer tokens, impersonation.
//!
//! Authentication answers with a [`User`] or refuses; what the user may do is `authorize`'s business. A request with
//! no credentials at all is `system:anonymous`; one with wrong credentials is refused, never let through as anonymous.

pub(crate) mod certificate;
mod credentials;
pub mod token;

use std::collections::BTreeMap;

pub(crate) use credentials::{bearer, user};

/// Everyone whose credentials were accepted.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Everyone who brought none.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group that may do everything.
pub const MASTERS: &str = "system:masters";
/// What the names of the parts of the server itself begin with.
pub(crate) const INTERNAL_PREFIX: &str = "system:koinon:";
/// The user who brought no credentials.
pub const ANONYMOUS: &str = "system:anonymous";

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The name, such as `system:serviceaccount:shop:default`.
    pub name: String,
    /// The identity in time, where the credentials carry one.
    pub uid: String,
    /// The groups, those of every authenticated user included.
    pub groups: Vec<String>,
    /// What else the credentials say.
    pub extra: BTreeMap<String, Vec<String>>,
}

// === impl User ===

impl User {
    /// The user without credentials.
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..Self::default() }
    }

    /// A user whose credentials were accepted.
    pub fn authenticated(name: impl Into<String>, groups: impl IntoIterator<Item = String>) -> Self {
        let groups = groups.into_iter().chain([AUTHENTICATED.to_owned()]).collect();
        Self { name: name.into(), groups, ..Self::default() }
    }

    /// Whether this is a part of the server itself.
    pub(crate) fn is_internal(&self) -> bool {
        self.name.starts_with(INTERNAL_PREFIX) && self.is_in(MASTERS)
    }

    /// Whether the user belongs to `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|name| name == group)
    }
}
