//! `cargo xtask test`: all that a change must pass, cheapest first, so that a slip is told early.

use std::time::Instant;

use anyhow::Result;

use crate::workspace::{self, Workspace, phase};
use crate::{codegen, kube_assets, needs, tidy};

/// Runs every phase and stops at the first that fails; the result lines of `cargo test` come last.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let start = Instant::now();
    phase("format", || workspace::run(&mut workspace.cargo(["fmt", "--all", "--check"])))?;
    phase("tidy", || tidy::run(workspace))?;
    phase("lint", || {
        workspace::run(&mut workspace.cargo([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny=warnings",
        ]))
    })?;
    phase("other needs", || needs::prepare(&[needs::DIG, needs::KDIG, needs::NAMESPACES]))?;
    phase("kube-assets", || kube_assets::prepare(workspace))?;
    phase("codegen", || codegen::run(true))?;
    // Tests run the host's binary, which cargo builds only when it is asked for.
    phase("build", || {
        workspace::run(&mut workspace.cargo(["build", "--workspace", "--all-targets", "--locked"]))
    })?;
    phase("test", || workspace::run(workspace.cargo(["test", "--workspace", "--locked"]).args(arguments)))?;
    println!("== all of it: ok in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
