//! How DNS nodes follow the table of names: whole at first, then change by change.
//!
//! ```text
//! GET /koinon/names                      ─► {epoch, table}
//! GET /koinon/names?after=7&epoch=…      ─► waits ─► {epoch, changes: [7→8, 8→9]}, {epoch, table}, or {epoch}: no news
//! ```
//! An epoch is one run of the host. Generations of another run say nothing about this one, so its nodes get the table.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use koinon_api_server::request::Query;
use koinon_api_server::{Page, Visit};
use koinon_machinery::status::Status;
use koinon_types::names::{NameTable, NameTableReceiver, TableChange};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

/// Where nodes get the table of names.
pub(super) const NAMES: &str = "/koinon/names";

/// How long a node's question waits for news: shorter than proxies let a silent connection live.
const WAIT: Duration = Duration::from_secs(25);

/// Changes that are kept: a node that was away for longer than a minute of the busiest host, ten tables a second, gets all.
const CHANGES_MAX: usize = 600;

/// What a node is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct News {
    /// The run of the host that generations belong to.
    pub(super) epoch: u64,
    /// The table, for who has none that the changes lead from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) table: Option<Arc<NameTable>>,
    /// Changes to apply one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<Arc<TableChange>>,
}

/// The page, in this run of the host.
pub(super) fn page(table: NameTableReceiver, epoch: u64) -> Page {
    let recent = Arc::new(Mutex::new(Recent::default()));
    let answer = move |visit: Visit| {
        let (mut table, recent) = (table.clone(), Arc::clone(&recent));
        async move {
            let known = known(&visit.query, epoch)?;
            let news = table.wait_for(|table| table.generation > 0 && Some(table.generation) != known);
            let latest = match tokio::time::timeout(WAIT, news).await {
                Ok(Ok(table)) => Arc::clone(&table),
                Ok(Err(_)) => return Err(Status::unavailable("the host is stopping")),
                Err(_) => return told(News { epoch, table: None, changes: Vec::new() }),
            };
            let mut recent = Arc::clone(&recent).lock_owned().await;
            // A large table takes a while to compare and to write, which is spent where it keeps nobody else from running.
            let telling = tokio::task::spawn_blocking(move || {
                recent.take(latest);
                let news = recent.since(known, epoch);
                drop(recent);
                told(news)
            });
            telling.await.unwrap_or_else(|error| Err(Status::internal(&error.to_string())))
        }
    };
    Page {
        path: NAMES.to_owned(),
        body_bytes_max: None,
        answer: Arc::new(move |visit| Box::pin(answer(visit))),
    }
}

/// The generation that a node has, if it is of this run.
fn known(query: &Query, epoch: u64) -> Result<Option<u64>, Status> {
    let number = |name: &str| match query.text(name) {
        "" => Ok(None),
        text => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| Status::bad_request(format!("{name}: {text} is no number, and one is expected"))),
    };
    let (after, of) = (number("after")?, number("epoch")?);
    Ok(after.filter(|_| of == Some(epoch)))
}

fn told(news: News) -> Result<Value, Status> {
    serde_json::to_value(news).map_err(|error| Status::internal(&error.to_string()))
}

/// The latest table that somebody asked for, and the way to it.
#[derive(Default)]
struct Recent {
    latest: Arc<NameTable>,
    /// Shape: each leads to the generation that the next one leads from, the last one to `latest`.
    changes: VecDeque<Arc<TableChange>>,
}

impl Recent {
    /// Takes a table that may be newer. Generations grow within a run.
    fn take(&mut self, table: Arc<NameTable>) {
        if table.generation <= self.latest.generation {
            return;
        }
        if self.latest.generation > 0 {
            self.changes.push_back(Arc::new(TableChange::between(&self.latest, &table)));
        }
        self.latest = table;
        // Once they are as large as the table, they spare nothing.
        let statics: usize = self.latest.zones.iter().map(|zone| 1 + zone.records.len()).sum();
        let n_entries_max = statics + self.latest.records.len();
        let mut n_entries: usize = self.changes.iter().map(|change| change.n_entries()).sum();
        while self.changes.len() > CHANGES_MAX || n_entries > n_entries_max {
            let Some(oldest) = self.changes.pop_front() else { return };
            n_entries -= oldest.n_entries();
        }
    }

    /// What leads from this generation to the latest.
    fn since(&self, known: Option<u64>, epoch: u64) -> News {
        let first = known.and_then(|known| self.changes.iter().position(|change| change.from == known));
        match first {
            _ if known == Some(self.latest.generation) => News { epoch, table: None, changes: Vec::new() },
            Some(first) => {
                News { epoch, table: None, changes: self.changes.range(first..).cloned().collect() }
            }
            None => News { epoch, table: Some(Arc::clone(&self.latest)), changes: Vec::new() },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(generation: u64, hosts: &[String]) -> Arc<NameTable> {
        let record = |host: &String| {
            json!({"source": {"namespace": "shop", "name": host}, "host": host, "zone": "example", "endpoints": [],
                "addresses_max": 1, "ttl": {"stable": generation, "unstable": 5}, "unstable": false, "on_all_down": "All",
                "healthy_share_min_percent": 0, "check": null})
        };
        let records: Vec<Value> = hosts.iter().map(record).collect();
        let told = json!({"generation": generation, "zones": [], "records": records});
        Arc::new(serde_json::from_value(told).unwrap())
    }

    fn hosts(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:03}.example")).collect()
    }

    #[test]
    fn who_knows_a_recent_generation_gets_what_changed_since() {
        let mut recent = Recent::default();
        let mut names = hosts(100);
        recent.take(table(3, &names));
        assert_eq!(recent.since(None, 9).table, Some(table(3, &names)), "whoever has nothing gets all");
        let before = recent.latest.records.clone();
        for generation in [5, 6] {
            names.pop();
            let mut next = (*table(generation, &names)).clone();
            next.records = before[..names.len()].to_vec();
            recent.take(Arc::new(next));
        }
        let news = recent.since(Some(3), 9);
        assert_eq!((news.table, news.changes.len()), (None, 2));
        let mut at = (*table(3, &hosts(100))).clone();
        for change in news.changes {
            at = (*change).clone().apply(&at).unwrap();
        }
        assert_eq!(at, *recent.latest);
        assert_eq!(recent.since(Some(5), 9).changes.len(), 1);
        assert_eq!(recent.since(Some(4), 9).table, Some(Arc::clone(&recent.latest)), "never told to anybody");
        let none = recent.since(Some(6), 9);
        assert_eq!((none.table, none.changes.len()), (None, 0));
    }

    #[test]
    fn changes_as_large_as_the_table_are_not_kept() {
        let mut recent = Recent::default();
        for generation in 1..=3 {
            // Every record has another TTL each time.
            recent.take(table(generation, &hosts(10)));
        }
        assert_eq!(recent.changes.len(), 1);
        assert!(recent.since(Some(1), 9).table.is_some());
    }
}
