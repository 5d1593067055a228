//! Every object in memory, the way readers want it.
//!
//! The cache sits on a store and is the only one to write to it. Objects are decoded once and shared by all readers;
//! the map of a resource is copy-on-write, so that a list, a page or a controller's pass holds one revision for as
//! long as it likes while writes go on.

#[cfg(test)]
mod tests;

use std::{
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use imbl::OrdMap;
use tokio::sync::oneshot;

use crate::{
    Key,
    content::Content,
    metrics::Meters,
    retention::Retention,
    store::{CommitError, Decode, OpenError, Store, StoreError, Version, Write},
    watch::{Event, Scope, Start, TooOld, Watch},
    writer::{Batch, Queue},
};

/// One version of one object, shared by everybody who reads it.
#[derive(Debug)]
pub struct Entry<T> {
    /// The number of the write that made it.
    pub revision: u64,
    /// The object's key.
    pub key: Key,
    /// The decoded object.
    pub object: T,
    /// How many bytes the store keeps of it.
    pub bytes: usize,
}

/// What a commit has done.
#[derive(Debug)]
pub struct Committed<T> {
    /// The revision of the first write; each next write has the next one.
    pub revision: u64,
    /// What each write made of its object, in the order of the batch; `None` where it was deleted.
    pub entries: Vec<Option<Arc<Entry<T>>>>,
}

/// The objects of one resource at one revision.
#[derive(Debug)]
pub struct Snapshot<T> {
    revision: u64,
    objects: OrdMap<Key, Arc<Entry<T>>>,
}

/// How a cache is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much history resources keep.
    pub retention: Retention,
    /// How many events may wait for one watcher before it counts as too slow.
    pub watch_queue: usize,
}

/// Reads, writes and watches. Clones are handles of the same cache.
pub struct Cache<T: Send + Sync + 'static> {
    shared: Arc<Shared<T>>,
}

struct Shared<T: Send + Sync + 'static> {
    content: Arc<Content<T>>,
    decoder: Arc<dyn Decode<Object = T>>,
    /// Given up at shutdown, so that the store closes although handles of the cache are left.
    store: Mutex<Option<Arc<dyn Store>>>,
    queue: Queue<T>,
    options: Options,
}

/// A connection that stalls for a quarter of a second at the highest rate of commits that one disk allows (15,000 a
/// second) is not slow yet. The events are shared with the history, so a full queue is 32 KiB of pointers.
const WATCH_QUEUE: usize = 4_096;

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self { retention: Retention::default(), watch_queue: WATCH_QUEUE }
    }
}

// === impl Snapshot ===

impl<T> Snapshot<T> {
    pub(crate) fn new(revision: u64, objects: OrdMap<Key, Arc<Entry<T>>>) -> Self {
        Self { revision, objects }
    }

    /// The revision: every write up to it is in the snapshot, and none above it.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<&Arc<Entry<T>>> {
        self.objects.get(key)
    }

    /// All objects, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry<T>>> {
        self.objects.values()
    }

    /// The objects from `start` on, by key.
    pub fn from(&self, start: Bound<Key>) -> impl Iterator<Item = &Arc<Entry<T>>> {
        self.objects.range((start, Bound::Unbounded)).map(|(_, entry)| entry)
    }

    /// The objects of one namespace of `resource`, by name.
    pub fn namespace(&self, resource: &str, namespace: &str) -> impl Iterator<Item = &Arc<Entry<T>>> {
        let start = Bound::Included(Key::new(resource, namespace, ""));
        self.from(start).take_while(move |entry| entry.key.namespace() == namespace)
    }
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self { revision: self.revision, objects: self.objects.clone() }
    }
}

// === impl Cache ===

