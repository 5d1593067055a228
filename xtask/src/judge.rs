//! Judges: programs that are not ours hold a running host against the standards, from outside.
//!
//! The judge itself is the Python package `tests/judge`, because its libraries and the servers it compares with share
//! no code with what is judged. This task prepares what it needs and starts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::kube_assets;
use crate::needs::{self, DIG, KNOT, NSD, Need};
use crate::workspace::{self, Workspace, phase};

/// What can be judged.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// The DNS server: RFC 8906, dig, delv, DNSViz, Zonemaster, the answers of NSD and Knot, weights behind Unbound and BIND, transfers to all three
    Dns,
}

/// What the judge of the DNS server needs; `dig`'s package brings `delv`.
const NEEDS: [Need; 9] = [
    DIG,
    NSD,
    KNOT,
    Need {
        name: "python3 with venv",
        works: &["python3", "-c", "import ensurepip, sys; sys.exit(sys.version_info < (3, 10))"],
        package: "python3-venv",
        provide: "provide Python 3.10 or later with its venv module (package python3-venv)",
    },
    Need {
        name: "zonemaster-cli",
        works: &["zonemaster-cli", "--version"],
        package: "zonemaster-cli",
        provide: "provide `zonemaster-cli` on PATH (package zonemaster-cli)",
    },
    Need {
        name: "ldns-verify-zone",
        works: &["ldns-verify-zone", "-v"],
        package: "ldnsutils",
        provide: "provide `ldns-verify-zone` on PATH (package ldnsutils)",
    },
    Need {
        name: "unbound",
        works: &["unbound", "-V"],
        package: "unbound",
        provide: "provide `unbound` on PATH (package unbound)",
    },
    Need {
        name: "named",
        works: &["named", "-v"],
        package: "bind9",
        provide: "provide BIND's `named` on PATH (package bind9)",
    },
    Need {
        name: "dnsviz",
        works: &["dnsviz", "help"],
        package: "dnsviz",
        provide: "provide `dnsviz` on PATH (package dnsviz)",
    },
];

/// Prepares what the judge `name` needs, builds the host and has it judged.
pub(crate) fn run(workspace: &Workspace, name: Name, arguments: &[String]) -> Result<()> {
    match name {
        Name::Dns => dns(workspace, arguments),
    }
}

fn dns(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let folder = workspace.target.join("judge");
    phase("other needs", || needs::prepare(&NEEDS))?;
    phase("kube-assets", || kube_assets::prepare(workspace))?;
    phase("build", || {
        workspace::run(&mut workspace.cargo(["build", "--package=koinon", "--bin=koinon", "--locked"]))
    })?;
    let requirements = workspace.root.join("tests/judge/requirements.txt");
    let python = phase("python", || environment(&folder, &requirements))?;
    phase("judge dns", || {
        workspace::run(
            Command::new(python)
                .args(["-m", "judge"])
                .arg("--koinon")
                .arg(workspace.target.join("debug/koinon"))
                .arg("--kubectl")
                .arg(workspace.target.join("kube-assets/kubectl"))
                .arg("--report")
                .arg(folder.join("dns.json"))
                .args(arguments)
                .current_dir(workspace.root.join("tests"))
                // The sources' folder is git's; what Python compiles does not belong there.
                .env("PYTHONDONTWRITEBYTECODE", "1"),
        )
    })
}

/// Makes the Python environment of these requirements, or reuses it: the program of it.
///
/// The requirements are copied into it last, so that one whose making was broken off is never taken for whole.
fn environment(folder: &Path, requirements: &Path) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let wanted =
        fs::read(requirements).with_context(|| format!("failed to read {}", requirements.display()))?;
    let installed = venv.join("requirements.txt");
    if fs::read(&installed).is_ok_and(|present| present == wanted) {
        println!("{}: there", venv.display());
        return Ok(python);
    }
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    workspace::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    workspace::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--require-hashes", "--only-binary=:all:", "--requirement"])
            .arg(requirements),
    )?;
    fs::write(&installed, wanted).with_context(|| format!("failed to write {}", installed.display()))?;
    Ok(python)
}
