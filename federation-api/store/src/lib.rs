//! A revisioned key-value store with history, and the cache that serves reads and watches.
//!
//! Writers commit batches; every write of a batch gets its own revision, and revisions only grow. Readers never
//! touch the disk: the cache holds every object decoded, in one ordered map per resource that is cloned in O(1), and
//! a ring of recent events per resource from which a watcher resumes, also after a restart.
//!
//! ```text
//! commit ─► queue ─► writer thread: Store::commit (one durable group) ─► maps ─► rings and watchers ─► answer
//! get, snapshot ◄──────────────────────────────────────────────────── maps
//! watch ◄───────────────────────────────────────────────────────────────────── ring, then its own bounded queue
//! ```
//!
//! The crate knows nothing of Kubernetes but the shape of its keys: what a value means is the decoder's business.

pub mod cache;
#[cfg(test)]
mod conformance;
mod content;
mod error;
mod key;
pub mod memory;
pub mod metrics;
pub mod redb;
pub mod retention;
pub mod store;
pub mod watch;
mod writer;

pub use cache::{Cache, Committed, Entry, Options, Snapshot};
pub use key::Key;
pub use memory::MemoryStore;
pub use redb::RedbStore;
pub use retention::{Retention, Window};
pub use store::{CommitError, Decode, DecodeError, Expected, OpenError, Store, StoreError, Write};
pub use watch::{Ended, Event, Scope, Start, TooOld, Watch};
