//! Signatures over sets of records (DNSSEC): keys, canonical form, schedule, and the store of what was signed.
//!
//! Pure but for randomness: what is to be signed and for how long follows from the set, the zone's keys and the time,
//! so that two nodes, or one after a restart, give a set the same period of validity. The module `snapshot` decides
//! which sets there are and where their signatures go.
//!
//! ```text
//! set ─► canonical ─┐
//! time ─► schedule ─┼─► order ─► signatures: known, or made on all cores at the end of a build
//! Signing ─► key ───┘
//! ```

mod canonical;

mod key;

mod nsec;

mod schedule;

mod signatures;

pub use key::InvalidKey;
pub(crate) use key::{Keyring, Signer, apex_sets};
pub(crate) use nsec::nsec;
pub use signatures::Signatures;
pub(crate) use signatures::{Order, SIGNATURE, Unsigned};
