//! Where addresses are, by location databases in the MaxMind DB format: GeoLite2, GeoIP2 and what is compatible.
//!
//! A lookup walks the file in memory and reads the few fields that routing asks for; nothing is allocated. Files are
//! given in an order, and the first that knows a thing is believed.
//!
//! ```text
//! files ─ watch: a file has another time or length ─► Atlas (immutable) ─► publish: the next snapshot has it
//! ```

mod place;

mod watch;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{LookupResult, MaxMindDbError, Reader};

pub(crate) use place::{Key, Place, Wanted};
pub(crate) use watch::{Opened, watch};

use place::Entry;

/// Largest file that is read: ten times the largest commercial one, and it is held in memory.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// The file cannot be read.
    #[error("read the location database {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is no database.
    #[error("read the location database {}: it is not in the MaxMind DB format", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: MaxMindDbError,
    },
}

/// Every location database of a node; without any, nothing is known of any address.
#[derive(Default)]
pub struct Atlas {
    databases: Vec<Database>,
}

struct Database {
    reader: Reader<Vec<u8>>,
}

/// What is known of an address, and of how many of its first bits that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Located {
    pub(crate) place: Place,
    pub(crate) n_bits: u8,
}

impl Atlas {
    /// Reads databases.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn open(files: &[PathBuf]) -> Result<Self, GeoError> {
        let databases = files.iter().map(|file| Database::open(file)).collect::<Result<_, _>>()?;
        Ok(Self { databases })
    }

    /// A database in memory.
    #[cfg(test)]
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let reader = Reader::from_source(bytes).expect("a database of a test");
        Self { databases: vec![Database { reader }] }
    }

    /// Whether it knows nothing.
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty()
    }

    /// What each database calls itself, for people: GeoLite2-City.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.databases.iter().map(|database| database.reader.metadata().database_type.as_str())
    }

    /// When the oldest of them was made, seconds since 1970.
    pub(crate) fn oldest_epoch(&self) -> Option<u64> {
        self.databases.iter().map(|database| database.reader.metadata().build_epoch).min()
    }

    /// What is known of an address, as far as it is wanted.
    pub(crate) fn locate(&self, address: IpAddr, wanted: Wanted) -> Located {
        let mut located = Located::default();
        let address = address.to_canonical();
        for database in &self.databases {
            let missing = wanted.without(&located.place);
            if missing.is_nothing() {
                break;
            }
            // What cannot be read in a file that is broken inside is not known.
            let Ok(found) = database.reader.lookup(address) else { continue };
            located.n_bits = located.n_bits.max(n_bits(&found, address));
            if let Ok(Some(entry)) = found.decode::<Entry<'_>>() {
                located.place.add(&entry);
            }
        }
        located
    }
}

impl Database {
    fn open(file: &Path) -> Result<Self, GeoError> {
        let unreadable = |source| GeoError::Unreadable { file: file.to_owned(), source };
        let length = fs::metadata(file).map_err(unreadable)?.len();
        if length > FILE_BYTES_MAX {
            return Err(unreadable(io::Error::other(format!(
                "it has {length} bytes, at most 4 GiB are read"
            ))));
        }
        let bytes = fs::read(file).map_err(unreadable)?;
        let malformed = |source| GeoError::Malformed { file: file.to_owned(), source };
        Ok(Self { reader: Reader::from_source(bytes).map_err(malformed)? })
    }
}

/// The bits of an address that a database looked at.
fn n_bits(found: &LookupResult<'_, Vec<u8>>, address: IpAddr) -> u8 {
    match found.network() {
        // An IPv4 address that ends above the part of the tree where IPv4 begins: all of IPv4 does.
        Ok(network) if network.is_ipv4() != address.is_ipv4() => 0,
        Ok(network) => network.prefix(),
        Err(_) => 0,
    }
}

#[cfg(test)]
pub(crate) mod tests;
