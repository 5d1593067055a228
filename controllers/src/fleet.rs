//! The members that are served now, each with the set of its latest orders.
//!
//! `delivery` writes orders into a member's set; whoever keeps the members' sessions creates and removes the sets. A set lives
//! as long as its `Cluster`, so that orders wait there while nobody is connected.

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_model::name::ClusterName;
use koinon_types::sync::DesiredSet;
use tokio::sync::watch;

/// Every member with its orders, at one moment.
pub type Members = Arc<BTreeMap<ClusterName, DesiredSet>>;

/// The members that are served now; clones share the same members.
#[derive(Clone, Debug)]
pub struct Fleet {
    members: Arc<watch::Sender<Members>>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { members: Arc::new(watch::Sender::new(Members::default())) }
    }
}

impl Fleet {
    /// The orders of one member, while it is served.
    pub fn member(&self, name: &ClusterName) -> Option<DesiredSet> {
        self.members.borrow().get(name).cloned()
    }

    /// Every member now.
    pub fn members(&self) -> Members {
        Arc::clone(&self.members.borrow())
    }

    /// The orders of a member, which is served from now on. A member that is served already keeps its orders.
    pub fn ensure(&self, name: &ClusterName) -> DesiredSet {
        self.members.send_if_modified(|members| {
            if members.contains_key(name) {
                return false;
            }
            Arc::make_mut(members).insert(name.clone(), DesiredSet::new());
            true
        });
        self.member(name).unwrap_or_default()
    }

    /// Stops serving a member and forgets its orders. Forgetting deletes nothing in the member.
    pub fn remove(&self, name: &ClusterName) {
        self.members.send_if_modified(|members| {
            members.contains_key(name) && Arc::make_mut(members).remove(name).is_some()
        });
    }

    /// Follows which members are served.
    pub fn changes(&self) -> watch::Receiver<Members> {
        self.members.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_keeps_its_orders_until_it_is_removed() {
        let fleet = Fleet::default();
        let name = ClusterName::try_from("a").unwrap();
        let changes = fleet.changes();
        assert!(fleet.member(&name).is_none());
        let orders = fleet.ensure(&name);
        let again = fleet.ensure(&name);
        assert!(changes.has_changed().unwrap());
        let object = koinon_types::sync::ObjectRef {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
            namespaced: true,
            namespace: "ns".into(),
            name: "a".into(),
        };
        orders.publish(koinon_types::sync::Order::Remove { object, version: 1, preserve: false });
        assert_eq!(again.len(), 1);
        fleet.remove(&name);
        assert!(fleet.member(&name).is_none());
    }
}
