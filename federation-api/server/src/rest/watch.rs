//! Watches: what is there, then what changes, for as long as the client listens.
//!
//! ```text
//! initial state (if asked for) ─► annotated bookmark (if asked for) ─► changes, and bookmarks when nothing happens
//! ```
//! A change is shown as the client's selection sees it: an object that enters is ADDED, one that leaves is DELETED. A
//! watcher that is too slow is cut off and comes back where it was.

mod frame;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use koinon_machinery::status::Status;
use koinon_store::{Event, Scope, Start};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::api::Api;
use crate::body;
use crate::handle::{self, Answer, Call};
use crate::limit::Room;
use crate::metrics::OpenWatch;
use crate::negotiate::Offer;
use crate::object::Stored;
use crate::storage::View;

use super::options::{ListOptions, VersionMatch};
use super::read;
use super::respond;
use super::selection::Selection;
use frame::{Change, Frames, Mark};

/// How often a client that wants bookmarks is told how far it is: as upstream does.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// The shortest a watch lasts when the client names no end; up to twice as long, so that not all come back at once.
const LIFE_SECONDS_MIN: u64 = 30 * 60;

/// How much of what is ready goes out at once.
const PIECE_BYTES: usize = 32 * 1024;

/// One open watch.
struct Stream {
    watch: koinon_store::Watch<Arc<Stored>>,
    selection: Selection,
    frames: Frames,
    initial: Option<Initial>,
    /// Frames that are ready.
    ready: VecDeque<Bytes>,
    bookmarks: Option<Interval>,
    /// What the last bookmark said.
    told: u64,
    end: Instant,
    /// Whether the end was reached, and only what is ready goes out.
    over: bool,
    stop: tokio::sync::watch::Receiver<bool>,
    _room: Room,
    _open: OpenWatch,
}

/// The part of the initial state that was not shown yet.
struct Initial {
    view: View,
    after: Option<(String, String)>,
    mark: bool,
}

/// Answers with a stream of changes.
///
/// # Errors
/// When the options mean nothing or there is no room; what comes later is told in the stream.
pub(crate) async fn answer(api: &Api, call: &Call) -> Result<Answer, Status> {
    if !call.path.subresource.is_empty() || !call.resource.catalog.allows(call.verb) {
        return Err(Status::unknown_resource());
    }
    let options = ListOptions::parse(&call.query)?;
    let selection = Selection::parse(
        &call.resource,
        &call.path.namespace,
        &options.label_selector,
        &options.field_selector,
    )?;
    let wanted = respond::negotiated(call, Offer::Stream)?;
    let include = super::render::include(&call.query)?;
    let frames = Frames::new(&call.resource, api.registry.schema(), wanted, include);
    let room = api.limits.watch()?;
    let (initial, after) = match begin(api, call, &options).await {
        Ok(begun) => begun,
        Err(status) if status.code == StatusCode::GONE.as_u16() => return Ok(failed(&frames, &status)),
        Err(status) => return Err(status),
    };
    let scope = scope(&selection);
    let watch = match api.storage.watch(&call.resource.storage, Start::After(after), &scope) {
        Ok(watch) => watch,
        Err(too_old) => return Ok(failed(&frames, &Status::too_old(after, too_old.oldest))),
    };
    let stream = Stream {
        watch,
        selection,
        frames,
        initial,
        ready: VecDeque::new(),
        bookmarks: options.bookmarks.then(bookmarks),
        told: after,
        end: Instant::now() + options.timeout.unwrap_or_else(|| life(api)),
        over: false,
        stop: api.stop.clone(),
        _room: room,
        _open: OpenWatch::new(&call.resource.storage),
    };
    let media_type = stream.frames.media_type();
    let pieces = futures::stream::unfold(stream, |mut stream| async {
        let piece = stream.piece().await?;
        Some((piece, stream))
    });
    Ok(handle::answer(StatusCode::OK, media_type, body::stream(pieces)))
}

/// What a watch shows first, and the version after which its changes begin.
async fn begin(api: &Api, call: &Call, options: &ListOptions) -> Result<(Option<Initial>, u64), Status> {
    let shown = match (options.initial_events, options.version) {
        (Some(wanted), _) => wanted,
        (None, VersionMatch::Latest | VersionMatch::Any) => true,
        (None, VersionMatch::NotOlderThan(_) | VersionMatch::Exact(_)) => false,
    };
    let version = match options.version {
        VersionMatch::Latest | VersionMatch::Any => None,
        VersionMatch::NotOlderThan(revision) | VersionMatch::Exact(revision) => Some(revision),
    };
    match version {
        Some(revision) if shown => read::wait(api, revision).await?,
        // A version from the future is one from before a restore: what the client knows is not true any more.
        Some(revision) if read::wait(api, revision).await.is_err() => {
            return Err(Status::too_old(revision, api.storage.revision()));
        }
        _ => {}
    }
    if !shown {
        return Ok((None, version.unwrap_or_else(|| api.storage.revision())));
    }
    let view = api.storage.snapshot(&call.resource);
    let revision = view.revision();
    let mark = options.initial_events == Some(true) && options.bookmarks;
    Ok((Some(Initial { view, after: None, mark }), revision))
}

