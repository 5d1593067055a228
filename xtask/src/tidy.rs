//! What the style guide can have counted by a machine: arrows between crates, sizes, bans, links.
//!
//! It reads source as text and knows just enough of Rust to tell code from comments and strings. What the
//! compiler or clippy already holds (unused code, `unwrap`, documentation of public items) is not repeated.

mod source;

mod arrows;
mod bans;
mod documents;
mod functions;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use source::Source;

/// A file longer than this holds more than one concept.
const FILE_LINES_MAX: usize = 500;
/// A function longer than this does not fit on a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// One thing to mend.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: PathBuf,
    /// Counted from 1; 0 means the whole file.
    line: usize,
    text: String,
}

impl Finding {
    fn new(file: impl Into<PathBuf>, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.into(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.text),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.text),
        }
    }
}

/// Prints every finding, in order of files.
///
/// # Errors
/// When there is any.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = workspace.files()?;
    let mut findings = arrows::check(workspace);
    findings.extend(documents::check_decisions(&files));
    for file in &files {
        if is_generated(file) {
            continue;
        }
        let bytes = std::fs::read(workspace.root.join(file))
            .with_context(|| format!("failed to read {}", file.display()))?;
        // Pictures and the like have no lines to check.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        findings.extend(check_file(&workspace.root, file, &text));
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings in {} files", findings.len(), files.len());
    }
    println!("tidy: {} files, no findings", files.len());
    Ok(())
}

fn check_file(root: &Path, file: &Path, text: &str) -> Vec<Finding> {
    let mut findings = bans::check_text(file, text);
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => findings.extend(check_rust(file, text)),
        Some("md") => findings.extend(documents::check_links(root, file, text)),
        _ => {}
    }
    findings
}

fn check_rust(file: &Path, text: &str) -> Vec<Finding> {
    let source = Source::parse(text);
    let mut findings = bans::check_source(file, &source);
    if !text.starts_with("//!") {
        findings.push(Finding::new(file, 1, "the file does not say what it is for (`//!`)"));
    }
    let n_lines = text.lines().count();
    if n_lines > FILE_LINES_MAX {
        findings.push(Finding::new(
            file,
            0,
            format!("{n_lines} lines, more than {FILE_LINES_MAX}: split it by concept"),
        ));
    }
    for function in functions::find(&source) {
        if function.n_lines > FUNCTION_LINES_MAX {
            let text = format!(
                "function {} has {} lines, more than {FUNCTION_LINES_MAX}",
                function.name, function.n_lines
            );
            findings.push(Finding::new(file, function.line, text));
        }
    }
    findings
}

/// Generated files are committed under a `gen` folder and answer to their generator only.
fn is_generated(file: &Path) -> bool {
    file.parent().is_some_and(|folder| folder.iter().any(|part| part == "gen"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<String> {
        check_rust(Path::new("a/src/b.rs"), text).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn accepts_a_short_file_that_says_what_it_is_for() {
        assert_eq!(check("//! What it is for.\nfn main() {}\n"), [""; 0]);
    }

    #[test]
    fn refuses_a_file_that_does_not_say_what_it_is_for() {
        assert_eq!(check("fn main() {}\n").len(), 1);
    }

    #[test]
    fn refuses_a_long_file_and_a_long_function() {
        let long_file = format!("//! Long.\n{}", "const A: u8 = 1;\n".repeat(FILE_LINES_MAX));
        assert_eq!(check(&long_file).len(), 1);
        let just_right = format!("//! Fits.\nfn f() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_MAX - 2));
        assert_eq!(check(&just_right), [""; 0]);
        let too_long = format!("//! Long.\nfn f() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_MAX - 1));
        assert_eq!(check(&too_long), ["a/src/b.rs:2: function f has 71 lines, more than 70"]);
    }

    #[test]
    fn generated_files_answer_to_their_generator() {
        assert!(is_generated(Path::new("a/src/gen/table.rs")));
        assert!(!is_generated(Path::new("a/src/gen.rs")));
    }
}
