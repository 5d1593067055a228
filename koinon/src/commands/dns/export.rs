//! `koinon dns export`: the zone file of what the host stores.

use anyhow::{anyhow, bail};
use koinon_dns::zonefile;
use koinon_types::convert;
use serde_json::Value;

use crate::args::ExportArgs;
use crate::commands::paths;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render;

/// Prints a zone file.
pub(crate) async fn run(args: ExportArgs) -> anyhow::Result<Outcome> {
    let host = Host::connect(&args.host).await?;
    let apex = args.zone.trim_end_matches('.').to_ascii_lowercase();
    let Some(object) = host.find(&format!("{}/{apex}", paths::ZONES)).await? else {
        let zones = host.list(paths::ZONES).await?;
        let names: Vec<&str> = zones.iter().filter_map(|zone| zone["metadata"]["name"].as_str()).collect();
        bail!("no zone {apex} on the host; there are: {}", names.join(", "));
    };
    // Without a DNS server on the host there is no serial; any is right, because an import does not keep it.
    let resolved = host.find(&format!("/koinon/resolve?name={apex}&type=SOA")).await?;
    let serial =
        resolved.and_then(|told| told["generation"].as_u64()).map_or(1, |generation| generation as u32);
    let records = host.list(paths::RECORDS).await?;
    render::print(&text(&object, serial, &records)?);
    Ok(Outcome::Ok)
}

/// The zone file, and as comments the global names in the zone, which no zone file can hold.
fn text(object: &Value, serial: u32, records: &[Value]) -> anyhow::Result<String> {
    let zone = convert::dns_zone(object).map_err(|findings| {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        anyhow!("the stored zone is not valid: {}", findings.join("; "))
    })?;
    let mut text = zonefile::write(&zone.zone, serial);
    for record in records {
        let host = record["spec"]["host"].as_str().unwrap_or_default();
        if koinon_model::served_name::Host::try_from(host).is_ok_and(|host| host.is_within(&zone.apex)) {
            let source = [&record["metadata"]["namespace"], &record["metadata"]["name"]];
            let [namespace, name] = source.map(|part| part.as_str().unwrap_or_default());
            text.push_str(&format!("; {host} is answered by the GlobalRecord {namespace}/{name}\n"));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_zone_is_written_and_global_names_are_told() {
        let zone = json!({
            "apiVersion": "koinon.io/v1alpha1", "kind": "DnsZone", "metadata": {"name": "example.com"},
            "spec": {
                "soa": {"mname": "ns1.example.com", "rname": "hostmaster.example.com"},
                "nameServers": [{"name": "ns1.example.com", "addresses": ["192.0.2.53"]}],
                "records": [{"name": "*.a", "type": "TXT", "data": "\"x y\"", "ttlSeconds": 60},
                            {"name": "@", "type": "mx", "data": "10 mail"}],
            },
        });
        let global =
            |host: &str| json!({"metadata": {"namespace": "shop", "name": "cart"}, "spec": {"host": host}});
        assert_eq!(
            text(&zone, 812, &[global("cart.example.com"), global("cart.badexample.com")]).unwrap(),
            "$ORIGIN example.com.
@ 3600 IN SOA ns1.example.com. hostmaster.example.com. 812 7200 900 1209600 30
@ 3600 IN NS ns1.example.com.
ns1 3600 IN A 192.0.2.53
*.a 60 IN TXT \"x y\"
@ 300 IN MX 10 mail.example.com.
; cart.example.com is answered by the GlobalRecord shop/cart
"
        );
    }
}
