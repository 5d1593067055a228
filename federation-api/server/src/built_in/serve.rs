//! Which of Kubernetes' kinds this server can serve honestly.
//!
//! Stable versions only, and no kind whose point is an effect that this server does not
//! have: a webhook configuration that calls nobody, a CRD that defines nothing, would be a promise not kept.

use super::{Serving, View};

/// What stands behind a built-in kind; `None` for kinds that are not served.
pub(crate) fn serving(group: &str, version: &str, plural: &str) -> Option<Serving> {
    match (group, plural) {
        ("authentication.k8s.io" | "authorization.k8s.io", _) => Some(Serving::Review),
        ("events.k8s.io", "events") => Some(Serving::Stored(View::Events)),
        // Not collections of objects of their own.
        ("", "bindings" | "componentstatuses")
        | (
            "admissionregistration.k8s.io"
            | "apiextensions.k8s.io"
            | "apiregistration.k8s.io"
            | "certificates.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
            | "internal.apiserver.k8s.io"
            | "storagemigration.k8s.io",
            _,
        ) => None,
        ("autoscaling", _) => match version {
            "v2" => Some(Serving::Stored(View::Same)),
            "v1" => Some(Serving::Stored(View::Autoscalers)),
            _ => None,
        },
        _ => (version == "v1").then_some(Serving::Stored(View::Same)),
    }
}

/// Whether a subresource of a built-in kind is served.
///
/// `exec`, `log`, `proxy` and their like need a node; `eviction`, `binding` and `resize` need what acts on pods.
pub(crate) fn serves(plural: &str, subresource: &str) -> bool {
    match subresource {
        "status" | "scale" => true,
        "finalize" => plural == "namespaces",
        "token" => plural == "serviceaccounts",
        _ => false,
    }
}
