//! What every store must do, asked of each of them: a few cases by name, then arbitrary ones against a store so simple
//! that it can be trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::store::{Change, Conflict, Position, Store, StoreError, Version, Write};
use crate::{Expected, Key, MemoryStore, RedbStore};

/// A store that can be closed and opened again.
pub(crate) struct Subject {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// The folder of a store that outlives its process.
    folder: Option<tempfile::TempDir>,
}

// === impl Subject ===

impl Subject {
    /// One of each.
    pub(crate) fn all() -> [Self; 2] {
        let folder = tempfile::tempdir().unwrap();
        let embedded = open(folder.path());
        [
            Self { store: Arc::new(MemoryStore::new()), folder: None },
            Self { store: embedded, folder: Some(folder) },
        ]
    }

    /// Closes the store, which nobody else may hold, and opens it again.
    pub(crate) fn reopen(&mut self) {
        if let Some(folder) = &self.folder {
            self.store = Arc::new(MemoryStore::new());
            self.store = open(folder.path());
        }
    }
}

fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(RedbStore::open(&folder.join("store.redb")).unwrap())
}

/// Everything that a store tells.
pub(crate) fn told(store: &dyn Store) -> (Position, Vec<Version>) {
    let mut versions = Vec::new();
    let position = store.load(&mut |version| {
        versions.push(version);
        Ok(())
    });
    (position.unwrap(), versions)
}

pub(crate) fn key(name: &str) -> Key {
    Key::new("configmaps", "a", name)
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn commit(store: &dyn Store, batch: &[Write]) -> Result<u64, Conflict> {
    store.commit(&[batch]).unwrap().remove(0)
}

#[test]
fn a_batch_happens_or_does_not() {
    for Subject { store, .. } in &Subject::all() {
        let store = &**store;
        let two = [Write::create(key("a"), bytes("1")), Write::create(key("b"), bytes("2"))];
        assert_eq!(commit(store, &two), Ok(1));
        assert_eq!(commit(store, &[Write::update(key("a"), 1, bytes("3"))]), Ok(3));
        let stale = [Write::create(key("c"), bytes("x")), Write::update(key("a"), 1, bytes("y"))];
        assert_eq!(commit(store, &stale), Err(Conflict { key: key("a"), actual: Some(3) }));
        let twice = [Write::create(key("c"), bytes("x")), Write::create(key("c"), bytes("y"))];
        assert_eq!(commit(store, &twice), Err(Conflict { key: key("c"), actual: None }));
        assert_eq!(commit(store, &[Write::delete(key("b"), 2)]), Ok(4));
        assert_eq!(commit(store, &[]), Ok(5), "an empty batch tells the next revision");
        assert_eq!(commit(store, &[Write::create(key("b"), bytes("again"))]), Ok(5));
    }
}

#[test]
fn batches_of_one_group_see_each_other() {
    for Subject { store, .. } in &Subject::all() {
        let first = [Write::create(key("a"), bytes("1"))];
        let second = [Write::update(key("a"), 1, bytes("2"))];
        let third = [Write::update(key("a"), 1, bytes("3"))];
        let answers = store.commit(&[&first, &second, &third]).unwrap();
        assert_eq!(answers, [Ok(1), Ok(2), Err(Conflict { key: key("a"), actual: Some(2) })]);
    }
}

#[test]
fn an_event_keeps_what_it_replaced() {
    for mut subject in Subject::all() {
        let store = &*subject.store;
        commit(store, &[Write::create(key("a"), bytes("1"))]).unwrap();
        commit(store, &[Write::update(key("a"), 1, bytes("2"))]).unwrap();
        commit(store, &[Write::create(key("b"), bytes("3"))]).unwrap();
        commit(store, &[Write::delete(key("b"), 3)]).unwrap();
        commit(store, &[Write::update(key("a"), 2, bytes("4"))]).unwrap();
        store.compact(&[("configmaps".into(), 4), ("secrets".into(), 99)]).unwrap();
        store.compact(&[("configmaps".into(), 2)]).unwrap();
        subject.reopen();
        let store = &*subject.store;
        assert!(matches!(store.history("configmaps", 3), Err(StoreError::Compacted { floor: 4 })));
        let changes = store.history("configmaps", 4).unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].previous, Some(bytes("2")), "what an event replaced is still there");
        let (position, versions) = told(store);
        assert_eq!(position.floor_of("secrets"), 5, "a floor ends at the newest revision");
        let revisions: Vec<u64> = versions.iter().map(|version| version.revision).collect();
        assert_eq!(revisions, [2, 5], "nothing else is kept");
    }
}

