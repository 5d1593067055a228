//! `koinon resolve`: what a name answers a client now, and why. The host computes it; this prints it.

use anyhow::bail;
use serde_json::Value;

use crate::args::ResolveArgs;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render::{self, Mood};

/// Resolves a name.
pub(crate) async fn run(args: ResolveArgs) -> anyhow::Result<Outcome> {
    let host = Host::connect(&args.host).await?;
    let subnet = args.subnet.map(|subnet| subnet.to_string()).unwrap_or_default();
    let path = format!(
        "/koinon/resolve?name={}&type={}&client={}&subnet={}&at={}&ifDown={}",
        render::escaped(&args.name),
        render::escaped(&args.kind),
        args.client,
        render::escaped(&subnet),
        render::escaped(args.at.as_deref().unwrap_or_default()),
        render::escaped(&args.if_down.join(","))
    );
    let Some(explanation) = host.find(&path).await? else {
        bail!("the host serves no names: it was started with --dns=off");
    };
    render::show(args.output.output, &explanation, || text(&explanation))?;
    let answered = explanation["answers"].as_array().is_some_and(|answers| !answers.is_empty());
    Ok(if answered { Outcome::Ok } else { Outcome::Degraded })
}

fn text(explanation: &Value) -> String {
    let field = |name: &str| explanation[name].as_str().unwrap_or_default().to_owned();
    let mut text = String::new();
    for answer in explanation["answers"].as_array().into_iter().flatten() {
        text.push_str(&render::strong(answer.as_str().unwrap_or_default()));
        text.push('\n');
    }
    text.push_str(&format!("{}  generation {}\n", field("rcode"), explanation["generation"]));
    let down: Vec<&str> =
        explanation["ifDown"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let supposed =
        if down.is_empty() { String::new() } else { format!(", if {} were lost", down.join(", ")) };
    let mut lines = vec![("asked", format!("at {}{supposed}", field("at"))), ("because", field("because"))];
    for step in explanation["steps"].as_array().into_iter().flatten() {
        let part = |name: &str| step[name].as_str().unwrap_or_default();
        lines.push((part("step"), part("because").to_owned()));
    }
    lines.push(("ttl", field("ttlReason")));
    if let Some(subnet) = explanation["subnet"].as_str() {
        lines.push(("scope", format!("{} of {subnet}", scope(&explanation["scope"]))));
    }
    for (label, words) in lines.iter().filter(|(_, words)| !words.is_empty()) {
        text.push_str(&format!("  {label:8} {words}\n"));
    }
    let rows: Vec<Vec<String>> = explanation["endpoints"].as_array().into_iter().flatten().map(row).collect();
    if !rows.is_empty() {
        text.push('\n');
        let columns = ["CLUSTER", "ADDRESS", "WEIGHT", "ANSWERED", "SINCE", "EVIDENCE"];
        text.push_str(&render::table(&columns, &rows));
    }
    text
}

/// For whom the answer holds.
fn scope(bits: &Value) -> String {
    match bits.as_u64() {
        Some(0) | None => "holds for every client, /0".to_owned(),
        Some(bits) => format!("holds for the first {bits} bits"),
    }
}

fn row(endpoint: &Value) -> Vec<String> {
    let field = |name: &str| endpoint[name].as_str().unwrap_or_default().to_owned();
    let excluded = field("excluded");
    let answered = if excluded.is_empty() {
        render::tint("yes", Mood::Good)
    } else {
        render::tint(&format!("no: {excluded}"), Mood::Odd)
    };
    let since = endpoint["ageSeconds"].as_u64().map(age).unwrap_or_default();
    vec![field("cluster"), field("address"), weight(endpoint), answered, since, field("evidence")]
}

/// An endpoint's weight, and the share that clients of this server got.
fn weight(endpoint: &Value) -> String {
    let (weight, share) = (&endpoint["weight"], &endpoint["share"]);
    match (share["realisedPercent"].as_f64(), share["wantedPercent"].as_f64()) {
        (Some(realised), Some(wanted)) => {
            format!("{weight} ({realised:.1} % of {}, {wanted:.1} % wanted)", share["answersCountAll"])
        }
        _ => weight.to_string(),
    }
}

/// How long something is so, in the largest unit that says enough.
fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answer_comes_first_and_every_endpoint_with_its_reason() {
        let text = text(&json!({
            "rcode": "NOERROR", "generation": 812, "because": "weighted 2 of 10", "ttlReason": "5: stable",
            "at": "2026-01-02T03:04:05Z", "subnet": "192.0.2.0/24", "scope": 20, "ifDown": ["on-prem"],
            "steps": [{"step": "geo", "clusters": ["cloud-a"], "because": "rule 1 matches"}],
            "answers": ["shop.global.example. 5 IN A 192.0.2.20"],
            "endpoints": [
                {"cluster": "cloud-a", "address": "192.0.2.20", "weight": 2, "ageSeconds": 180, "evidence": "probe: 200",
                 "share": {"wantedPercent": 100.0, "realisedPercent": 100.0, "answersCount": 7, "answersCountAll": 7}},
                {"cluster": "on-prem", "address": "192.0.2.10", "weight": 6, "excluded": "ClusterUnreachable",
                 "ageSeconds": 42, "evidence": "api: refused"}],
        }));
        let wanted = "shop.global.example. 5 IN A 192.0.2.20\nNOERROR  generation 812\n  asked    at 2026-01-02T03:04:05Z, if on-prem were lost\n  because  weighted 2 of 10\n  geo      rule 1 matches\n  ttl      5: stable\n  scope    holds for the first 20 bits of 192.0.2.0/24\n";
        assert!(text.starts_with(wanted), "{text}");
        assert!(
            text.contains("on-prem  192.0.2.10  6                                 no: ClusterUnreachable  42 s   api: refused"),
            "{text}"
        );
        assert!(text.contains("2 (100.0 % of 7, 100.0 % wanted)"), "{text}");
        assert!(text.contains("3 min"), "{text}");
    }
}
