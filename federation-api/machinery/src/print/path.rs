//! JSON paths, as far as printer columns use them: fields, indices, `[*]`, and one filter on a field's text.

use crate::Value;

/// Every value at a path; `None` for a path that cannot be read.
pub fn find(object: &Value, path: &str) -> Option<Vec<Value>> {
    let mut found = vec![object];
    let mut rest = path.trim();
    while !rest.is_empty() {
        let (step, tail) = step(rest)?;
        found = found.into_iter().flat_map(|value| step.take(value)).collect();
        rest = tail;
    }
    Some(found.into_iter().cloned().collect())
}

/// The cell of a column: the first value, or several texts joined.
pub(super) fn cell(object: &Value, path: &str, kind: &str) -> Value {
    let found = find(object, path).unwrap_or_default();
    let texts: Vec<String> = found.iter().filter(|value| !value.is_null()).map(text).collect();
    match (kind, found.first()) {
        ("integer" | "number" | "boolean", Some(value)) => value.clone(),
        _ if texts.is_empty() => Value::Null,
        _ => texts.join(",").into(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

enum Step<'a> {
    Field(&'a str),
    Index(usize),
    All,
    /// Items whose field has this text.
    Where(&'a str, &'a str),
}

impl<'a> Step<'a> {
    fn take<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let items = || value.as_array().into_iter().flatten();
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => value.get(index).into_iter().collect(),
            Self::All => items().collect(),
            Self::Where(field, wanted) => items().filter(|item| item[*field] == **wanted).collect(),
        }
    }

    fn read(inner: &'a str) -> Option<Self> {
        if inner == "*" {
            return Some(Self::All);
        }
        if let Some(filter) = inner.strip_prefix("?(@.").and_then(|filter| filter.strip_suffix(')')) {
            let (field, wanted) = filter.split_once("==")?;
            return Some(Self::Where(field.trim(), wanted.trim().trim_matches(['"', '\''])));
        }
        if let Some(name) = inner.strip_prefix('\'').and_then(|name| name.strip_suffix('\'')) {
            return Some(Self::Field(name));
        }
        inner.parse().ok().map(Self::Index)
    }
}

/// Takes the first step off a path.
fn step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = path.strip_prefix('[') {
        let end = rest.find(']')?;
        return Some((Step::read(&rest[..end])?, &rest[end + 1..]));
    }
    let rest = path.strip_prefix('.')?;
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    Some((Step::Field(&rest[..end]), &rest[end..]))
}
