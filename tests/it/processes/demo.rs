//! The tour that a newcomer takes first, without a person.

use std::time::Duration;

use anyhow::ensure;
use koinon_tests::world::story;
use koinon_tests::{assets, kubectl};

#[test]
fn the_demo_sees_every_step() {
    story("the_demo_sees_every_step", Duration::from_secs(120), async |_| {
        let mut command = tokio::process::Command::new(assets::koinon()?);
        command.args(["demo", "--script"]);
        let answer = kubectl::finish(command, "").await?;
        ensure!(answer.success, "it did not see everything: {}{}", answer.stdout, answer.stderr);
        ensure!(answer.stdout.contains("every step was seen"), "{}", answer.stdout);
        Ok(())
    });
}
