//! `koinon dns acknowledge`: what of the names is held back, and letting it pass.

use serde_json::{Value, json};

use crate::args::AcknowledgeArgs;
use crate::compose::guard::GUARD;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render::{self, Mood};

/// Names that are listed for one zone; the rest is what `-o json` is for.
const LISTED_MAX: usize = 20;

/// Shows what is held, or lets some of it pass.
pub(crate) async fn run(args: AcknowledgeArgs) -> anyhow::Result<Outcome> {
    let host = Host::connect(&args.host).await?;
    if args.digests.is_empty() {
        let held = host.read(GUARD).await?;
        render::show(args.output.output, &held, || overview(&held))?;
        let is_free = held["held"].as_array().is_none_or(Vec::is_empty);
        return Ok(if is_free { Outcome::Ok } else { Outcome::Degraded });
    }
    let mut passed = Vec::new();
    for digest in &args.digests {
        passed.push(host.post(GUARD, &json!({"digest": digest})).await?);
    }
    let all = json!({"passed": passed});
    render::show(args.output.output, &all, || {
        let each =
            passed.iter().map(|loss| format!("{} is let pass\n{}", render::strong(zone(loss)), detail(loss)));
        each.collect()
    })?;
    Ok(Outcome::Ok)
}

fn zone(loss: &Value) -> &str {
    loss["zone"].as_str().unwrap_or_default()
}

fn overview(held: &Value) -> String {
    let losses: Vec<&Value> = held["held"].as_array().into_iter().flatten().collect();
    if losses.is_empty() {
        return "nothing is held back\n".to_owned();
    }
    let text = |loss: &Value, field: &str| loss[field].as_str().unwrap_or_default().to_owned();
    let each = losses.iter().map(|loss| {
        format!(
            "{} {} since {}: {}\n{}  undo the change, or let it pass: koinon dns acknowledge {}\n",
            render::strong(zone(loss)),
            render::tint("is held", Mood::Odd),
            text(loss, "since"),
            text(loss, "why"),
            detail(loss),
            text(loss, "digest"),
        )
    });
    each.collect::<Vec<_>>().join("\n")
}

/// What goes: a line for each name, up to a screen's worth.
fn detail(loss: &Value) -> String {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let gone = texts(&loss["names"]).into_iter().map(|name| format!("  - {name}\n"));
    let fewer = loss["fewer"].as_array().into_iter().flatten().map(|fewer| {
        let name = fewer["name"].as_str().unwrap_or_default();
        format!("  ~ {name} loses {}\n", texts(&fewer["addresses"]).join(", "))
    });
    let lines: Vec<String> = gone.chain(fewer).collect();
    let n_all = loss["namesCount"].as_u64().unwrap_or_default()
        + loss["fewer"].as_array().map_or(0, |fewer| fewer.len() as u64);
    let mut detail: String = lines.iter().take(LISTED_MAX).map(String::as_str).collect();
    let n_more = n_all.saturating_sub(lines.len().min(LISTED_MAX) as u64);
    if n_more > 0 {
        detail.push_str(&format!("  … and {n_more} more\n"));
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_told_with_the_way_out() {
        let held = json!({"held": [{
            "zone": "example.com", "digest": "0011223344556677", "since": "2026-11-24T02:03:04Z",
            "why": "22 of 30 names would be gone, and 30 % may go unasked", "namesCount": 22,
            "names": (0..22).map(|n| format!("n{n:02}.example.com")).collect::<Vec<_>>(),
            "fewer": [{"name": "shop.example.com", "addresses": ["192.0.2.1"]}],
        }]});
        let text = overview(&held);
        for part in [
            "example.com is held since 2026-11-24T02:03:04Z: 22 of 30 names",
            "  - n00.example.com\n",
            "  … and 3 more\n",
            "koinon dns acknowledge 0011223344556677\n",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert_eq!(overview(&json!({"held": []})), "nothing is held back\n");
    }
}
