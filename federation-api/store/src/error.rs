//! What can go wrong, one variant per thing that a caller may do differently.

use std::{error, io, path::PathBuf, sync::Arc};

use crate::{
    Key,
    store::{Conflict, DecodeError},
};

/// Why a store could not do what was asked. Cheap to clone: one failure answers every batch of a group.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk or the quota is full. Reads go on; writes work again when there is space.
    #[error("write to the store: no space left")]
    OutOfSpace,
    /// The history up to `floor` was compacted.
    #[error("read history: compacted up to revision {floor}")]
    Compacted {
        /// The oldest revision to continue after.
        floor: u64,
    },
    /// A file holds what no store wrote.
    #[error("read {}: {reason}; move the file away and restore a snapshot", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An object cannot be understood.
    #[error("decode {key}")]
    Undecodable {
        /// The object.
        key: Key,
        /// The decoder's reason.
        #[source]
        source: DecodeError,
    },
    /// A version replaced another one that is not there.
    #[error("read {key}: what its revision {revision} replaced is missing; restore a snapshot")]
    Inconsistent {
        /// The object.
        key: Key,
        /// The revision of the version.
        revision: u64,
    },
    /// The storage failed while it made data durable, so what it holds cannot be known: writes stop until a restart.
    #[error("write to the store: a flush to disk failed, restart to check what is there")]
    Failed(#[source] Arc<dyn error::Error + Send + Sync>),
    /// The storage failed; a later attempt may work.
    #[error("use the store")]
    Backend(#[source] Arc<dyn error::Error + Send + Sync>),
}

/// Why a batch was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// An object was not at the revision that the batch expected.
    #[error("commit {key}: expected another revision")]
    Conflict {
        /// The object.
        key: Key,
        /// The revision it is at; `None` when there is no object.
        actual: Option<u64>,
    },
    /// The decoder refuses bytes of the batch; they were not written.
    #[error("decode {key}")]
    Undecodable {
        /// The object.
        key: Key,
        /// The decoder's reason.
        #[source]
        source: DecodeError,
    },
    /// The disk or the quota is full. Reads go on; a later attempt may work.
    #[error("commit: no space left")]
    OutOfSpace,
    /// The storage failed. The batch is not visible, but may be found written after a restart.
    #[error("commit")]
    Backend(#[source] StoreError),
    /// The store was shut down.
    #[error("commit: the store is shut down")]
    Closed,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be created or written.
    #[error("write to the folder {}", folder.display())]
    NotWritable {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Another process, or another part of this one, has the folder open.
    #[error("open the store in {}: in use by {holder}", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who holds it, as far as it said so.
        holder: String,
    },
    /// The file is damaged or is not a store.
    #[error("open {}: {reason}; move the file away and restore a snapshot, or begin with an empty folder", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file was written by a version that this one does not understand.
    #[error("open {}: its format is {found}, this version reads {known}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// The format of the file.
        found: u64,
        /// The format that is understood.
        known: u64,
    },
    /// The disk or the quota is full.
    #[error("open the store in {}: no space left", folder.display())]
    OutOfSpace {
        /// The folder.
        folder: PathBuf,
    },
    /// A restore found a store where it was to create one.
    #[error("restore into {}: it holds a store already", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The content could not be read.
    #[error("load the store")]
    Load(#[from] StoreError),
    /// The storage failed in another way.
    #[error("open {}", file.display())]
    Backend {
        /// The file.
        file: PathBuf,
        /// What the storage said.
        #[source]
        source: Box<dyn error::Error + Send + Sync>,
    },
}

// === impl CommitError ===

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::OutOfSpace => Self::OutOfSpace,
            StoreError::Undecodable { key, source } => Self::Undecodable { key, source },
            StoreError::Compacted { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Inconsistent { .. }
            | StoreError::Failed(_)
            | StoreError::Backend(_) => Self::Backend(error),
        }
    }
}

impl From<Conflict> for CommitError {
    fn from(Conflict { key, actual }: Conflict) -> Self {
        Self::Conflict { key, actual }
    }
}
