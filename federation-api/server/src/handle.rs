//! One request from its head to its answer.
//!
//! ```text
//! path → who → room → (resource → may they? → verb) or (path → may they? → document)
//! ```
//! Everything that fails is answered with a `Status`, which clients branch on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT, WARNING,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use koinon_machinery::schema::catalog::Verb;
use koinon_machinery::status::Status;

use crate::api::Api;
use crate::authenticate::{self, User};
use crate::authorize::Action;
use crate::body::{self, Body};
use crate::listen::Handler;
use crate::metrics;
use crate::negotiate::JSON;
use crate::paths;
use crate::registry::Resource;
use crate::request::{self, Query, Target};
use crate::rest::{self, options};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Clients and proxies must not keep what may change or be secret.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache, private");

/// An answer on its way out.
pub(crate) type Answer = Response<Body>;

/// The head of a request, understood and permitted.
pub(crate) struct Call {
    pub(crate) user: User,
    pub(crate) verb: Verb,
    pub(crate) path: request::Resource,
    pub(crate) resource: Arc<Resource>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    /// When the client no longer waits for an answer that is not a stream.
    pub(crate) deadline: Duration,
}

impl Handler for Api {
    async fn handle(self: Arc<Self>, peer: Option<User>, request: Request<Incoming>) -> Answer {
        handle(&self, peer, request).await
    }
}

/// Answers a request, whatever its body comes from.
pub(crate) async fn handle<B>(api: &Arc<Api>, peer: Option<User>, request: Request<B>) -> Answer
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let begun = Instant::now();
    let audit_id = audit_id(api, request.headers());
    let mut seen = metrics::Seen::default();
    let answer = respond(api, peer, request, &mut seen).await;
    let mut answer = answer.unwrap_or_else(|status| failure(&status));
    seen.answered(answer.status(), begun.elapsed());
    let headers = answer.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(NO_CACHE);
    if let Ok(id) = HeaderValue::try_from(audit_id) {
        headers.insert(AUDIT_ID, id);
    }
    answer
}

/// What a client calls its request, or a name of our own.
fn audit_id(api: &Api, headers: &HeaderMap) -> String {
    let named = headers.get(AUDIT_ID).and_then(|value| value.to_str().ok()).filter(|id| id.len() <= 64);
    named.map_or_else(|| rest::metadata::uid(api.random).unwrap_or_default(), str::to_owned)
}

async fn respond<B>(
    api: &Arc<Api>,
    peer: Option<User>,
    request: Request<B>,
    seen: &mut metrics::Seen,
) -> Result<Answer, Status>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let target =
        Target::parse(head.uri.path()).ok_or_else(|| Status::bad_request("the path cannot be decoded"))?;
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let user = authenticate::user(api, peer, &head.headers)?;
    match target {
        Target::Path(segments) => {
            let _room = api.limits.request()?;
            let verb = head.method.as_str().to_ascii_lowercase();
            api.authorize(&user, Action::Path { verb: &verb, path: head.uri.path() })?;
            match head.method {
                Method::GET | Method::HEAD => paths::answer(api, &segments, query, &head.headers, user).await,
                Method::POST => paths::post(api, &segments, query, &head.headers, user, body).await,
                _ => Err(Status::unknown_resource()),
            }
        }
        Target::Resource(path) => {
            let call = permit(api, user, path, &head.method, query, head.headers)?;
            seen.resource(&call);
            if call.verb == Verb::Watch {
                return rest::watch::answer(api, &call).await;
            }
            let _room = api.limits.request()?;
            let answer = rest::answer(api, &call, body);
            tokio::time::timeout(call.deadline, answer).await.unwrap_or_else(|_| {
                Err(Status::timeout("request did not complete within the allotted timeout", 0))
            })
        }
    }
}

/// Finds the resource and asks whether the user may.
fn permit(
    api: &Api,
    user: User,
    path: request::Resource,
    method: &Method,
    query: Query,
    headers: HeaderMap,
) -> Result<Call, Status> {
    let verb = path
        .verb(method, &query)
        .ok_or_else(|| Status::method_not_supported(&path.group, &path.plural, method.as_str()))?;
    let full = path.full_plural();
    let action = Action::Resource {
        verb: verb.as_str(),
        group: &path.group,
        resource: &full,
        namespace: &path.namespace,
        name: &path.name,
    };
    api.authorize(&user, action)?;
    let resource = api
        .registry
        .resource(&path.group, &path.version, &path.plural)
        .ok_or_else(Status::unknown_resource)?;
    let deadline = options::request_timeout(&query)?;
    // A namespaced resource is not found at cluster scope by name, nor a cluster's inside a namespace.
    let misplaced = if resource.catalog.namespaced {
        path.namespace.is_empty() && !path.name.is_empty()
    } else {
        !path.namespace.is_empty()
    };
    if misplaced {
        return Err(Status::unknown_resource());
    }
    Ok(Call { user, verb, resource: Arc::clone(resource), path, query, headers, deadline })
}

// === impl Call ===

impl Call {
    /// What the client accepts.
    pub(crate) fn accept(&self) -> &str {
        self.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The field manager, named by the client or after its user agent.
    pub(crate) fn manager(&self, named: &str) -> String {
        if !named.is_empty() {
            return named.to_owned();
        }
        let agent = self.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        options::manager_of_agent(agent)
    }
}

/// An answer with a body of one media type.
pub(crate) fn answer(code: StatusCode, media_type: &str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    if let Ok(media_type) = HeaderValue::try_from(media_type) {
        answer.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    answer
}

/// The answer to a request that failed.
pub(crate) fn failure(status: &Status) -> Answer {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = answer(code, JSON, body::full(status.to_value().to_string()));
    let retry = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if retry > 0 {
        answer.headers_mut().insert(RETRY_AFTER, retry.into());
    }
    if code == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"koinon\"");
        answer.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// Tells a client what it should know although its request succeeded.
pub(crate) fn warn(answer: &mut Answer, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        let printable: String = quoted.chars().filter(|c| !c.is_control()).collect();
        if let Ok(value) = HeaderValue::try_from(format!("299 - \"{printable}\"")) {
            answer.headers_mut().append(WARNING, value);
        }
    }
}
