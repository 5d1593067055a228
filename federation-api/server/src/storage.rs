//! The stored objects: reads from memory, writes by compare and set, and following what changes.
//!
//! A thin layer over the store's cache that speaks of resources and objects instead of keys and entries, and turns the
//! store's failures into what clients are told.

pub(crate) mod follow;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_store::{
    Cache, CommitError, Decode, DecodeError, Key, OpenError, Options, Scope, Snapshot, Start, Store, TooOld,
    Watch,
};

use crate::built_in;
use crate::metrics;
use crate::object::{Select, Stored};
use crate::registry::{Registry, Resource};

/// The stored objects.
#[derive(Clone)]
pub(crate) struct Storage {
    cache: Cache<Arc<Stored>>,
}

/// The objects of one resource at one version.
#[derive(Clone)]
pub(crate) struct View {
    storage: Arc<str>,
    snapshot: Snapshot<Arc<Stored>>,
}

/// Somebody else changed the object first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raced;

/// Reads stored bytes as objects, with the selectable fields of their kinds.
struct Reader {
    /// Shape: keyed by the name of the collection; kinds without selectable fields are absent.
    fields: BTreeMap<Arc<str>, &'static [&'static str]>,
}

// === impl Reader ===

impl Decode for Reader {
    type Object = Arc<Stored>;

    fn decode(&self, key: &Key, bytes: &Bytes) -> Result<Arc<Stored>, DecodeError> {
        let fields = self.fields.get(key.resource()).copied().unwrap_or_default();
        let select = |object: &Value| fields.iter().map(|field| built_in::select(object, field)).collect();
        let select: Option<&Select<'_>> = if fields.is_empty() { None } else { Some(&select) };
        Stored::decode(key, bytes, select).map(Arc::new).map_err(|error| Arc::new(error) as DecodeError)
    }

    fn stamp(&self, object: Arc<Stored>, revision: u64) -> Arc<Stored> {
        let object = Arc::into_inner(object).expect("a draft is not shared before it is stamped");
        Arc::new(object.stamp(revision))
    }
}

// === impl Storage ===

impl Storage {
    /// Loads everything that `store` holds of the kinds of `registry`.
    ///
    /// # Errors
    /// When the store cannot be read or holds what is not an object.
    pub(crate) fn open(store: Arc<dyn Store>, registry: &Registry) -> Result<Self, OpenError> {
        let mut fields = BTreeMap::new();
        for resource in registry.resources().filter(|resource| !resource.strategy.fields.is_empty()) {
            fields.insert(Arc::clone(&resource.storage), resource.strategy.fields);
        }
        let cache = Cache::open(store, Arc::new(Reader { fields }), Options::default())?;
        Ok(Self { cache })
    }

