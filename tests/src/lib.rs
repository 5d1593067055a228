//! What tests stand on: real member clusters, the real host process, clients of others, and load drivers.
//!
//! A test is a *story* in a *world*: [`world::story`] gives it a folder, runs it on a runtime, and when it
//! fails prints the last lines of every process it started. [`member::Member`] is one real Kubernetes cluster
//! on loopback, [`host::Host`] is `koinon server`. Waiting is always [`clock::eventually`]: a condition with a
//! deadline. Nothing here knows how Koinon works inside; it is judged from outside, by its command line, its
//! API, its names and its metrics.

pub mod clock;
pub mod world;

pub mod address;
pub mod assets;
pub mod process;

pub mod member;

pub mod dig;
pub mod host;
pub mod informer;
pub mod kubectl;
pub mod nsupdate;
pub mod usage;

pub mod load;