#[test]
fn a_refusal_ends_loading() {
    for Subject { store, .. } in &Subject::all() {
        commit(&**store, &[Write::create(key("a"), bytes("1")), Write::create(key("b"), bytes("2"))])
            .unwrap();
        let mut shown = 0;
        let refused = store.load(&mut |version| {
            shown += 1;
            Err(StoreError::Inconsistent { key: version.key, revision: version.revision })
        });
        assert!(matches!(refused, Err(StoreError::Inconsistent { revision: 1, .. })));
        assert_eq!(shown, 1);
    }
}

/// A store that is nothing but the list of all writes; the place in the list is the revision.
#[derive(Debug, Default)]
struct Oracle {
    writes: Vec<(Key, Option<Bytes>)>,
    floors: BTreeMap<Arc<str>, u64>,
}

/// What a write says about the version it expects.
#[derive(Debug, Clone, Copy)]
enum Belief {
    Right,
    Absent,
    Older,
}

/// One write that is to be tried.
#[derive(Debug, Clone)]
struct Try {
    key: usize,
    belief: Belief,
    value: Option<u8>,
}

/// One thing that happens to a store.
#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Vec<Try>>),
    Compact { resource: usize, back: u64 },
    Reopen,
}

const RESOURCES: [&str; 2] = ["apps/deployments", "configmaps"];

/// One is the beginning of the other, and a namespace may be empty, so that keys that run together are noticed.
const PLACES: [(&str, &str); 4] = [("", "a"), ("a", "b"), ("a", "bc"), ("ab", "c")];

// === impl Oracle ===

impl Oracle {
    fn newest(&self) -> u64 {
        self.writes.len() as u64
    }

    fn floor(&self, resource: &str) -> u64 {
        self.floors.get(resource).copied().unwrap_or(0)
    }

    /// The revision of an object when only the writes up to `until` had happened.
    fn at(&self, key: &Key, until: u64) -> Option<u64> {
        let written = self.writes[..until as usize].iter().rposition(|(written, _)| written == key)?;
        self.writes[written].1.is_some().then_some(written as u64 + 1)
    }

    fn commit(&mut self, batch: &[Write]) -> Result<u64, Conflict> {
        let mut named = BTreeSet::new();
        for Write { key, expected, value } in batch {
            let actual = self.at(key, self.newest());
            let fits = match expected {
                Expected::Absent => actual.is_none() && value.is_some(),
                Expected::Revision(revision) => actual == Some(*revision),
            };
            if !fits || !named.insert(key) {
                return Err(Conflict { key: key.clone(), actual });
            }
        }
        let first = self.newest() + 1;
        self.writes.extend(batch.iter().map(|write| (write.key.clone(), write.value.clone())));
        Ok(first)
    }

    fn version(&self, revision: u64) -> Version {
        let (key, value) = self.writes[revision as usize - 1].clone();
        Version { replaced: self.at(&key, revision - 1), key, revision, value }
    }

    fn versions(&self) -> Vec<Version> {
        let mut kept: Vec<Version> = (1..=self.newest()).map(|revision| self.version(revision)).collect();
        kept.retain(|version| {
            let floor = self.floor(version.key.resource());
            version.revision > floor || self.at(&version.key, floor) == Some(version.revision)
        });
        kept.sort_by(|a, b| (a.key.resource(), a.revision).cmp(&(b.key.resource(), b.revision)));
        kept
    }

