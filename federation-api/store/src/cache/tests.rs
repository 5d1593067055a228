//! What readers, writers and watchers of a cache may rely on, whatever store it sits on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::*;
use crate::conformance::Subject;
use crate::store::{Change, Conflict, DecodeError, Position};
use crate::{Ended, MemoryStore, Window};

/// Nothing here takes a second; a minute tells a failure from a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Objects are text that knows its revision.
struct Text;

impl Decode for Text {
    type Object = (String, u64);

    fn decode(&self, key: &Key, bytes: &Bytes) -> Result<Self::Object, DecodeError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok((text.to_owned(), 0)),
            Err(error) => Err(Arc::new(std::io::Error::other(format!("{key}: {error}")))),
        }
    }

    fn stamp(&self, (text, _): Self::Object, revision: u64) -> Self::Object {
        (text, revision)
    }
}

type Texts = Cache<(String, u64)>;

fn cache_with(store: &Arc<dyn Store>, options: Options) -> Texts {
    Cache::open(Arc::clone(store), Arc::new(Text), options).unwrap()
}

fn cache_on(store: &Arc<dyn Store>) -> Texts {
    cache_with(store, Options::default())
}

fn in_memory() -> Texts {
    cache_on(&(Arc::new(MemoryStore::new()) as Arc<dyn Store>))
}

fn key(namespace: &str, name: &str) -> Key {
    Key::new("configmaps", namespace, name)
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn create(cache: &Texts, namespace: &str, name: &str) -> u64 {
    let write = Write::create(key(namespace, name), text(name));
    cache.commit(vec![write]).await.unwrap().revision
}

/// The revisions that a watch has ready.
fn ready(watch: &mut Watch<(String, u64)>) -> Vec<u64> {
    std::iter::from_fn(|| watch.try_next().unwrap()).map(|event| event.revision).collect()
}

/// Waits for what another thread does.
async fn until(mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, poll).await.expect("it happens in time");
}

