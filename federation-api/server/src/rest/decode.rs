//! Bodies of requests: what the client sent, as a tree.
//!
//! JSON, YAML and the protobuf of the built-in kinds. Typed Go clients write protobuf and do not fall back, so it is
//! not optional. What is found here about the text (duplicate fields) is reported later, together with what is found
//! about the fields.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use koinon_machinery::schema::Schema;
use koinon_machinery::status::Status;
use koinon_machinery::{Value, json, protobuf, yaml};

use crate::negotiate::{JSON, PROTOBUF, YAML};

/// What upstream takes: a 1.5 MiB object, twice, as a JSON patch may hold it.
pub(crate) const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// The media types of patches.
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
/// RFC 7396.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
/// Kubernetes' own, for kinds with merge keys.
pub(crate) const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
/// Server-side apply.
pub(crate) const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// A body that was read but not understood yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Raw {
    /// The media type without parameters; empty when the client sent none.
    pub(crate) media_type: String,
    pub(crate) bytes: Bytes,
}

/// A body as a tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) value: Value,
    /// One sentence per field that was there twice.
    pub(crate) duplicates: Vec<String>,
}

/// Reads the whole body of a request.
///
/// # Errors
/// 413 when it is too large, 400 when the connection breaks.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Raw, Status>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    read_up_to(headers, body, BODY_BYTES_MAX).await
}

/// Reads the whole body of a request that may have so many bytes.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_up_to<B>(headers: &HeaderMap, body: B, bytes_max: usize) -> Result<Raw, Status>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(Raw { media_type, bytes: collected.to_bytes() }),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Status::too_large(&format!("limit is {bytes_max}")))
        }
        Err(error) => Err(Status::bad_request(format!("unable to read the request body: {error}"))),
    }
}

// === impl Raw ===

impl Raw {
    /// Understands a body that holds an object.
    ///
    /// # Errors
    /// 415 for a media type we do not read, 400 when the text is malformed.
    pub(crate) fn decode(&self, schema: &Schema) -> Result<Decoded, Status> {
        match self.media_type.as_str() {
            "" | JSON => from_json(&self.bytes),
            YAML => from_yaml(&self.bytes),
            PROTOBUF => protobuf::decode(&self.bytes, schema)
                .map(|value| Decoded { value, duplicates: Vec::new() })
                .map_err(|error| Status::bad_request(format!("the body cannot be decoded: {error}"))),
            _ => Err(Status::unsupported_media_type(&[JSON, YAML, PROTOBUF])),
        }
    }
}

/// Reads JSON.
///
/// # Errors
/// 400 when it is malformed.
pub(crate) fn from_json(bytes: &[u8]) -> Result<Decoded, Status> {
    let parsed =
        json::parse(bytes).map_err(|error| Status::bad_request(format!("json parse error: {error}")))?;
    Ok(Decoded { value: parsed.value, duplicates: parsed.duplicates })
}

/// Reads YAML, and JSON with it.
///
/// # Errors
/// 400 when it is malformed.
pub(crate) fn from_yaml(bytes: &[u8]) -> Result<Decoded, Status> {
    let parsed =
        yaml::parse(bytes).map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
    Ok(Decoded { value: parsed.value, duplicates: parsed.duplicates })
}