    fn history(&self, resource: &str, after: u64) -> Vec<Change> {
        let versions = (after + 1..=self.newest()).map(|revision| self.version(revision));
        let of_resource = versions.filter(|version| version.key.resource() == resource);
        let bytes_at = |revision: u64| self.writes[revision as usize - 1].1.clone();
        of_resource.map(|version| Change { previous: version.replaced.and_then(bytes_at), version }).collect()
    }

    /// The write that a try means now.
    fn write(&self, attempt: &Try) -> Write {
        let (namespace, name) = PLACES[attempt.key % PLACES.len()];
        let key = Key::new(RESOURCES[attempt.key / PLACES.len()], namespace, name);
        let actual = self.at(&key, self.newest());
        let expected = match (attempt.belief, actual) {
            (Belief::Right, Some(revision)) => Expected::Revision(revision),
            (Belief::Right, None) | (Belief::Absent, _) => Expected::Absent,
            (Belief::Older, revision) => {
                Expected::Revision(revision.unwrap_or(self.newest()).saturating_sub(1))
            }
        };
        Write { key, expected, value: attempt.value.map(|byte| Bytes::from(vec![byte; usize::from(byte)])) }
    }

    /// Does a step to itself and to a store, and compares.
    fn step(&mut self, subject: &mut Subject, step: &Step) {
        match step {
            Step::Commit(batches) => {
                let group: Vec<Vec<Write>> = batches
                    .iter()
                    .map(|batch| batch.iter().map(|attempt| self.write(attempt)).collect())
                    .collect();
                let borrowed: Vec<&[Write]> = group.iter().map(Vec::as_slice).collect();
                let answers = subject.store.commit(&borrowed).unwrap();
                let wanted: Vec<_> = group.iter().map(|batch| self.commit(batch)).collect();
                assert_eq!(answers, wanted);
            }
            Step::Compact { resource, back } => {
                let resource = RESOURCES[*resource];
                let floor = self.newest().saturating_sub(*back);
                subject.store.compact(&[(resource.into(), floor)]).unwrap();
                if floor > self.floor(resource) {
                    self.floors.insert(resource.into(), floor);
                }
            }
            Step::Reopen => subject.reopen(),
        }
    }

    fn compare(&self, store: &dyn Store) {
        let (position, versions) = told(store);
        assert_eq!(position, Position { revision: self.newest(), floor: 0, floors: self.floors.clone() });
        assert_eq!(versions, self.versions());
        for resource in RESOURCES {
            let floor = self.floor(resource);
            for after in 0..=self.newest() {
                match store.history(resource, after) {
                    Ok(changes) => {
                        assert_eq!((after >= floor, changes), (true, self.history(resource, after)));
                    }
                    Err(StoreError::Compacted { floor: told }) => {
                        assert_eq!((after < floor, told), (true, floor));
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}

fn tries() -> impl Strategy<Value = Try> {
    let belief = prop_oneof![6 => Just(Belief::Right), 1 => Just(Belief::Absent), 1 => Just(Belief::Older)];
    let value = prop_oneof![3 => (0..9_u8).prop_map(Some), 2 => Just(None)];
    (0..RESOURCES.len() * PLACES.len(), belief, value).prop_map(|(key, belief, value)| Try {
        key,
        belief,
        value,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = vec(vec(tries(), 0..4), 1..4).prop_map(Step::Commit);
    let compact =
        (0..RESOURCES.len(), 0..9_u64).prop_map(|(resource, back)| Step::Compact { resource, back });
    vec(prop_oneof![8 => commit, 3 => compact, 1 => Just(Step::Reopen)], 1..24)
}

proptest! {
    // A case is some fifteen flushes of a disk.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn keeps_what_a_list_of_all_writes_keeps(steps in steps()) {
        for mut subject in Subject::all() {
            let mut oracle = Oracle::default();
            for step in &steps {
                oracle.step(&mut subject, step);
            }
            oracle.compare(&*subject.store);
            subject.reopen();
            oracle.compare(&*subject.store);
        }
    }
}