/// A memory store that takes its time: groups wait at a gate.
#[derive(Default)]
struct Gated {
    store: MemoryStore,
    groups: AtomicUsize,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gated {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Store for Gated {
    fn commit(&self, group: &[&[Write]]) -> Result<Vec<Result<u64, Conflict>>, StoreError> {
        let is_open = self.is_open.lock().unwrap();
        self.groups.fetch_add(1, Ordering::AcqRel);
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        self.store.commit(group)
    }

    fn position(&self) -> Result<Position, StoreError> {
        self.store.position()
    }

    fn load(&self, visit: &mut dyn FnMut(Version) -> Result<(), StoreError>) -> Result<Position, StoreError> {
        self.store.load(visit)
    }

    fn history(&self, resource: &str, after: u64) -> Result<Vec<Change>, StoreError> {
        self.store.history(resource, after)
    }

    fn compact(&self, floors: &[(Arc<str>, u64)]) -> Result<(), StoreError> {
        self.store.compact(floors)
    }
}

#[tokio::test]
async fn a_commit_is_seen_by_all_when_it_is_answered() {
    for subject in Subject::all() {
        let cache = cache_on(&subject.store);
        let mut watch = cache.watch("configmaps", Start::Now, &Scope::All).unwrap();
        let batch = vec![Write::create(key("a", "x"), text("1")), Write::create(key("b", "y"), text("2"))];
        let committed = cache.commit(batch).await.unwrap();
        assert_eq!((committed.revision, cache.revision()), (1, 2));
        assert_eq!(cache.get(&key("b", "y")).unwrap().object, ("2".to_owned(), 2));
        assert_eq!(cache.snapshot("configmaps").len(), 2);
        assert_eq!(ready(&mut watch), [1, 2]);
        assert_eq!(watch.progress(), 2);
        let gone = cache.commit(vec![Write::delete(key("a", "x"), 1)]).await.unwrap();
        assert!(gone.entries[0].is_none());
        assert!(cache.get(&key("a", "x")).is_none());
        let event = watch.try_next().unwrap().unwrap();
        assert!(event.current.is_none());
        assert_eq!(event.previous.as_ref().unwrap().object, ("1".to_owned(), 1));
        cache.shutdown().await;
    }
}

#[tokio::test]
async fn nobody_sees_what_is_not_durable_yet() {
    let gated = Arc::new(Gated::default());
    let cache = cache_on(&(Arc::clone(&gated) as Arc<dyn Store>));
    let mut watch = cache.watch("configmaps", Start::Now, &Scope::All).unwrap();
    let writer = cache.clone();
    let writing = tokio::spawn(async move { create(&writer, "a", "x").await });
    until(|| gated.groups.load(Ordering::Acquire) == 1).await;
    assert!(cache.get(&key("a", "x")).is_none());
    assert!(watch.try_next().unwrap().is_none());
    assert_eq!((cache.revision(), watch.progress()), (0, 0));
    gated.open();
    assert_eq!(writing.await.unwrap(), 1);
    assert!(cache.get(&key("a", "x")).is_some());
}

#[tokio::test]
async fn those_who_wait_together_share_a_flush() {
    let gated = Arc::new(Gated::default());
    let cache = cache_on(&(Arc::clone(&gated) as Arc<dyn Store>));
    let writing: Vec<_> = (0..64)
        .map(|number| {
            let cache = cache.clone();
            tokio::spawn(async move { create(&cache, "a", &number.to_string()).await })
        })
        .collect();
    until(|| gated.groups.load(Ordering::Acquire) == 1).await;
    // The test runs on one thread, so every writer that was spawned has queued its batch by now.
    tokio::task::yield_now().await;
    gated.open();
    let mut revisions = Vec::new();
    for one in writing {
        revisions.push(one.await.unwrap());
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=64).collect::<Vec<_>>());
    assert!(gated.groups.load(Ordering::Acquire) <= 3, "{:?} groups", gated.groups);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_watcher_hears_of_each_change_once_and_in_order() {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 60;
    let cache = in_memory();
    let scopes = [
        Scope::All,
        Scope::Namespace("n1".into()),
        Scope::Object { namespace: "n1".into(), name: "x".into() },
    ];
    let mut watches: Vec<_> = (0..30)
        .map(|number| {
            let scope = &scopes[number % scopes.len()];
            (cache.watch("configmaps", Start::After(0), scope).unwrap(), scope.clone())
        })
        .collect();
    let writing: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (cache, key) =
                (cache.clone(), key(&format!("n{}", writer % 2), ["x", "y", "z", "w"][writer / 2]));
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    let made =
                        cache.commit(vec![Write::create(key.clone(), text("a"))]).await.unwrap().revision;
                    let update = Write::update(key.clone(), made, text("b"));
                    let updated = cache.commit(vec![update]).await.unwrap().revision;
                    cache.commit(vec![Write::delete(key.clone(), updated)]).await.unwrap();
                }
            })
        })
        .collect();
    for one in writing {
        one.await.unwrap();
    }
    let all = (WRITERS * ROUNDS * 3) as u64;
    assert_eq!(cache.revision(), all);
    let mut late = cache.watch("configmaps", Start::After(all / 2), &Scope::All).unwrap();
    assert_eq!(ready(&mut late), (all / 2 + 1..=all).collect::<Vec<_>>());
    let history: Vec<Key> = {
        let mut everything = cache.watch("configmaps", Start::After(0), &Scope::All).unwrap();
        std::iter::from_fn(|| everything.try_next().unwrap()).map(|event| event.key.clone()).collect()
    };
    for (watch, scope) in &mut watches {
        let wanted: Vec<u64> =
            (1..).zip(&history).filter(|(_, key)| scope.holds(key)).map(|(at, _)| at).collect();
        assert_eq!(ready(watch), wanted, "{scope:?}");
    }
}

#[tokio::test]
async fn watches_and_revisions_go_on_after_a_restart() {
    for mut subject in Subject::all() {
        let cache = cache_on(&subject.store);
        let first = create(&cache, "a", "x").await;
        cache.commit(vec![Write::update(key("a", "x"), first, text("changed"))]).await.unwrap();
        create(&cache, "a", "y").await;
        cache.commit(vec![Write::delete(key("a", "y"), 3)]).await.unwrap();
        cache.shutdown().await;
        subject.reopen();
        let cache = cache_on(&subject.store);
        assert_eq!(cache.revision(), 4);
        assert_eq!(cache.snapshot("configmaps").len(), 1);
        let mut watch = cache.watch("configmaps", Start::After(1), &Scope::All).unwrap();
        let event = watch.try_next().unwrap().unwrap();
        assert_eq!(event.previous.as_ref().unwrap().object, ("x".to_owned(), 1));
        assert_eq!(event.current.as_ref().unwrap().object, ("changed".to_owned(), 2));
        assert_eq!(ready(&mut watch), [3, 4]);
        assert_eq!(create(&cache, "a", "z").await, 5);
        assert_eq!(ready(&mut watch), [5]);
        cache.shutdown().await;
    }
}

