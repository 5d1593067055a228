//! What the database's errors come down to for those who use a store.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::StorageError;

use crate::store::StoreError;

/// What every redb error comes down to for us.
pub(super) fn storage_of(error: impl Into<redb::Error>) -> StorageError {
    match error.into() {
        redb::Error::Corrupted(reason) => StorageError::Corrupted(reason),
        redb::Error::Io(error) => StorageError::Io(error),
        redb::Error::PreviousIo => StorageError::PreviousIo,
        redb::Error::DatabaseClosed => StorageError::DatabaseClosed,
        redb::Error::ValueTooLarge(bytes) => StorageError::ValueTooLarge(bytes),
        other => StorageError::Backend(Box::new(other)),
    }
}

/// Carries an error of ours through a function that answers with the database's.
pub(super) fn own(error: StoreError) -> StorageError {
    StorageError::Backend(Box::new(error))
}

/// The error of a version that is no record.
pub(super) fn damaged() -> StorageError {
    StorageError::Corrupted("a version cannot be read".to_owned())
}

/// Tells what a failed operation on `file` means.
pub(super) fn explain(file: &Path, error: StorageError) -> StoreError {
    match error {
        StorageError::Corrupted(reason) => StoreError::Corrupt { file: file.to_owned(), reason },
        StorageError::Io(error) if is_full(&error) => StoreError::OutOfSpace,
        StorageError::Io(_) | StorageError::PreviousIo => StoreError::Failed(Arc::new(error)),
        StorageError::Backend(error) => match error.downcast::<StoreError>() {
            Ok(own) => *own,
            Err(error) => StoreError::Backend(error.into()),
        },
        other => StoreError::Backend(Arc::new(other)),
    }
}

/// Whether the disk or the quota is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether a file does not begin or end as a database does.
pub(super) fn is_no_database(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
