//! Watches of many resources, drawn together into one stream.

use std::sync::Arc;

use koinon_api_server::ResourceRef;
use koinon_api_server::local::{Client, Event, Stored};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Changes on their way to a loop. A loop takes them in faster than the store commits them; this covers its pauses.
const QUEUE: usize = 1_024;

/// Changes that are taken in at once, so that a burst costs one turn of a loop and not one each.
const BATCH_MAX: usize = 256;

/// One object that appeared, changed or went.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Its resource.
    pub(crate) resource: Arc<ResourceRef>,
    /// The object, as it is or was.
    pub(crate) object: Arc<Stored>,
    /// Whether it is there.
    pub(crate) is_there: bool,
}

/// Follows several resources; ends when the server does.
pub(crate) struct Sources {
    changes: mpsc::Receiver<Change>,
    /// Ends the watches with the stream.
    _watches: JoinSet<()>,
}

impl Sources {
    /// Follows these resources: everything that is there, then every change.
    pub(crate) fn follow(client: &Client, resources: impl IntoIterator<Item = ResourceRef>) -> Self {
        let (sender, changes) = mpsc::channel(QUEUE);
        let mut watches = JoinSet::new();
        for resource in resources {
            let watch = client.watch(&resource);
            watches.spawn(forward(Arc::new(resource), watch, sender.clone()));
        }
        Self { changes, _watches: watches }
    }

    /// The next changes, in the order of their commits per resource; none when the server has stopped.
    ///
    /// Shape: never empty. Dropping the future before it is ready loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Vec<Change>> {
        let mut changes = Vec::new();
        self.changes.recv_many(&mut changes, BATCH_MAX).await;
        (!changes.is_empty()).then_some(changes)
    }
}

async fn forward(
    resource: Arc<ResourceRef>,
    mut watch: koinon_api_server::local::Watch,
    sender: mpsc::Sender<Change>,
) {
    while let Some(event) = watch.next().await {
        let (object, is_there) = match event {
            Event::Applied(object) => (object, true),
            Event::Deleted(object) => (object, false),
            Event::Synced => continue,
        };
        let change = Change { resource: Arc::clone(&resource), object, is_there };
        if sender.send(change).await.is_err() {
            return;
        }
    }
}
