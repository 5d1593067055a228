//! The frames of a watch: one line of JSON per event, or one message with its length before it.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use koinon_machinery::Value;
use koinon_machinery::protobuf;
use koinon_machinery::schema::Schema;
use koinon_machinery::status::Status;
use serde_json::json;

use crate::negotiate::{Answer, Encoding, Form, JSON};
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
    schema: Schema,
    form: Form,
    encoding: Encoding,
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
    pub(super) fn new(resource: &Arc<Resource>, schema: &Schema, wanted: Answer, include: Include) -> Self {
        let (resource, schema) = (Arc::clone(resource), schema.clone());
        let Answer { form, encoding } = wanted;
        Self { resource, schema, form, encoding, include, header: Header::Shown }
    }

    /// What the stream is written in.
    pub(super) fn media_type(&self) -> &'static str {
        match self.encoding {
            Encoding::Json | Encoding::Yaml => JSON,
            Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }

    /// Writes what happened to an object; `revision` is that of its deletion.
    pub(super) fn put(&mut self, out: &mut BytesMut, change: Change, stored: &Stored, revision: Option<u64>) {
        let verbatim = self.form == Form::Object && self.encoding == Encoding::Json;
        if verbatim && self.resource.serving == Serving::Stored(View::Same) {
            let json =
                revision.map_or_else(|| stored.json().clone(), |revision| stored.at_revision(revision));
            return line(out, change.as_str(), &json);
        }
        let mut tree = write::show(&self.resource, stored);
        if let Some(revision) = revision {
            Arc::make_mut(&mut tree)["metadata"]["resourceVersion"] = revision.to_string().into();
        }
        let shown = self.shown(tree, revision.unwrap_or_else(|| stored.resource_version()));
        self.write(out, change.as_str(), &shown);
    }

    /// Writes that everything up to `revision` was shown.
    pub(super) fn put_bookmark(&mut self, out: &mut BytesMut, revision: u64, mark: Mark) {
        let mut object = json!({"kind": self.resource.gvk.kind, "apiVersion": self.resource.reference.api_version(),
            "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null}});
        if mark == Mark::InitialEventsEnd {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let shown = self.shown(Arc::new(object), revision);
        self.write(out, "BOOKMARK", &shown);
    }

    /// The frame that ends a watch for a reason.
    pub(super) fn error(&self, status: &Status) -> Bytes {
        let mut out = BytesMut::new();
        self.write(&mut out, "ERROR", &status.to_value());
        out.freeze()
    }

    fn write(&self, out: &mut BytesMut, kind: &str, object: &Value) {
        if self.encoding == Encoding::Protobuf {
            match protobuf::encode(object, &self.schema) {
                Ok(bytes) => return message(out, kind, &bytes),
                Err(error) => tracing::error!(%error, kind = %self.resource.gvk, "failed to encode an event"),
            }
            return;
        }
        line(out, kind, object.to_string().as_bytes());
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

/// Writes a `WatchEvent` as protobuf: its type is field 1, and field 2 wraps the object's envelope in a field 1.
fn message(out: &mut BytesMut, kind: &str, envelope: &[u8]) {
    let mut wrapped = BytesMut::with_capacity(envelope.len() + 6);
    field(&mut wrapped, 1, envelope);
    let mut event = BytesMut::with_capacity(wrapped.len() + kind.len() + 10);
    field(&mut event, 1, kind.as_bytes());
    field(&mut event, 2, &wrapped);
    // An event is as large as an object, and those are far below 4 GiB.
    out.put_u32(u32::try_from(event.len()).unwrap_or(u32::MAX));
    out.put_slice(&event);
}

/// Writes a field of bytes: its number with wire type 2, the length as a varint, the bytes.
fn field(out: &mut BytesMut, number: u8, bytes: &[u8]) {
    out.put_u8(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.put_u8((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
    out.put_slice(bytes);
}
