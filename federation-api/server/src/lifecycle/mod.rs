//! What clients take for granted to happen by itself: the end of namespaces, of dependents, and of old events.
//!
//! Each part is a loop over the client of the process, and writes like everyone else. It does nothing that a part of
//! the server could not do again after a restart: what is to be done is always read from what is stored.

mod events;
mod garbage;
mod namespaces;

use tokio::task::JoinSet;

use crate::local::Client;

/// Starts every loop; they end when the server's watches end, or when the set is dropped.
pub(crate) fn start(client: &Client) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    loops.spawn(namespaces::run(client.clone()));
    loops.spawn(garbage::run(client.clone()));
    loops.spawn(events::run(client.clone()));
    loops
}
