//! Keeping the compiled rights in step with the stored roles and bindings.

use std::sync::Arc;

use crate::api::Api;
use crate::authorize::Policy;
use crate::authorize::bootstrap;
use crate::authorize::policy::Objects;
use crate::local::Client;
use crate::registry::{ResourceRef, Scope};

/// Compiles the rights of everyone from what is stored now.
pub(super) fn compile(client: &Client) -> Policy {
    let values = |resources: [ResourceRef; 2]| {
        resources.iter().flat_map(|resource| client.list(resource).0).map(|stored| stored.value()).collect()
    };
    Policy::compile(&Objects {
        roles: values([bootstrap::cluster_roles(), roles()]),
        bindings: values([bootstrap::cluster_role_bindings(), role_bindings()]),
    })
}

/// Compiles the rights again whenever a role or a binding changes.
pub(super) async fn follow(api: Arc<Api>, client: Client) {
    let [mut a, mut b, mut c, mut d] =
        [bootstrap::cluster_roles(), roles(), bootstrap::cluster_role_bindings(), role_bindings()]
            .map(|resource| client.watch(&resource));
    loop {
        let event = tokio::select! {
            event = a.next() => event,
            event = b.next() => event,
            event = c.next() => event,
            event = d.next() => event,
        };
        if event.is_none() {
            return;
        }
        // What else is there already belongs to the same change, most likely.
        for watch in [&mut a, &mut b, &mut c, &mut d] {
            watch.skip_ready();
        }
        api.policy.store(Arc::new(compile(&client)));
    }
}

fn roles() -> ResourceRef {
    ResourceRef::new("rbac.authorization.k8s.io", "v1", "roles", "Role", Scope::Namespaced)
}

fn role_bindings() -> ResourceRef {
    ResourceRef::new("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", Scope::Namespaced)
}
