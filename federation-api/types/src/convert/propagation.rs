//! Propagation policies, from wire to model.

use koinon_machinery::validate::FieldError;
use koinon_model::failover::{Failback, FailbackMode, Failover, Pace, Percent};
use koinon_model::name::PolicyKey;
use koinon_model::policy::{
    CapacityRule, Dependencies, OnConflict, OnDeletion, PlacementIntent, PropagationIntent, Scheduling,
    StaticWeight, Stickiness, Suspension,
};
use koinon_model::weight::Weight;
use serde_json::Value;

use super::selector::Reach;
use super::{Invalid, affinity, name, parts, seconds, selector, unless};
use crate::v1alpha1;

/// Reads a PropagationPolicy or, when it has no namespace, a ClusterPropagationPolicy.
///
/// # Errors
/// Every field that makes no sense.
pub fn propagation_policy(object: &Value) -> Result<PropagationIntent, Invalid> {
    let (meta, spec): (_, v1alpha1::PropagationPolicySpec) = parts(object)?;
    let mut errors = Vec::new();
    let (key, reach) = key_and_reach(&meta);
    if spec.resource_selectors.is_empty() {
        errors.push(FieldError::required("spec.resourceSelectors", "at least one selector"));
    }
    let intent = PropagationIntent {
        key,
        priority: i32::try_from(spec.priority).unwrap_or_else(|_| {
            let accepted = "must be a whole number of 32 bits";
            errors.push(FieldError::invalid("spec.priority", spec.priority, accepted));
            0
        }),
        selectors: selector::resources(
            &spec.resource_selectors,
            reach,
            "spec.resourceSelectors",
            &mut errors,
        ),
        placement: placement(&spec, &mut errors),
        dependencies: if spec.propagate_dependencies { Dependencies::Follow } else { Dependencies::Leave },
        on_conflict: match spec.conflict_resolution {
            v1alpha1::ConflictResolution::Abort => OnConflict::Abort,
            v1alpha1::ConflictResolution::Overwrite => OnConflict::Overwrite,
            v1alpha1::ConflictResolution::AdoptIfEqual => OnConflict::AdoptIfEqual,
        },
        suspension: suspension(spec.suspension.as_ref(), &mut errors),
        on_deletion: if spec.preserve_resources_on_deletion {
            OnDeletion::Preserve
        } else {
            OnDeletion::Prune
        },
    };
    unless(errors, intent)
}

/// Which policy it is, and how far it reaches.
pub(super) fn key_and_reach(meta: &v1alpha1::ObjectMeta) -> (PolicyKey, Reach<'_>) {
    let name = meta.name.clone();
    if meta.namespace.is_empty() {
        (PolicyKey::Cluster { name }, Reach::Everything)
    } else {
        (PolicyKey::Namespaced { namespace: meta.namespace.clone(), name }, Reach::Namespace(&meta.namespace))
    }
}

fn placement(spec: &v1alpha1::PropagationPolicySpec, errors: &mut Vec<FieldError>) -> PlacementIntent {
    let wire = &spec.placement;
    let path = "spec.placement";
    PlacementIntent {
        affinity: affinity::affinity(
            wire.cluster_affinity.as_ref(),
            &format!("{path}.clusterAffinity"),
            errors,
        ),
        tolerations: affinity::tolerations(
            &wire.cluster_tolerations,
            &format!("{path}.clusterTolerations"),
            errors,
        ),
        scheduling: scheduling(&wire.replica_scheduling, &format!("{path}.replicaScheduling"), errors),
        failover: Failover {
            cluster_toleration_seconds: Some(seconds(spec.failover.cluster.toleration_seconds)),
            application_toleration_seconds: None,
        },
        failback: failback(&spec.failback, errors),
    }
}

fn scheduling(wire: &v1alpha1::ReplicaScheduling, path: &str, errors: &mut Vec<FieldError>) -> Scheduling {
    let capacity = if wire.respect_capacity { CapacityRule::Respect } else { CapacityRule::Ignore };
    match wire.kind {
        v1alpha1::SchedulingType::Duplicated => {
            let accepted = "only with type Divided; Duplicated gives every cluster all replicas";
            if wire.weights.is_some() {
                errors.push(FieldError::forbidden(format!("{path}.weights"), accepted));
            }
            if wire.movement.is_some() {
                errors.push(FieldError::forbidden(format!("{path}.movement"), accepted));
            }
            Scheduling::Duplicated { capacity }
        }
        v1alpha1::SchedulingType::Divided => {
            let fixed = wire.weights.as_ref().map(|weights| weights.fixed.as_slice());
            if fixed.is_some_and(<[_]>::is_empty) {
                let accepted = "at least one weight; leave out weights for equal shares";
                errors.push(FieldError::required(format!("{path}.weights.static"), accepted));
            }
            let each = |(index, wire)| weight(wire, &format!("{path}.weights.static[{index}]"), errors);
            let weights = fixed.unwrap_or_default().iter().enumerate().map(each).collect();
            let sticky = wire.movement.as_ref().is_some_and(|movement| movement.sticky);
            let stickiness = if sticky { Stickiness::Sticky } else { Stickiness::Rebalance };
            Scheduling::Divided { weights, capacity, stickiness }
        }
    }
}

fn weight(wire: &v1alpha1::StaticWeight, path: &str, errors: &mut Vec<FieldError>) -> StaticWeight {
    let weight = Weight::try_from(wire.weight).unwrap_or_else(|_| {
        let accepted = "must be between 0 and 1000000";
        errors.push(FieldError::invalid(format!("{path}.weight"), wire.weight, accepted));
        Weight::ZERO
    });
    let (min, max) = (wire.min_replicas.map(seconds), wire.max_replicas.map(seconds));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let accepted = format!("must be at least minReplicas, which is {min}");
        errors.push(FieldError::invalid(format!("{path}.maxReplicas"), max, accepted));
    }
    let target = affinity::affinity(Some(&wire.target_cluster), &format!("{path}.targetCluster"), errors);
    StaticWeight { target, weight, min, max }
}

fn failback(wire: &v1alpha1::Failback, errors: &mut Vec<FieldError>) -> Failback {
    let percent = Percent::try_from(wire.pace.percent).unwrap_or_else(|_| {
        let accepted = "must be between 1 and 100";
        errors.push(FieldError::invalid("spec.failback.pace.percent", wire.pace.percent, accepted));
        Percent::ALL
    });
    Failback {
        mode: match wire.mode {
            v1alpha1::FailbackMode::Automatic => FailbackMode::Automatic,
            v1alpha1::FailbackMode::Manual => FailbackMode::Manual,
            v1alpha1::FailbackMode::Never => FailbackMode::Never,
        },
        stabilization_seconds: seconds(wire.stabilization_seconds),
        pace: Pace { percent, interval_seconds: seconds(wire.pace.interval_seconds) },
    }
}

fn suspension(wire: Option<&v1alpha1::Suspension>, errors: &mut Vec<FieldError>) -> Suspension {
    let Some(wire) = wire else { return Suspension::None };
    let clusters = name::clusters(&wire.clusters, "spec.suspension.clusters", errors);
    match (wire.dispatching, clusters.is_empty()) {
        (true, _) => Suspension::All,
        (false, true) => Suspension::None,
        (false, false) => Suspension::Clusters(clusters),
    }
}
