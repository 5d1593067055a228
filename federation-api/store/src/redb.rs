//! The embedded store: one file, one process, one durable transaction per group of batches.
//!
//! ```text
//! versions  (resource, revision)          → replaced revision, namespace, name, value or none
//! objects   (resource, namespace, name)   → revision of the newest version with a value
//! floors    resource                      → how far its history was compacted
//! facts     "format", "revision"          → numbers
//! ```
//!
//! The file is locked while it is open. A full disk fails the group and nothing else: the database is opened again
//! for the next one. Any other failure to make data durable stops writes until a restart, because what the disk then
//! holds cannot be known.

mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, StorageError,
    Table, TableDefinition, WriteTransaction,
};

use crate::Key;
use crate::store::{Change, Conflict, OpenError, Position, Store, StoreError, Version, Write};

const VERSIONS: TableDefinition<'static, (&str, u64), &[u8]> = TableDefinition::new("versions");
const OBJECTS: TableDefinition<'static, (&str, &str, &str), u64> = TableDefinition::new("objects");
const FLOORS: TableDefinition<'static, &str, u64> = TableDefinition::new("floors");
const FACTS: TableDefinition<'static, &str, u64> = TableDefinition::new("facts");

/// The fact that names the layout above.
const FORMAT: &str = "format";
/// The layout that this version reads and writes.
const FORMAT_KNOWN: u64 = 1;
/// The fact that counts writes.
const REVISION: &str = "revision";

/// Reads come from the cache above, so the database needs pages only for the branches it writes to: a group of 4 MiB
/// and the paths to it.
const CACHE_BYTES: usize = 16 << 20;

/// A store in one file.
pub struct RedbStore {
    file: PathBuf,
    /// None after the disk was full, until the next write opens it again.
    database: RwLock<Option<Database>>,
}

// === impl RedbStore ===

impl RedbStore {
    /// Opens the store in `file`, making it when there is none. Only its owner may read the file.
    ///
    /// # Errors
    /// When another process has it open, it is no store, it is damaged, or the folder cannot be written.
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        let database = open_database(file)?;
        prepare(&database, file)?;
        Ok(Self { file: file.to_owned(), database: RwLock::new(Some(database)) })
    }

    /// The database, opened again when the disk was full.
    fn database(&self) -> Result<RwLockReadGuard<'_, Option<Database>>, StoreError> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if guard.is_some() {
            return Ok(guard);
        }
        drop(guard);
        let mut place = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = Some(open_database(&self.file).map_err(reopen_failure)?);
        }
        drop(place);
        Ok(self.database.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells what a failed storage operation means, and closes the database when the disk is full.
    fn failure(&self, error: StorageError) -> StoreError {
        let failure = explain(&self.file, error);
        if matches!(failure, StoreError::OutOfSpace) {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        failure
    }

    fn try_commit(&self, group: &[&[Write]]) -> Result<Vec<Result<u64, Conflict>>, StorageError> {
        let guard = self.database().map_err(|error| StorageError::Backend(Box::new(error)))?;
        let Some(database) = guard.as_ref() else { return Err(StorageError::DatabaseClosed) };
        let transaction = database.begin_write().map_err(storage_of)?;
        let (answers, wrote) = write_group(&transaction, group)?;
        if wrote {
            transaction.commit().map_err(storage_of)?;
        } else {
            transaction.abort()?;
        }
        Ok(answers)
    }

    fn read<T>(&self, body: impl FnOnce(&Reading) -> Result<T, StorageError>) -> Result<T, StoreError> {
        let guard = self.database()?;
        let Some(database) = guard.as_ref() else { return Err(StoreError::OutOfSpace) };
        let read = Reading::begin(database).and_then(|reading| body(&reading));
        read.map_err(|error| explain(&self.file, error))
    }
}

impl Store for RedbStore {
    fn commit(&self, group: &[&[Write]]) -> Result<Vec<Result<u64, Conflict>>, StoreError> {
        self.try_commit(group).map_err(|error| self.failure(error))
    }

    fn position(&self) -> Result<Position, StoreError> {
        self.read(Reading::position)
    }

    fn load(&self, visit: &mut dyn FnMut(Version) -> Result<(), StoreError>) -> Result<Position, StoreError> {
        let file = self.file.clone();
        let mut refused = None;
        let position = self.read(|reading| {
            for entry in reading.versions.iter()? {
                let (place, bytes) = entry?;
                let (resource, revision) = place.value();
                let version = record::decode(resource, revision, bytes.value()).ok_or_else(damaged)?;
                if let Err(error) = visit(version) {
                    refused = Some(error);
                    break;
                }
            }
            reading.position()
        });
        match refused {
            Some(error) => Err(error),
            None => position.map_err(|error| name_file(error, &file)),
        }
    }

    fn history(&self, resource: &str, after: u64) -> Result<Vec<Change>, StoreError> {
        let position = self.position()?;
        let floor = position.floor_of(resource);
        if after < floor {
            return Err(StoreError::Compacted { floor });
        }
        self.read(|reading| reading.history(resource, after))
    }

    fn compact(&self, floors: &[(Arc<str>, u64)]) -> Result<(), StoreError> {
        let compacted = || -> Result<(), StorageError> {
            let guard = self.database().map_err(|error| StorageError::Backend(Box::new(error)))?;
            let Some(database) = guard.as_ref() else { return Err(StorageError::DatabaseClosed) };
            let transaction = database.begin_write().map_err(storage_of)?;
            for (resource, floor) in floors {
                compact_resource(&transaction, resource, *floor)?;
            }
            transaction.commit().map_err(storage_of)
        };
        compacted().map_err(|error| self.failure(error))
    }
}

/// The tables of one consistent state.
struct Reading {
    versions: ReadOnlyTable<(&'static str, u64), &'static [u8]>,
    floors: ReadOnlyTable<&'static str, u64>,
    facts: ReadOnlyTable<&'static str, u64>,
}

// === impl Reading ===

impl Reading {
    fn begin(database: &Database) -> Result<Self, StorageError> {
        let transaction = database.begin_read().map_err(storage_of)?;
        Ok(Self {
            versions: transaction.open_table(VERSIONS).map_err(storage_of)?,
            floors: transaction.open_table(FLOORS).map_err(storage_of)?,
            facts: transaction.open_table(FACTS).map_err(storage_of)?,
        })
    }

    fn position(&self) -> Result<Position, StorageError> {
        let revision = self.facts.get(REVISION)?.map_or(0, |number| number.value());
        let mut position = Position { revision, ..Position::default() };
        for entry in self.floors.iter()? {
            let (resource, floor) = entry?;
            position.floors.insert(resource.value().into(), floor.value());
        }
        Ok(position)
    }

    fn history(&self, resource: &str, after: u64) -> Result<Vec<Change>, StorageError> {
        let mut changes = Vec::new();
        for entry in self.versions.range((resource, after.saturating_add(1))..=(resource, u64::MAX))? {
            let (place, bytes) = entry?;
            let version = record::decode(resource, place.value().1, bytes.value()).ok_or_else(damaged)?;
            let previous = match version.replaced {
                Some(replaced) => self.value(resource, replaced)?,
                None => None,
            };
            changes.push(Change { version, previous });
        }
        Ok(changes)
    }

    fn value(&self, resource: &str, revision: u64) -> Result<Option<bytes::Bytes>, StorageError> {
        let Some(bytes) = self.versions.get((resource, revision))? else { return Ok(None) };
        Ok(record::decode(resource, revision, bytes.value()).ok_or_else(damaged)?.value)
    }
}

/// The tables of a group that is being written.
struct Writing<'a> {
    versions: Table<'a, (&'static str, u64), &'static [u8]>,
    objects: Table<'a, (&'static str, &'static str, &'static str), u64>,
    revision: u64,
    /// Reused for every version, so that a group allocates once.
    buffer: Vec<u8>,
}

