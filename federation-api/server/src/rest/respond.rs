//! How objects and lists go out: in the form and encoding that the client accepts.
//!
//! The common case is JSON of stored objects, and there the stored bytes are the answer.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_machinery::{protobuf, yaml};
use serde_json::json;

use crate::api::Api;
use crate::body::{self, GZIP_BYTES_MIN, Gzip};
use crate::handle::{self, Answer, Call};
use crate::negotiate::{self, Encoding, Form, JSON, Offer, Protobuf};
use crate::object::Stored;
use crate::registry::{Serving, View};

use super::dispatch::{code, warned};
use super::render::{self, Header};
use super::write::{self, Object, Outcome};

/// How much of a long answer goes out at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What a list says about itself.
#[derive(Debug, Clone, Default)]
pub(super) struct ListMeta {
    pub(super) revision: u64,
    pub(super) continue_token: String,
    pub(super) remaining: Option<usize>,
}

/// Chooses form and encoding. JSON is what is at hand, so it is preferred to protobuf where the client takes both.
pub(super) fn negotiated(call: &Call, offer: Offer) -> Result<negotiate::Answer, Status> {
    let accept = call.accept();
    negotiate::negotiate(accept, offer, Protobuf::Unknown).or_else(|refusal| {
        if call.resource.is_built_in() {
            negotiate::negotiate(accept, offer, Protobuf::Known)
        } else {
            Err(refusal)
        }
    })
}

/// Answers with what came of a write.
pub(super) fn outcome(api: &Api, call: &Call, outcome: &Outcome) -> Result<Answer, Status> {
    let code = code(outcome.effect);
    let answer = match &outcome.object {
        Object::Stored(stored) => stored_object(api, call, code, stored)?,
        Object::Tree(tree) => object(api, call, code, tree)?,
    };
    Ok(warned(answer, &outcome.warnings))
}

/// Answers with a stored object.
pub(super) fn stored_object(
    api: &Api,
    call: &Call,
    code: StatusCode,
    stored: &Stored,
) -> Result<Answer, Status> {
    let form = negotiated(call, Offer::Objects)?;
    if is_verbatim(call) && form == (negotiate::Answer { form: Form::Object, encoding: Encoding::Json }) {
        return Ok(packed(call, code, JSON, stored.json().clone()));
    }
    object(api, call, code, &write::show(&call.resource, stored))
}

/// Answers with an object that is a tree.
pub(super) fn object(api: &Api, call: &Call, code: StatusCode, tree: &Arc<Value>) -> Result<Answer, Status> {
    let wanted = negotiated(call, Offer::Objects)?;
    let value = match wanted.form {
        Form::Object => Arc::clone(tree),
        Form::Table(version) => {
            let meta = ListMeta { revision: revision_of(tree), ..ListMeta::default() };
            let include = render::include(&call.query)?;
            Arc::new(render::table(
                &call.resource,
                &[Arc::clone(tree)],
                version,
                include,
                Header::Shown,
                &meta,
            ))
        }
        Form::Metadata(version) => Arc::new(render::partial(tree, version)),
    };
    encoded(api, call, code, &value, wanted.encoding)
}

/// Answers with a tree as it is.
pub(super) fn encoded(
    api: &Api,
    call: &Call,
    code: StatusCode,
    value: &Value,
    encoding: Encoding,
) -> Result<Answer, Status> {
    let bytes: Bytes = match encoding {
        Encoding::Json => {
            serde_json::to_vec(value).map_err(|error| Status::internal(&error.to_string()))?.into()
        }
        Encoding::Yaml => yaml::to_string(value).into(),
        Encoding::Protobuf => protobuf::encode(value, api.registry.schema())
            .map_err(|error| Status::internal(&error.to_string()))?
            .into(),
    };
    Ok(packed(call, code, encoding.media_type(), bytes))
}

