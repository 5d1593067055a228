//! Pages: where a list goes on, at the version at which it began.
//!
//! Every page of a list shows the same state. A snapshot costs nothing to take, only the versions it keeps alive, so
//! those of unfinished lists are kept for a while and dropped when too many wait. A client that comes later is told
//! that its list expired, with a token to go on at the latest version if that is good enough.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use koinon_machinery::status::Status;
use serde::{Deserialize, Serialize};

use crate::storage::View;

/// How long an unfinished list may wait for its next page; etcd's users are used to five minutes.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// How many unfinished lists wait at most: each keeps alive the versions that changed since.
const WAITING_MAX: usize = 64;

/// What every token says it is.
const TOKEN_VERSION: &str = "meta.k8s.io/v1";

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The version the list began at; `None` for a list that goes on at the latest.
    pub(crate) revision: Option<u64>,
    /// Namespace and name of the last object that was shown.
    pub(crate) after: (String, String),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: String,
    rv: i64,
    start: String,
}

/// The snapshots of unfinished lists.
#[derive(Default)]
pub(crate) struct Unfinished(Mutex<Waiting>);

/// By collection and version: since when a list waits, and what it shows.
type Waiting = BTreeMap<(Arc<str>, u64), (Instant, View)>;

// === impl Token ===

impl Token {
    /// Writes the token as clients carry it.
    pub(crate) fn encode(&self) -> String {
        let rv = self.revision.and_then(|revision| i64::try_from(revision).ok()).unwrap_or(-1);
        // The zero byte says "just after", as upstream writes it.
        let start = format!("{}/{}\0", self.after.0, self.after.1);
        let wire = Wire { v: TOKEN_VERSION.to_owned(), rv, start };
        BASE64URL.encode(serde_json::to_vec(&wire).expect("three plain fields"))
    }

    /// Reads a token that a client carried.
    ///
    /// # Errors
    /// 400 when it is none of ours.
    pub(crate) fn decode(text: &str) -> Result<Self, Status> {
        let refuse = || Status::bad_request("continue key is not valid: incorrect encoding or format");
        let bytes = BASE64URL.decode(text.trim_end_matches('=')).map_err(|_| refuse())?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|_| refuse())?;
        let (namespace, name) = wire.start.trim_end_matches('\0').split_once('/').ok_or_else(refuse)?;
        if wire.v != TOKEN_VERSION || wire.rv == 0 {
            return Err(refuse());
        }
        let after = (namespace.to_owned(), name.to_owned());
        Ok(Self { revision: u64::try_from(wire.rv).ok(), after })
    }

    /// The answer to a client whose list is no longer at hand.
    pub(crate) fn expired(&self) -> Status {
        let latest = Self { revision: None, after: self.after.clone() };
        Status::gone_expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new \
             list without the continue parameter, or use the continue token in this response to retrieve the \
             remainder of the results. Continuing with the provided token results in an inconsistent list - objects \
             that were created, modified, or deleted between the time the first chunk was returned and now may show \
             up in the list.",
        )
        .with_continue(latest.encode())
    }
}

// === impl Unfinished ===

impl Unfinished {
    /// Keeps the state that a list shows, until it is finished or too old.
    pub(crate) fn keep(&self, storage: &Arc<str>, view: &View, now: Instant) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (since, _)| now.saturating_duration_since(*since) < WAIT_MAX);
        if waiting.len() >= WAITING_MAX
            && let Some(oldest) =
                waiting.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| key.clone())
        {
            waiting.remove(&oldest);
        }
        waiting.insert((Arc::clone(storage), view.revision()), (now, view.clone()));
    }

    /// The state at `revision`, if it is still at hand.
    pub(crate) fn at(&self, storage: &Arc<str>, revision: u64, now: Instant) -> Option<View> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, view) = waiting.get(&(Arc::clone(storage), revision))?;
        (now.saturating_duration_since(*since) < WAIT_MAX).then(|| view.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_where_a_list_goes_on() {
        let token = Token { revision: Some(7), after: ("shop".to_owned(), "a.b".to_owned()) };
        assert_eq!(Token::decode(&token.encode()).unwrap(), token);
        let status = token.expired();
        assert_eq!(status.code, 410);
        let latest = Token::decode(status.continue_token.as_deref().unwrap()).unwrap();
        assert_eq!(latest, Token { revision: None, ..token });
        assert_eq!(Token::decode("nonsense").unwrap_err().code, 400);
    }
}
