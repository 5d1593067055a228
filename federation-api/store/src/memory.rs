//! A store that forgets everything when the process ends: for tests and simulated clusters.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Key,
    store::{Change, Conflict, Position, Store, StoreError, Version, Write},
};

/// Keeps versions in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    position: Position,
    /// The revision of every object.
    objects: BTreeMap<Key, u64>,
    /// The versions of every resource, by revision.
    versions: BTreeMap<Arc<str>, BTreeMap<u64, Version>>,
}

// === impl MemoryStore ===

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn commit(&self, group: &[&[Write]]) -> Result<Vec<Result<u64, Conflict>>, StoreError> {
        let mut state = self.state();
        Ok(group.iter().map(|batch| state.commit(batch)).collect())
    }

    fn position(&self) -> Result<Position, StoreError> {
        Ok(self.state().position.clone())
    }

    fn load(&self, visit: &mut dyn FnMut(Version) -> Result<(), StoreError>) -> Result<Position, StoreError> {
        let state = self.state();
        for version in state.versions.values().flat_map(BTreeMap::values) {
            visit(version.clone())?;
        }
        Ok(state.position.clone())
    }

    fn history(&self, resource: &str, after: u64) -> Result<Vec<Change>, StoreError> {
        let state = self.state();
        let floor = state.position.floor_of(resource);
        if after < floor {
            return Err(StoreError::Compacted { floor });
        }
        let Some(versions) = state.versions.get(resource) else { return Ok(Vec::new()) };
        let bytes_at = |revision: u64| versions.get(&revision).and_then(|version| version.value.clone());
        let changes = versions.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, version)| Change {
            version: version.clone(),
            previous: version.replaced.and_then(bytes_at),
        });
        Ok(changes.collect())
    }

    fn compact(&self, floors: &[(Arc<str>, u64)]) -> Result<(), StoreError> {
        let mut state = self.state();
        for (resource, floor) in floors {
            state.compact(resource, *floor);
        }
        Ok(())
    }
}

// === impl State ===

impl State {
    fn commit(&mut self, batch: &[Write]) -> Result<u64, Conflict> {
        let mut named = BTreeSet::new();
        for write in batch {
            let actual = self.objects.get(&write.key).copied();
            if !write.fits(actual) || !named.insert(&write.key) {
                return Err(Conflict { key: write.key.clone(), actual });
            }
        }
        let first = self.position.revision + 1;
        for write in batch {
            self.write(write);
        }
        Ok(first)
    }

    fn write(&mut self, write: &Write) {
        self.position.revision += 1;
        let revision = self.position.revision;
        let replaced = match &write.value {
            Some(_) => self.objects.insert(write.key.clone(), revision),
            None => self.objects.remove(&write.key),
        };
        let version = Version { key: write.key.clone(), revision, replaced, value: write.value.clone() };
        let resource = write.key.resource();
        if let Some(versions) = self.versions.get_mut(resource) {
            versions.insert(revision, version);
        } else {
            self.versions.insert(resource.into(), BTreeMap::from([(revision, version)]));
        }
    }

    fn compact(&mut self, resource: &Arc<str>, floor: u64) {
        let old = self.position.floor_of(resource);
        let floor = floor.min(self.position.revision);
        if floor <= old {
            return;
        }
        self.position.floors.insert(Arc::clone(resource), floor);
        let Some(versions) = self.versions.get_mut(resource) else { return };
        let range = (Bound::Excluded(old), Bound::Included(floor));
        let passed: Vec<_> = versions.range(range).map(|(_, version)| version.clone()).collect();
        for version in passed {
            if let Some(replaced) = version.replaced {
                versions.remove(&replaced);
            }
            if version.value.is_none() {
                versions.remove(&version.revision);
            }
        }
    }
}