/// Says that an object is gone.
pub(super) fn deleted(call: &Call, outcome: &Outcome) -> Result<Answer, Status> {
    let (uid, name) = match &outcome.object {
        Object::Stored(stored) => (stored.uid().to_owned(), stored.name().to_owned()),
        Object::Tree(tree) => {
            (super::metadata::text(tree, "uid").to_owned(), super::metadata::text(tree, "name").to_owned())
        }
    };
    let (group, plural) = call.resource.names();
    let mut details = json!({"name": name, "kind": plural, "uid": uid});
    if !group.is_empty() {
        details["group"] = group.into();
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    let answer = handle::answer(StatusCode::OK, JSON, body::full(status.to_string()));
    Ok(warned(answer, &outcome.warnings))
}

/// Answers with objects, as a list that is complete.
pub(super) fn list(api: &Api, call: &Call, objects: &[Arc<Stored>], revision: u64) -> Result<Answer, Status> {
    page(api, call, objects, &ListMeta { revision, ..ListMeta::default() })
}

/// Answers with a page of a list.
pub(super) fn page(
    api: &Api,
    call: &Call,
    objects: &[Arc<Stored>],
    meta: &ListMeta,
) -> Result<Answer, Status> {
    let wanted = negotiated(call, Offer::Objects)?;
    if is_verbatim(call) && wanted == (negotiate::Answer { form: Form::Object, encoding: Encoding::Json }) {
        return Ok(verbatim_list(call, objects, meta));
    }
    let trees: Vec<Arc<Value>> = objects.iter().map(|stored| write::show(&call.resource, stored)).collect();
    let kind = format!("{}List", call.resource.gvk.kind);
    let value = match wanted.form {
        Form::Object => {
            json!({"kind": kind, "apiVersion": call.resource.reference.api_version(), "metadata": meta.to_value(), "items": trees})
        }
        Form::Table(version) => {
            render::table(&call.resource, &trees, version, render::include(&call.query)?, Header::Shown, meta)
        }
        Form::Metadata(version) => {
            let items: Vec<Value> = trees.iter().map(|tree| render::partial(tree, version)).collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": version.api_version(),
                "metadata": meta.to_value(), "items": items})
        }
    };
    encoded(api, call, StatusCode::OK, &value, wanted.encoding)
}

/// A list whose items are the stored bytes.
fn verbatim_list(call: &Call, objects: &[Arc<Stored>], meta: &ListMeta) -> Answer {
    let (kind, api_version) = (&call.resource.gvk.kind, call.resource.reference.api_version());
    let head = format!(
        "{{\"kind\":\"{kind}List\",\"apiVersion\":\"{api_version}\",\"metadata\":{},\"items\":[",
        meta.to_value()
    );
    let total: usize = objects.iter().map(|stored| stored.json().len() + 1).sum();
    if total < PIECE_BYTES {
        let mut whole = BytesMut::with_capacity(head.len() + total + 2);
        whole.put_slice(head.as_bytes());
        put_items(&mut whole, objects, 0, usize::MAX);
        whole.put_slice(b"]}\n");
        return handle::answer(StatusCode::OK, JSON, body::full(whole.freeze()));
    }
    let objects = objects.to_vec();
    let mut next = 0;
    let mut begun = false;
    let pieces = std::iter::from_fn(move || {
        if next > objects.len() {
            return None;
        }
        let mut piece = BytesMut::with_capacity(PIECE_BYTES * 2);
        if !std::mem::replace(&mut begun, true) {
            piece.put_slice(head.as_bytes());
        }
        next = put_items(&mut piece, &objects, next, PIECE_BYTES);
        if next == objects.len() {
            piece.put_slice(b"]}\n");
            next += 1;
        }
        Some(piece.freeze())
    });
    if total < GZIP_BYTES_MIN || !takes_gzip(call) {
        return handle::answer(StatusCode::OK, JSON, body::stream(futures::stream::iter(pieces)));
    }
    let mut answer =
        handle::answer(StatusCode::OK, JSON, body::stream(futures::stream::iter(Gzip::new(pieces))));
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// Writes items from `from` on until there are `bytes_max` bytes; answers where to go on.
fn put_items(piece: &mut BytesMut, objects: &[Arc<Stored>], from: usize, bytes_max: usize) -> usize {
    let mut at = from;
    while let Some(stored) = objects.get(at).filter(|_| piece.len() < bytes_max) {
        if at > 0 {
            piece.put_u8(b',');
        }
        piece.put_slice(stored.json());
        at += 1;
    }
    at
}

/// An answer that is there as a whole, compressed when that pays.
fn packed(call: &Call, code: StatusCode, media_type: &str, bytes: Bytes) -> Answer {
    if bytes.len() < GZIP_BYTES_MIN || !takes_gzip(call) {
        return handle::answer(code, media_type, body::full(bytes));
    }
    let packed = Gzip::new(std::iter::once(bytes));
    let mut answer = handle::answer(code, media_type, body::stream(futures::stream::iter(packed)));
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

fn takes_gzip(call: &Call) -> bool {
    let accepted = call.headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.split(',').any(|part| part.trim().starts_with("gzip")))
}

/// Whether the stored bytes are what this version of the resource shows.
pub(super) fn is_verbatim(call: &Call) -> bool {
    call.resource.serving == Serving::Stored(View::Same)
}

fn revision_of(tree: &Value) -> u64 {
    super::metadata::text(tree, "resourceVersion").parse().unwrap_or_default()
}

// === impl ListMeta ===

impl ListMeta {
    /// The metadata as clients read it.
    pub(super) fn to_value(&self) -> Value {
        let mut value = json!({"resourceVersion": self.revision.to_string()});
        if !self.continue_token.is_empty() {
            value["continue"] = self.continue_token.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            value["remainingItemCount"] = remaining.into();
        }
        value
    }
}
