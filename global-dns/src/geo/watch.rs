//! Reads location databases again when their files change: providers replace them once or twice a week.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch::{Receiver, Sender};
use tracing::{info, warn};

use super::{Atlas, GeoError};

/// From one look at the files to the next: nobody waits for a new database, and a look costs nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What tells one version of a file from another; none when it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// Databases that were read, and the files they came from.
pub(crate) struct Opened {
    files: Vec<PathBuf>,
    stamps: Vec<Stamp>,
    pub(crate) atlas: Arc<Atlas>,
}

impl Opened {
    /// Reads databases.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub(crate) fn read(files: Vec<PathBuf>) -> Result<Self, GeoError> {
        // Looked at before they are read, so that a change in between is seen the next time.
        let stamps = stamps(&files);
        let atlas = Arc::new(Atlas::open(&files)?);
        Ok(Self { files, stamps, atlas })
    }

    /// The databases, if their files have changed since they were looked at last.
    ///
    /// # Errors
    /// As [`Opened::read`], once for each change.
    pub(super) fn look(&mut self) -> Result<Option<Arc<Atlas>>, GeoError> {
        let seen = stamps(&self.files);
        if seen == self.stamps {
            return Ok(None);
        }
        self.stamps = seen;
        self.atlas = Arc::new(Atlas::open(&self.files)?);
        Ok(Some(Arc::clone(&self.atlas)))
    }
}

/// Hands over every new version of the databases until asked to stop. One that cannot be read leaves the last in use.
pub(crate) async fn watch(mut opened: Opened, atlases: Sender<Arc<Atlas>>, mut stop: Receiver<bool>) {
    if opened.files.is_empty() {
        return;
    }
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let looking = tokio::task::spawn_blocking(move || {
            let seen = opened.look();
            (opened, seen)
        });
        // Otherwise the runtime ends.
        let Ok((looked, seen)) = looking.await else { return };
        opened = looked;
        match seen {
            Ok(None) => {}
            Ok(Some(atlas)) => {
                info!(databases = ?atlas.names().collect::<Vec<_>>(), "read the location databases again");
                atlases.send_replace(atlas);
            }
            Err(error) => warn!(%error, "kept the last location databases"),
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &Path| {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(|file| stamp(file)).collect()
}
