//! Benchmarks: release builds of the host and of a load driver from `tests/`, started one after the other.

use anyhow::Result;
use clap::ValueEnum;

use crate::kube_assets;
use crate::workspace::{self, Workspace, phase};

/// What can be measured.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// From `kubectl apply` on the host to present in two real members
    Propagation,
    /// CPU per DNS answer against a batched UDP echo
    Dns,
}

impl Name {
    fn binary(self) -> &'static str {
        match self {
            Self::Propagation => "bench-propagation",
            Self::Dns => "bench-dns",
        }
    }

    fn needs_members(self) -> bool {
        match self {
            Self::Propagation => true,
            Self::Dns => false,
        }
    }
}

/// Builds what `name` measures and runs it.
pub(crate) fn run(workspace: &Workspace, name: Name, arguments: &[String]) -> Result<()> {
    if name.needs_members() {
        phase("kube-assets", || kube_assets::prepare(workspace))?;
    }
    phase("build", || {
        workspace::run(&mut workspace.cargo([
            "build",
            "--release",
            "--package=koinon",
            "--package=koinon-tests",
            "--bins",
        ]))
    })?;
    phase(name.binary(), || {
        workspace::run(
            workspace
                .cargo([
                    "run",
                    "--release",
                    "--quiet",
                    "--package=koinon-tests",
                    "--bin",
                    name.binary(),
                    "--",
                ])
                .args(arguments),
        )
    })
}
