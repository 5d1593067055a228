//! Opening the file: made whole or not at all, checked before it is trusted, refused in words when it is not ours.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, StorageBackend, StorageError, TableError,
    TableHandle as _,
};

use super::failure::{explain, is_full, is_no_database, storage_of};
use super::{FACTS, FLOORS, OBJECTS, VERSIONS};
use crate::store::{OpenError, StoreError};

/// The fact that names the layout of the tables.
const FORMAT: &str = "format";
/// The layout that this version reads and writes.
const FORMAT_KNOWN: u64 = 2;
/// The layout before, whose values are never compressed: a part of the present one.
const FORMAT_PLAIN: u64 = 1;

/// Reads come from the cache above, so the database needs pages only for the branches it writes to: a group of 4 MiB
/// and the paths to it.
const CACHE_BYTES: usize = 16 << 20;

/// What a file turned out to hold.
enum Finding {
    /// A store of the layout we know.
    Store,
    /// A store of another layout.
    Format(u64),
    /// A database of somebody else.
    Foreign,
}

/// Opens the store in `file`, making it when there is none.
pub(super) fn open(file: &Path) -> Result<Database, OpenError> {
    open_through(file, |backend| backend)
}

/// The same, with something between the database and the file.
pub(super) fn open_through<B: StorageBackend>(
    file: &Path,
    wrap: impl FnOnce(FileBackend) -> B,
) -> Result<Database, OpenError> {
    if !file.try_exists().map_err(|source| not_writable(file, source))? {
        create(file)?;
    }
    let handle = OpenOptions::new().read(true).write(true).open(file);
    let handle = handle.map_err(|source| not_writable(file, source))?;
    if handle.metadata().map_err(|source| not_writable(file, source))?.len() == 0 {
        // The database would take it for a new one, and a host that forgot everything is worse than one that stays down.
        return Err(OpenError::Corrupt { file: file.to_owned(), reason: "it is empty".to_owned() });
    }
    let database = database(file, handle, wrap)?;
    match inspect(&database) {
        Ok(Finding::Store) => Ok(database),
        Ok(Finding::Format(FORMAT_PLAIN)) => {
            // From now on older versions refuse the file instead of taking what is compressed for damage.
            mark(&database).map_err(|error| refusal(file, error))?;
            Ok(database)
        }
        Ok(Finding::Format(found)) => {
            Err(OpenError::Format { file: file.to_owned(), found, known: FORMAT_KNOWN })
        }
        Ok(Finding::Foreign) => Err(OpenError::Corrupt {
            file: file.to_owned(),
            reason: "it is a database of another program".to_owned(),
        }),
        Err(error) => Err(refusal(file, error)),
    }
}

/// Makes an empty store. It gets its name when it is complete, so no crash leaves half of one under that name, and it
/// never takes the name from a store that another process made meanwhile. Only its owner may read it.
fn create(file: &Path) -> Result<(), OpenError> {
    let mut unnamed = file.as_os_str().to_owned();
    unnamed.push(".new");
    let unnamed = PathBuf::from(unnamed);
    match fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(not_writable(file, error)),
        _ => {}
    }
    let handle = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&unnamed);
    let handle = handle.map_err(|source| not_writable(file, source))?;
    let database = database(file, handle, |backend| backend)?;
    lay_out(&database).map_err(|error| refusal(file, error))?;
    drop(database);
    let named = match fs::hard_link(&unnamed, file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    };
    named
        .and_then(|()| fs::remove_file(&unnamed))
        .and_then(|()| File::open(folder_of(file))?.sync_all())
        .map_err(|source| not_writable(file, source))
}

fn database<B: StorageBackend>(
    file: &Path,
    handle: File,
    wrap: impl FnOnce(FileBackend) -> B,
) -> Result<Database, OpenError> {
    let backend = FileBackend::new(handle).map_err(|error| unusable(file, error))?;
    // Without the check, damage from outside may be noticed late and by a panic. It reads the file once, as loading
    // does anyway.
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder.create_with_backend(wrap(backend)).map_err(|error| unusable(file, error))
}

/// Makes the tables of a new store.
fn lay_out(database: &Database) -> Result<(), StorageError> {
    let transaction = database.begin_write().map_err(storage_of)?;
    transaction.open_table(FACTS).map_err(storage_of)?.insert(FORMAT, FORMAT_KNOWN)?;
    transaction.open_table(VERSIONS).map_err(storage_of)?;
    transaction.open_table(OBJECTS).map_err(storage_of)?;
    transaction.open_table(FLOORS).map_err(storage_of)?;
    transaction.commit().map_err(storage_of)
}

/// Says that a store has the present layout.
fn mark(database: &Database) -> Result<(), StorageError> {
    let transaction = database.begin_write().map_err(storage_of)?;
    transaction.open_table(FACTS).map_err(storage_of)?.insert(FORMAT, FORMAT_KNOWN)?;
    transaction.commit().map_err(storage_of)
}

/// Looks at what a database holds, without changing it.
fn inspect(database: &Database) -> Result<Finding, StorageError> {
    let transaction = database.begin_read().map_err(storage_of)?;
    let facts = match transaction.open_table(FACTS) {
        Ok(facts) => facts,
        Err(TableError::Storage(error)) => return Err(error),
        Err(_) => return Ok(Finding::Foreign),
    };
    match facts.get(FORMAT)?.map(|number| number.value()) {
        Some(FORMAT_KNOWN) => {}
        Some(found) => return Ok(Finding::Format(found)),
        None => return Ok(Finding::Foreign),
    }
    let tables: Vec<String> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
    let is_there = |name: &str| tables.iter().any(|table| table == name);
    let complete = is_there(VERSIONS.name()) && is_there(OBJECTS.name()) && is_there(FLOORS.name());
    Ok(if complete { Finding::Store } else { Finding::Foreign })
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => file,
    }
}

fn not_writable(file: &Path, source: io::Error) -> OpenError {
    let folder = folder_of(file).to_owned();
    if is_full(&source) {
        OpenError::OutOfSpace { folder }
    } else {
        OpenError::NotWritable { folder, source }
    }
}

/// Why the database refuses a file.
fn unusable(file: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            let name = file.file_name().unwrap_or_default().display();
            let holder = format!("another koinon, which has {name} open");
            OpenError::InUse { folder: folder_of(file).to_owned(), holder }
        }
        DatabaseError::UpgradeRequired(found) => {
            OpenError::Format { file: file.to_owned(), found: found.into(), known: FORMAT_KNOWN }
        }
        DatabaseError::Storage(error) => refusal(file, error),
        other => OpenError::Backend { file: file.to_owned(), source: Box::new(other) },
    }
}

/// Why the content of a file is refused.
fn refusal(file: &Path, error: StorageError) -> OpenError {
    match error {
        StorageError::Io(error) if is_no_database(&error) => {
            OpenError::Corrupt { file: file.to_owned(), reason: format!("it is no store ({error})") }
        }
        error => match explain(file, error) {
            StoreError::OutOfSpace => OpenError::OutOfSpace { folder: folder_of(file).to_owned() },
            StoreError::Corrupt { file, reason } => OpenError::Corrupt { file, reason },
            other => OpenError::Load(other),
        },
    }
}
