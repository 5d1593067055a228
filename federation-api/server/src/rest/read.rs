//! Reads: one object, or a collection page by page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use koinon_machinery::status::Status;

use crate::api::Api;
use crate::handle::{Answer, Call};
use crate::object::Stored;
use crate::storage::View;

use super::dispatch::{not_found, view};
use super::options::{ListOptions, VersionMatch};
use super::page::Token;
use super::respond::{self, ListMeta};
use super::selection::Selection;

/// How long a read waits for a version that is not there yet, as upstream's does.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// Answers with one object.
pub(super) fn get(api: &Api, call: &Call) -> Result<Answer, Status> {
    let stored = api.storage.get(&call.resource, &call.path.namespace, &call.path.name);
    respond::stored_object(api, call, StatusCode::OK, &*stored.ok_or_else(|| not_found(call))?)
}

/// Answers with a collection, or a page of it.
pub(super) async fn list(api: &Api, call: &Call) -> Result<Answer, Status> {
    let options = ListOptions::parse(&call.query)?;
    let selection = Selection::parse(
        &call.resource,
        &call.path.namespace,
        &options.label_selector,
        &options.field_selector,
    )?;
    let token = match options.continue_token.as_str() {
        "" => None,
        text => Some(Token::decode(text)?),
    };
    let view = state(api, call, &options, token.as_ref()).await?;
    let after = token.as_ref().map(|token| &token.after);
    let limit = if options.limit == 0 { usize::MAX } else { options.limit };
    let (objects, more) = select(&view, &selection, after, limit);
    let mut meta = ListMeta { revision: view.revision(), ..ListMeta::default() };
    if let (true, Some(last)) = (more, objects.last()) {
        let after = (last.namespace().to_owned(), last.name().to_owned());
        if selection.is_everything() {
            meta.remaining = Some(view.after(selection.namespace(), Some(&after)).count());
        }
        meta.continue_token = Token { revision: Some(view.revision()), after }.encode();
        api.unfinished.keep(&call.resource.storage, &view, Instant::now());
    }
    respond::page(api, call, &objects, &meta)
}

/// At most `limit` objects behind `after`, and whether there are more.
fn select(
    view: &View,
    selection: &Selection,
    after: Option<&(String, String)>,
    limit: usize,
) -> (Vec<Arc<Stored>>, bool) {
    let only = selection.name().filter(|_| after.is_none()).zip(selection.only_namespace());
    if let Some((name, namespace)) = only {
        let found = view.get(namespace, name).filter(|stored| selection.holds(stored));
        return (found.cloned().into_iter().collect(), false);
    }
    let mut wanted = view.after(selection.namespace(), after).filter(|stored| selection.holds(stored));
    let objects: Vec<_> = wanted.by_ref().take(limit).cloned().collect();
    let more = objects.len() == limit && wanted.next().is_some();
    (objects, more)
}

/// The state of the collection that the request asks for.
async fn state(api: &Api, call: &Call, options: &ListOptions, token: Option<&Token>) -> Result<View, Status> {
    if let Some(token) = token {
        let Some(revision) = token.revision else { return Ok(view(api, call)) };
        let kept = api.unfinished.at(&call.resource.storage, revision, Instant::now());
        return kept.ok_or_else(|| token.expired());
    }
    match options.version {
        VersionMatch::Latest | VersionMatch::Any => Ok(view(api, call)),
        VersionMatch::NotOlderThan(revision) => {
            wait(api, revision).await?;
            Ok(view(api, call))
        }
        VersionMatch::Exact(revision) => {
            wait(api, revision).await?;
            let now = view(api, call);
            if now.revision() == revision {
                return Ok(now);
            }
            let kept = api.unfinished.at(&call.resource.storage, revision, Instant::now());
            kept.ok_or_else(|| Status::too_old(revision, now.revision()))
        }
    }
}

/// Waits until a version is there.
///
/// # Errors
/// 504 when it does not come in time.
pub(super) async fn wait(api: &Api, revision: u64) -> Result<(), Status> {
    if api.storage.revision() >= revision || api.storage.reached(revision, PATIENCE).await {
        return Ok(());
    }
    Err(Status::too_new(revision, api.storage.revision()))
}
