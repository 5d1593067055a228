//! What only the embedded store can get wrong: files that are none, full disks, and processes that are killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::AtomicBool;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;
use crate::conformance::{bytes, commit, key, told};

#[test]
fn only_the_owner_may_read_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    RedbStore::open(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of making it");
}

#[test]
fn a_file_that_is_open_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let open = RedbStore::open(&file).unwrap();
    let error = RedbStore::open(&file).err().unwrap();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("store.redb"), "{error}");
    drop(open);
    RedbStore::open(&file).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = RedbStore::open(&folder.path().join("missing/store.redb")).err().unwrap();
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error:?}");
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, content: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        file
    };
    let of_others = folder.path().join("foreign.redb");
    let database = Database::create(&of_others).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<&str, &str>::new("facts")).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = [
        make("empty.redb", b""),
        make("text.redb", b"this is no database at all, and never was"),
        make("zeros.redb", &[0; 1 << 16]),
        of_others,
    ];
    for file in refused {
        let error = RedbStore::open(&file).err().unwrap();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{}: {error:?}", file.display());
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    RedbStore::open(&file).unwrap();
    let database = Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(FACTS).unwrap().insert("format", 3).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&file).err().unwrap();
    assert!(matches!(error, OpenError::Format { found: 3, known: 2, .. }), "{error:?}");
}

