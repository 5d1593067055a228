//! The propagation policies in force, read, and what each of them may concern.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koinon_api_server::local::{Client, Stored};
use koinon_model::name::PolicyKey;
use koinon_model::policy::{CapacityRule, PropagationIntent, Scheduling};
use koinon_policies::matching::{self, Object};
use koinon_types::convert;
use tracing::warn;

use crate::{policies, resources};

/// A policy, read.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) intent: PropagationIntent,
    pub(super) generation: i64,
}

/// Every policy that can be read.
#[derive(Debug, Default)]
pub(super) struct Policies(BTreeMap<PolicyKey, Arc<Policy>>);

/// What a changed policy may concern: kinds, and the namespace if it reaches only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Concern {
    /// Group and kind.
    pub(super) kinds: BTreeSet<(String, String)>,
    pub(super) namespace: Option<String>,
}

// === impl Policies ===

impl Policies {
    /// Every policy as it is now.
    pub(super) fn of_host(client: &Client) -> Self {
        let mut known = Self::default();
        for stored in
            resources::propagation_policies().into_iter().flat_map(|resource| client.list(&resource).0)
        {
            known.apply(&stored, true);
        }
        known
    }

    /// Takes a change in; says what it may concern. A policy that is being deleted decides until it is gone.
    pub(super) fn apply(&mut self, stored: &Stored, is_there: bool) -> Option<Concern> {
        let key = policies::key(stored);
        let before = self.0.get(&key).map(|policy| Concern::of(&policy.intent));
        if !is_there {
            self.0.remove(&key);
            return before;
        }
        match convert::propagation_policy(&stored.value()) {
            Ok(intent) => {
                let known = self.0.get(&key);
                if known
                    .is_some_and(|known| known.intent == intent && known.generation == stored.generation())
                {
                    return None;
                }
                let mut concern = Concern::of(&intent);
                concern.kinds.extend(before.into_iter().flat_map(|before| before.kinds));
                self.0.insert(key, Arc::new(Policy { intent, generation: stored.generation() }));
                Some(concern)
            }
            Err(errors) => {
                let problem = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                warn!(policy = %key, problem, "cannot read the policy; what it said before stands");
                None
            }
        }
    }

    /// The policy that decides about an object.
    pub(super) fn owner(&self, object: Object<'_>) -> Option<&Arc<Policy>> {
        let claim = matching::claim(object, self.reaching(object.namespace).map(|policy| &policy.intent))?;
        self.0.get(&claim.owner.key)
    }

    /// Whether any policy looks at free capacity, so that its changes matter.
    pub(super) fn respects_capacity(&self) -> bool {
        self.0.values().any(|policy| match &policy.intent.placement.scheduling {
            Scheduling::Duplicated { capacity } | Scheduling::Divided { capacity, .. } => {
                *capacity == CapacityRule::Respect
            }
        })
    }

    /// The policies that reach a namespace: its own, and the cluster-wide ones.
    fn reaching<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Policy>> {
        let first = PolicyKey::Namespaced { namespace: namespace.to_owned(), name: String::new() };
        let own = self.0.range(first..).take_while(move |(key, _)| match key {
            PolicyKey::Namespaced { namespace: other, .. } => other == namespace,
            PolicyKey::Cluster { .. } => false,
        });
        let wide = self.0.range(PolicyKey::Cluster { name: String::new() }..);
        own.chain(wide).map(|(_, policy)| policy)
    }
}

impl Concern {
    fn of(intent: &PropagationIntent) -> Self {
        let kind = |selector: &koinon_model::policy::ResourceSelector| {
            let group = selector.api_version.split_once('/').map_or("", |(group, _)| group);
            (group.to_owned(), selector.kind.clone())
        };
        let namespace = match &intent.key {
            PolicyKey::Namespaced { namespace, .. } => Some(namespace.clone()),
            PolicyKey::Cluster { .. } => None,
        };
        Self { kinds: intent.selectors.iter().map(kind).collect(), namespace }
    }
}
