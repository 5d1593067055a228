//! Label selectors and how they match.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde_json::Map;

use super::{Malformed, parse};
use crate::Value;
use crate::quote::quoted;
use crate::validate::{FieldError, format};

/// A conjunction of requirements about labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Sorted by key.
    requirements: Vec<Requirement>,
    /// Selects no object at all, whatever its labels.
    nothing: bool,
}

/// One requirement about one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    /// Sorted; their number fits the operator.
    values: BTreeSet<String>,
}

/// How a requirement relates a label to values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`: the label has the value.
    Equals,
    /// `==`: the same, as written.
    DoubleEquals,
    /// `!=`: the label is absent or has another value.
    NotEquals,
    /// `in`: the label has one of the values.
    In,
    /// `notin`: the label is absent or has none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// `!`: the label is absent.
    DoesNotExist,
    /// `>`: the label is an integer above the value.
    GreaterThan,
    /// `<`: the label is an integer below the value.
    LessThan,
}

impl LabelSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects no object.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// Reads a `metav1.LabelSelector`: null selects nothing, an empty one everything.
    ///
    /// # Errors
    /// When a key, a value or an operator is not allowed.
    pub fn from_value(value: &Value) -> Result<Self, Malformed> {
        let Value::Object(selector) = value else { return Ok(Self::nothing()) };
        let mut requirements = Vec::new();
        if let Some(Value::Object(labels)) = selector.get("matchLabels") {
            for (key, value) in labels {
                let value = value.as_str().unwrap_or_default().to_owned();
                requirements.push(Requirement::new(key.clone(), Operator::Equals, [value].into())?);
            }
        }
        let expressions = selector.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            requirements.push(Requirement::from_value(expression)?);
        }
        Ok(Self::of(requirements))
    }

    /// Selects the objects that have all of `labels`, without checking them: the plain selector of a Service.
    pub fn from_set(labels: &Map<String, Value>) -> Self {
        let requirements = labels.iter().map(|(key, value)| Requirement {
            key: key.clone(),
            operator: Operator::Equals,
            values: [value.as_str().unwrap_or_default().to_owned()].into(),
        });
        Self::of(requirements.collect())
    }

    /// Whether an object with these labels is selected; `None` means it has none.
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.matches_with(|key| labels?.get(key)?.as_str())
    }

    /// Whether an object is selected whose labels `label_of` answers.
    pub fn matches_with<'a>(&self, label_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing
            && self.requirements.iter().all(|requirement| requirement.matches(label_of(&requirement.key)))
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// The requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    fn of(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|left, right| left.key.cmp(&right.key));
        Self { requirements, nothing: false }
    }
}

impl FromStr for LabelSelector {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse::requirements(text).map(Self::of)
    }
}

impl Requirement {
    /// Relates a label to values.
    ///
    /// # Errors
    /// When the key or a value is no label's, or their number does not fit the operator.
    pub fn new(key: String, operator: Operator, values: BTreeSet<String>) -> Result<Self, Malformed> {
        let mut errors = Vec::new();
        errors.extend(key_error(&key, "key"));
        let shown = || Value::from_iter(values.iter().cloned());
        let complaint = match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                Some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals if values.len() != 1 => {
                Some("exact-match compatibility requires one single value")
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            Operator::GreaterThan | Operator::LessThan if values.len() != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            Operator::In
            | Operator::NotIn
            | Operator::Equals
            | Operator::DoubleEquals
            | Operator::NotEquals
            | Operator::Exists
            | Operator::DoesNotExist
            | Operator::GreaterThan
            | Operator::LessThan => None,
        };
        errors.extend(complaint.map(|complaint| FieldError::invalid("values", shown(), complaint)));
        let is_numeric = matches!(operator, Operator::GreaterThan | Operator::LessThan);
        for (index, value) in values.iter().enumerate() {
            if is_numeric && value.parse::<i64>().is_err() {
                let complaint = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(FieldError::invalid(format!("values[{index}]"), value.as_str(), complaint));
            }
        }
        for (index, value) in values.iter().enumerate() {
            let complaints = format::label_value(value);
            if !complaints.is_empty() {
                let field = format!("values[{index}][{key}]");
                errors.push(FieldError::invalid(field, value.as_str(), complaints.join("; ")));
            }
        }
        match errors.as_slice() {
            [] => Ok(Self { key, operator, values }),
            [error] => Err(Malformed::Requirement(error.to_string())),
            several => {
                let texts: Vec<String> = several.iter().map(FieldError::to_string).collect();
                Err(Malformed::Requirement(format!("[{}]", texts.join(", "))))
            }
        }
    }

    /// The label.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How the label relates to the values.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, sorted.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    /// Reads one item of `matchExpressions`.
    fn from_value(expression: &Value) -> Result<Self, Malformed> {
        let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
        let operator = match text("operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                let message = format!("{} is not a valid label selector operator", quoted(other));
                return Err(Malformed::Requirement(message));
            }
        };
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
        Self::new(text("key").to_owned(), operator, values)
    }

    fn matches(&self, label: Option<&str>) -> bool {
        let compared = |label: &str| {
            let wanted: i64 = self.values.first()?.parse().ok()?;
            label.parse::<i64>().ok().map(|label| label.cmp(&wanted))
        };
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => {
                label.is_some_and(|label| self.values.contains(label))
            }
            Operator::NotIn | Operator::NotEquals => label.is_none_or(|label| !self.values.contains(label)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => label.and_then(compared).is_some_and(std::cmp::Ordering::is_gt),
            Operator::LessThan => label.and_then(compared).is_some_and(std::cmp::Ordering::is_lt),
        }
    }
}

/// What is wrong with a label's key, if anything.
pub(super) fn key_error(key: &str, field: &str) -> Option<FieldError> {
    let complaints = format::label_key(key);
    (!complaints.is_empty()).then(|| FieldError::invalid(field, key, complaints.join("; ")))
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let values = self.values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}
