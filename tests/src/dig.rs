//! Names, asked with `dig`: the judge is a client that is not ours.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::kubectl;

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// NOERROR, NXDOMAIN, REFUSED, …
    pub status: String,
    /// The header's flags: qr, aa, tc, …
    pub flags: Vec<String>,
    /// The answer section, in the order it came.
    pub records: Vec<Record>,
    /// The authority section.
    pub authority: Vec<Record>,
}

/// One resource record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Its owner, with the final dot.
    pub name: String,
    /// Units: seconds.
    pub ttl: u32,
    /// A, AAAA, SOA, …
    pub kind: String,
    /// As `dig` prints it.
    pub data: String,
}

/// Asks `server` once for `name` and `kind`; `options` are dig's own, for instance `+tcp`.
///
/// # Errors
/// When there is no answer, or dig is not there.
pub async fn ask(server: SocketAddr, name: &str, kind: &str, options: &[&str]) -> Result<Answer> {
    let mut command = Command::new("dig");
    command
        .arg("-r")
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string(), "-t", kind, "-q", name])
        .args(["+tries=1", "+time=2", "+norecurse", "+noall", "+comments", "+answer", "+authority"])
        .args(options);
    let answer = kubectl::finish(command, "").await;
    let answer = answer.context("failed to run dig (package bind9-dnsutils or bind-utils)")?;
    if !answer.success {
        bail!("dig {name} {kind} at {server} got no answer: {}", answer.stdout.trim());
    }
    parse(&answer.stdout).with_context(|| format!("failed to read dig's answer: {}", answer.stdout))
}

/// The addresses that `server` gives for `name`, in the order they came.
///
/// # Errors
/// When there is no answer.
pub async fn addresses(server: SocketAddr, name: &str) -> Result<Vec<String>> {
    let answer = ask(server, name, "A", &[]).await?;
    Ok(answer.records.into_iter().filter(|record| record.kind == "A").map(|record| record.data).collect())
}

/// Copies `zone` from `server`; `kind` is AXFR or IXFR=SERIAL, `options` are dig's own, for instance `-y`.
///
/// Shape: every record in the order it came; none when the server, or the key, refused.
///
/// # Errors
/// When dig is not there, or prints what is no record.
pub async fn transfer(
    server: SocketAddr,
    zone: &str,
    kind: &str,
    options: &[&str],
) -> Result<Option<Vec<Record>>> {
    let mut command = Command::new("dig");
    command
        .arg("-r")
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string(), "-t", kind, "-q", zone])
        .args(["+tcp", "+tries=1", "+time=10", "+noall", "+answer"])
        .args(options);
    let answer = kubectl::finish(command, "").await;
    let answer = answer.context("failed to run dig (package bind9-dnsutils or bind-utils)")?;
    let mut records = Vec::new();
    for line in answer.stdout.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("; Transfer failed") || line.contains("Couldn't verify signature") {
            return Ok(None);
        }
        if !line.starts_with(';') {
            records.push(parse_record(line).with_context(|| format!("failed to read dig's line {line}"))?);
        }
    }
    if !answer.success {
        bail!("dig {zone} {kind} at {server} got no answer: {} {}", answer.stdout.trim(), answer.stderr);
    }
    Ok(Some(records))
}

fn parse(text: &str) -> Option<Answer> {
    let mut answer = Answer::default();
    let mut in_authority = false;
    for line in text.lines() {
        if let Some((_, header)) = line.split_once("status: ") {
            answer.status = header.split(',').next()?.to_owned();
        } else if let Some(flags) = line.strip_prefix(";; flags: ") {
            answer.flags = flags.split(';').next()?.split_whitespace().map(str::to_owned).collect();
        } else if line.starts_with(";; AUTHORITY SECTION") {
            in_authority = true;
        } else if !line.starts_with(';') && !line.trim().is_empty() {
            let section = if in_authority { &mut answer.authority } else { &mut answer.records };
            section.push(parse_record(line)?);
        }
    }
    (!answer.status.is_empty()).then_some(answer)
}

/// `name ttl IN kind data…`, with any white space between.
fn parse_record(line: &str) -> Option<Record> {
    let mut words = line.split_whitespace();
    let name = words.next()?.to_owned();
    let ttl = words.next()?.parse().ok()?;
    words.next()?;
    let kind = words.next()?.to_owned();
    Some(Record { name, ttl, kind, data: words.collect::<Vec<_>>().join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_flags_and_sections() {
        let text = "\
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4711
;; flags: qr aa; QUERY: 1, ANSWER: 1, AUTHORITY: 1, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
;; ANSWER SECTION:
shop.global.example.\t5\tIN\tA\t127.77.0.1

;; AUTHORITY SECTION:
global.example.\t60\tIN\tNS\tns1.global.example.
";
        let answer = parse(text).unwrap();
        assert_eq!(
            (answer.status.as_str(), answer.flags.as_slice()),
            ("NOERROR", &["qr".into(), "aa".into()][..])
        );
        let record = |name: &str, ttl, kind: &str, data: &str| Record {
            name: name.into(),
            ttl,
            kind: kind.into(),
            data: data.into(),
        };
        assert_eq!(answer.records, [record("shop.global.example.", 5, "A", "127.77.0.1")]);
        assert_eq!(answer.authority, [record("global.example.", 60, "NS", "ns1.global.example.")]);
    }

    #[test]
    fn no_header_is_no_answer() {
        assert_eq!(parse(";; connection timed out; no servers could be reached\n"), None);
    }
}
