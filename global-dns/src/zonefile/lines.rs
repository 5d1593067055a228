//! From text to entries: comments and parentheses are settled, quotes and escapes left as they are.

use super::Refusal;

/// One entry of a zone file, which parentheses may spread over several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line where it begins.
    pub(super) line: usize,
    /// It begins with a blank, so its owner is that of the entry before.
    pub(super) is_indented: bool,
    /// Without comments, parentheses and ends of lines.
    pub(super) text: String,
}

/// Divides a text into entries; those without content are left out.
///
/// # Errors
/// A quote that does not end on its line, or a parenthesis without its counterpart.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, Refusal> {
    let mut entries = Vec::new();
    let mut entry = Entry { line: 1, is_indented: false, text: String::new() };
    let mut opened = None;
    for (number, line) in (1..).zip(text.lines()) {
        if opened.is_none() {
            let is_indented = line.starts_with([' ', '\t']);
            entry = Entry { line: number, is_indented, text: String::new() };
        }
        scan(line, number, &mut entry.text, &mut opened)?;
        entry.text.push(' ');
        if opened.is_none() && !entry.text.trim().is_empty() {
            entries.push(entry.clone());
        }
    }
    match opened {
        Some(line) => Err(Refusal::new(line, "a parenthesis is opened and never closed")),
        None => Ok(entries),
    }
}

/// Adds what counts of one line; `opened` is the line of the parenthesis that is open.
fn scan(line: &str, number: usize, text: &mut String, opened: &mut Option<usize>) -> Result<(), Refusal> {
    let mut is_quoted = false;
    let mut rest = line.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' => {
                text.push(next);
                text.extend(rest.next());
            }
            '"' => {
                is_quoted = !is_quoted;
                text.push(next);
            }
            _ if is_quoted => text.push(next),
            ';' => break,
            '(' if opened.is_some() => {
                return Err(Refusal::new(number, "a parenthesis is opened inside another; one is enough"));
            }
            '(' => {
                *opened = Some(number);
                text.push(' ');
            }
            ')' => {
                if opened.take().is_none() {
                    return Err(Refusal::new(number, "a parenthesis is closed that was never opened"));
                }
                text.push(' ');
            }
            _ => text.push(next),
        }
    }
    if is_quoted {
        let reason = "a quoted string does not end on its line; divide it into several strings";
        return Err(Refusal::new(number, reason));
    }
    Ok(())
}

/// Takes the first word off a text. Shape: the word and what follows it; the word is empty at the end.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let mut is_escaped = false;
    for (at, next) in text.char_indices() {
        if next.is_ascii_whitespace() && !is_escaped {
            return text.split_at(at);
        }
        is_escaped = next == '\\' && !is_escaped;
    }
    (text, "")
}