fn write_group(
    transaction: &WriteTransaction,
    group: &[&[Write]],
) -> Result<(Vec<Result<u64, Conflict>>, bool), StorageError> {
    let mut facts = transaction.open_table(FACTS).map_err(storage_of)?;
    let before = facts.get(REVISION)?.map_or(0, |number| number.value());
    let mut writing = Writing {
        versions: transaction.open_table(VERSIONS).map_err(storage_of)?,
        objects: transaction.open_table(OBJECTS).map_err(storage_of)?,
        revision: before,
        buffer: Vec::new(),
    };
    let mut answers = Vec::with_capacity(group.len());
    for batch in group {
        answers.push(writing.batch(batch)?);
    }
    let wrote = writing.revision > before;
    if wrote {
        facts.insert(REVISION, writing.revision)?;
    }
    Ok((answers, wrote))
}

// === impl Writing ===

impl Writing<'_> {
    fn batch(&mut self, batch: &[Write]) -> Result<Result<u64, Conflict>, StorageError> {
        let mut named = BTreeSet::new();
        for write in batch {
            let actual = self.actual(&write.key)?;
            if !write.fits(actual) || !named.insert(&write.key) {
                return Ok(Err(Conflict { key: write.key.clone(), actual }));
            }
        }
        let first = self.revision + 1;
        for write in batch {
            self.write(write)?;
        }
        Ok(Ok(first))
    }

    fn actual(&self, key: &Key) -> Result<Option<u64>, StorageError> {
        Ok(self.objects.get(place(key))?.map(|revision| revision.value()))
    }

    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        self.revision += 1;
        let replaced = match &write.value {
            Some(_) => self.objects.insert(place(&write.key), self.revision)?.map(|old| old.value()),
            None => self.objects.remove(place(&write.key))?.map(|old| old.value()),
        };
        record::encode(&write.key, replaced, write.value.as_deref(), &mut self.buffer);
        self.versions.insert((write.key.resource(), self.revision), self.buffer.as_slice())?;
        Ok(())
    }
}

