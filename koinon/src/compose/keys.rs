//! What keys of zones are sealed with, and how the parents of signed zones are watched.
//!
//! ```text
//! table of names ─► signed zones ─► their parents, asked ─► Parents ─► names controller
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hickory_proto::rr::Name;
use koinon_api_server::local::Client;
use koinon_controllers::names::{self, DsRecord, MASTER_KEY_LENGTH, Master, MasterKey, ParentDs, Parents};
use koinon_dns::delegation::{self, Ds, DsSeen, Lookup};
use koinon_model::time::Timestamp;
use koinon_types::names::{NameTable, NameTableReceiver, Zone};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

use super::dns::random;
use super::host::Settings;
use super::names::now;
use super::private::write_private;

/// The file with the master key, in the data folder.
const MASTER: &str = "dnssec-master.key";

/// How long after a change of a zone's keys, or of what its parent has, the parent is looked at often.
const FRESH: Duration = Duration::from_secs(3_600);

/// From one look at a parent to the next, after a change and otherwise: rollovers wait for hours, so minutes do not matter.
const LOOK_INTERVAL_FRESH: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_secs(600);

/// Zones looked at together. A look asks some ten questions and takes a second or two, so a thousand zones take minutes, which
/// is what they have.
const TOGETHER_MAX: usize = 8;

/// A TTL for DS records where none were seen: what is usual at registries at most.
const DS_TTL_SECONDS: u32 = 86_400;

/// The master key: the operator's, or the one in the data folder, which is drawn when there are no keys that another one seals.
///
/// # Errors
/// When a file cannot be read or written, or holds no key.
pub(super) fn master(settings: &Settings, client: &Client) -> anyhow::Result<Master> {
    let kept = settings.data_dir.join(MASTER);
    let path = settings.key_encryption_file.as_ref().unwrap_or(&kept);
    match std::fs::read(path) {
        Ok(bytes) => Ok(Master::Present(MasterKey::new(&key_in(path, &bytes)?))),
        Err(error) if error.kind() == ErrorKind::NotFound && settings.key_encryption_file.is_none() => {
            if names::holds_keys(client) {
                return Ok(Master::Missing(format!("the master key {} is missing", path.display())));
            }
            let bytes = random::<MASTER_KEY_LENGTH>()?;
            write_private(path, &bytes).with_context(|| format!("write {}", path.display()))?;
            Ok(Master::Present(MasterKey::new(&bytes)))
        }
        Err(error) => Err(anyhow!(error).context(format!("read the master key {}", path.display()))),
    }
}

fn key_in(path: &Path, bytes: &[u8]) -> anyhow::Result<[u8; MASTER_KEY_LENGTH]> {
    bytes.try_into().map_err(|_| {
        anyhow!("{} has {} bytes; a master key has {MASTER_KEY_LENGTH}", path.display(), bytes.len())
    })
}

/// What is known of one zone's parent.
struct Watched {
    /// What its parent is asked for; a change of it is a change of the zone's keys.
    wish: BTreeSet<Vec<u8>>,
    changed: Instant,
    due: Instant,
}

/// Watches the parents of signed zones for ever.
pub(super) async fn watch_parents(
    lookup: Lookup,
    mut table: NameTableReceiver,
    parents: watch::Sender<Parents>,
) {
    let mut watched: BTreeMap<String, Watched> = BTreeMap::new();
    loop {
        let now = Instant::now();
        follow(&table.borrow_and_update(), &mut watched, now);
        parents.send_if_modified(|parents| {
            let n_before = parents.len();
            parents.retain(|apex, _| watched.contains_key(apex));
            parents.len() != n_before
        });
        let mut looks = JoinSet::new();
        for (apex, zone) in watched.iter_mut().filter(|(_, zone)| zone.due <= now).take(TOGETHER_MAX) {
            zone.due = now + interval(now - zone.changed);
            let apex = apex.clone();
            looks.spawn(async move { (look(lookup, &apex).await, apex) });
        }
        if looks.is_empty() {
            let next = watched.values().map(|zone| zone.due).min();
            let sleep = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = table.changed() => if changed.is_err() { return },
                () = sleep => {}
            }
        }
        for (seen, apex) in looks.join_all().await {
            if take(&parents, &apex, seen)
                && let Some(zone) = watched.get_mut(&apex)
            {
                zone.changed = now;
            }
        }
    }
}