    /// One object.
    pub(crate) fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        let key = Key::new(&resource.storage, namespace, name);
        self.cache.get(&key).map(|entry| Arc::clone(&entry.object))
    }

    /// The objects of a resource as they are now.
    pub(crate) fn snapshot(&self, resource: &Resource) -> View {
        self.snapshot_of(&resource.storage)
    }

    /// The objects of a collection as they are now.
    pub(crate) fn snapshot_of(&self, storage: &Arc<str>) -> View {
        View { storage: Arc::clone(storage), snapshot: self.cache.snapshot(storage) }
    }

    /// The newest version.
    pub(crate) fn revision(&self) -> u64 {
        self.cache.revision()
    }

    /// Waits until a version is reached, at most `patience`; answers whether it was.
    pub(crate) async fn reached(&self, revision: u64, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.cache.reached(revision))
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// Follows what changes in a collection.
    pub(crate) fn watch(
        &self,
        storage: &str,
        start: Start,
        scope: &Scope,
    ) -> Result<Watch<Arc<Stored>>, TooOld> {
        self.cache.watch(storage, start, scope)
    }

    /// Follows a collection from its present state on.
    pub(crate) fn follow(&self, storage: Arc<str>) -> follow::Follow {
        follow::Follow::new(self.clone(), storage)
    }

    /// Adds an object.
    pub(crate) async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        bytes: Bytes,
    ) -> Result<Result<Arc<Stored>, Raced>, Status> {
        let namespace = if resource.catalog.namespaced { namespace } else { "" };
        let write = koinon_store::Write::create(Key::new(&resource.storage, namespace, name), bytes);
        self.commit(write).await.map(|raced| raced.map(kept))
    }

    /// Replaces an object at the version it was read at.
    pub(crate) async fn update(
        &self,
        old: &Stored,
        bytes: Bytes,
    ) -> Result<Result<Arc<Stored>, Raced>, Status> {
        let write = koinon_store::Write::update(old.key().clone(), old.resource_version(), bytes);
        self.commit(write).await.map(|raced| raced.map(kept))
    }

    /// Deletes an object at the version it was read at.
    pub(crate) async fn delete(&self, old: &Stored) -> Result<Result<(), Raced>, Status> {
        let write = koinon_store::Write::delete(old.key().clone(), old.resource_version());
        self.commit(write).await.map(|raced| raced.map(drop))
    }

    /// Writes what is queued, ends all watches and closes the store.
    pub(crate) async fn shutdown(&self) {
        self.cache.shutdown().await;
    }

    async fn commit(&self, write: koinon_store::Write) -> Result<Result<Option<Arc<Stored>>, Raced>, Status> {
        let begun = Instant::now();
        let committed = self.cache.commit(vec![write]).await;
        metrics::committed(begun.elapsed());
        match committed {
            Ok(committed) => {
                let entry = committed.entries.into_iter().next().flatten();
                Ok(Ok(entry.map(|entry| Arc::clone(&entry.object))))
            }
            Err(CommitError::Conflict { .. }) => Ok(Err(Raced)),
            Err(error) => Err(refusal(&error)),
        }
    }
}

/// The object that a write of bytes left.
fn kept(object: Option<Arc<Stored>>) -> Arc<Stored> {
    object.expect("a write of bytes leaves an object")
}

/// What clients are told when a commit fails for a reason that is not theirs.
fn refusal(error: &CommitError) -> Status {
    match error {
        CommitError::OutOfSpace => {
            Status::unavailable("the store is full: nothing can be written").with_retry_after(1)
        }
        CommitError::Closed => Status::unavailable("the server is shutting down").with_retry_after(1),
        CommitError::Conflict { .. } | CommitError::Undecodable { .. } | CommitError::Backend(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "failed to commit");
            Status::internal(&error.to_string())
        }
    }
}

// === impl View ===

impl View {
    /// The version: everything up to it is here, and nothing above.
    pub(crate) fn revision(&self) -> u64 {
        self.snapshot.revision()
    }

    /// Every object, by namespace and name.
    pub(crate) fn all(&self) -> impl Iterator<Item = Arc<Stored>> {
        self.snapshot.iter().map(|entry| Arc::clone(&entry.object))
    }

    /// The objects of one namespace (or of all, when it is `None`) behind `after`, by namespace and name.
    pub(crate) fn after<'a>(
        &'a self,
        namespace: Option<&'a str>,
        after: Option<&(String, String)>,
    ) -> impl Iterator<Item = &'a Arc<Stored>> {
        let start = match (after, namespace) {
            (Some((namespace, name)), _) => Bound::Excluded(Key::new(&self.storage, namespace, name)),
            (None, Some(namespace)) => Bound::Included(Key::new(&self.storage, namespace, "")),
            (None, None) => Bound::Unbounded,
        };
        let entries = self.snapshot.from(start).map(|entry| &entry.object);
        entries.take_while(move |object| namespace.is_none_or(|namespace| object.namespace() == namespace))
    }

    /// One object.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Stored>> {
        self.snapshot.get(&Key::new(&self.storage, namespace, name)).map(|entry| &entry.object)
    }
}
