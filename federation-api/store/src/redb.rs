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
//! for the next one, and goes on if it holds exactly what was acknowledged. Any other failure to make data durable
//! stops writes until a restart, because what the disk then holds cannot be known.

mod failure;
mod open;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::{
    Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, StorageError, Table, TableDefinition,
    WriteTransaction,
};

use self::failure::{damaged, explain, own, storage_of};
use crate::Key;
use crate::store::{Change, Conflict, OpenError, Position, Store, StoreError, Version, Write};

const VERSIONS: TableDefinition<'static, (&str, u64), &[u8]> = TableDefinition::new("versions");
const OBJECTS: TableDefinition<'static, (&str, &str, &str), u64> = TableDefinition::new("objects");
const FLOORS: TableDefinition<'static, &str, u64> = TableDefinition::new("floors");
const FACTS: TableDefinition<'static, &str, u64> = TableDefinition::new("facts");

/// The fact that counts writes.
const REVISION: &str = "revision";

/// How a file is opened.
type Opener = dyn Fn(&Path) -> Result<Database, OpenError> + Send + Sync;

/// A store in one file.
pub struct RedbStore {
    file: PathBuf,
    opener: Box<Opener>,
    /// None after the disk was full, until the next write opens it again.
    database: RwLock<Option<Database>>,
    /// The newest revision that was acknowledged.
    acknowledged: AtomicU64,
}

// === impl RedbStore ===

impl RedbStore {
    /// Opens the store in `file`, making it when there is none. Only its owner may read the file.
    ///
    /// # Errors
    /// When another process has it open, it is no store, it is damaged, or the folder cannot be written.
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        Self::open_by(file, Box::new(open::open))
    }

    fn open_by(file: &Path, opener: Box<Opener>) -> Result<Self, OpenError> {
        let database = opener(file)?;
        let revision = revision_of(&database).map_err(|error| explain(file, error))?;
        let (database, acknowledged) = (RwLock::new(Some(database)), AtomicU64::new(revision));
        Ok(Self { file: file.to_owned(), opener, database, acknowledged })
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
            *place = Some(self.reopen()?);
        }
        drop(place);
        Ok(self.database.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the database after the disk was full. It may hold neither less nor more than was acknowledged: readers
    /// were told that the failed group did not happen.
    fn reopen(&self) -> Result<Database, StoreError> {
        let database = (self.opener)(&self.file).map_err(reopen_failure)?;
        let found = revision_of(&database).map_err(|error| explain(&self.file, error))?;
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        if found != acknowledged {
            let text = format!("revision {acknowledged} was acknowledged, the file is at {found}");
            return Err(StoreError::Failed(Arc::new(io::Error::other(text))));
        }
        Ok(database)
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
        let guard = self.database().map_err(own)?;
        let Some(database) = guard.as_ref() else { return Err(StorageError::DatabaseClosed) };
        let transaction = database.begin_write().map_err(storage_of)?;
        let (answers, revision) = write_group(&transaction, group)?;
        if revision == self.acknowledged.load(Ordering::Acquire) {
            transaction.abort()?;
        } else {
            transaction.commit().map_err(storage_of)?;
            self.acknowledged.store(revision, Ordering::Release);
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
        let mut refused = None;
        let position = self.read(|reading| {
            let mut records = record::Reader::new()?;
            for entry in reading.versions.iter()? {
                let (place, bytes) = entry?;
                let (resource, revision) = place.value();
                let version = records.decode(resource, revision, bytes.value()).ok_or_else(damaged)?;
                if let Err(error) = visit(version) {
                    refused = Some(error);
                    break;
                }
            }
            reading.position()
        });
        refused.map_or(position, Err)
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
            let guard = self.database().map_err(own)?;
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
        let mut records = record::Reader::new()?;
        for entry in self.versions.range((resource, after.saturating_add(1))..=(resource, u64::MAX))? {
            let (place, bytes) = entry?;
            let version = records.decode(resource, place.value().1, bytes.value()).ok_or_else(damaged)?;
            let previous = match version.replaced {
                Some(replaced) => self.value(&mut records, resource, replaced)?,
                None => None,
            };
            changes.push(Change { version, previous });
        }
        Ok(changes)
    }

    fn value(
        &self,
        records: &mut record::Reader,
        resource: &str,
        revision: u64,
    ) -> Result<Option<bytes::Bytes>, StorageError> {
        let Some(bytes) = self.versions.get((resource, revision))? else { return Ok(None) };
        Ok(records.decode(resource, revision, bytes.value()).ok_or_else(damaged)?.value)
    }
}

/// The tables of a group that is being written.
struct Writing<'a> {
    versions: Table<'a, (&'static str, u64), &'static [u8]>,
    objects: Table<'a, (&'static str, &'static str, &'static str), u64>,
    revision: u64,
    records: record::Writer,
}

/// Writes what may happen of a group; answers also the newest revision then.
fn write_group(
    transaction: &WriteTransaction,
    group: &[&[Write]],
) -> Result<(Vec<Result<u64, Conflict>>, u64), StorageError> {
    let mut facts = transaction.open_table(FACTS).map_err(storage_of)?;
    let before = facts.get(REVISION)?.map_or(0, |number| number.value());
    let mut writing = Writing {
        versions: transaction.open_table(VERSIONS).map_err(storage_of)?,
        objects: transaction.open_table(OBJECTS).map_err(storage_of)?,
        revision: before,
        records: record::Writer::new()?,
    };
    let mut answers = Vec::with_capacity(group.len());
    for batch in group {
        answers.push(writing.batch(batch)?);
    }
    if writing.revision > before {
        facts.insert(REVISION, writing.revision)?;
    }
    Ok((answers, writing.revision))
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
        let bytes = self.records.encode(&write.key, replaced, write.value.as_deref())?;
        self.versions.insert((write.key.resource(), self.revision), bytes)?;
        Ok(())
    }
}

/// The newest revision that a database holds.
fn revision_of(database: &Database) -> Result<u64, StorageError> {
    Ok(Reading::begin(database)?.position()?.revision)
}

/// Opening again fails while the disk is still full; anything else stops writes.
fn reopen_failure(error: OpenError) -> StoreError {
    match error {
        OpenError::OutOfSpace { .. } | OpenError::Load(StoreError::OutOfSpace) => StoreError::OutOfSpace,
        other => StoreError::Failed(Arc::new(other)),
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
    let mut records = record::Reader::new()?;
    for entry in versions.range((resource, old + 1)..=(resource, floor))? {
        let (place, bytes) = entry?;
        let version = records.decode(resource, place.value().1, bytes.value()).ok_or_else(damaged)?;
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
