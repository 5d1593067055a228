//! What a user may do: RBAC over the stored roles and bindings.
//!
//! `system:masters` may do everything. Everyone else may do what a rule of a role bound to them grants, and nothing
//! more: there is no way to deny, only to not grant. The rules are compiled when a role or binding changes, not per
//! request. Who the user is has been settled before, by `authenticate`.

pub mod bootstrap;
pub(crate) mod escalate;
pub mod policy;

pub use policy::Policy;

use koinon_machinery::status::Status;

use crate::authenticate::{MASTERS, User};

/// What is asked for, in the words of RBAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// A verb on a resource.
    Resource {
        /// The verb, such as `list`.
        verb: &'a str,
        /// Empty for the core group.
        group: &'a str,
        /// The plural, with the subresource behind a slash where there is one.
        resource: &'a str,
        /// Empty for cluster scope and all namespaces.
        namespace: &'a str,
        /// Empty for collections.
        name: &'a str,
    },
    /// A method on a path that is not a resource.
    Path {
        /// The method in lower case.
        verb: &'a str,
        /// The path.
        path: &'a str,
    },
}

/// Decides whether `user` may do `action` under `policy`; the answer names what grants it.
pub fn allow(policy: &Policy, user: &User, action: Action<'_>) -> Option<String> {
    if user.is_in(MASTERS) { Some(String::new()) } else { policy.grant(user, action) }
}

/// The refusal of `action`, worded as clients and people know it.
pub(crate) fn refuse(user: &User, action: Action<'_>) -> Status {
    match action {
        Action::Resource { verb, group, resource, namespace, name } => {
            let scope = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace \"{namespace}\"")
            };
            let why = format!(
                "User \"{}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {scope}",
                user.name
            );
            let plural = resource.split('/').next().unwrap_or(resource);
            Status::forbidden(group, plural, name, &why)
        }
        Action::Path { verb, path } => {
            Status::forbidden("", "", "", &format!("User \"{}\" cannot {verb} path \"{path}\"", user.name))
        }
    }
}
