//! What tests need from the machine besides the Kubernetes assets.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::workspace::run;

/// Makes sure that `dig` is there: names are judged by a client that is not ours.
///
/// # Errors
/// Says what to provide when it is missing and cannot be installed from Debian's packages.
pub(crate) fn prepare() -> Result<()> {
    if works("dig", "-v") {
        println!("dig: there");
        return Ok(());
    }
    const PROVIDE: &str = "provide `dig` on PATH (package bind9-dnsutils or bind-utils)";
    if !works("apt-get", "--version") || !is_root() {
        bail!("`dig` is missing, and only root with apt-get can install it here; {PROVIDE}");
    }
    println!("dig: missing, installing bind9-dnsutils");
    let apt = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null()))
    };
    apt(&["update", "-q"])?;
    apt(&["install", "-q", "-y", "--no-install-recommends", "bind9-dnsutils"])?;
    if !works("dig", "-v") {
        bail!("`dig` is still missing after installing bind9-dnsutils; {PROVIDE}");
    }
    Ok(())
}

fn works(program: &str, argument: &str) -> bool {
    let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
