//! Policies as loops name them: both kinds of each, and the key of a stored one.

use koinon_api_server::local::Stored;
use koinon_model::name::PolicyKey;

/// Names a policy; without a namespace it reaches everything.
pub(crate) fn named(namespace: &str, name: &str) -> PolicyKey {
    let name = name.to_owned();
    match namespace {
        "" => PolicyKey::Cluster { name },
        namespace => PolicyKey::Namespaced { namespace: namespace.to_owned(), name },
    }
}

/// Names a stored policy.
pub(crate) fn key(stored: &Stored) -> PolicyKey {
    named(stored.namespace(), stored.name())
}
