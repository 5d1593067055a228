//! How results look: aligned tables and colours on a terminal, plain text elsewhere.

use std::io::Write;

use comfy_table::{Cell, ContentArrangement, Table, presets};
use owo_colors::{OwoColorize, Stream};
use serde_json::Value;

use crate::args::Output;

/// How something is doing, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As wanted.
    Good,
    /// Needs attention.
    Odd,
    /// Broken.
    Bad,
}

/// Colours a text by mood, on a terminal that wants colours (`NO_COLOR` is honoured).
pub(crate) fn tint(text: &str, mood: Mood) -> String {
    match mood {
        Mood::Good => text.if_supports_color(Stream::Stdout, |t| t.green()).to_string(),
        Mood::Odd => text.if_supports_color(Stream::Stdout, |t| t.yellow()).to_string(),
        Mood::Bad => text.if_supports_color(Stream::Stdout, |t| t.red()).to_string(),
    }
}

/// A heading or a name that should stand out.
pub(crate) fn strong(text: &str) -> String {
    text.if_supports_color(Stream::Stdout, |t| t.bold()).to_string()
}

/// Lays out rows under headings, columns aligned and two spaces apart.
///
/// Shape: every row has as many cells as there are headings.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(Cell::new));
    for row in rows {
        table.add_row(row.iter().map(Cell::new));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Percent-encodes what may not stand in a query (RFC 3986).
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Writes to standard output; a reader that went away is not an error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a value as the person asked, or `text` for people.
///
/// # Errors
/// When the value cannot be written as YAML.
pub(crate) fn show(output: Output, value: &Value, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    match output {
        Output::Table => print(&text()),
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(value)?)),
        Output::Yaml => print(&serde_norway::to_string(value)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_where_the_text_ends() {
        let text = table(
            &["CLUSTER", "STATE"],
            &[vec!["on-prem".into(), "Ready".into()], vec!["a".into(), "x".into()]],
        );
        assert_eq!(text, "CLUSTER  STATE\non-prem  Ready\na        x\n");
    }
}
