//! The embedded store does what the memory store does, keeps it, and loses nothing when its process is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use bytes::Bytes;

use super::*;
use crate::MemoryStore;

fn key(name: &str) -> Key {
    Key::new("configmaps", "a", name)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Everything that a store tells.
fn told(store: &dyn Store) -> (Position, Vec<Version>) {
    let mut versions = Vec::new();
    let position = store.load(&mut |version| {
        versions.push(version);
        Ok(())
    });
    (position.unwrap(), versions)
}

/// The same writes in both stores, then the same everything.
fn same_as_memory(steps: impl Fn(&dyn Store)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let (memory, embedded) = (MemoryStore::new(), RedbStore::open(&file).unwrap());
    steps(&memory);
    steps(&embedded);
    assert_eq!(told(&memory), told(&embedded));
    assert_eq!(memory.history("configmaps", 0).ok(), embedded.history("configmaps", 0).ok());
    drop(embedded);
    assert_eq!(told(&memory), told(&RedbStore::open(&file).unwrap()), "after it was opened again");
}

fn commit(store: &dyn Store, batch: &[Write]) -> Result<u64, Conflict> {
    store.commit(&[batch]).unwrap().remove(0)
}

#[test]
fn keeps_versions_as_the_memory_store_does() {
    same_as_memory(|store| {
        assert_eq!(
            commit(store, &[Write::create(key("a"), bytes("1")), Write::create(key("b"), bytes("2"))]),
            Ok(1)
        );
        assert_eq!(commit(store, &[Write::update(key("a"), 1, bytes("3"))]), Ok(3));
        assert_eq!(commit(store, &[Write::delete(key("b"), 2)]), Ok(4));
        let stale =
            commit(store, &[Write::create(key("c"), bytes("x")), Write::update(key("a"), 1, bytes("y"))]);
        assert_eq!(
            stale,
            Err(Conflict { key: key("a"), actual: Some(3) }),
            "nothing of the batch is written"
        );
        let twice =
            commit(store, &[Write::create(key("c"), bytes("x")), Write::create(key("c"), bytes("y"))]);
        assert_eq!(twice, Err(Conflict { key: key("c"), actual: None }));
        assert_eq!(commit(store, &[Write::create(key("b"), bytes("again"))]), Ok(5));
        assert_eq!(commit(store, &[]), Ok(6), "an empty batch tells the next revision");
    });
}

#[test]
fn compacts_as_the_memory_store_does() {
    same_as_memory(|store| {
        commit(store, &[Write::create(key("a"), bytes("1"))]).unwrap();
        commit(store, &[Write::update(key("a"), 1, bytes("2"))]).unwrap();
        commit(store, &[Write::create(key("b"), bytes("3"))]).unwrap();
        commit(store, &[Write::delete(key("b"), 3)]).unwrap();
        commit(store, &[Write::update(key("a"), 2, bytes("4"))]).unwrap();
        store.compact(&[("configmaps".into(), 4), ("secrets".into(), 99)]).unwrap();
        assert!(matches!(store.history("configmaps", 3), Err(StoreError::Compacted { floor: 4 })));
        let changes = store.history("configmaps", 4).unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].previous, Some(bytes("2")), "what an event replaced is still there");
        store.compact(&[("configmaps".into(), 2)]).unwrap();
    });
}

#[test]
fn batches_of_one_group_see_each_other() {
    same_as_memory(|store| {
        let first = [Write::create(key("a"), bytes("1"))];
        let second = [Write::update(key("a"), 1, bytes("2"))];
        let third = [Write::update(key("a"), 1, bytes("3"))];
        let answers = store.commit(&[&first, &second, &third]).unwrap();
        assert_eq!(answers, [Ok(1), Ok(2), Err(Conflict { key: key("a"), actual: Some(2) })]);
    });
}

#[test]
fn a_file_that_is_open_elsewhere_or_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let _open = RedbStore::open(&file).unwrap();
    assert!(matches!(RedbStore::open(&file).err(), Some(OpenError::InUse { .. })));
    let text = folder.path().join("text.redb");
    std::fs::write(&text, "this is no database at all, and never was").unwrap();
    let error = RedbStore::open(&text).err().unwrap();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("text.redb"), "{error}");
    let nowhere = folder.path().join("missing/store.redb");
    assert!(matches!(RedbStore::open(&nowhere).err(), Some(OpenError::NotWritable { .. })));
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
