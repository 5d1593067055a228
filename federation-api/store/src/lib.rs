//! A revisioned key-value store with history, and the cache that serves reads and watches.
