//! The override policies in force, read.

use std::collections::BTreeMap;

use koinon_api_server::local::{Client, Stored};
use koinon_model::name::PolicyKey;
use koinon_model::overriding::OverrideIntent;
use koinon_policies::matching::{self, Object};
use koinon_types::convert;
use tracing::warn;

use crate::{policies, resources};

/// Every override policy that can be read.
#[derive(Debug, Default)]
pub(super) struct Overrides(BTreeMap<PolicyKey, OverrideIntent>);

// === impl Overrides ===

impl Overrides {
    /// Every policy as it is now.
    pub(super) fn of_host(client: &Client) -> Self {
        let mut overrides = Self::default();
        for stored in resources::override_policies().into_iter().flat_map(|resource| client.list(&resource).0)
        {
            overrides.apply(&stored, true);
        }
        overrides
    }

    /// Takes a change in; says whether it is one.
    pub(super) fn apply(&mut self, stored: &Stored, is_there: bool) -> bool {
        let key = policies::key(stored);
        if !is_there {
            return self.0.remove(&key).is_some();
        }
        match convert::override_policy(&stored.value()) {
            Ok(intent) => {
                let changed = self.0.get(&key) != Some(&intent);
                self.0.insert(key, intent);
                changed
            }
            Err(errors) => {
                let problem = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                warn!(policy = %key, problem, "cannot read the override policy; what it said before stands");
                false
            }
        }
    }

    /// The policies that are about an object.
    pub(super) fn about(&self, object: Object<'_>) -> Vec<&OverrideIntent> {
        self.0.values().filter(|intent| matching::overrides(intent, object)).collect()
    }
}
