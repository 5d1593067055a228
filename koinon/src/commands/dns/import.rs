//! `koinon dns import`: a zone file becomes a DnsZone. The file is checked here as the host would, so that a refusal
//! names the line.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use koinon_dns::wire::name::Name;
use koinon_dns::zonefile::{self, ZoneFile};
use koinon_machinery::validate::FieldError;
use koinon_types::convert::Door;
use koinon_types::names::Zone;
use koinon_types::v1alpha1;
use serde_json::{Value, json};

use crate::args::ImportArgs;
use crate::commands::paths;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render;

/// Reads, checks and stores a zone file.
pub(crate) async fn run(args: ImportArgs) -> anyhow::Result<Outcome> {
    let text = text_of(&args.file)?;
    let (file, object) = translate(&text, args.zone.as_deref()).map_err(|lines| {
        anyhow!("{}", lines.join("\n  ")).context(format!("import {}", args.file.display()))
    })?;
    if args.dry_run {
        let notes: String = file.notes.iter().map(|note| format!("# {note}\n")).collect();
        render::print(&format!("{notes}{}", serde_norway::to_string(&object)?));
        return Ok(Outcome::Ok);
    }
    let host = Host::connect(&args.host).await?;
    host.apply(&format!("{}/{}", paths::ZONES, file.zone.apex), &object).await?;
    let notes: String = file.notes.iter().map(|note| format!("  {note}\n")).collect();
    render::print(&format!(
        "zone {} is stored with {} name servers and {} records\n{notes}",
        file.zone.apex,
        file.zone.name_servers.len(),
        file.zone.records.len()
    ));
    Ok(Outcome::Ok)
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("read standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("read zone file {}", file.display()))?;
    }
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("{} is not UTF-8; write other bytes as \\DDD", file.display());
    };
    Ok(text)
}

/// Makes a DnsZone of a zone file. Shape: what was read and the object, or every refusal with its line.
fn translate(text: &str, apex: Option<&str>) -> Result<(ZoneFile, Value), Vec<String>> {
    let apex: Option<Name> = match apex.map(str::parse).transpose() {
        Ok(apex) => apex,
        Err(error) => return Err(vec![format!("--zone: {error}")]),
    };
    let file = zonefile::read(text, apex.as_ref())
        .map_err(|refusals| refusals.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let object = json!({
        "apiVersion": v1alpha1::API_VERSION, "kind": "DnsZone",
        "metadata": {"name": file.zone.apex}, "spec": spec(&file.zone),
    });
    let findings = Door::new().admit("DnsZone", &object, None);
    if !findings.is_empty() {
        return Err(findings.iter().map(|finding| located(finding, &file.lines)).collect());
    }
    Ok((file, object))
}

/// The zone as its owner would write it: names absolute, with the final dot that the notation asks for.
fn spec(zone: &Zone) -> v1alpha1::DnsZoneSpec {
    let soa = &zone.soa;
    let seconds = |seconds: u32| Some(i64::from(seconds));
    let server = |server: &koinon_types::names::NameServer| v1alpha1::NameServer {
        name: server.name.clone(),
        addresses: server.addresses.iter().map(ToString::to_string).collect(),
    };
    let record = |record: &koinon_types::names::StaticRecord| v1alpha1::StaticRecord {
        name: if record.name == zone.apex { "@".to_owned() } else { format!("{}.", record.name) },
        kind: record.kind.clone(),
        data: record.data.clone(),
        ttl_seconds: seconds(record.ttl),
    };
    v1alpha1::DnsZoneSpec {
        soa: v1alpha1::Soa {
            mname: soa.mname.clone(),
            rname: soa.rname.clone(),
            refresh_seconds: seconds(soa.refresh),
            retry_seconds: seconds(soa.retry),
            expire_seconds: seconds(soa.expire),
            negative_ttl_seconds: seconds(soa.minimum),
            ttl_seconds: seconds(soa.ttl),
        },
        name_servers: zone.name_servers.iter().map(server).collect(),
        records: zone.records.iter().map(record).collect(),
        allowed_namespaces: None,
        transfer: None,
        updates: None,
        catalog: None,
        dnssec: None,
    }
}

/// A finding about a record, with the line that the record stands in.
fn located(finding: &FieldError, lines: &[usize]) -> String {
    let number = finding.field.strip_prefix("spec.records[").and_then(|rest| rest.split_once(']'));
    let line = number.and_then(|(number, _)| lines.get(number.parse::<usize>().ok()?));
    match line {
        Some(line) => format!("line {line}: {finding}"),
        None => finding.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "$ORIGIN example.com.
$TTL 1h
@ SOA ns1 hostmaster 7 2h 15m 2w 30
  NS ns1
ns1 A 192.0.2.53
www 5m CNAME shop
@ MX 10 mail.example.net.
old DNAME new
";

    #[test]
    fn a_zone_file_becomes_an_object_that_says_the_same() {
        let (file, object) = translate(FILE, None).unwrap();
        assert_eq!(
            object["spec"],
            json!({
                "soa": {
                    "mname": "ns1.example.com", "rname": "hostmaster.example.com", "refreshSeconds": 7200,
                    "retrySeconds": 900, "expireSeconds": 1_209_600, "negativeTtlSeconds": 30, "ttlSeconds": 3600,
                },
                "nameServers": [{"name": "ns1.example.com", "addresses": ["192.0.2.53"]}],
                "records": [
                    {"name": "www.example.com.", "type": "CNAME", "data": "shop.example.com.", "ttlSeconds": 300},
                    {"name": "@", "type": "MX", "data": "10 mail.example.net.", "ttlSeconds": 3600},
                    {"name": "old.example.com.", "type": "DNAME", "data": "new.example.com.", "ttlSeconds": 3600},
                ],
            })
        );
        // What the host stores of it, written and read again, is what was read.
        let stored = koinon_types::convert::dns_zone(&object).unwrap().zone;
        assert_eq!(stored, file.zone);
        assert_eq!(zonefile::read(&zonefile::write(&stored, 7), None).unwrap().zone, stored);
    }

    #[test]
    fn every_refusal_names_its_line() {
        let refusals = |lines: &str| translate(&format!("{FILE}{lines}"), None).unwrap_err();
        for (lines, wanted) in [
            ("a A nonsense", "line 9: data \"nonsense\" is not valid: an IPv4 address is expected"),
            ("a\\032b A 192.0.2.1", "line 9: spec.records[3].name"),
            ("www A 192.0.2.1", "line 6: spec.records[0].type"),
            ("x.old A 192.0.2.1", "line 9: spec.records[3].name"),
            ("a 8w A 192.0.2.1", "line 9: spec.records[3].ttlSeconds"),
        ] {
            let refusals = refusals(lines);
            assert!(refusals[0].starts_with(wanted), "{lines}: {refusals:?}");
        }
        let refusals = translate("@ SOA ns hostmaster 1 1 1 1 1", Some("example.com")).unwrap_err();
        assert!(refusals.iter().any(|refusal| refusal.starts_with("spec.nameServers")), "{refusals:?}");
        assert_eq!(translate("", Some("a..b")).unwrap_err(), ["--zone: name \"a..b\" has an empty label"]);
    }
}
