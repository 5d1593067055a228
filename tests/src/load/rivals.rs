//! Other authoritative servers under the same load: each with one answering thread, no rate limit, and the same zone.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::clock::eventually;
use crate::dig;
use crate::process::Process;
use crate::usage::cpu_time_of_tree;
use crate::world::World;

/// A zone of a million names is read within it.
const START_MAX: Duration = Duration::from_secs(120);

/// Servers that can be compared with, by the name of their Debian package.
pub const RIVALS: [&str; 3] = ["gdnsd", "nsd", "knot"];

/// A zone that every server is given.
pub struct Served<'a> {
    /// Its apex, without a final dot.
    pub apex: &'a str,
    /// Owner (relative to the apex) and address of each name.
    pub names: &'a [(String, Ipv4Addr)],
    /// Whether the server signs it, which only Knot does itself.
    pub is_signed: bool,
}

/// One running server.
pub struct Rival {
    name: &'static str,
    address: SocketAddr,
    process: Process,
}

// === impl Rival ===

impl Rival {
    /// Starts a server on `port` of loopback and waits until it answers.
    ///
    /// # Errors
    /// When it is not installed, or does not answer.
    pub async fn start(world: &World, name: &'static str, port: u16, served: &Served<'_>) -> Result<Self> {
        let room = world.room(&format!("{name}-{}", served.names.len()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let command = match name {
            "gdnsd" => gdnsd(&room, address, served)?,
            "nsd" => nsd(&room, address, served)?,
            "knot" => knot(&room, address, served)?,
            other => bail!("{other} is no server that can be compared with; there are: {RIVALS:?}"),
        };
        let process = Process::start(name, command, &room.join("log"));
        let process = process.with_context(|| format!("install the Debian package {name}"))?;
        let asked = format!("{}.{}", served.names.last().context("a zone has names")?.0, served.apex);
        eventually(START_MAX, format!("{name} answers"), async || {
            let answer = dig::ask(address, &asked, "A", &[]).await?;
            anyhow::ensure!(answer.records.len() == 1, "it answers {answer:?}");
            anyhow::Ok(())
        })
        .await?;
        Ok(Self { name, address, process })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Processor time so far of all its processes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu_time_of_tree(self.process.id())
    }
}

/// Writes the zone in master-file notation.
fn write_zone(file: &Path, served: &Served<'_>) -> Result<()> {
    let mut text = format!(
        "$ORIGIN {}.\n@ 300 SOA ns hostmaster 1 3600 600 86400 60\n@ 300 NS ns\nns 300 A 192.0.2.53\n",
        served.apex
    );
    for (name, address) in served.names {
        writeln!(text, "{name} 30 A {address}")?;
    }
    fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))
}

fn config(room: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = room.join(name);
    fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))?;
    Ok(file)
}

fn gdnsd(room: &Path, address: SocketAddr, served: &Served<'_>) -> Result<Command> {
    let zones = room.join("zones");
    fs::create_dir_all(&zones).context("failed to make a folder")?;
    write_zone(&zones.join(served.apex), served)?;
    let room = room.display();
    let text = format!(
        "options => {{\n  listen => {address}\n  udp_threads => 1\n  tcp_threads => 1\n  run_dir => {room}/run\n  state_dir => {room}/state\n}}\n"
    );
    config(Path::new(&room.to_string()), "config", &text)?;
    let mut command = Command::new("gdnsd");
    command.args(["-c", &room.to_string(), "start"]);
    Ok(command)
}

fn nsd(room: &Path, address: SocketAddr, served: &Served<'_>) -> Result<Command> {
    write_zone(&room.join("zone"), served)?;
    let (folder, ip, port) = (room.display(), address.ip(), address.port());
    let text = format!(
        "server:\n  ip-address: {ip}@{port}\n  server-count: 1\n  zonesdir: \"{folder}\"\n  pidfile: \"{folder}/nsd.pid\"\n  database: \"\"\n  username: \"\"\n  chroot: \"\"\n  xfrdfile: \"{folder}/xfrd.state\"\n  zonelistfile: \"{folder}/zone.list\"\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\nzone:\n  name: {}\n  zonefile: zone\n",
        served.apex
    );
    let file = config(room, "nsd.conf", &text)?;
    let mut command = Command::new("nsd");
    command.arg("-d").arg("-c").arg(file);
    Ok(command)
}

fn knot(room: &Path, address: SocketAddr, served: &Served<'_>) -> Result<Command> {
    write_zone(&room.join("zone"), served)?;
    let (ip, port) = (address.ip(), address.port());
    let (policy, signing) = if served.is_signed {
        // Where its keys go; it makes no folder for them.
        fs::create_dir_all(room.join("db")).context("failed to make a folder")?;
        let policy = "policy:\n  - id: own\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n";
        (policy, "    dnssec-signing: on\n    dnssec-policy: own\n    zonefile-sync: -1\n")
    } else {
        ("", "")
    };
    let folder = room.display();
    let text = format!(
        "server:\n  listen: {ip}@{port}\n  rundir: {folder}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: {folder}/db\nlog:\n  - target: stderr\n    any: warning\n{policy}zone:\n  - domain: {}\n    storage: {folder}\n    file: zone\n{signing}",
        served.apex
    );
    let file = config(room, "knot.conf", &text)?;
    let mut command = Command::new("knotd");
    command.arg("-c").arg(file);
    Ok(command)
}
