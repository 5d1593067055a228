//! The last table on disk: what a node answers with when it starts before its host does, or without it.
//!
//! The file is replaced as a whole, so that it is always one table, old or new. One that cannot be read is no reason
//! not to start: the host sends its table anyway. The keys of transfers are in it, so nobody else may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use koinon_types::names::{NameTable, NameTableReceiver, RecordRef, Target};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use crate::snapshot::LastGood;

/// The file in the node's folder.
const FILE: &str = "names.json";

/// Between two writes there is at least this long; a burst of changes ends in one.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// After a write, this many times as long as it took passes until the next, so that writing takes a tenth of one core
/// at most, however large the table is.
const PAUSE_FACTOR: u32 = 9;

/// What is kept: the table, and what each name was answered with when something was healthy.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) table: Arc<NameTable>,
    pub(crate) last_good: Arc<LastGood>,
}

/// The file's shape. JSON has no maps with keys such as [`RecordRef`], so there are pairs.
#[derive(Serialize, Deserialize)]
struct Content<Table, Pairs> {
    table: Table,
    last_good: Pairs,
}

/// The table that an earlier run served from this folder; an empty one when there is none.
#[must_use]
pub fn kept_table(folder: &Path) -> Arc<NameTable> {
    load(folder).table
}

/// Reads what an earlier run kept; nothing when there is none, or none that can be read.
pub(crate) fn load(folder: &Path) -> Kept {
    match read(&folder.join(FILE)) {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
        Err(error) => {
            warn!(folder = %folder.display(), %error, "cannot read the table that was kept; waiting for the host's");
            Kept::default()
        }
    }
}

fn read(file: &Path) -> io::Result<Kept> {
    let bytes = fs::read(file)?;
    let content: Content<NameTable, Vec<(RecordRef, Vec<Target>)>> = serde_json::from_slice(&bytes)?;
    let last_good = content.last_good.into_iter().collect();
    Ok(Kept { table: Arc::new(content.table), last_good: Arc::new(last_good) })
}

/// Keeps the latest of these tables, for whoever publishes them and answers nothing itself.
pub async fn keep_tables(folder: PathBuf, mut tables: NameTableReceiver, stop: watch::Receiver<bool>) {
    let (keeper, latest) = watch::channel(Kept::default());
    let follow = async move {
        while tables.changed().await.is_ok() {
            let table = Arc::clone(&tables.borrow_and_update());
            keeper.send_replace(Kept { table, last_good: Arc::default() });
        }
    };
    tokio::join!(follow, run(folder, latest, stop));
}

/// Writes what is to be kept, completely or not at all.
fn save(folder: &Path, kept: &Kept) -> io::Result<()> {
    let content = Content { table: &*kept.table, last_good: kept.last_good.iter().collect::<Vec<_>>() };
    fs::create_dir_all(folder)?;
    let temporary = folder.join(FILE).with_extension("new");
    let mut writer = BufWriter::new(create_private(&temporary)?);
    serde_json::to_writer(&mut writer, &content)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    fs::rename(&temporary, folder.join(FILE))
}

/// Creates an empty file that only its owner can read. One that an earlier run left half-written goes first, because it
/// would keep its mode.
fn create_private(file: &Path) -> io::Result<File> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

/// Keeps the latest of what the sender is given.
pub(crate) fn start(
    folder: PathBuf,
    kept: Kept,
    tasks: &mut JoinSet<()>,
    stop: watch::Receiver<bool>,
) -> watch::Sender<Kept> {
    let (keeper, latest) = watch::channel(kept);
    tasks.spawn(run(folder, latest, stop));
    keeper
}

/// Keeps the latest of what it is sent, until the sender is gone and the last is written.
async fn run(folder: PathBuf, mut latest: watch::Receiver<Kept>, mut stop: watch::Receiver<bool>) {
    while latest.changed().await.is_ok() {
        let (kept, folder) = (latest.borrow_and_update().clone(), folder.clone());
        let started = Instant::now();
        let saving = tokio::task::spawn_blocking(move || {
            if let Err(error) = save(&folder, &kept) {
                warn!(folder = %folder.display(), %error, "cannot keep the table of names");
            }
        });
        if saving.await.is_err() {
            return;
        }
        let pause = PAUSE_MIN.max(started.elapsed() * PAUSE_FACTOR);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::support::{record, table, tcp_check, zone};

    #[test]
    fn what_is_kept_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut shop = record("shop.example", &[("a", "192.0.2.1", 3), ("b", "lb.elsewhere", 1)]);
        shop.check = Some(tcp_check());
        let good = LastGood::from([(shop.source.clone(), vec![Target::Hostname("lb.elsewhere".into())])]);
        let kept = Kept {
            table: table(vec![zone("example", "www.example 60 A 192.0.2.7")], vec![shop]),
            last_good: Arc::new(good),
        };
        save(folder.path(), &kept).unwrap();
        let read = load(folder.path());
        assert_eq!((read.table, read.last_good), (kept.table, kept.last_good));
    }

    #[test]
    fn nobody_else_can_read_what_is_kept() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(FILE).with_extension("new");
        fs::write(&left, "half").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).unwrap();
        save(folder.path(), &Kept::default()).unwrap();
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_table() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(*load(folder.path()).table, NameTable::default());
        fs::write(folder.path().join(FILE), "{\"table\": {\"gen").unwrap();
        assert_eq!(*load(folder.path()).table, NameTable::default());
    }
}
