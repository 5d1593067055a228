//! Paths that are not resources.

use std::sync::Arc;

use http::HeaderMap;
use koinon_machinery::status::Status;

use crate::api::Api;
use crate::handle::Answer;
use crate::request::Query;

/// Answers a path that is not a resource.
pub(crate) async fn answer(
    _api: &Arc<Api>,
    _segments: &[String],
    _query: &Query,
    _headers: &HeaderMap,
) -> Result<Answer, Status> {
    Err(Status::unknown_resource())
}
