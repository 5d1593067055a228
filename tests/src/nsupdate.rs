//! `nsupdate`, the client of dynamic updates that comes with BIND.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::kubectl;

/// How an update is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// In a datagram, if it fits.
    Udp,
    /// Over TCP.
    Tcp,
}

/// Sends one update of `zone`: `lines` are nsupdate's own, such as `update add a.example. 60 A 192.0.2.1`. `key` is
/// `algorithm:name:secret`; without one, nothing is signed.
///
/// Gives the response's code: NOERROR, REFUSED, NXRRSET, …
///
/// # Errors
/// When nsupdate is not there, gets no answer, or does not believe the answer's signature.
pub async fn update(
    server: SocketAddr,
    key: Option<&str>,
    by: By,
    zone: &str,
    lines: &[&str],
) -> Result<String> {
    let mut command = Command::new("nsupdate");
    if by == By::Tcp {
        command.arg("-v");
    }
    command.args(["-u", "5", "-r", "1"]).args(key.iter().flat_map(|key| ["-y", *key]));
    let script =
        format!("server {} {}\nzone {zone}\n{}\nsend\n", server.ip(), server.port(), lines.join("\n"));
    let answer = kubectl::finish(command, &script).await;
    let answer = answer.context("failed to run nsupdate (package bind9-dnsutils or bind-utils)")?;
    let said = answer.stderr.trim();
    match said.strip_prefix("update failed: ") {
        Some(code) if !said.contains('\n') => Ok(code.to_owned()),
        None if answer.success && said.is_empty() => Ok("NOERROR".to_owned()),
        Some(_) | None => bail!("nsupdate of {zone} with {lines:?}: {said} {}", answer.stdout.trim()),
    }
}