impl<T: Send + Sync + 'static> Cache<T> {
    /// Loads everything the store holds, history included, and starts the thread that commits.
    ///
    /// # Errors
    /// When the store cannot be read, or the decoder refuses something in it.
    pub fn open(
        store: Arc<dyn Store>,
        decoder: Arc<dyn Decode<Object = T>>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let position = store.position()?;
        let mut content = Content::new(&position, options.retention.clone(), Meters::resolve());
        let now = Instant::now();
        store.load(&mut |version| {
            let Version { key, revision, replaced, value } = version;
            let entry = match value {
                Some(bytes) => Some(decode(&*decoder, &key, revision, &bytes)?),
                None => None,
            };
            let previous = content.place(&key, entry.clone());
            if revision > position.floor_of(key.resource()) {
                if replaced != previous.as_ref().map(|entry| entry.revision) {
                    return Err(StoreError::Inconsistent { key, revision });
                }
                content.recall(Event { revision, key, current: entry, previous }, now);
            }
            Ok(())
        })?;
        let content = Arc::new(content);
        let queue = Queue::start(Arc::clone(&store), Arc::clone(&decoder), Arc::clone(&content))?;
        let shared = Shared { content, decoder, store: Mutex::new(Some(store)), queue, options };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Commits a batch: all of it, or nothing. When it returns, reads see it and watchers have been told.
    ///
    /// A commit that was begun goes on when its caller stops waiting.
    ///
    /// # Errors
    /// When a write of the batch is refused by the decoder or does not meet what it expects, or the store fails.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<Committed<T>, CommitError> {
        if writes.is_empty() {
            return Ok(Committed { revision: self.revision(), entries: Vec::new() });
        }
        let decoder = &*self.shared.decoder;
        let mut drafts = Vec::with_capacity(writes.len());
        for Write { key, value, .. } in &writes {
            let undecodable = |source| CommitError::Undecodable { key: key.clone(), source };
            let draft = value.as_ref().map(|bytes| decoder.decode(key, bytes)).transpose();
            drafts.push(draft.map_err(undecodable)?);
        }
        let (answer, answered) = oneshot::channel();
        self.shared.queue.push(Batch { writes, drafts, answer }).await?;
        answered.await.unwrap_or(Err(CommitError::Closed))
    }

    /// One object as it is now.
    pub fn get(&self, key: &Key) -> Option<Arc<Entry<T>>> {
        self.shared.content.get(key)
    }

    /// The objects of a resource as they are now.
    pub fn snapshot(&self, resource: &str) -> Snapshot<T> {
        self.shared.content.snapshot(resource)
    }

    /// The newest revision that readers see and that watchers have been told of.
    pub fn revision(&self) -> u64 {
        self.shared.content.told()
    }

    /// Waits until `revision` is reached. The caller sets the deadline.
    ///
    /// # Errors
    /// When the cache is shut down before.
    pub async fn reached(&self, revision: u64) -> Result<(), CommitError> {
        let mut progress = self.shared.content.progress();
        progress.wait_for(|reached| *reached >= revision).await.map_err(|_| CommitError::Closed)?;
        Ok(())
    }

    /// Begins to watch a resource.
    ///
    /// # Errors
    /// When the history does not reach back to `start`.
    pub fn watch(&self, resource: &str, start: Start, scope: &Scope) -> Result<Watch<T>, TooOld> {
        self.shared.content.watch(resource, start, scope, self.shared.options.watch_queue)
    }

    /// Commits what is queued, ends all watches and closes the store.
    pub async fn shutdown(&self) {
        self.shared.queue.shut_down().await;
        drop(self.shared.store.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl<T: Send + Sync + 'static> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// Makes the entry of bytes that are in the store.
fn decode<T: Send + Sync + 'static>(
    decoder: &dyn Decode<Object = T>,
    key: &Key,
    revision: u64,
    bytes: &Bytes,
) -> Result<Arc<Entry<T>>, StoreError> {
    let undecodable = |source| StoreError::Undecodable { key: key.clone(), source };
    let draft = decoder.decode(key, bytes).map_err(undecodable)?;
    let object = decoder.stamp(draft, revision);
    Ok(Arc::new(Entry { revision, key: key.clone(), object, bytes: bytes.len() }))
}
