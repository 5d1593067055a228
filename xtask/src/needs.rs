//! What tests and judges need from the machine besides the Kubernetes assets.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::workspace::run;

/// A program that is not ours, and where it comes from.
pub(crate) struct Need {
    pub name: &'static str,
    /// The program and arguments with which it does nothing and ends well.
    pub works: &'static [&'static str],
    /// Debian's package.
    pub package: &'static str,
    /// Who has it elsewhere.
    pub provide: &'static str,
}

/// Names are judged by a client that is not ours.
pub(crate) const DIG: Need = Need {
    name: "dig",
    works: &["dig", "-v"],
    package: "bind9-dnsutils",
    provide: "provide `dig` on PATH (package bind9-dnsutils or bind-utils)",
};

/// Encrypted transports are judged by another one.
pub(crate) const KDIG: Need = Need {
    name: "kdig",
    works: &["kdig", "-V"],
    package: "knot-dnsutils",
    provide: "provide `kdig` with TLS and HTTPS on PATH (package knot-dnsutils or knot-utils)",
};

/// Floods come from networks of their own, which are made in a network namespace.
pub(crate) const NAMESPACES: Need = Need {
    name: "ip in a network namespace",
    works: &["unshare", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"],
    package: "iproute2",
    provide: "provide `unshare` (util-linux) and `ip` (iproute2), and allow user namespaces",
};

/// A server that is compared with.
pub(crate) const NSD: Need = Need {
    name: "nsd",
    works: &["nsd", "-v"],
    package: "nsd",
    provide: "provide NSD's `nsd` on PATH (package nsd)",
};

/// A server that is compared with.
pub(crate) const KNOT: Need = Need {
    name: "knotd",
    works: &["knotd", "-V"],
    package: "knot",
    provide: "provide Knot DNS' `knotd` on PATH (package knot)",
};

/// Makes sure that all of `needs` are there.
///
/// # Errors
/// Says what to provide when something is missing and cannot be installed from Debian's packages.
pub(crate) fn prepare(needs: &[Need]) -> Result<()> {
    let mut missing = Vec::new();
    for need in needs {
        if need.is_there() {
            println!("{}: there", need.name);
        } else {
            missing.push(need);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let named = |field: fn(&Need) -> &'static str, between: &str| {
        missing.iter().map(|need| field(need)).collect::<Vec<_>>().join(between)
    };
    if !works(&["apt-get", "--version"]) || !is_root() {
        let (names, provide) = (named(|need| need.name, ", "), named(|need| need.provide, "; "));
        bail!("missing: {names}; only root with apt-get can install that here; {provide}");
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    println!("missing: {}; installing {}", named(|need| need.name, ", "), packages.join(", "));
    let apt = |arguments: &[&str]| {
        run(Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null()))
    };
    apt(&["update", "-q"])?;
    apt(&[&["install", "-q", "-y", "--no-install-recommends"], &packages[..]].concat())?;
    if let Some(Need { name, package, provide, .. }) = missing.iter().find(|need| !need.is_there()) {
        bail!("`{name}` is still missing after installing {package}; {provide}");
    }
    Ok(())
}

impl Need {
    fn is_there(&self) -> bool {
        works(self.works)
    }
}

fn works(command: &[&str]) -> bool {
    let Some((program, arguments)) = command.split_first() else { return false };
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
