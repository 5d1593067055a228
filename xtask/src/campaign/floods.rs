//! Floods: a DNS node under traffic of every kind that nobody wants, with legitimate clients beside it.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::kube_assets;
use crate::needs::{self, DIG, NAMESPACES};
use crate::workspace::{self, Workspace, phase};

/// Floods a release build for about `time`, in a network of its own.
pub(crate) fn run(workspace: &Workspace, time: Duration) -> Result<()> {
    const BINARY: &str = "campaign-floods";
    phase("kube-assets", || kube_assets::prepare(workspace))?;
    phase("other needs", || needs::prepare(&[DIG, NAMESPACES]))?;
    phase("build", || {
        let packages = ["--package=koinon", "--bin=koinon", "--package=koinon-tests", "--bin", BINARY];
        workspace::run(workspace.cargo(["build", "--release", "--locked"]).args(packages))
    })?;
    phase(BINARY, || {
        workspace::run(
            Command::new("unshare")
                .args(["--map-root-user", "--net"])
                .arg(workspace.target.join("release").join(BINARY))
                .arg(format!("--for={}s", time.as_secs()))
                .current_dir(&workspace.root),
        )
    })
}
