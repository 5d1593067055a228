//! Documents: relative links lead somewhere, decisions are numbered without gaps.

use std::path::{Path, PathBuf};

use super::Finding;

/// Where decision records live.
const DECISIONS: &str = "docs/decisions";

/// Finds relative links that lead to no file.
pub(crate) fn check_links(root: &Path, file: &Path, text: &str) -> Vec<Finding> {
    let folder = root.join(file.parent().unwrap_or(Path::new("")));
    links(text)
        .filter_map(|(line, target)| {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let is_elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if is_elsewhere {
                return None;
            }
            if path.starts_with('/') {
                return Some(Finding::new(file, line, format!("the link to {path} is not relative")));
            }
            let found = folder.join(path).exists();
            (!found).then(|| Finding::new(file, line, format!("the link to {path} leads nowhere")))
        })
        .collect()
}

/// Every inline link's line and target, outside of code.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().flat_map(move |(index, line)| {
        in_code ^= line.trim_start().starts_with("```");
        let prose = if in_code { "" } else { line };
        prose
            .split("](")
            .skip(1)
            .filter_map(move |rest| Some((index + 1, rest.split_once(')')?.0.split_whitespace().next()?)))
    })
}

/// Checks that decision records are `NNNN-title.md`, from 0001 on, each number once.
pub(crate) fn check_decisions(files: &[PathBuf]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut numbers = Vec::new();
    for file in files.iter().filter(|file| file.parent() == Some(Path::new(DECISIONS))) {
        let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if name == "README.md" {
            continue;
        }
        match number_of(&name) {
            Some(number) => numbers.push((number, file)),
            None => findings.push(Finding::new(file, 0, "a decision is named NNNN-title-in-lower-case.md")),
        }
    }
    numbers.sort();
    for (index, (number, file)) in numbers.iter().enumerate() {
        if *number != index + 1 {
            findings.push(Finding::new(
                *file,
                0,
                format!("decision {number} should be number {}", index + 1),
            ));
            break;
        }
    }
    findings
}

fn number_of(name: &str) -> Option<usize> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let is_title = !title.is_empty()
        && title
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    let is_number = number.len() == 4 && number.bytes().all(|digit| digit.is_ascii_digit());
    if is_title && is_number { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions(names: &[&str]) -> usize {
        let files: Vec<PathBuf> = names.iter().map(|name| Path::new(DECISIONS).join(name)).collect();
        check_decisions(&files).len()
    }

    #[test]
    fn decisions_are_numbered_without_gaps() {
        assert_eq!(decisions(&["0001-one-store.md", "0002-own-dns.md", "README.md"]), 0);
        assert_eq!(decisions(&["0001-one-store.md", "0003-own-dns.md"]), 1);
        assert_eq!(decisions(&["0001-one-store.md", "0001-own-dns.md"]), 1);
        assert_eq!(decisions(&["1-one-store.md"]), 1);
        assert_eq!(decisions(&["0001-One_Store.md"]), 1);
    }

    #[test]
    fn relative_links_lead_somewhere() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        std::fs::write(folder.path().join("docs/there.md"), "").unwrap();
        let check = |text: &str| check_links(folder.path(), Path::new("docs/from.md"), text).len();
        assert_eq!(check("[a](there.md) [b](there.md#part) [c](https://example.org/x) [d](#here)"), 0);
        assert_eq!(check("[a](../docs/there.md) [b](../docs)"), 0);
        assert_eq!(check("[a](gone.md) and [b](there.md) and [c](gone.md \"title\")"), 2);
        assert_eq!(check("```\n[a](gone.md)\n```\n"), 0);
        assert_eq!(check("[a](/docs/there.md)"), 1);
    }
}
