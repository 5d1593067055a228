//! A host in memory for the tests of loops: the real server with the real kinds, and what tests wait for.

use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::identity::Authority;
use koinon_api_server::local::Client;
use koinon_api_server::{Config, Registry, ResourceRef, Server};
use koinon_machinery::Value;
use koinon_machinery::schema::Schema;
use koinon_types::v1alpha1;
use serde_json::json;

use crate::authors::Authors;
use crate::{kinds, resources};

/// How long anything may take that a test waits for; a busy machine is slow, and never this slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// From one look at what is waited for to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A host without loops; clones are the same host.
#[derive(Clone)]
pub(crate) struct Host {
    server: Arc<Server>,
    pub(crate) client: Client,
    /// Who wrote what.
    pub(crate) authors: Authors,
}

/// Starts a host that serves the built-in kinds and our own.
pub(crate) async fn host() -> Host {
    let registry = Registry::new(Schema::built_in())
        .with_built_in(|_| true)
        .with_api(kinds::group())
        .expect("good schemas");
    let mut config = Config::in_memory(registry, Authority::ephemeral().expect("an authority"));
    let authors = Authors::default();
    config.admissions = vec![kinds::admission(), Arc::new(authors.clone())];
    let server = Server::open(config).await.expect("a server in memory");
    let client = server.client("test");
    Host { server: Arc::new(server), client, authors }
}

impl Host {
    /// A client whose writes are filed under this name.
    pub(crate) fn client(&self, manager: &'static str) -> Client {
        self.server.client(manager)
    }

    /// Adds an object.
    pub(crate) async fn create(&self, resource: &ResourceRef, object: Value) {
        let written = self.client.create(resource, object).await;
        assert!(written.is_ok(), "{resource} is refused: {:?}", written.err());
    }

    /// Replaces the status of an object.
    pub(crate) async fn set_status(
        &self,
        resource: &ResourceRef,
        namespace: &str,
        name: &str,
        status: Value,
    ) {
        let metadata = if namespace.is_empty() {
            json!({"name": name})
        } else {
            json!({"namespace": namespace, "name": name})
        };
        let object = json!({
            "apiVersion": resource.api_version(), "kind": &*resource.kind, "metadata": metadata, "status": status,
        });
        let written = self.client.update_status(resource, object).await;
        assert!(written.is_ok(), "the status of {resource} {name} is refused: {:?}", written.err());
    }

    /// Deletes an object.
    pub(crate) async fn delete(&self, resource: &ResourceRef, namespace: &str, name: &str) {
        self.client.delete(resource, namespace, name, None).await.expect("it is there");
    }

    /// An object as it is now, null when it is not there.
    pub(crate) fn read(&self, resource: &ResourceRef, namespace: &str, name: &str) -> Value {
        self.client.get(resource, namespace, name).map_or(Value::Null, |object| Value::clone(&object.value()))
    }

    /// A Namespace.
    pub(crate) async fn namespace(&self, name: &str, labels: Value) {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        self.create(&resources::namespaces(), object).await;
    }

    /// A Cluster whose credentials are in the Secret `koinon-system/NAME`, which need not be there.
    pub(crate) async fn cluster(&self, name: &str) {
        let object = json!({
            "apiVersion": v1alpha1::API_VERSION, "kind": "Cluster", "metadata": {"name": name},
            "spec": {"connection": {"mode": "Push", "secretRef": {"namespace": "koinon-system", "name": name}}},
        });
        self.create(&resources::clusters(), object).await;
    }
}

/// Waits until `found` finds something.
pub(crate) async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        looks.tick().await;
        if let Some(found) = found() {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within {} s", PATIENCE.as_secs());
    }
}
