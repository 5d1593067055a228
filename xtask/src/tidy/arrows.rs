//! Which of our crates may use which; what is not in the table is not in the house.

use super::Finding;
use crate::workspace::{Package, Workspace};

/// Arrows from a crate to the crates that it may import. `tests` and the binary may import all.
const ARROWS: &[(&str, &[&str])] = &[
    ("koinon-model", &[]),
    ("koinon-policies", &["koinon-model"]),
    ("koinon-types", &["koinon-model", "koinon-machinery"]),
    ("koinon-machinery", &[]),
    ("koinon-store", &[]),
    ("koinon-api-server", &["koinon-machinery", "koinon-store"]),
    (
        "koinon-controllers",
        &["koinon-model", "koinon-policies", "koinon-types", "koinon-machinery", "koinon-api-server"],
    ),
    ("koinon-syncer", &["koinon-model", "koinon-policies", "koinon-types", "koinon-machinery"]),
    ("koinon-dns", &["koinon-model", "koinon-policies", "koinon-types"]),
    ("koinon-simulator", &["koinon-machinery", "koinon-api-server"]),
    ("xtask", &[]),
];

/// The composition root and its judge.
const MAY_IMPORT_ALL: [&str; 2] = ["koinon", "koinon-tests"];

/// Compares what cargo says with the table.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let manifest = format!("Cargo.toml of {}", package.name);
    let mut findings = Vec::new();
    if !package.features.is_empty() {
        let names: Vec<&str> = package.features.keys().map(String::as_str).collect();
        findings.push(Finding::new(&manifest, 0, format!("has feature flags: {}", names.join(", "))));
    }
    if MAY_IMPORT_ALL.contains(&package.name.as_str()) {
        return findings;
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        findings.push(Finding::new(&manifest, 0, "is a crate that the table of arrows does not know"));
        return findings;
    };
    for dependency in &package.dependencies {
        let is_ours = dependency.path.is_some();
        if is_ours && !allowed.contains(&dependency.name.as_str()) {
            findings.push(Finding::new(&manifest, 0, format!("may not import {}", dependency.name)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Vec<String> {
        let package: Package = serde_json::from_str(json).unwrap();
        check_package(&package).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn accepts_an_arrow_of_the_table() {
        let json = r#"{"name": "koinon-policies", "dependencies": [{"name": "koinon-model", "path": "/m"}]}"#;
        assert_eq!(check(json), [""; 0]);
    }

    #[test]
    fn refuses_an_arrow_that_points_up_the_stream() {
        let json = r#"{"name": "koinon-model", "dependencies": [{"name": "koinon-types", "path": "/t"}]}"#;
        assert_eq!(check(json), ["Cargo.toml of koinon-model: may not import koinon-types"]);
    }

    #[test]
    fn refuses_feature_flags_and_unknown_crates() {
        let json = r#"{"name": "koinon-model", "dependencies": [], "features": {"fast": []}}"#;
        assert_eq!(check(json), ["Cargo.toml of koinon-model: has feature flags: fast"]);
        assert_eq!(check(r#"{"name": "koinon-utils", "dependencies": []}"#).len(), 1);
    }

    #[test]
    fn crates_of_others_are_not_arrows() {
        let json = r#"{"name": "koinon-model", "dependencies": [{"name": "thiserror", "path": null}]}"#;
        assert_eq!(check(json), [""; 0]);
    }
}