fn interval(since_change: Duration) -> Duration {
    if since_change < FRESH { LOOK_INTERVAL_FRESH } else { LOOK_INTERVAL }
}

/// Takes up zones that are signed, and looks at once at those whose keys have changed.
fn follow(table: &NameTable, watched: &mut BTreeMap<String, Watched>, now: Instant) {
    let signed: BTreeMap<&str, BTreeSet<Vec<u8>>> =
        table.zones.iter().filter_map(|zone| Some((zone.apex.as_str(), wish(zone)?))).collect();
    watched.retain(|apex, _| signed.contains_key(apex.as_str()));
    for (apex, wish) in signed {
        match watched.get_mut(apex) {
            Some(zone) if zone.wish == wish => {}
            Some(_) | None => {
                watched.insert(apex.to_owned(), Watched { wish, changed: now, due: now });
            }
        }
    }
}

/// The keys that the parent of a signed zone is asked to trust.
fn wish(zone: &Zone) -> Option<BTreeSet<Vec<u8>>> {
    let signing = zone.signing.as_ref()?;
    let keys = signing.keys.iter().filter(|key| key.for_parent);
    Some(keys.map(|key| key.public.clone()).collect())
}

async fn look(lookup: Lookup, apex: &str) -> Option<ParentDs> {
    let zone = Name::from_ascii(format!("{apex}.")).ok()?;
    match delegation::parent_ds(lookup, &zone).await {
        Ok(seen) => Some(parent_ds(seen, now())),
        Err(why) => {
            debug!(zone = apex, %why, "the parent cannot be asked");
            None
        }
    }
}

fn parent_ds(seen: DsSeen, at: Timestamp) -> ParentDs {
    let record = |ds: Ds| DsRecord {
        tag: ds.tag,
        algorithm: ds.algorithm,
        digest_type: ds.digest_type,
        digest: ds.digest,
    };
    let sets = seen.sets.into_iter().map(|set| set.into_iter().map(record).collect());
    ParentDs { at, ttl: seen.ttl.unwrap_or(DS_TTL_SECONDS), sets: sets.collect() }
}

/// Tells what was seen; gives whether it is something else than before. What cannot be asked is not known.
fn take(parents: &watch::Sender<Parents>, apex: &str, seen: Option<ParentDs>) -> bool {
    let mut is_other = false;
    parents.send_modify(|parents| {
        let before = parents.get(apex).map(|parent| &parent.sets);
        is_other = before != seen.as_ref().map(|parent| &parent.sets);
        match seen {
            Some(seen) => drop(parents.insert(apex.to_owned(), seen)),
            None => drop(parents.remove(apex)),
        }
    });
    is_other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_looked_at_often_after_a_change_only() {
        assert_eq!(interval(Duration::ZERO), LOOK_INTERVAL_FRESH);
        assert_eq!(interval(FRESH), LOOK_INTERVAL);
    }

    #[test]
    fn what_cannot_be_asked_any_more_is_forgotten() {
        let (parents, seen) = watch::channel(Parents::new());
        let some = |ttl| ParentDs { at: Timestamp::from_seconds(1), ttl, sets: vec![Vec::new()] };
        assert!(take(&parents, "example.com", Some(some(60))), "news");
        assert!(!take(&parents, "example.com", Some(some(61))), "the same set");
        assert!(take(&parents, "example.com", None));
        assert!(seen.borrow().is_empty());
    }
}
