//! What `deploy/` ships is accepted by a real kube-apiserver.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use koinon_tests::member::{Member, Shape};
use koinon_tests::world::story;

/// The folder of manifests, beside this package.
const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/manifests");

#[test]
fn the_manifests_are_accepted() {
    story("the_manifests_are_accepted", Duration::from_secs(240), async |world| {
        let shape = Shape { n_nodes: 1, ..Shape::default() };
        let member = Member::start(world, "on-prem", shape).await?;
        // A dry run stores nothing, so what the manifests put into their namespace would find none.
        member.kubectl().run(["create", "namespace", "koinon-system"]).await?;
        for manifest in manifests()? {
            let dry_run = ["apply", "--dry-run=server", "--validate=strict", "--filename", &manifest];
            let said = member.kubectl().run(dry_run).await?;
            ensure!(said.lines().count() > 3, "{manifest} holds little: {said}");
        }
        Ok(())
    });
}

fn manifests() -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(MANIFESTS).context("failed to list deploy/manifests")? {
        files.push(entry?.path().to_string_lossy().into_owned());
    }
    files.sort();
    ensure!(!files.is_empty(), "deploy/manifests is empty");
    Ok(files)
}
