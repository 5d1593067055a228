//! Words that must not appear: in any text, and in Rust code.

use std::path::Path;

use super::Finding;
use super::source::{Source, is_word};

/// Marks of unfinished work, spelled so that this file does not hold them.
const MARKERS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// Folders of one machine; nothing that is committed may know them.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Macros for work that is not done.
const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Names that say nothing.
const MODULES: [&str; 5] = ["util", "utils", "common", "helper", "helpers"];

/// The one place where tests wait: it polls a condition until a deadline.
const POLLING: &str = "tests/src/clock.rs";

/// Checks what holds for every text file.
pub(crate) fn check_text(file: &Path, text: &str) -> Vec<Finding> {
    let is_code = file.extension().is_some_and(|extension| extension != "md");
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for path in MACHINE_PATHS {
            if names_folder(line, path) {
                findings.push(Finding::new(
                    file,
                    index + 1,
                    format!("names a folder of one machine: {path}"),
                ));
            }
        }
        for marker in MARKERS {
            if is_code && has_word(line, marker) {
                findings.push(Finding::new(file, index + 1, format!("marks unfinished work: {marker}")));
            }
        }
    }
    findings
}

/// Checks what holds for Rust code.
pub(crate) fn check_source(file: &Path, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let stem = file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    if MODULES.contains(&stem.as_ref()) || file.iter().any(|part| MODULES.iter().any(|name| part == *name)) {
        findings.push(Finding::new(file, 0, "the name says nothing: call it after what it is about"));
    }
    let virtual_time = source.lines().any(|line| line.contains("start_paused = true"));
    let mut in_tests = is_test_file(file);
    for (index, line) in source.lines().enumerate() {
        in_tests |= line.contains("#[cfg(test)]");
        let mut refuse = |text: &str| findings.push(Finding::new(file, index + 1, text));
        for name in MACROS {
            if has_word(&line, name) {
                refuse(&format!("{name} is for work that is not done"));
            }
        }
        if line.contains("#[allow") || line.contains("#![allow") {
            refuse("#[expect(lint, reason = \"…\")] instead of #[allow]");
        }
        if line.contains("#[ignore") {
            refuse("an ignored test tests nothing");
        }
        if line.contains("feature =") {
            refuse("feature flags are not for our crates");
        }
        for name in MODULES {
            if has_word(&line, &format!("mod {name}")) {
                refuse("the module's name says nothing: call it after what it is about");
            }
        }
        let may_sleep = file == Path::new(POLLING) || virtual_time || !in_tests;
        if calls_sleep(&line) && !(may_sleep || line.contains("fn sleep")) {
            refuse("tests do not sleep: wait for a condition with a deadline");
        }
    }
    findings
}

fn is_test_file(file: &Path) -> bool {
    let is_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
    file.iter().any(is_tests)
}

/// Whether a sleep of the standard library or tokio is called or imported.
fn calls_sleep(line: &str) -> bool {
    let called = ["sleep(", "sleep_until("].iter().any(|call| {
        line.match_indices(call)
            .any(|(at, _)| !line[..at].ends_with('.') && !line[..at].chars().next_back().is_some_and(is_word))
    });
    called || line.contains("thread::sleep") || line.contains("time::sleep")
}

/// Whether `word` stands in the line with no letters beside it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Whether the folder is meant from the root: `https://example.org/root/` is somebody else's.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|character| is_word(character) || "/.-}>*~".contains(character))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_in(file: &str, code: &str) -> usize {
        check_source(Path::new(file), &Source::parse(code)).len()
    }

    fn check(code: &str) -> usize {
        check_in("a/src/b.rs", code)
    }

    #[test]
    fn unfinished_work_is_refused() {
        assert_eq!(check("fn f() { todo!() }"), 1);
        assert_eq!(check("fn f() { let x = dbg!(1); }"), 1);
        assert_eq!(check("fn f() { log(\"todo!\"); // todo!\n}"), 0);
        let marked = format!("// {}: later", MARKERS[0]);
        assert_eq!(check_text(Path::new("a.rs"), &marked).len(), 1);
        assert_eq!(check_text(Path::new("a.rs"), &marked.to_lowercase()).len(), 0);
    }

    #[test]
    fn silenced_lints_and_tests_are_refused() {
        assert_eq!(check("#[allow(dead_code)]\nfn f() {}"), 1);
        assert_eq!(check("#![allow(dead_code)]"), 1);
        assert_eq!(check("#[expect(dead_code, reason = \"x\")]\nfn f() {}"), 0);
        assert_eq!(check("#[test]\n#[ignore]\nfn f() {}"), 1);
        assert_eq!(check("#[cfg(feature = \"x\")]\nfn f() {}"), 1);
    }

    #[test]
    fn tests_do_not_sleep_and_loops_may() {
        let sleeping = "fn f() { tokio::time::sleep(d).await; }";
        assert_eq!(check(sleeping), 0);
        assert_eq!(check(&format!("#[cfg(test)]\n{sleeping}")), 1);
        assert_eq!(check_in("a/src/b/tests.rs", sleeping), 1);
        assert_eq!(check_in("tests/it/c.rs", "fn f() { sleep(d); }"), 1);
        assert_eq!(check_in("tests/it/c.rs", "fn f() { clock.sleep(d); }"), 0);
        assert_eq!(check_in(POLLING, sleeping), 0);
        assert_eq!(
            check_in("a/src/b/tests.rs", &format!("#[tokio::test(start_paused = true)]\n{sleeping}")),
            0
        );
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        assert_eq!(check_in("a/src/utils.rs", ""), 1);
        assert_eq!(check_in("a/src/common/b.rs", ""), 1);
        assert_eq!(check("mod helpers;"), 1);
        assert_eq!(check("mod helpers_of_santa;"), 0);
    }

    #[test]
    fn folders_of_one_machine_are_refused() {
        let check = |line: &str| check_text(Path::new("a.md"), line).len();
        assert_eq!(check(&format!("see `{}main`", MACHINE_PATHS[0])), 1);
        assert_eq!(check(&format!("https://example.org{}main", MACHINE_PATHS[0])), 0);
    }
}
