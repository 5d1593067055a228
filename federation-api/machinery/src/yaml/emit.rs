//! Writes a [`Value`] as YAML that people read: block style, sorted keys, quotes only where the meaning needs them.

use std::fmt::Write as _;

use super::scalar;
use crate::Value;

/// Writes a tree as one YAML document, without a document marker.
///
/// Shape: lists are not indented below their key, as `kubectl -o yaml` prints them; reading the text again gives the
/// same tree.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut out, value, 0),
        Value::Array(items) if !items.is_empty() => block(&mut out, value, 0),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            leaf(&mut out, value, 0);
        }
    }
    out
}

/// Writes a filled map or list, its first line without indentation.
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) => {
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    spaces(out, indent);
                }
                text(out, key);
                out.push(':');
                match value {
                    Value::Object(inner) if !inner.is_empty() => {
                        out.push('\n');
                        spaces(out, indent + 2);
                        block(out, value, indent + 2);
                    }
                    Value::Array(inner) if !inner.is_empty() => {
                        out.push('\n');
                        spaces(out, indent);
                        block(out, value, indent);
                    }
                    other => {
                        out.push(' ');
                        leaf(out, other, indent + 2);
                    }
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    spaces(out, indent);
                }
                out.push_str("- ");
                match item {
                    Value::Object(inner) if !inner.is_empty() => block(out, item, indent + 2),
                    Value::Array(inner) if !inner.is_empty() => block(out, item, indent + 2),
                    other => leaf(out, other, indent + 2),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => leaf(out, value, indent),
    }
}

/// Writes what fits after a key, and the line break; `indent` is where further lines of a text go.
fn leaf(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(string) if fits_literal_block(string) => {
            out.push_str(if string.ends_with('\n') { "|\n" } else { "|-\n" });
            for line in string.lines() {
                if !line.is_empty() {
                    spaces(out, indent.max(2));
                    out.push_str(line);
                }
                out.push('\n');
            }
            return;
        }
        Value::String(string) => text(out, string),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{value}");
        }
    }
    out.push('\n');
}

fn text(out: &mut String, string: &str) {
    if is_plain(string) {
        out.push_str(string);
    } else {
        // A JSON string is a double-quoted YAML scalar.
        let _ = write!(out, "{}", Value::String(string.to_owned()));
    }
}

/// Whether the text may stand without quotes: it means itself and holds nothing that YAML reads as structure.
fn is_plain(string: &str) -> bool {
    let starts_well = string
        .starts_with(|first: char| first.is_alphanumeric() || matches!(first, '/' | '_' | '.' | '+'))
        || string.trim_start_matches('-').starts_with(char::is_alphanumeric);
    starts_well
        && !string.ends_with([' ', ':'])
        && string.chars().all(|character| {
            !character.is_control() && !matches!(character, '\u{feff}' | '\u{2028}' | '\u{2029}')
        })
        && !string.contains(": ")
        && !string.contains(" #")
        && !string.starts_with("...")
        && string != "<<"
        && scalar::resolve(string, true, None).is_ok_and(|value| value == *string)
}

/// Whether the text reads well line by line: at least two lines, none starting with white space, nothing to escape.
fn fits_literal_block(string: &str) -> bool {
    let body = string.strip_suffix('\n').unwrap_or(string);
    body.contains('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && !body.ends_with('\n')
        && body.split('\n').all(|line| {
            !line.ends_with([' ', '\t'])
                && line.chars().all(|character| {
                    (!character.is_control() || character == '\t')
                        && !matches!(character, '\u{feff}' | '\u{85}' | '\u{2028}' | '\u{2029}')
                })
        })
}

fn spaces(out: &mut String, n_spaces: usize) {
    out.extend(std::iter::repeat_n(' ', n_spaces));
}
