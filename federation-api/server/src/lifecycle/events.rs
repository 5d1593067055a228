//! Events go after an hour, as everywhere: they tell of what happens, they are not a record.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use tokio::time::MissedTickBehavior;

use crate::local::Client;
use crate::registry::{ResourceRef, Scope};

/// What upstream keeps them for.
const HOURS_KEPT: i64 = 1;

/// How often old ones are looked for.
const INTERVAL: Duration = Duration::from_secs(60);

/// Deletes old events, again and again.
pub(super) async fn run(client: Client) {
    let events = ResourceRef::new("", "v1", "events", "Event", Scope::Namespaced);
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Ok(oldest) = Timestamp::now().checked_sub(HOURS_KEPT.hours()) else { continue };
        for event in client.list(&events).0 {
            if last_seen(&event.value()).or(event.created()).is_some_and(|seen| seen < oldest)
                && let Err(status) = client.delete(&events, event.namespace(), event.name(), None).await
            {
                tracing::debug!(%status, event = event.name(), "failed to delete an old event");
            }
        }
    }
}

/// When what an event tells of happened last.
fn last_seen(event: &koinon_machinery::Value) -> Option<Timestamp> {
    let instants = [&event["lastTimestamp"], &event["series"]["lastObservedTime"], &event["eventTime"]];
    instants.into_iter().filter_map(|instant| instant.as_str()?.parse().ok()).max()
}
