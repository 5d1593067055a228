//! `koinon dns doctor`: what the parent zone and the network say of a zone, beside what they must say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail};
use hickory_proto::rr::Name;
use koinon_dns::delegation::{self, Check, Ds, Lookup, Verdict, Wanted};
use koinon_types::conditions::{self, ConditionType, Truth};
use koinon_types::convert;
use koinon_types::v1alpha1::{self, DnsZoneStatus};
use serde_json::{Value, json};

use crate::args::DoctorArgs;
use crate::commands::paths;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render::{self, Mood};

/// Looks at a zone from outside.
pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<Outcome> {
    let host = Host::connect(&args.host).await?;
    let apex = args.zone.trim_end_matches('.').to_ascii_lowercase();
    let Some(object) = host.find(&format!("{}/{apex}", paths::ZONES)).await? else {
        let zones = host.list(paths::ZONES).await?;
        let names: Vec<&str> = zones.iter().filter_map(|zone| zone["metadata"]["name"].as_str()).collect();
        bail!("no zone {apex} on the host; there are: {}", names.join(", "));
    };
    let wanted = wanted(&object)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("read the clock")?.as_secs();
    let lookup = Lookup::from(args.lookup);
    // Times of signatures are 32 bits, which wrap around (RFC 4034 §3.1.5).
    let view = delegation::look(lookup, &name(&apex)?, &wanted, now as u32).await;
    let checks = delegation::judge(&view, &wanted);
    render::show(args.output.output, &value(&apex, &wanted, &checks), || text(&apex, &wanted, &checks))?;
    let is_bad = checks.iter().any(|check| check.verdict == Verdict::Bad);
    Ok(if is_bad { Outcome::Degraded } else { Outcome::Ok })
}

/// What the zone is to look like, by what is stored.
fn wanted(object: &Value) -> anyhow::Result<Wanted> {
    let zone = convert::dns_zone(object).map_err(|findings| {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        anyhow!("the stored zone is not valid: {}", findings.join("; "))
    })?;
    let status: DnsZoneStatus = v1alpha1::read(object, "status").unwrap_or_default();
    let signed = conditions::find(&status.conditions, ConditionType::Signed);
    let mut name_servers: BTreeMap<Name, BTreeSet<IpAddr>> = BTreeMap::new();
    for server in &zone.zone.name_servers {
        name_servers.entry(name(&server.name)?).or_default().extend(&server.addresses);
    }
    let mut ds = BTreeSet::new();
    for text in status.dnssec.iter().flat_map(|dnssec| &dnssec.ds) {
        ds.insert(text.parse::<Ds>()?);
    }
    let is_signed = signed.is_some_and(|condition| condition.status == Truth::True.as_str());
    Ok(Wanted { name_servers, ds, is_signed })
}

fn name(text: &str) -> anyhow::Result<Name> {
    Name::from_ascii(format!("{text}.")).with_context(|| format!("read the name {text}"))
}

fn value(apex: &str, wanted: &Wanted, checks: &[Check]) -> Value {
    let check = |check: &Check| json!({"check": check.what, "verdict": word(check.verdict), "found": check.found, "remedy": check.remedy});
    json!({
        "zone": apex,
        "parentMustHave": must_have(apex, wanted),
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "Good",
        Verdict::Odd => "Odd",
        Verdict::Bad => "Bad",
    }
}

/// The records that the parent must contain, as its zone file would.
fn must_have(apex: &str, wanted: &Wanted) -> Vec<String> {
    let mut records = Vec::new();
    let zone = name(apex).ok();
    for server in wanted.name_servers.keys() {
        records.push(format!("{apex}. NS {server}"));
    }
    for (server, addresses) in &wanted.name_servers {
        if zone.as_ref().is_some_and(|zone| zone.zone_of(server)) {
            let kind = |ip: &IpAddr| if ip.is_ipv4() { "A" } else { "AAAA" };
            records.extend(addresses.iter().map(|ip| format!("{server} {} {ip}", kind(ip))));
        }
    }
    records.extend(wanted.ds.iter().map(|ds| format!("{apex}. DS {ds}")));
    records
}

fn text(apex: &str, wanted: &Wanted, checks: &[Check]) -> String {
    let mut text = format!("{}\n", render::strong(&format!("The parent of {apex} must have")));
    for record in must_have(apex, wanted) {
        text.push_str(&format!("  {record}\n"));
    }
    text.push('\n');
    let row = |check: &Check| {
        let mark = match check.verdict {
            Verdict::Good => render::tint("✓", Mood::Good),
            Verdict::Odd => render::tint("!", Mood::Odd),
            Verdict::Bad => render::tint("✗", Mood::Bad),
        };
        vec![mark, check.what.clone(), check.found.clone(), check.remedy.clone()]
    };
    let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
    text.push_str(&render::table(&["", "CHECK", "FOUND", "WHAT TO DO"], &rows));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parent_must_have_comes_first_and_each_check_with_its_mark() {
        let zone = json!({
            "apiVersion": "koinon.io/v1alpha1", "kind": "DnsZone", "metadata": {"name": "example.com"},
            "spec": {"soa": {"mname": "ns1.example.com", "rname": "hostmaster.example.com"},
                "nameServers": [{"name": "ns1.example.com", "addresses": ["192.0.2.53", "2001:db8::53"]},
                                {"name": "ns.example.net"}]},
            "status": {"dnssec": {"ds": ["4711 13 2 00FF"]}, "conditions": [{"type": "Signed", "status": "True",
                "observedGeneration": 1, "lastTransitionTime": "2026-11-24T00:00:00Z", "reason": "Published",
                "message": ""}]},
        });
        let wanted = wanted(&zone).unwrap();
        assert!(wanted.is_signed);
        let check = |verdict, remedy: &str| Check {
            what: "DS at the parent".into(),
            verdict,
            found: "none".into(),
            remedy: remedy.into(),
        };
        let checks = [check(Verdict::Good, ""), check(Verdict::Bad, "give it")];
        let expected = "\
The parent of example.com must have
  example.com. NS ns1.example.com.
  example.com. NS ns.example.net.
  ns1.example.com. A 192.0.2.53
  ns1.example.com. AAAA 2001:db8::53
  example.com. DS 4711 13 2 00FF

   CHECK             FOUND  WHAT TO DO
✓  DS at the parent  none
✗  DS at the parent  none   give it
";
        assert_eq!(text("example.com", &wanted, &checks), expected);
        assert_eq!(value("example.com", &wanted, &checks)["checks"][1]["verdict"], "Bad");
    }
}
