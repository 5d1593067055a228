//! Label selectors and resource selectors, from wire to model.

use std::collections::BTreeSet;

use koinon_machinery::validate::{FieldError, format};
use koinon_model::labels::{LabelSelector, Operator, Requirement};
use koinon_model::policy::ResourceSelector;

use super::name;
use crate::v1alpha1;

/// Who may select what.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach<'a> {
    /// Objects of one namespace.
    Namespace(&'a str),
    /// Every object.
    Everything,
}

pub(super) fn labels(
    wire: &v1alpha1::LabelSelector,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> LabelSelector {
    let mut requirements = Vec::new();
    for (key, value) in &wire.match_labels {
        let at = format!("{path}.matchLabels[{key}]");
        name::complain(format::label_key(key), key, &at, errors);
        name::complain(format::label_value(value), value, &at, errors);
        let operator = Operator::In(BTreeSet::from([value.clone()]));
        requirements.push(Requirement { key: key.clone(), operator });
    }
    for (index, expression) in wire.match_expressions.iter().enumerate() {
        let at = format!("{path}.matchExpressions[{index}]");
        name::complain(format::label_key(&expression.key), &expression.key, &format!("{at}.key"), errors);
        let operator = operator(expression, &at, errors);
        requirements.push(Requirement { key: expression.key.clone(), operator });
    }
    LabelSelector { requirements }
}

/// The operator of an expression; findings when its values do not go with it.
pub(super) fn operator(wire: &v1alpha1::Expression, path: &str, errors: &mut Vec<FieldError>) -> Operator {
    let values: BTreeSet<String> = wire.values.iter().cloned().collect();
    let wants_values = matches!(wire.operator, v1alpha1::Operator::In | v1alpha1::Operator::NotIn);
    if wants_values && values.is_empty() {
        errors.push(FieldError::required(format!("{path}.values"), "at least one value with In and NotIn"));
    }
    if !wants_values && !values.is_empty() {
        errors
            .push(FieldError::forbidden(format!("{path}.values"), "no values with Exists and DoesNotExist"));
    }
    match wire.operator {
        v1alpha1::Operator::In => Operator::In(values),
        v1alpha1::Operator::NotIn => Operator::NotIn(values),
        v1alpha1::Operator::Exists => Operator::Exists,
        v1alpha1::Operator::DoesNotExist => Operator::DoesNotExist,
    }
}

pub(super) fn resources(
    wire: &[v1alpha1::ResourceSelector],
    reach: Reach<'_>,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> Vec<ResourceSelector> {
    let each = |(index, selector)| resource(selector, reach, &format!("{path}[{index}]"), errors);
    wire.iter().enumerate().map(each).collect()
}

fn resource(
    wire: &v1alpha1::ResourceSelector,
    reach: Reach<'_>,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> ResourceSelector {
    name::kind(&wire.api_version, &wire.kind, path, errors);
    if wire.api_version.starts_with("koinon.io/") {
        let accepted = "objects of koinon.io steer the host and do not go to clusters";
        errors.push(FieldError::forbidden(format!("{path}.apiVersion"), accepted));
    }
    if let Reach::Namespace(own) = reach
        && !wire.namespace.is_empty()
        && wire.namespace != own
    {
        let accepted =
            format!("a namespaced policy selects in its own namespace only: {own}, or leave it out");
        errors.push(FieldError::invalid(format!("{path}.namespace"), wire.namespace.as_str(), accepted));
    }
    if !wire.name.is_empty() {
        // Names of RBAC objects may hold colons, so only what no object name may hold is refused.
        name::complain(format::path_segment(&wire.name), &wire.name, &format!("{path}.name"), errors);
        if wire.label_selector.is_some() {
            let accepted = "a name selects one object; leave out the name or the label selector";
            errors.push(FieldError::forbidden(format!("{path}.labelSelector"), accepted));
        }
    }
    let labels =
        wire.label_selector.as_ref().map(|wire| labels(wire, &format!("{path}.labelSelector"), errors));
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let namespace = match reach {
        Reach::Namespace(own) => Some(own.to_owned()),
        Reach::Everything => given(&wire.namespace),
    };
    ResourceSelector {
        api_version: wire.api_version.clone(),
        kind: wire.kind.clone(),
        namespace,
        name: given(&wire.name),
        labels,
    }
}
