//! The in-process client: what the loops of the same process use.
//!
//! Reads come from memory and share the server's own objects; writes go through the same pipeline as everyone's, as
//! the user `system:koinon:<manager>`, which may do everything.
//!
//! ```no_run
//! # async fn show(client: koinon_api_server::local::Client) {
//! use koinon_api_server::local::Event;
//! use koinon_api_server::{ResourceRef, Scope};
//!
//! let deployments = ResourceRef::new("apps", "v1", "deployments", "Deployment", Scope::Namespaced);
//! let mut watch = client.watch(&deployments);
//! while let Some(event) = watch.next().await {
//!     match event {
//!         Event::Applied(deployment) => tracing::info!(name = deployment.name(), "is there"),
//!         Event::Deleted(deployment) => tracing::info!(name = deployment.name(), "is gone"),
//!         Event::Synced => tracing::info!("everything that was there has been shown"),
//!     }
//! }
//! # }
//! ```

use std::sync::Arc;

use koinon_machinery::Value;
use koinon_machinery::gvk::GroupVersionKind;
use koinon_machinery::status::Status;

pub use crate::object::Stored;
pub use crate::rest::options::Preconditions;
pub use crate::storage::follow::{Event, Follow as Watch};

use crate::api::Api;
use crate::authenticate::{INTERNAL_PREFIX, MASTERS, User};
use crate::registry::{Resource, ResourceRef};
use crate::rest::door::Door;
use crate::rest::options::{DeleteOptions, Force, WriteOptions};
use crate::rest::write::{Edit, Effect, Patch, Write};

/// What an apply does about fields that others own.
pub use crate::rest::options::Force as Conflicts;

