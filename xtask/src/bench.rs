//! Benchmarks: release builds of the host and of a load driver from `tests/`, started one after the other.

use anyhow::Result;
use clap::ValueEnum;

use crate::kube_assets;
use crate::needs::{self, DIG, KNOT, NSD, Need};
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

    /// Servers that it compares with.
    fn needs(self) -> &'static [Need] {
        const GDNSD: Need = Need {
            name: "gdnsd",
            works: &["gdnsd", "-c", "/nonexistent", "checkconf"],
            package: "gdnsd",
            provide: "provide `gdnsd` on PATH (package gdnsd)",
        };
        match self {
            Self::Propagation => &[],
            Self::Dns => &[DIG, GDNSD, NSD, KNOT],
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
    // With `--against none` nobody is compared with.
    if !arguments.iter().any(|argument| argument == "none") {
        phase("other needs", || needs::prepare(name.needs()))?;
    }
    phase("build", || {
        let mut build =
            workspace.cargo(["build", "--release", "--package=koinon-tests", "--bin", name.binary()]);
        if name.needs_members() {
            // The host is a process of its own there.
            build.args(["--package=koinon", "--bin=koinon"]);
        }
        workspace::run(&mut build)
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