fn place(key: &Key) -> (&str, &str, &str) {
    (key.resource(), key.namespace(), key.name())
}

/// Raises the floor of one resource and drops what only the events up to it needed.
fn compact_resource(transaction: &WriteTransaction, resource: &str, floor: u64) -> Result<(), StorageError> {
    let facts = transaction.open_table(FACTS).map_err(storage_of)?;
    let mut floors = transaction.open_table(FLOORS).map_err(storage_of)?;
    let mut versions = transaction.open_table(VERSIONS).map_err(storage_of)?;
    let floor = floor.min(facts.get(REVISION)?.map_or(0, |number| number.value()));
    let old = floors.get(resource)?.map_or(0, |number| number.value());
    if floor <= old {
        return Ok(());
    }
    let mut dropped = Vec::new();
    for entry in versions.range((resource, old + 1)..=(resource, floor))? {
        let (place, bytes) = entry?;
        let version = record::decode(resource, place.value().1, bytes.value()).ok_or_else(damaged)?;
        dropped.extend(version.replaced);
        if version.value.is_none() {
            dropped.push(version.revision);
        }
    }
    for revision in dropped {
        versions.remove((resource, revision))?;
    }
    floors.insert(resource, floor)?;
    Ok(())
}

fn open_database(file: &Path) -> Result<Database, OpenError> {
    let folder = || file.parent().unwrap_or(file).to_owned();
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file);
    let handle = opened.map_err(|source| OpenError::NotWritable { folder: folder(), source })?;
    let database = FileBackend::new(handle)
        .and_then(|backend| Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend));
    database.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::InUse {
            folder: folder(),
            holder: format!(
                "another koinon, which has {} open",
                file.file_name().unwrap_or_default().display()
            ),
        },
        DatabaseError::UpgradeRequired(found) => {
            OpenError::Format { file: file.to_owned(), found: found.into(), known: FORMAT_KNOWN }
        }
        DatabaseError::Storage(StorageError::Corrupted(reason)) => {
            OpenError::Corrupt { file: file.to_owned(), reason }
        }
        DatabaseError::Storage(StorageError::Io(error)) if is_no_database(&error) => {
            OpenError::Corrupt { file: file.to_owned(), reason: format!("it is no store ({error})") }
        }
        DatabaseError::Storage(StorageError::Io(error)) if is_full(&error) => {
            OpenError::OutOfSpace { folder: folder() }
        }
        other => OpenError::Backend { file: file.to_owned(), source: Box::new(other) },
    })
}

/// Makes the tables of a new store, and refuses one of another layout.
fn prepare(database: &Database, file: &Path) -> Result<(), OpenError> {
    let prepared = || -> Result<u64, StorageError> {
        let transaction = database.begin_write().map_err(storage_of)?;
        let format = {
            let mut facts = transaction.open_table(FACTS).map_err(storage_of)?;
            transaction.open_table(VERSIONS).map_err(storage_of)?;
            transaction.open_table(OBJECTS).map_err(storage_of)?;
            transaction.open_table(FLOORS).map_err(storage_of)?;
            let format = facts.get(FORMAT)?.map(|number| number.value());
            if format.is_none() {
                facts.insert(FORMAT, FORMAT_KNOWN)?;
            }
            format.unwrap_or(FORMAT_KNOWN)
        };
        transaction.commit().map_err(storage_of)?;
        Ok(format)
    };
    match prepared() {
        Ok(FORMAT_KNOWN) => Ok(()),
        Ok(found) => Err(OpenError::Format { file: file.to_owned(), found, known: FORMAT_KNOWN }),
        Err(error) => Err(OpenError::Load(explain(file, error))),
    }
}

/// What every redb error comes down to for us.
fn storage_of(error: impl Into<redb::Error>) -> StorageError {
    match error.into() {
        redb::Error::Corrupted(reason) => StorageError::Corrupted(reason),
        redb::Error::Io(error) => StorageError::Io(error),
        redb::Error::PreviousIo => StorageError::PreviousIo,
        redb::Error::DatabaseClosed => StorageError::DatabaseClosed,
        redb::Error::ValueTooLarge(bytes) => StorageError::ValueTooLarge(bytes),
        other => StorageError::Backend(Box::new(other)),
    }
}

fn damaged() -> StorageError {
    StorageError::Corrupted("a version cannot be read".to_owned())
}

fn explain(file: &Path, error: StorageError) -> StoreError {
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

fn name_file(error: StoreError, file: &Path) -> StoreError {
    match error {
        StoreError::Corrupt { reason, .. } => StoreError::Corrupt { file: file.to_owned(), reason },
        other => other,
    }
}

/// Opening again fails while the disk is still full; anything else stops writes.
fn reopen_failure(error: OpenError) -> StoreError {
    match error {
        OpenError::OutOfSpace { .. } => StoreError::OutOfSpace,
        other => StoreError::Failed(Arc::new(other)),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn is_no_database(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
