//! `koinon dns history`: what names answered, since when and why.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use koinon_controllers::names::journal::{Act, Cause, Entry, Said};
use koinon_model::time::Timestamp;

use crate::args::HistoryArgs;
use crate::compose::history::HISTORY;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render;

/// Endpoints and records of one side of a change; the rest is what `-o json` is for.
const SHOWN_MAX: usize = 4;

/// Shows the history of a name or a zone.
pub(crate) async fn run(args: HistoryArgs) -> anyhow::Result<Outcome> {
    let host = Host::connect(&args.host).await?;
    let whose = match (&args.name, &args.zone) {
        (Some(name), _) => format!("name={}", render::escaped(name)),
        (None, zone) => format!("zone={}", render::escaped(zone.as_deref().unwrap_or_default())),
    };
    let since = args.since.map_or(0, |span| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(span).as_millis()
    });
    let told = host.read(&format!("{HISTORY}?{whose}&since={since}&limit={}", args.limit)).await?;
    let changes: Vec<Entry> = serde_json::from_value(told["changes"].clone())
        .context("read the host's history; is it of another version?")?;
    render::show(args.output.output, &told, || text(&changes))?;
    Ok(Outcome::Ok)
}

fn text(changes: &[Entry]) -> String {
    if changes.is_empty() {
        return "no change is known\n".to_owned();
    }
    // One name needs no column of its own.
    let is_one = changes.iter().all(|change| change.name == changes[0].name);
    let rows: Vec<Vec<String>> = changes.iter().map(|change| row(change, is_one)).collect();
    let headings: &[&str] = if is_one {
        &["TIME", "GENERATION", "CAUSE", "BEFORE → AFTER"]
    } else {
        &["TIME", "GENERATION", "NAME", "CAUSE", "BEFORE → AFTER"]
    };
    render::table(headings, &rows)
}

fn row(change: &Entry, is_one: bool) -> Vec<String> {
    let at = Timestamp::from_millis(change.at_ms).to_string();
    let mut row = vec![at, change.generation.to_string()];
    if !is_one {
        row.push(change.name.clone());
    }
    row.extend([cause(change), difference(change)]);
    row
}

fn cause(change: &Entry) -> String {
    match &change.cause {
        Cause::Object { act, object, user, resource_version } => {
            let act = match act {
                Act::Written => "",
                Act::Deleted => " deleted",
            };
            let by = user.as_ref().map_or(String::new(), |user| format!(" by {user}"));
            let version = if resource_version.is_empty() { "" } else { " @" };
            format!("{object}{version}{resource_version}{act}{by}")
        }
        Cause::Verdict { cluster, evidence } => format!("verdict on {cluster}: {evidence}"),
        Cause::Member { cluster, evidence } => format!("{cluster} says: {evidence}"),
        Cause::Probes { evidence } => {
            format!("probes of {}: {evidence}", change.node.as_deref().unwrap_or("a node"))
        }
        Cause::Acknowledged { digest, by } => format!("{digest} let pass by {by}"),
        Cause::Start => "start of the host".to_owned(),
    }
}

/// What one side has and the other has not; all of it where the name came or went.
fn difference(change: &Entry) -> String {
    if let Some(n_names) = change.names_count {
        return format!("{n_names} names");
    }
    let (before, after) = (parts(change.before.as_ref()), parts(change.after.as_ref()));
    let only = |parts: &[String], others: &[String]| {
        let only: Vec<&String> = parts.iter().filter(|part| !others.contains(part)).collect();
        match only.len() {
            0 => "–".to_owned(),
            n if n > SHOWN_MAX => {
                let shown: Vec<&str> = only.iter().take(SHOWN_MAX).map(|part| part.as_str()).collect();
                format!("{} and {} more", shown.join(", "), n - SHOWN_MAX)
            }
            _ => only.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", "),
        }
    };
    let side = |said: Option<&Said>, own: &[String], other: &[String]| match said {
        None => "no such name".to_owned(),
        Some(_) if own.is_empty() => "no address".to_owned(),
        Some(_) => only(own, other),
    };
    format!(
        "{} → {}",
        side(change.before.as_ref(), &before, &after),
        side(change.after.as_ref(), &after, &before)
    )
}

fn parts(said: Option<&Said>) -> Vec<String> {
    let Some(said) = said else { return Vec::new() };
    let endpoint = |endpoint: &koinon_controllers::names::journal::SaidEndpoint| {
        let how = match &endpoint.withdrawn {
            None => format!("×{}", endpoint.weight),
            Some(why) => why.clone(),
        };
        format!("{} ({} {how})", endpoint.target, endpoint.cluster)
    };
    let ttl = said.ttl.filter(|_| !said.endpoints.is_empty()).map(|ttl| format!("TTL {ttl}"));
    let records = said.records.iter().cloned();
    records.chain(said.endpoints.iter().map(endpoint)).chain(ttl).collect()
}

#[cfg(test)]
mod tests {
    use koinon_controllers::names::journal::SaidEndpoint;

    use super::*;

    fn endpoint(cluster: &str, target: &str, withdrawn: Option<&str>) -> SaidEndpoint {
        let withdrawn = withdrawn.map(str::to_owned);
        SaidEndpoint { cluster: cluster.to_owned(), target: target.to_owned(), weight: 6, withdrawn }
    }

    fn change(cause: Cause, before: Option<Said>, after: Option<Said>) -> Entry {
        Entry {
            at_ms: 1_000,
            generation: 812,
            zone: "example.com".to_owned(),
            name: "shop.example.com".to_owned(),
            node: None,
            cause,
            names_count: None,
            before,
            after,
        }
    }

    #[test]
    fn a_change_shows_what_differs_and_why() {
        let said = |withdrawn, ttl| Said {
            records: Vec::new(),
            ttl: Some(ttl),
            endpoints: vec![endpoint("a", "192.0.2.1", withdrawn), endpoint("b", "192.0.2.2", None)],
        };
        let verdict = Cause::Verdict { cluster: "a".to_owned(), evidence: "cluster Unreachable".to_owned() };
        let lost = change(verdict, Some(said(None, 30)), Some(said(Some("ClusterUnreachable"), 5)));
        let written = Cause::Object {
            act: Act::Deleted,
            object: "GlobalRecord shop/shop".to_owned(),
            resource_version: "77".to_owned(),
            user: Some("ann".to_owned()),
        };
        let gone = change(
            written,
            Some(Said { records: vec!["60 A 192.0.2.7".to_owned()], ..Said::default() }),
            None,
        );
        assert_eq!(
            text(&[lost, gone]),
            "TIME                  GENERATION  CAUSE                                      BEFORE → AFTER
1970-01-01T00:00:01Z  812         verdict on a: cluster Unreachable          192.0.2.1 (a ×6), TTL 30 → 192.0.2.1 (a ClusterUnreachable), TTL 5
1970-01-01T00:00:01Z  812         GlobalRecord shop/shop @77 deleted by ann  60 A 192.0.2.7 → no such name
"
        );
        assert_eq!(text(&[]), "no change is known\n");
    }
}