/// The part of the collection that the store is asked to follow.
fn scope(selection: &Selection) -> Scope {
    match (selection.name(), selection.only_namespace()) {
        (Some(name), Some(namespace)) => Scope::Object { namespace: namespace.into(), name: name.into() },
        (_, Some(namespace)) if !namespace.is_empty() => Scope::Namespace(namespace.into()),
        _ => Scope::All,
    }
}

/// A stream that says why it does not begin.
fn failed(frames: &Frames, status: &Status) -> Answer {
    handle::answer(StatusCode::OK, frames.media_type(), body::full(frames.error(status)))
}

fn bookmarks() -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + BOOKMARK_INTERVAL, BOOKMARK_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// How long a watch lasts whose client names no end.
fn life(api: &Api) -> Duration {
    let mut bytes = [0_u8; 2];
    // Without randomness all last equally long, which is no reason to refuse.
    let share = if api.random.fill(&mut bytes).is_ok() { u64::from(u16::from_be_bytes(bytes)) } else { 0 };
    Duration::from_secs(LIFE_SECONDS_MIN + LIFE_SECONDS_MIN * share / u64::from(u16::MAX))
}

/// What happened while the stream waited.
enum Next {
    Event(Arc<Event<Arc<Stored>>>),
    Bookmark,
    Timeout,
    End,
}

// === impl Stream ===

impl Stream {
    /// The next piece of the answer; `None` when it ends.
    async fn piece(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.initial_piece() {
                return Some(piece);
            }
            if !self.ready.is_empty() {
                return Some(self.joined());
            }
            match self.next().await {
                Next::Event(event) => self.take(&event),
                Next::Bookmark => self.bookmark(),
                Next::Timeout => self.finish(),
                Next::End => return None,
            }
        }
    }

    /// The last thing a client hears when its time is over: how far it may resume.
    fn finish(&mut self) {
        if self.bookmarks.take().is_some() {
            self.bookmark();
        }
        self.over = true;
    }

    async fn next(&mut self) -> Next {
        if self.over {
            return Next::End;
        }
        let tick = async {
            match &mut self.bookmarks {
                Some(interval) => {
                    interval.tick().await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Next::End,
            event = self.watch.next() => event.map_or(Next::End, Next::Event),
            () = tick => Next::Bookmark,
            () = tokio::time::sleep_until(self.end) => Next::Timeout,
        }
    }

    /// A piece of the initial state, while there is some.
    fn initial_piece(&mut self) -> Option<Bytes> {
        let initial = self.initial.as_mut()?;
        let mut piece = BytesMut::new();
        let mut last = None;
        for stored in initial.view.after(self.selection.namespace(), initial.after.as_ref()) {
            if piece.len() >= PIECE_BYTES {
                break;
            }
            last = Some(stored);
            if self.selection.holds(stored) {
                self.frames.put(&mut piece, Change::Added, stored, None);
            }
        }
        let last = last.map(|stored| (stored.namespace().to_owned(), stored.name().to_owned()));
        if piece.len() >= PIECE_BYTES && last.is_some() {
            initial.after = last;
            return Some(piece.freeze());
        }
        if initial.mark {
            self.told = initial.view.revision();
            self.frames.put_bookmark(&mut piece, self.told, Mark::InitialEventsEnd);
        }
        self.initial = None;
        (!piece.is_empty()).then(|| piece.freeze())
    }

    /// Everything that is ready, and what follows at once, up to a sensible size.
    fn joined(&mut self) -> Bytes {
        let mut bytes: usize = self.ready.iter().map(Bytes::len).sum();
        while bytes < PIECE_BYTES {
            // The end of the watch, if this was it, is met again by whoever waits next.
            let Ok(Some(event)) = self.watch.try_next() else { break };
            self.take(&event);
            bytes = self.ready.iter().map(Bytes::len).sum();
        }
        if self.ready.len() == 1
            && let Some(only) = self.ready.pop_front()
        {
            return only;
        }
        let mut piece = BytesMut::with_capacity(bytes);
        for frame in self.ready.drain(..) {
            piece.extend_from_slice(&frame);
        }
        piece.freeze()
    }

    /// Shows a change as the selection sees it.
    fn take(&mut self, event: &Event<Arc<Stored>>) {
        let current = event.current.as_ref().map(|entry| &entry.object);
        let previous = event.previous.as_ref().map(|entry| &entry.object);
        let holds = |stored: &&Arc<Stored>| self.selection.holds(stored);
        let mut frame = BytesMut::new();
        match (current.filter(holds), previous.filter(holds)) {
            (Some(now), None) => self.frames.put(&mut frame, Change::Added, now, None),
            (Some(now), Some(_)) => self.frames.put(&mut frame, Change::Modified, now, None),
            (None, Some(before)) => {
                self.frames.put(&mut frame, Change::Deleted, before, Some(event.revision));
            }
            (None, None) => return,
        }
        self.ready.push_back(frame.freeze());
    }

    /// Says how far the watch is, unless that was said already.
    fn bookmark(&mut self) {
        let reached = self.watch.progress();
        if reached > self.told {
            self.told = reached;
            let mut frame = BytesMut::new();
            self.frames.put_bookmark(&mut frame, reached, Mark::Progress);
            self.ready.push_back(frame.freeze());
        }
    }
}