#[tokio::test]
async fn a_watch_from_before_the_history_is_too_old() {
    let window = Window { keep: Duration::ZERO, events_min: 0, events_max: 2, bytes_max: 1 << 20 };
    let retention = Retention { window, exceptions: Default::default() };
    for mut subject in Subject::all() {
        for _ in 0..2 {
            let options = Options { retention: retention.clone(), ..Options::default() };
            let cache = cache_with(&subject.store, options);
            if cache.revision() == 0 {
                for name in ["a", "b", "c", "d", "e"] {
                    create(&cache, "a", name).await;
                }
            }
            let refused = cache.watch("configmaps", Start::After(2), &Scope::All).unwrap_err();
            assert!(refused.oldest >= 3, "{refused}");
            let mut watch = cache.watch("configmaps", Start::After(5), &Scope::All).unwrap();
            assert!(ready(&mut watch).is_empty());
            cache.shutdown().await;
            subject.reopen();
        }
    }
}

#[tokio::test]
async fn a_slow_watcher_ends_and_resumes_where_it_was() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let cache = cache_with(&store, Options { watch_queue: 2, ..Options::default() });
    let mut slow = cache.watch("configmaps", Start::Now, &Scope::All).unwrap();
    let mut elsewhere = cache.watch("configmaps", Start::Now, &Scope::Namespace("b".into())).unwrap();
    for name in ["v", "w", "x", "y", "z"] {
        create(&cache, "a", name).await;
    }
    assert_eq!(slow.next().await.unwrap().revision, 1);
    assert_eq!(slow.next().await.unwrap().revision, 2);
    assert_eq!(slow.next().await.unwrap_err(), Ended::Slow);
    assert_eq!(slow.progress(), 2, "nothing is claimed that was not delivered");
    let mut resumed = cache.watch("configmaps", Start::After(2), &Scope::All).unwrap();
    assert_eq!(ready(&mut resumed), [3, 4, 5]);
    assert!(elsewhere.try_next().unwrap().is_none(), "others are not disturbed");
    assert_eq!(elsewhere.progress(), 5);
}

#[tokio::test]
async fn a_snapshot_stays_as_it_was() {
    let cache = in_memory();
    create(&cache, "a", "x").await;
    create(&cache, "a-b", "w").await;
    create(&cache, "b", "y").await;
    let snapshot = cache.snapshot("configmaps");
    create(&cache, "a", "z").await;
    cache.commit(vec![Write::delete(key("a", "x"), 1)]).await.unwrap();
    let names = |entries: Vec<&Arc<Entry<(String, u64)>>>| -> Vec<String> {
        entries.iter().map(|entry| entry.key.name().to_owned()).collect()
    };
    assert_eq!(snapshot.revision(), 3);
    assert_eq!(names(snapshot.iter().collect()), ["x", "w", "y"]);
    assert_eq!(names(snapshot.namespace("configmaps", "a").collect()), ["x"]);
    assert_eq!(names(snapshot.from(Bound::Excluded(key("a", "x"))).collect()), ["w", "y"]);
    assert_eq!(names(cache.snapshot("configmaps").iter().collect()), ["z", "w", "y"]);
}

#[tokio::test]
async fn what_is_refused_is_not_written() {
    let cache = in_memory();
    create(&cache, "a", "x").await;
    let unreadable = Write::create(key("a", "y"), Bytes::from_static(&[0xff]));
    let error = cache.commit(vec![unreadable]).await.unwrap_err();
    assert!(matches!(error, CommitError::Undecodable { .. }), "{error:?}");
    let stale = vec![Write::create(key("a", "y"), text("y")), Write::update(key("a", "x"), 7, text("z"))];
    let error = cache.commit(stale).await.unwrap_err();
    assert!(matches!(error, CommitError::Conflict { actual: Some(1), .. }), "{error:?}");
    assert_eq!((cache.revision(), cache.snapshot("configmaps").len()), (1, 1));
}

#[tokio::test]
async fn shutting_down_finishes_what_was_queued_and_ends_watches() {
    let cache = in_memory();
    let mut watch = cache.watch("configmaps", Start::Now, &Scope::All).unwrap();
    let writer = cache.clone();
    let writing = tokio::spawn(async move { create(&writer, "a", "x").await });
    tokio::task::yield_now().await;
    cache.shutdown().await;
    assert_eq!(writing.await.unwrap(), 1);
    assert_eq!(watch.next().await.unwrap().revision, 1);
    assert_eq!(watch.next().await.unwrap_err(), Ended::Closed);
    let late = cache.commit(vec![Write::create(key("a", "y"), text("y"))]).await;
    assert!(matches!(late, Err(CommitError::Closed)), "{late:?}");
    let mut after = cache.watch("configmaps", Start::Now, &Scope::All).unwrap();
    assert_eq!(after.next().await.unwrap_err(), Ended::Closed);
}
