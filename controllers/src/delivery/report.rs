//! From what members say to what the owner is told: status of the binding, status of the template.

use std::collections::BTreeMap;

use koinon_api_server::ResourceRef;
use koinon_api_server::local::Stored;
use koinon_machinery::Value;
use koinon_model::name::ClusterName;
use koinon_model::time::Timestamp;
use koinon_policies::interpret::Health;
use koinon_policies::status::{self, Copy, Delivery, Role, Standing, State};
use koinon_types::conditions::{self, ConditionType, Finding, Reason, Truth};
use koinon_types::sync::{Feedback, Outcome as Said};
use koinon_types::v1alpha1::{BindingClusterStatus, BindingStatus};
use serde_json::json;

use super::gather::{self, Seen};
use super::ledger::Account;
use super::write::Write;
use crate::bindings::Binding;
use crate::observations;
use crate::resources;

/// What the owner is to be told.
pub(super) struct Outcome {
    status: BindingStatus,
    template: Option<Value>,
    /// Clusters that have not answered their latest order.
    pub(super) n_awaited: usize,
}

/// How soon it has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// What each was told to run, which has to outlive this process, or a trouble.
    Urgent,
    /// How far each is.
    Step,
    /// Only how many replicas are how far.
    Counts,
}

/// Reports on one binding.
pub(super) fn report(seen: &Seen<'_>, account: &Account, now: Timestamp) -> Outcome {
    let binding = seen.binding;
    let clusters: BTreeMap<ClusterName, Standing<'_>> = seen
        .clusters
        .iter()
        .map(|(name, part)| (name.clone(), standing(seen, account, name, part)))
        .collect();
    let nothing = json!({});
    let template = seen.template.as_deref().unwrap_or(&nothing);
    let told = status::aggregate(&status::Request { kind: seen.kind, template, clusters: &clusters, now });
    let each = told.clusters.iter().map(|(name, told)| BindingClusterStatus {
        name: name.as_str().to_owned(),
        state: told.state.as_str().to_owned(),
        replicas: account
            .ordered
            .get(name)
            .filter(|_| seen.kind.has_replicas())
            .map(|replicas| i64::from(*replicas)),
        ready_replicas: told.ready.map(i64::from),
        health: health(told.health).to_owned(),
        observed_generation: told.observed_generation,
        message: told.message.clone(),
    });
    let generation = binding.stored.generation();
    let mut status = BindingStatus {
        observed_generation: generation,
        conditions: binding.status.conditions.clone(),
        ready_replicas: told.ready.map(i64::from),
        clusters: each.collect(),
    };
    let findings = [scheduled(binding), applied(&told, account), healthy(&told)];
    conditions::record(&mut status.conditions, &findings, generation, now);
    let n_awaited = told.clusters.values().filter(|told| told.state == State::Pending).count();
    Outcome { status, template: told.template, n_awaited }
}

fn standing<'a>(
    seen: &Seen<'_>,
    account: &'a Account,
    name: &ClusterName,
    part: &'a gather::Part,
) -> Standing<'a> {
    let version = account.versions.get(name).copied().unwrap_or(u64::MAX);
    let delivery = match (account.unrendered.get(name), part.said.as_deref()) {
        _ if seen.binding.is_suspended(name.as_str()) => Delivery::Suspended,
        (Some(problem), _) => Delivery::Failed(problem),
        (None, Some(said)) if said.version >= version => delivery(said),
        (None, _) => Delivery::Pending,
    };
    let copy = part.said.as_deref().and_then(|said| said.observed.as_ref()).map(|observed| Copy {
        of_member: observations::copy(observed),
        template_generation: observed.template_generation,
    });
    let role = match part.role {
        gather::Role::Holds(_) => Role::Holds,
        gather::Role::Leaves => Role::Leaves,
    };
    Standing { role, is_reachable: part.is_reachable, delivery, copy }
}

fn delivery(said: &Feedback) -> Delivery<'_> {
    match &said.outcome {
        Said::Applied | Said::Unchanged => Delivery::Applied,
        Said::Removed | Said::Pending => Delivery::Pending,
        Said::Conflict { reason } => Delivery::Conflict(reason),
        Said::Failed { reason, .. } => Delivery::Failed(reason),
    }
}

// === impl Outcome ===