/// A client inside the process; cheap to clone.
#[derive(Clone)]
pub struct Client {
    api: Arc<Api>,
    user: Arc<User>,
    manager: &'static str,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(api: Arc<Api>, manager: &'static str) -> Self {
        let user = User::authenticated(format!("{INTERNAL_PREFIX}{manager}"), [MASTERS.to_owned()]);
        Self { api, user: Arc::new(user), manager }
    }

    /// One object; `namespace` is empty for cluster scope.
    pub fn get(&self, r: &ResourceRef, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        self.api.storage.get(self.api.registry.of(r)?, namespace, name)
    }

    /// Every object of a resource in (namespace, name) order, and the version of the collection.
    pub fn list(&self, r: &ResourceRef) -> (Vec<Arc<Stored>>, u64) {
        let Some(resource) = self.api.registry.of(r) else {
            return (Vec::new(), self.api.storage.revision());
        };
        let snapshot = self.api.storage.snapshot(resource);
        (snapshot.all().collect(), snapshot.revision())
    }

    /// The objects of a resource in one namespace, by name.
    pub fn list_in(&self, r: &ResourceRef, namespace: &str) -> Vec<Arc<Stored>> {
        let Some(resource) = self.api.registry.of(r) else { return Vec::new() };
        self.api.storage.snapshot(resource).after(Some(namespace), None).cloned().collect()
    }

    /// Follows a resource: everything that is there, then every change. A resource that is not served stays empty.
    pub fn watch(&self, r: &ResourceRef) -> Watch {
        let storage = self.api.registry.of(r).map_or_else(
            || format!("{}/{}", r.group, r.plural).into(),
            |resource| Arc::clone(&resource.storage),
        );
        self.api.storage.follow(storage)
    }

    /// Adds an object.
    ///
    /// # Errors
    /// As the server answers it.
    pub async fn create(&self, r: &ResourceRef, object: Value) -> Result<Arc<Stored>, Status> {
        let resource = self.resource(r)?;
        let namespace = text(&object, "namespace");
        self.write(resource, Door::Object, &namespace, "").create(object).await?.stored()
    }

    /// Replaces an object; only at the version that `metadata.resourceVersion` names, when it does.
    ///
    /// # Errors
    /// As the server answers it.
    pub async fn update(&self, r: &ResourceRef, object: Value) -> Result<Arc<Stored>, Status> {
        self.replace(r, object, Door::Object).await
    }

    /// Replaces the status of an object; only at the version that `metadata.resourceVersion` names, when it does.
    ///
    /// # Errors
    /// As the server answers it.
    pub async fn update_status(&self, r: &ResourceRef, object: Value) -> Result<Arc<Stored>, Status> {
        self.replace(r, object, Door::Status).await
    }

    /// Changes an object by a merge patch (RFC 7396).
    ///
    /// # Errors
    /// As the server answers it.
    pub async fn patch_merge(
        &self,
        r: &ResourceRef,
        namespace: &str,
        name: &str,
        patch: Value,
        subresource: Option<&str>,
    ) -> Result<Arc<Stored>, Status> {
        let resource = self.resource(r)?;
        let door = Door::of(resource, subresource.unwrap_or_default())?;
        let edit = Edit::Patch(Patch::Merge(patch));
        self.changed(resource, &self.write(resource, door, namespace, name), &edit).await
    }

    /// Changes an object to what `object` says about it (server-side apply), creating it if need be.
    ///
    /// # Errors
    /// As the server answers it.
    pub async fn apply(&self, r: &ResourceRef, object: Value, force: Force) -> Result<Arc<Stored>, Status> {
        let resource = self.resource(r)?;
        let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
        let mut write = self.write(resource, Door::Object, &namespace, &name);
        write.options.force = force;
        self.changed(resource, &write, &Edit::Apply(object)).await
    }

    /// Asks an object to go; it goes at once unless it has finalizers.
    ///
    /// # Errors
    /// As the server answers it; an object that is not there is `NotFound`.
    pub async fn delete(
        &self,
        r: &ResourceRef,
        namespace: &str,
        name: &str,
        preconditions: Option<Preconditions>,
    ) -> Result<(), Status> {
        let options = DeleteOptions { preconditions, ..DeleteOptions::default() };
        self.delete_with(r, namespace, name, &options).await
    }

    /// Asks an object to go, and says what becomes of its dependents.
    pub(crate) async fn delete_with(
        &self,
        r: &ResourceRef,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<(), Status> {
        let resource = self.resource(r)?;
        self.write(resource, Door::Object, namespace, name).delete(options).await.map(drop)
    }

    /// Changes an object as it is stored at the moment of the commit.
    pub(crate) async fn edit(
        &self,
        r: &ResourceRef,
        door: Door,
        namespace: &str,
        name: &str,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) -> Result<(), Status> {
        let resource = self.resource(r)?;
        self.write(resource, door, namespace, name).change(&Edit::With(Box::new(change))).await.map(drop)
    }

    /// Whether a resource is served.
    pub fn serves(&self, r: &ResourceRef) -> bool {
        self.api.registry.of(r).is_some()
    }

    /// The resource whose objects say they are of this kind, as owner references and selectors name it.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<ResourceRef> {
        let gvk = GroupVersionKind::from_api_version(api_version, kind).ok()?;
        self.api.registry.of_kind(&gvk).map(|resource| resource.reference.clone())
    }

    /// Every stored resource of the registry.
    pub fn resources(&self) -> Vec<ResourceRef> {
        self.api.registry.stored()
    }

    /// The version that everything up to now has.
    pub fn revision(&self) -> u64 {
        self.api.storage.revision()
    }

    async fn replace(&self, r: &ResourceRef, object: Value, door: Door) -> Result<Arc<Stored>, Status> {
        let resource = self.resource(r)?;
        let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
        self.changed(resource, &self.write(resource, door, &namespace, &name), &Edit::Replace(object)).await
    }

    /// Changes an object; one whose last finalizer went is given as it was before.
    async fn changed(
        &self,
        resource: &Arc<Resource>,
        write: &Write<'_>,
        edit: &Edit,
    ) -> Result<Arc<Stored>, Status> {
        let before = self.api.storage.get(resource, write.namespace, write.name);
        let outcome = write.change(edit).await?;
        match (outcome.effect, before) {
            (Effect::Deleted, Some(before)) => Ok(before),
            (_, _) => outcome.stored(),
        }
    }

    fn resource(&self, r: &ResourceRef) -> Result<&Arc<Resource>, Status> {
        self.api.registry.of(r).ok_or_else(Status::unknown_resource)
    }

    fn write<'a>(
        &'a self,
        resource: &'a Arc<Resource>,
        door: Door,
        namespace: &'a str,
        name: &'a str,
    ) -> Write<'a> {
        let options = WriteOptions { manager: self.manager.to_owned(), ..WriteOptions::default() };
        Write::new(&self.api, resource, door, &self.user, namespace, name, options)
    }
}

fn text(object: &Value, key: &str) -> String {
    object["metadata"][key].as_str().unwrap_or_default().to_owned()
}
