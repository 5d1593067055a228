//! Objects that are looked for by their owner and by their name, indexed once for a whole look.
//!
//! Without this every workload would pass over every pod: a thousand Deployments would never settle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koinon_machinery::Value;

use super::text;

/// The objects of one kind.
///
/// Shape: `all` in (namespace, name) order; of one owner in the same order.
#[derive(Default)]
pub(crate) struct Owned {
    pub(crate) all: Vec<Arc<Value>>,
    by_owner: BTreeMap<String, Vec<usize>>,
    /// By namespace.
    names: BTreeMap<String, BTreeSet<String>>,
}

// === impl Owned ===

impl From<Vec<Arc<Value>>> for Owned {
    fn from(all: Vec<Arc<Value>>) -> Self {
        let (mut by_owner, mut names) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for (index, object) in all.iter().enumerate() {
            let metadata = &object["metadata"];
            let mut owners = metadata["ownerReferences"].as_array().into_iter().flatten();
            if let Some(owner) = owners.find(|owner| owner["controller"] == true) {
                by_owner.entry(text(&owner["uid"])).or_default().push(index);
            }
            names.entry(text(&metadata["namespace"])).or_default().insert(text(&metadata["name"]));
        }
        Self { all, by_owner, names }
    }
}

impl Owned {
    /// Those that `owner` controls.
    pub(crate) fn of(&self, owner: &Value) -> impl Iterator<Item = &Arc<Value>> {
        let uid = owner["metadata"]["uid"].as_str().unwrap_or_default();
        self.by_owner.get(uid).into_iter().flatten().map(|index| &self.all[*index])
    }

    /// Whether one of this name is in this namespace.
    pub(crate) fn has(&self, namespace: &Value, name: &str) -> bool {
        let names = self.names.get(namespace.as_str().unwrap_or_default());
        names.is_some_and(|names| names.contains(name))
    }
}