impl Outcome {
    /// What has changed for those who act upon it. First orders are not urgent: who starts anew gives the same ones.
    pub(super) fn weight(&self, binding: &Binding, has_moved: bool) -> Weight {
        let orders = |status: &BindingStatus| -> Vec<Option<i64>> {
            status.clusters.iter().map(|told| told.replicas).collect()
        };
        let is_new_trouble = |told: &BindingClusterStatus| {
            let is_known = binding.told(&told.name).is_some_and(|known| known.state == told.state);
            let at_ease = [State::Applied, State::Pending, State::Removing];
            !is_known && at_ease.iter().all(|state| state.as_str() != told.state)
        };
        let steps = |status: &BindingStatus| {
            let each = |told: &BindingClusterStatus| (told.name.clone(), told.state.clone(), told.replicas);
            (status.observed_generation, status.clusters.iter().map(each).collect::<Vec<_>>())
        };
        let is_moving = has_moved || !binding.is_fresh();
        if is_moving && orders(&self.status) != orders(&binding.status)
            || self.status.clusters.iter().any(is_new_trouble)
        {
            Weight::Urgent
        } else if steps(&self.status) != steps(&binding.status) {
            Weight::Step
        } else {
            Weight::Counts
        }
    }

    /// What has to be written so that it is told; none when it is known already.
    pub(super) fn into_write(
        self,
        binding: &Binding,
        template: Option<(&Stored, &ResourceRef)>,
    ) -> Option<Write> {
        let mut write = Write::default();
        if self.status != binding.status
            && !(binding.is_retired()
                && self.status.clusters == binding.status.clusters
                && binding.is_observed())
        {
            let object = resources::with_status(&binding.stored.value(), &self.status);
            write.binding = Some((binding.key.resource(), object));
        }
        if let (Some((stored, resource)), Some(status)) = (template, self.template) {
            let value = stored.value();
            if value["status"] != status {
                write.template = Some((resource.clone(), resources::with_status(&value, &status)));
            }
        }
        (!write.is_empty()).then_some(write)
    }
}

fn scheduled(binding: &Binding) -> Finding {
    let spec = &binding.spec;
    let (truth, reason, message) = if spec.clusters.is_empty() {
        (Truth::False, Reason::NoCluster, "no cluster may have it".to_owned())
    } else if spec.unplaced > 0 {
        (Truth::False, Reason::CapacityShort, format!("{} replicas have no cluster", spec.unplaced))
    } else {
        (Truth::True, Reason::Placed, String::new())
    };
    Finding { kind: ConditionType::Scheduled, truth, reason, message }
}

fn applied(told: &status::Report, account: &Account) -> Finding {
    let in_state = |state: State| {
        let names =
            told.clusters.iter().filter(|(_, told)| told.state == state).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let troubles = [
        (State::Conflict, Reason::Conflict),
        (State::Failed, Reason::Refused),
        (State::Suspended, Reason::Suspended),
        (State::Unreachable, Reason::Unreachable),
        (State::Pending, Reason::Waiting),
        (State::Removing, Reason::Waiting),
    ];
    let trouble = troubles
        .into_iter()
        .map(|(state, reason)| (in_state(state), reason))
        .find(|(names, _)| !names.is_empty());
    let (truth, reason, message) = match trouble {
        Some((names, Reason::Refused)) if !account.unrendered.is_empty() => {
            (Truth::False, Reason::OverrideInvalid, format!("in {names}"))
        }
        Some((names, reason)) => (Truth::False, reason, format!("in {names}")),
        None => (Truth::True, Reason::AllApplied, String::new()),
    };
    Finding { kind: ConditionType::Applied, truth, reason, message }
}

fn healthy(told: &status::Report) -> Finding {
    let (truth, reason) = match told.health {
        Health::Healthy => (Truth::True, Reason::AllHealthy),
        Health::Progressing => (Truth::False, Reason::Progressing),
        Health::Degraded => (Truth::False, Reason::Degraded),
        Health::Unknown => (Truth::Unknown, Reason::Waiting),
    };
    Finding { kind: ConditionType::Healthy, truth, reason, message: String::new() }
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Healthy => "Healthy",
        Health::Progressing => "Progressing",
        Health::Degraded => "Degraded",
        Health::Unknown => "Unknown",
    }
}
