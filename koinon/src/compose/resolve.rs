//! The page behind `koinon resolve`: what a name answers a client, at some moment and if some clusters were lost.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use koinon_api_server::request::Query;
use koinon_api_server::{Page, Visit};
use koinon_dns::Subnet;
use koinon_dns::explain::explain;
use koinon_dns::serve::Running;
use koinon_dns::snapshot::{Client, Snapshot};
use koinon_machinery::status::Status;
use koinon_model::time::Timestamp;
use koinon_types::convert;
use serde_json::{Value, json};

use super::names::now;

/// Where an answer is explained.
const RESOLVE: &str = "/koinon/resolve";

/// The page.
pub(super) fn page(dns: &Running) -> Page {
    let snapshots = Arc::new(dns.snapshots());
    let answer = move |visit: Visit| {
        let snapshots = Arc::clone(&snapshots);
        async move {
            let asked = Asked::read(&visit.query, now())?;
            let snapshot = snapshots();
            // A supposition builds a snapshot, which takes a while for a large table.
            let answering = tokio::task::spawn_blocking(move || asked.answer(&snapshot));
            answering.await.map_err(|error| Status::internal(&error.to_string()))?
        }
    };
    Page {
        path: RESOLVE.to_owned(),
        body_bytes_max: None,
        answer: Arc::new(move |visit| Box::pin(answer(visit))),
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Asked {
    name: String,
    kind: String,
    client: Client,
    at: Timestamp,
    if_down: BTreeSet<String>,
}

impl Asked {
    fn read(query: &Query, now: Timestamp) -> Result<Self, Status> {
        let bad = |field: &str, text: &str, accepted: &str| {
            Status::bad_request(format!("{field}: {text} is no {accepted}"))
        };
        let address = match query.text("client") {
            "" => IpAddr::from([127, 0, 0, 1]),
            text => text.parse().map_err(|_| bad("client", text, "IP address"))?,
        };
        let subnet = match query.text("subnet") {
            "" => None,
            text => {
                let subnet = text.parse::<Subnet>();
                Some(subnet.map_err(|_| bad("subnet", text, "network such as 192.0.2.0/24"))?)
            }
        };
        let at = match query.text("at") {
            "" => now,
            text => moment(text, now).ok_or_else(|| {
                bad(
                    "at",
                    text,
                    "time such as 2026-01-02T03:04:05Z, and no distance from now such as +10m or -1h",
                )
            })?,
        };
        let if_down = query.text("ifDown").split(',').filter(|cluster| !cluster.is_empty());
        Ok(Self {
            name: query.text("name").to_owned(),
            kind: Some(query.text("type")).filter(|kind| !kind.is_empty()).unwrap_or("A").to_owned(),
            client: Client::new(address, subnet),
            at,
            if_down: if_down.map(str::to_owned).collect(),
        })
    }

    fn answer(&self, snapshot: &Snapshot) -> Result<Value, Status> {
        let known = snapshot.clusters();
        if let Some(unknown) = self.if_down.iter().find(|cluster| !known.contains(cluster.as_str())) {
            let known: Vec<&str> = known.into_iter().collect();
            return Err(Status::bad_request(format!(
                "ifDown: no name has an endpoint in cluster {unknown}; names have some in: {}",
                known.join(", ")
            )));
        }
        let supposed = if self.if_down.is_empty() {
            None
        } else {
            let supposed = snapshot.if_down(&self.if_down);
            Some(supposed.map_err(|error| Status::internal(&error.to_string()))?)
        };
        let snapshot = supposed.as_ref().unwrap_or(snapshot);
        let mut told = explain(snapshot, &self.name, &self.kind, &self.client, self.at)
            .map_err(|unclear| Status::bad_request(unclear.to_string()))?;
        told["ifDown"] = json!(self.if_down);
        Ok(told)
    }
}

/// The moment that a text names: as in the API, or a distance from now in seconds, minutes, hours or days.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let Some(distance) = text.strip_prefix(['+', '-']) else { return convert::timestamp(text) };
    let (digits, unit) = distance.split_at_checked(distance.len().checked_sub(1)?)?;
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())??;
    let millis = number.checked_mul(seconds)?.checked_mul(1_000)?;
    let millis = if text.starts_with('-') { -millis } else { millis };
    Some(Timestamp::from_millis(now.as_millis().checked_add(millis)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_a_distance_from_now() {
        let now = Timestamp::from_seconds(1_000_000);
        for (text, wanted) in [
            ("+10m", Some(1_000_600)),
            ("-1h", Some(996_400)),
            ("+0s", Some(1_000_000)),
            ("+2d", Some(1_172_800)),
            ("1970-01-01T00:01:00Z", Some(60)),
            ("10m", None),
            ("+m", None),
            ("+1w", None),
            ("+-1m", None),
            ("+9223372036854775807d", None),
            ("+1é", None),
        ] {
            assert_eq!(moment(text, now), wanted.map(Timestamp::from_seconds), "{text}");
        }
    }
}
