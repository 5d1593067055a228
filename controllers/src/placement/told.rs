//! What a propagation policy's owner is told: that it is in force, and how many objects it decides about.
//!
//! It counts bindings as they change, so it costs nothing per object; one status is written for a whole burst.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use koinon_api_server::ResourceRef;
use koinon_api_server::local::{Client, Stored};
use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_model::name::PolicyKey;
use koinon_model::time::Timestamp;
use koinon_types::conditions::{self, ConditionType, Finding, Reason, Truth};
use koinon_types::v1alpha1::{BindingSpec, PolicyStatus};
use koinon_types::{convert, v1alpha1};

use crate::bindings::{self, BindingKey};
use crate::engine::{Controller, Decision, Wake};
use crate::sources::{Change, Sources};
use crate::{policies, resources};

/// How long bindings are counted before the count is told: an owner who applies a hundred objects reads the sum.
const COUNT_DELAY: Duration = Duration::from_secs(1);

/// Counts what each policy decides about.
pub(super) struct Told {
    client: Client,
    sources: Sources,
    /// Which policy decides about which binding.
    decided: BTreeMap<BindingKey, PolicyKey>,
    counts: BTreeMap<PolicyKey, i64>,
}

// === impl Told ===

impl Told {
    pub(super) fn of_host(client: Client) -> Self {
        let sources = Sources::follow(
            &client,
            resources::propagation_policies().into_iter().chain(bindings::resources()),
        );
        Self { client, sources, decided: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Takes a change in; gives the policies that it concerns.
    fn take(&mut self, change: &Change) -> Vec<PolicyKey> {
        let object = &change.object;
        if !change.resource.kind.ends_with("Binding") {
            return vec![policies::key(object)];
        }
        let key = BindingKey::of_stored(object);
        let now = if change.is_there { decided_by(object) } else { None };
        let before = match &now {
            Some(policy) => self.decided.insert(key, policy.clone()),
            None => self.decided.remove(&key),
        };
        if before == now {
            return Vec::new();
        }
        if let Some(before) = &before {
            self.count(before, -1);
        }
        if let Some(now) = &now {
            self.count(now, 1);
        }
        before.into_iter().chain(now).collect()
    }

    fn count(&mut self, policy: &PolicyKey, more: i64) {
        let count = self.counts.entry(policy.clone()).or_default();
        *count += more;
        if *count == 0 {
            self.counts.remove(policy);
        }
    }

    fn resource(policy: &PolicyKey) -> ResourceRef {
        let [namespaced, cluster] = resources::propagation_policies();
        match policy {
            PolicyKey::Namespaced { .. } => namespaced,
            PolicyKey::Cluster { .. } => cluster,
        }
    }
}

impl Controller for Told {
    type Key = PolicyKey;
    type Write = (ResourceRef, Value);

    const NAME: &'static str = "policies";

    async fn next(&mut self) -> Option<Wake<PolicyKey>> {
        let changes = self.sources.next().await?;
        let keys = changes.iter().flat_map(|change| self.take(change)).collect();
        Some(Wake { keys, after: COUNT_DELAY })
    }

    fn keys(&self) -> Vec<PolicyKey> {
        self.counts.keys().cloned().collect()
    }

    fn decide(&mut self, key: &PolicyKey, now: Timestamp) -> Decision<PolicyKey, Self::Write> {
        let resource = Self::resource(key);
        let Some(stored) = self.client.get(&resource, key.namespace(), key.name()) else {
            return Decision::nothing();
        };
        let value = stored.value();
        let before: PolicyStatus = v1alpha1::read(&value, "status").unwrap_or_default();
        let mut status = PolicyStatus {
            observed_generation: stored.generation(),
            matched: self.counts.get(key).copied().unwrap_or(0),
            ..before.clone()
        };
        conditions::record(&mut status.conditions, &[in_force(&value)], stored.generation(), now);
        if status == before {
            return Decision::nothing();
        }
        Decision::write((resource, resources::with_status(&value, &status)))
    }

    fn write(
        &self,
        (resource, object): Self::Write,
    ) -> impl Future<Output = Result<(), Status>> + Send + 'static {
        let client = self.client.clone();
        async move { client.update_status(&resource, object).await.map(drop) }
    }
}

/// Whether this release understands the policy; another one may have stored it.
fn in_force(policy: &Value) -> Finding {
    let (truth, reason, message) = match convert::propagation_policy(policy) {
        Ok(_) => (Truth::True, Reason::Accepted, String::new()),
        Err(errors) => {
            let problems: Vec<String> = errors.iter().map(ToString::to_string).collect();
            (Truth::False, Reason::Invalid, problems.join("; "))
        }
    };
    Finding { kind: ConditionType::InForce, truth, reason, message }
}

/// The policy that decides about a binding's object; none once the object is to go.
fn decided_by(binding: &Stored) -> Option<PolicyKey> {
    let spec: BindingSpec = v1alpha1::read(&binding.value(), "spec").ok()?;
    let policy = spec.policy.filter(|_| !spec.resource.uid.is_empty())?;
    Some(policies::named(&policy.namespace, &policy.name))
}
