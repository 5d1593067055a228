//! The trait that every backend implements, and the words it uses.
//!
//! A backend keeps, for every resource, the *versions* of its objects: one per write, numbered by revision, each
//! naming the version it replaced. The newest version of a key is the object; a newest one without a value is a
//! deletion. The versions above a resource's *floor* are its history, complete and in order; compaction raises the
//! floor and drops the versions that only older events refer to. So every value is stored once, although it serves as
//! the object, as an event and as the state before the next event.
//!
//! ```text
//! floor = 4        revision   key  replaced  value
//!                  3          b    -         …        object at the floor; nothing replaced it, so it stays
//!                  4          a    1         …        stays: event 6 refers to it
//!                  6          a    4         …        history from here on
//!                  7          c    -         …
//!                  9          a    6         (none)   deleted at 9
//! ```

use std::{collections::BTreeMap, error, sync::Arc};

use bytes::Bytes;

use crate::Key;
pub use crate::error::{CommitError, OpenError, StoreError};

/// What must be true of a key for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is no object.
    Absent,
    /// The object is at exactly this revision.
    Revision(u64),
}

/// One write of a batch.
#[derive(Debug, Clone)]
pub struct Write {
    /// The object.
    pub key: Key,
    /// The precondition.
    pub expected: Expected,
    /// The new bytes, or `None` to delete. The bytes never hold their own revision.
    pub value: Option<Bytes>,
}

/// A write of a batch did not find what it expected, so nothing of the batch was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key that differed.
    pub key: Key,
    /// The revision it is at; `None` when there is no object.
    pub actual: Option<u64>,
}

/// One write as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The object.
    pub key: Key,
    /// The number of the write.
    pub revision: u64,
    /// The revision it replaced; `None` when there was no object.
    pub replaced: Option<u64>,
    /// The bytes, or `None` for a deletion.
    pub value: Option<Bytes>,
}

/// A version together with the bytes before it: what a watcher needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The version.
    pub version: Version,
    /// The bytes that it replaced.
    pub previous: Option<Bytes>,
}

/// How far a store has come and how far back its history reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// The newest revision; 0 when nothing was ever written.
    pub revision: u64,
    /// No resource has history at or below this.
    pub floor: u64,
    /// The floors of the resources that were compacted further.
    pub floors: BTreeMap<Arc<str>, u64>,
}

/// Keeps versions durably. One thread commits; others may read at the same time.
pub trait Store: Send + Sync + 'static {
    /// Commits the batches of a group, in order, in one durable transaction.
    ///
    /// Shape: one answer per batch, the revision of its first write; the writes of a batch get consecutive revisions.
    /// A batch is atomic: it happens entirely or answers with its first conflict. A key named twice in a batch is a
    /// conflict. An empty batch answers with the revision that the next write will get.
    ///
    /// # Errors
    /// When nothing of the group was written.
    fn commit(&self, group: &[&[Write]]) -> Result<Vec<Result<u64, Conflict>>, StoreError>;

    /// Where the store is.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn position(&self) -> Result<Position, StoreError>;

    /// Shows every version to `visit`, from one consistent state, and tells where that state is.
    ///
    /// Shape: resources in order, the versions of a resource by revision. The versions at or below a floor are the
    /// objects of that moment.
    ///
    /// # Errors
    /// When the store cannot be read, or `visit` refuses a version.
    fn load(&self, visit: &mut dyn FnMut(Version) -> Result<(), StoreError>) -> Result<Position, StoreError>;

    /// The changes of `resource` above the revision `after`, in order.
    ///
    /// # Errors
    /// `Compacted` when `after` is below the floor of the resource.
    fn history(&self, resource: &str, after: u64) -> Result<Vec<Change>, StoreError>;

    /// Raises the floors of resources and drops what only the events up to them needed, in one transaction.
    ///
    /// The work grows with the number of events between the old floors and the new ones; a caller goes in small steps.
    /// A floor at or below the present one changes nothing; one above the newest revision counts as that revision.
    ///
    /// # Errors
    /// When nothing was dropped.
    fn compact(&self, floors: &[(Arc<str>, u64)]) -> Result<(), StoreError>;
}

/// Why bytes are not an object, in the decoder's words.
pub type DecodeError = Arc<dyn error::Error + Send + Sync>;

/// Turns stored bytes into the objects that readers share.
pub trait Decode: Send + Sync + 'static {
    /// What the cache holds.
    type Object: Send + Sync + 'static;

    /// Reads the bytes of `key`. Runs in the committer's own task, before the commit: bytes that are refused here are
    /// never written.
    ///
    /// # Errors
    /// When the bytes are not an object of this resource.
    fn decode(&self, key: &Key, bytes: &Bytes) -> Result<Self::Object, DecodeError>;

    /// Completes an object that [`Decode::decode`] returned, now that its revision is known. Runs once, in the one
    /// thread that commits, before anybody sees the object; so it is quick and cannot fail.
    fn stamp(&self, object: Self::Object, revision: u64) -> Self::Object;
}

// === impl Write ===

impl Write {
    /// Creates an object that is not there yet.
    pub fn create(key: Key, value: Bytes) -> Self {
        Self { key, expected: Expected::Absent, value: Some(value) }
    }

    /// Replaces an object that is at `revision`.
    pub fn update(key: Key, revision: u64, value: Bytes) -> Self {
        Self { key, expected: Expected::Revision(revision), value: Some(value) }
    }

    /// Deletes an object that is at `revision`.
    pub fn delete(key: Key, revision: u64) -> Self {
        Self { key, expected: Expected::Revision(revision), value: None }
    }

    /// Whether the write may happen to a key at the revision `actual`. What is absent cannot be deleted.
    pub fn fits(&self, actual: Option<u64>) -> bool {
        match self.expected {
            Expected::Absent => actual.is_none() && self.value.is_some(),
            Expected::Revision(revision) => actual == Some(revision),
        }
    }
}

// === impl Position ===

impl Position {
    /// The revision above which `resource` has complete history.
    pub fn floor_of(&self, resource: &str) -> u64 {
        self.floors.get(resource).map_or(self.floor, |floor| self.floor.max(*floor))
    }
}