#[test]
fn a_file_of_the_format_without_compression_is_read_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    RedbStore::open(&file).unwrap();
    let database = Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(FACTS).unwrap().insert("format", 1).unwrap();
    transaction.open_table(FACTS).unwrap().insert(REVISION, 1).unwrap();
    transaction.open_table(OBJECTS).unwrap().insert(("configmaps", "a", "n"), 1).unwrap();
    // Replaced nothing; a plain value; the namespace `a`, the name `n`.
    let plain = b"\0\0\0\0\0\0\0\0\x01\x01\0a\x01\0nold";
    transaction.open_table(VERSIONS).unwrap().insert(("configmaps", 1), &plain[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let store = RedbStore::open(&file).unwrap();
    let (_, versions) = told(&store);
    assert_eq!(versions[0].value.as_deref(), Some(&b"old"[..]));
    drop(store);
    let database = Database::create(&file).unwrap();
    let format = database.begin_read().unwrap().open_table(FACTS).unwrap().get("format").unwrap();
    assert_eq!(format.unwrap().value(), 2);
}

/// How often a store is damaged; each time takes some 3 ms.
const DAMAGES: usize = 200;

#[test]
fn damage_is_noticed_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let store = RedbStore::open(&file).unwrap();
    for number in 0..64 {
        let text = format!("{number} ").repeat(100);
        commit(&store, &[Write::create(key(&format!("n{number}")), bytes(&text))]).unwrap();
    }
    let whole = told(&store);
    drop(store);
    let healthy = std::fs::read(&file).unwrap();
    for round in 0..DAMAGES {
        let mut damaged = healthy.clone();
        // An odd step visits every part of the file, whose size is a power of two times a few pages.
        let at = round * 104_729 % healthy.len();
        damaged[at] ^= 0xff;
        std::fs::write(&file, &damaged).unwrap();
        match RedbStore::open(&file) {
            Ok(store) => assert_eq!(told(&store), whole, "byte {at} was not noticed"),
            Err(OpenError::Corrupt { .. } | OpenError::Format { .. }) => {}
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
}

/// A disk that is full while one of the flags says so, and notices it at once or only when it flushes.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    writes: AtomicBool,
    flushes: AtomicBool,
}

fn unless(is_full: &AtomicBool) -> io::Result<()> {
    if is_full.load(Ordering::Acquire) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

/// A store on a disk whose faults the test decides.
fn store_on_disk(file: &Path) -> (RedbStore, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let of_disk = Arc::clone(&faults);
    let opener = move |file: &Path| {
        let faults = Arc::clone(&of_disk);
        open::open_through(file, |file| Disk { file, faults })
    };
    (RedbStore::open_by(file, Box::new(opener)).unwrap(), faults)
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        unless(&self.faults.writes).and_then(|()| self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        unless(&self.faults.flushes).and_then(|()| self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        unless(&self.faults.writes).and_then(|()| self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

#[test]
fn a_full_disk_fails_writes_until_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let (store, faults) = store_on_disk(&file);
    commit(&store, &[Write::create(key("before"), bytes("1"))]).unwrap();
    faults.writes.store(true, Ordering::Release);
    for attempt in 0..3 {
        let large = Write::create(key("during"), bytes(&"2".repeat(1 << 20)));
        let error = store.commit(&[&[large]]).unwrap_err();
        assert!(matches!(error, StoreError::OutOfSpace), "attempt {attempt}: {error:?}");
        let error = store.compact(&[("configmaps".into(), 1)]).unwrap_err();
        assert!(matches!(error, StoreError::OutOfSpace), "attempt {attempt}: {error:?}");
    }
    faults.writes.store(false, Ordering::Release);
    assert_eq!(commit(&store, &[Write::create(key("after"), bytes("3"))]), Ok(2));
    let names: Vec<String> = told(&store).1.iter().map(|version| version.key.name().to_owned()).collect();
    assert_eq!(names, ["before", "after"]);
    drop(store);
    assert_eq!(told(&RedbStore::open(&file).unwrap()).0.revision, 2);
}

#[test]
fn a_group_that_failed_and_was_written_stops_writes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let (store, faults) = store_on_disk(&file);
    commit(&store, &[Write::create(key("a"), bytes("1"))]).unwrap();
    faults.flushes.store(true, Ordering::Release);
    let error = store.commit(&[&[Write::create(key("b"), bytes("2"))]]).unwrap_err();
    assert!(matches!(error, StoreError::OutOfSpace), "{error:?}");
    faults.flushes.store(false, Ordering::Release);
    let error = store.commit(&[&[Write::create(key("c"), bytes("3"))]]).unwrap_err();
    assert!(matches!(error, StoreError::Failed(_)), "readers do not know of what is written: {error:?}");
    drop(store);
    assert_eq!(told(&RedbStore::open(&file).unwrap()).0.revision, 2);
}

/// The file that the child of the test below writes to; unset in every other run.
const CHILD: &str = "KOINON_STORE_KILLED";

/// How often the writing process is killed; each cycle takes some 30 ms.
const KILLS: u32 = 40;

/// Writes for ever and says each acknowledged revision; runs only as the child of the next test.
#[test]
fn child_that_is_killed() {
    let Some(file) = std::env::var_os(CHILD) else { return };
    let store = RedbStore::open(Path::new(&file)).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let revision = store.position().unwrap().revision + 1;
        let batch = [Write::create(key(&format!("n{revision}")), bytes(&revision.to_string()))];
        let written = commit(&store, &batch).unwrap();
        writeln!(out, "acknowledged {written}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_no_acknowledged_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let mut acknowledged = 0;
    for cycle in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "redb::tests::child_that_is_killed", "--nocapture"])
            .env(CHILD, &file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // How many writes are let through differs from cycle to cycle, so kills come at many moments.
        let wanted = u64::from(cycle % 7) + 1;
        let seen = lines.by_ref().filter_map(|line| revision_of(&line)).nth(wanted as usize - 1).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines.filter_map(|line| revision_of(&line)).last().unwrap_or(seen);
        acknowledged = acknowledged.max(last);
        let (position, versions) = told(&RedbStore::open(&file).unwrap());
        assert!(
            position.revision >= acknowledged,
            "{acknowledged} was acknowledged, {} is there",
            position.revision
        );
        let revisions: Vec<u64> = versions.iter().map(|version| version.revision).collect();
        assert_eq!(revisions, (1..=position.revision).collect::<Vec<_>>(), "every version is there, once");
    }
}

fn revision_of(line: &str) -> Option<u64> {
    line.split_once("acknowledged ")?.1.trim().parse().ok()
}
