//! The frames of a watch: one line of JSON per event.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use koinon_machinery::Value;
use koinon_machinery::status::Status;
use serde_json::json;

use crate::negotiate::Form;
use crate::object::Stored;
use crate::registry::{Resource, Serving, View};
use crate::rest::render::{self, Header, Include};
use crate::rest::respond::ListMeta;
use crate::rest::write;

/// What happened to an object in the eyes of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

/// What a bookmark says besides the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    Progress,
    /// Everything that was there has been shown.
    InitialEventsEnd,
}

/// Writes the frames of one watch.
pub(super) struct Frames {
    resource: Arc<Resource>,
    form: Form,
    include: Include,
    /// Whether the columns of tables were shown.
    header: Header,
}

// === impl Change ===

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

// === impl Frames ===

impl Frames {
    pub(super) fn new(resource: &Arc<Resource>, form: Form, include: Include) -> Self {
        Self { resource: Arc::clone(resource), form, include, header: Header::Shown }
    }

    /// Writes what happened to an object; `revision` is that of its deletion.
    pub(super) fn put(&mut self, out: &mut BytesMut, change: Change, stored: &Stored, revision: Option<u64>) {
        if self.form == Form::Object && self.resource.serving == Serving::Stored(View::Same) {
            let json =
                revision.map_or_else(|| stored.json().clone(), |revision| stored.at_revision(revision));
            return line(out, change.as_str(), &json);
        }
        let mut tree = write::show(&self.resource, stored);
        if let Some(revision) = revision {
            Arc::make_mut(&mut tree)["metadata"]["resourceVersion"] = revision.to_string().into();
        }
        let shown = self.shown(tree, revision.unwrap_or_else(|| stored.resource_version()));
        line(out, change.as_str(), shown.to_string().as_bytes());
    }

    /// Writes that everything up to `revision` was shown.
    pub(super) fn put_bookmark(&mut self, out: &mut BytesMut, revision: u64, mark: Mark) {
        let mut object = json!({"kind": self.resource.gvk.kind, "apiVersion": self.resource.reference.api_version(),
            "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null}});
        if mark == Mark::InitialEventsEnd {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let shown = self.shown(Arc::new(object), revision);
        line(out, "BOOKMARK", shown.to_string().as_bytes());
    }

    /// The frame that ends a watch for a reason.
    pub(super) fn error(&self, status: &Status) -> Bytes {
        let mut out = BytesMut::new();
        line(&mut out, "ERROR", status.to_value().to_string().as_bytes());
        out.freeze()
    }

    fn shown(&mut self, tree: Arc<Value>, revision: u64) -> Value {
        match self.form {
            Form::Object => Arc::unwrap_or_clone(tree),
            Form::Metadata(version) => render::partial(&tree, version),
            Form::Table(version) => {
                let header = std::mem::replace(&mut self.header, Header::Omitted);
                let meta = ListMeta { revision, ..ListMeta::default() };
                render::table(&self.resource, &[tree], version, self.include, header, &meta)
            }
        }
    }
}

fn line(out: &mut BytesMut, kind: &str, json: &[u8]) {
    out.reserve(json.len() + 40);
    out.put_slice(b"{\"type\":\"");
    out.put_slice(kind.as_bytes());
    out.put_slice(b"\",\"object\":");
    out.put_slice(json);
    out.put_slice(b"}\n");
}
