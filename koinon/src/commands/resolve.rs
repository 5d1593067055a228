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
    let path = format!(
        "/koinon/resolve?name={}&type={}&client={}",
        render::escaped(&args.name),
        render::escaped(&args.kind),
        args.client
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
    for (label, name) in [("because", "because"), ("ttl", "ttlReason")] {
        if !field(name).is_empty() {
            text.push_str(&format!("  {label:8} {}\n", field(name)));
        }
    }
    let rows: Vec<Vec<String>> = explanation["endpoints"].as_array().into_iter().flatten().map(row).collect();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&render::table(&["CLUSTER", "ADDRESS", "WEIGHT", "ANSWERED", "EVIDENCE"], &rows));
    }
    text
}

fn row(endpoint: &Value) -> Vec<String> {
    let field = |name: &str| endpoint[name].as_str().unwrap_or_default().to_owned();
    let excluded = field("excluded");
    let answered = if excluded.is_empty() {
        render::tint("yes", Mood::Good)
    } else {
        render::tint(&format!("no: {excluded}"), Mood::Odd)
    };
    vec![field("cluster"), field("address"), weight(endpoint), answered, field("evidence")]
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answer_comes_first_and_every_endpoint_with_its_reason() {
        let text = text(&json!({
            "rcode": "NOERROR", "generation": 812, "because": "weighted 2 of 10", "ttlReason": "5: stable",
            "answers": ["shop.global.example. 5 IN A 192.0.2.20"],
            "endpoints": [
                {"cluster": "cloud-a", "address": "192.0.2.20", "weight": 2, "evidence": "probe: 200",
                 "share": {"wantedPercent": 100.0, "realisedPercent": 100.0, "answersCount": 7, "answersCountAll": 7}},
                {"cluster": "on-prem", "address": "192.0.2.10", "weight": 6, "excluded": "ClusterUnreachable", "evidence": "api: refused"}],
        }));
        assert!(
            text.starts_with("shop.global.example. 5 IN A 192.0.2.20\nNOERROR  generation 812\n"),
            "{text}"
        );
        assert!(text.contains("2 (100.0 % of 7, 100.0 % wanted)"), "{text}");
        assert!(
            text.contains(
                "on-prem  192.0.2.10  6                                 no: ClusterUnreachable  api: refused"
            ),
            "{text}"
        );
    }
}
