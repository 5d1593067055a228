//! Cluster affinities and tolerations, from wire to model.

use koinon_machinery::validate::{FieldError, format};
use koinon_model::cluster::Field;
use koinon_model::labels::Operator;
use koinon_model::policy::{ClusterAffinity, FieldRequirement};
use koinon_model::taint::{Effect, KeyMatch, Toleration};

use super::{name, seconds, selector};
use crate::v1alpha1;

pub(super) fn affinity(
    wire: Option<&v1alpha1::ClusterAffinity>,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> ClusterAffinity {
    let Some(wire) = wire else { return ClusterAffinity::default() };
    let labels = wire.label_selector.as_ref();
    let fields = wire.field_selector.iter().flat_map(|selector| &selector.match_expressions).enumerate();
    ClusterAffinity {
        names: name::clusters(&wire.cluster_names, &format!("{path}.clusterNames"), errors),
        exclude: name::clusters(&wire.exclude, &format!("{path}.exclude"), errors),
        labels: labels
            .map(|labels| selector::labels(labels, &format!("{path}.labelSelector"), errors))
            .unwrap_or_default(),
        fields: fields
            .filter_map(|(index, expression)| {
                field(expression, &format!("{path}.fieldSelector.matchExpressions[{index}]"), errors)
            })
            .collect(),
    }
}

fn field(wire: &v1alpha1::Expression, path: &str, errors: &mut Vec<FieldError>) -> Option<FieldRequirement> {
    let operator = selector::operator(wire, path, errors);
    match operator {
        Operator::In(_) | Operator::NotIn(_) => {}
        Operator::Exists | Operator::DoesNotExist => {
            let given = format!("{:?}", wire.operator);
            errors.push(FieldError::not_supported(format!("{path}.operator"), given, &["In", "NotIn"]));
        }
    }
    let field = match wire.key.as_str() {
        "provider" => Field::Provider,
        "region" => Field::Region,
        "zone" => Field::Zone,
        other => {
            let choices = ["provider", "region", "zone"];
            errors.push(FieldError::not_supported(format!("{path}.key"), other, &choices));
            return None;
        }
    };
    Some(FieldRequirement { field, operator })
}

pub(super) fn effect(wire: v1alpha1::TaintEffect) -> Effect {
    match wire {
        v1alpha1::TaintEffect::NoSchedule => Effect::NoSchedule,
        v1alpha1::TaintEffect::NoExecute => Effect::NoExecute,
    }
}

pub(super) fn tolerations(
    wire: &[v1alpha1::Toleration],
    path: &str,
    errors: &mut Vec<FieldError>,
) -> Vec<Toleration> {
    let each = |(index, toleration)| tolerate(toleration, &format!("{path}[{index}]"), errors);
    wire.iter().enumerate().map(each).collect()
}

fn tolerate(wire: &v1alpha1::Toleration, path: &str, errors: &mut Vec<FieldError>) -> Toleration {
    if !wire.key.is_empty() {
        name::complain(format::label_key(&wire.key), &wire.key, &format!("{path}.key"), errors);
    }
    let key = match wire.operator {
        v1alpha1::TolerationOperator::Exists => {
            if !wire.value.is_empty() {
                let accepted = "no value with operator Exists";
                errors.push(FieldError::forbidden(format!("{path}.value"), accepted));
            }
            if wire.key.is_empty() { KeyMatch::Any } else { KeyMatch::Exists(wire.key.clone()) }
        }
        v1alpha1::TolerationOperator::Equal => {
            if wire.key.is_empty() {
                let accepted = "the key of a taint; only operator Exists means every key";
                errors.push(FieldError::required(format!("{path}.key"), accepted));
            }
            KeyMatch::Equal { key: wire.key.clone(), value: wire.value.clone() }
        }
    };
    if wire.toleration_seconds.is_some() && wire.effect == Some(v1alpha1::TaintEffect::NoSchedule) {
        let accepted = "only with effect NoExecute, or with no effect";
        errors.push(FieldError::forbidden(format!("{path}.tolerationSeconds"), accepted));
    }
    Toleration { key, effect: wire.effect.map(effect), seconds: wire.toleration_seconds.map(seconds) }
}
