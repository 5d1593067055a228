//! Labels and the selectors over them, with the meaning Kubernetes gives to `labelSelector`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The labels of one object or cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The value under `key`, if the label exists.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Every label in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// Selects by labels; every requirement must hold, and no requirement selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// All of them must hold (`matchLabels` and `matchExpressions` alike).
    pub requirements: Vec<Requirement>,
}

/// One condition on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What must be true of it.
    pub operator: Operator,
}

/// What must be true of a key. Absent keys satisfy `NotIn`, as in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Present with one of these values.
    In(BTreeSet<String>),
    /// Absent, or present with none of these values.
    NotIn(BTreeSet<String>),
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
}

impl Operator {
    /// Whether a key with this value (or without one) satisfies the operator.
    #[must_use]
    pub fn accepts(&self, value: Option<&str>) -> bool {
        match self {
            Self::In(values) => value.is_some_and(|value| values.contains(value)),
            Self::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
        }
    }
}

impl LabelSelector {
    /// Selects exactly the given pairs (`matchLabels`).
    pub fn of_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let requirement = |(key, value): (K, V)| Requirement {
            key: key.into(),
            operator: Operator::In(BTreeSet::from([value.into()])),
        };
        Self { requirements: pairs.into_iter().map(requirement).collect() }
    }

    /// Whether nothing is required, so that everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether every requirement holds for these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.first_unmet(labels).is_none()
    }

    /// The first requirement that these labels do not meet.
    #[must_use]
    pub fn first_unmet(&self, labels: &Labels) -> Option<&Requirement> {
        self.requirements
            .iter()
            .find(|requirement| !requirement.operator.accepts(labels.value(&requirement.key)))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(", ");
        match &self.operator {
            Operator::In(values) => write!(f, "{} in ({})", self.key, joined(values)),
            Operator::NotIn(values) => write!(f, "{} notin ({})", self.key, joined(values)),
            Operator::Exists => f.write_str(&self.key),
            Operator::DoesNotExist => write!(f, "!{}", self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|&value| value.to_owned()).collect()
    }

    #[test]
    fn operators_mean_what_kubernetes_says() {
        let cases = [
            (Operator::In(values(&["a", "b"])), Some("a"), true),
            (Operator::In(values(&["a", "b"])), Some("c"), false),
            (Operator::In(values(&["a"])), None, false),
            (Operator::NotIn(values(&["a"])), Some("a"), false),
            (Operator::NotIn(values(&["a"])), Some("b"), true),
            (Operator::NotIn(values(&["a"])), None, true),
            (Operator::Exists, Some(""), true),
            (Operator::Exists, None, false),
            (Operator::DoesNotExist, Some(""), false),
            (Operator::DoesNotExist, None, true),
        ];
        for (operator, value, expected) in cases {
            assert_eq!(operator.accepts(value), expected, "{operator:?} on {value:?}");
        }
    }

    #[test]
    fn an_empty_selector_matches_everything() {
        assert!(LabelSelector::default().matches(&Labels::default()));
    }
}
