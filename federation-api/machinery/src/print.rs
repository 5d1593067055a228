//! Tables: what `kubectl get` shows of each kind, column by column.
//!
//! The server computes the cells, so that every client shows the same. Built-in kinds have the columns that people
//! know; kinds of the composer have the columns it names by JSON path; every other kind has its name and its age.
//! Source: `pkg/printers/internalversion` of Kubernetes 1.36 for names, order and priorities.

mod age;
mod batch;
mod cluster;
mod core;
mod path;
mod workloads;

use jiff::Timestamp;
use serde_json::json;

use crate::Value;

pub use age::human_duration;
pub use path::find;

/// What a column holds.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    /// The OpenAPI format; `name` for the column of names.
    pub format: String,
    /// What it says.
    pub description: String,
    /// 0 is always shown, more with `-o wide`.
    pub priority: u32,
    /// How its cells are found.
    pub cell: Cell,
}

/// How a cell is found in an object.
#[derive(Clone, Debug)]
pub enum Cell {
    /// By a function of a built-in kind.
    Of(Show),
    /// By a JSON path, as CustomResourceDefinitions write it.
    Path(String),
}

/// Shows one fact of an object; the moment is for ages.
pub type Show = fn(&Value, Timestamp) -> Value;

impl Column {
    /// A column that is always shown.
    fn new(name: &str, cell: Show) -> Self {
        Self {
            name: name.to_owned(),
            kind: "string".to_owned(),
            format: String::new(),
            description: String::new(),
            priority: 0,
            cell: Cell::Of(cell),
        }
    }

    /// The same column, shown with `-o wide` only.
    fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }

    /// The same column, with whole numbers.
    fn whole(mut self) -> Self {
        self.kind = "integer".to_owned();
        self
    }

    /// The definition of the column as a table carries it.
    pub fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format,
            "description": self.description, "priority": self.priority,
        })
    }

    /// The cell of an object.
    pub fn cell(&self, object: &Value, now: Timestamp) -> Value {
        match &self.cell {
            Cell::Of(cell) => cell(object, now),
            Cell::Path(path) if self.kind == "date" => match find(object, path).as_deref() {
                Some([Value::String(text), ..]) => age::since(text, now).into(),
                _ => "<unknown>".into(),
            },
            Cell::Path(path) => path::cell(object, path, &self.kind),
        }
    }
}

/// The columns of a built-in kind.
pub fn built_in(group: &str, kind: &str) -> Vec<Column> {
    let known = match (group, kind) {
        ("apps" | "", _) if workloads::columns(kind).is_some() => workloads::columns(kind),
        ("batch", _) => batch::columns(kind),
        ("", _) => core::columns(kind),
        (_, "Event") => core::columns(kind),
        _ => cluster::columns(kind),
    };
    known.unwrap_or_else(plain)
}

/// The columns of a kind that names none: what it is called and how old it is.
pub fn plain() -> Vec<Column> {
    vec![name(), age()]
}

/// The column of names.
pub fn name() -> Column {
    let mut column = Column::new("Name", |object, _| object["metadata"]["name"].clone());
    "name".clone_into(&mut column.format);
    column
}

/// The column of ages.
pub fn age() -> Column {
    Column::new("Age", |object, now| match object["metadata"]["creationTimestamp"].as_str() {
        Some(text) => age::since(text, now).into(),
        None => "<unknown>".into(),
    })
}

/// A text, or `<none>`.
fn or_none(text: &str) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

/// A number at a path of fields; 0 when it is absent.
fn number(object: &Value, path: &[&str]) -> i64 {
    path.iter().fold(object, |value, key| &value[*key]).as_i64().unwrap_or_default()
}

/// Texts, joined by commas, or `<none>`.
fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    or_none(&texts.collect::<Vec<_>>().join(","))
}

/// The names or images of a pod template's containers.
fn containers(object: &Value, field: &str) -> Value {
    let spec = &object["spec"];
    let template =
        if spec["template"].is_null() { &spec["jobTemplate"]["spec"]["template"] } else { &spec["template"] };
    let containers = template["spec"]["containers"].as_array().into_iter().flatten();
    joined(containers.filter_map(|container| container[field].as_str()))
}

/// A label selector as people write it.
fn selector(selector: &Value) -> Value {
    let mut parts = Vec::new();
    let labels = if selector["matchLabels"].is_null() && selector["matchExpressions"].is_null() {
        selector
    } else {
        &selector["matchLabels"]
    };
    for (key, value) in labels.as_object().into_iter().flatten() {
        parts.push(format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    or_none(&parts.join(","))
}

#[cfg(test)]
mod tests;
