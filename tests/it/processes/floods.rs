//! A short campaign of floods, against a debug build; `cargo xtask campaign floods` runs a long one against a release build.

use std::time::Duration;

use anyhow::ensure;
use koinon_tests::kubectl;
use koinon_tests::world::story;
use tokio::process::Command;

#[test]
fn floods_take_nothing_from_who_is_legitimate() {
    story("floods_take_nothing_from_who_is_legitimate", Duration::from_secs(180), async |world| {
        world.be_alone().await?;
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", env!("CARGO_BIN_EXE_campaign-floods")]);
        command.args(["--for", "21s", "--per-second", "5000"]);
        let campaign = kubectl::finish(command, "").await?;
        ensure!(campaign.success, "{}\n{}", campaign.stdout, campaign.stderr);
        Ok(())
    });
}
