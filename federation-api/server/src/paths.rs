//! Paths that are not resources: discovery, OpenAPI, health, metrics, keys, and the pages of whoever composes.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ETAG, HeaderName, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use koinon_machinery::Value;
use koinon_machinery::discovery::{self, Aggregated, Of};
use koinon_machinery::status::Status;
use serde_json::json;

use crate::api::Api;
use crate::authenticate::User;
use crate::authenticate::token;
use crate::body;
use crate::documents::Document;
use crate::handle::{self, Answer};
use crate::negotiate::{self, JSON};
use crate::request::Query;
use crate::rest::decode;
use crate::server::{Page, Visit};

/// The release whose API is served; clients decide by it what they may use.
const KUBERNETES: (&str, &str, &str) = ("1", "36", "v1.36.3");

/// Plain text, as probes and scrapers read it.
const TEXT: &str = "text/plain; charset=utf-8";

/// The text format of Prometheus.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a path that is not a resource.
pub(crate) async fn answer(
    api: &Arc<Api>,
    segments: &[String],
    query: Query,
    headers: &HeaderMap,
    user: User,
) -> Result<Answer, Status> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] => Ok(as_json(&index(api))),
        ["version"] => Ok(as_json(&version())),
        ["api"] => Ok(discovered(api, headers, Of::Core)),
        ["apis"] => Ok(discovered(api, headers, Of::Named)),
        ["api", version] => served(discovery::resource_list(api.registry.catalog(), "", version)),
        ["apis", group] => served(discovery::group(api.registry.catalog(), group)),
        ["apis", group, version] => served(discovery::resource_list(api.registry.catalog(), group, version)),
        ["openapi", "v3"] => Ok(as_json(&api.documents.openapi_index())),
        ["openapi", "v3", path @ ..] => {
            let document = api.documents.openapi(&path.join("/")).ok_or_else(Status::unknown_resource)?;
            Ok(tagged(&document, headers, JSON))
        }
        ["livez" | "healthz"] => Ok(health(&[], &query)),
        ["livez" | "healthz", "ping"] => Ok(text(StatusCode::OK, "ok")),
        ["readyz"] => Ok(health(&checks(api), &query)),
        ["readyz", name] => single(&checks(api), name),
        ["metrics"] => match &api.metrics {
            Some(render) => Ok(handle::answer(StatusCode::OK, METRICS, body::full(render()))),
            None => Err(Status::unknown_resource()),
        },
        [".well-known", "openid-configuration"] => Ok(as_json(&issuer())),
        ["openid", "v1", "jwks"] => Ok(as_json(&token::key_set(api.authority.token_key()))),
        _ => visit(page(api, &segments)?, Visit { query, body: None, user }).await,
    }
}

/// Takes what is posted to a page.
pub(crate) async fn post<B>(
    api: &Arc<Api>,
    segments: &[String],
    query: Query,
    headers: &HeaderMap,
    user: User,
    body: B,
) -> Result<Answer, Status>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let page = page(api, &segments)?;
    let bytes_max = page.body_bytes_max.ok_or_else(Status::unknown_resource)?;
    let body = decode::read_up_to(headers, body, bytes_max).await?.bytes;
    visit(page, Visit { query, body: Some(body), user }).await
}

/// A page of whoever composes the server.
fn page<'a>(api: &'a Api, segments: &[&str]) -> Result<&'a Page, Status> {
    let path = format!("/{}", segments.join("/"));
    api.pages.iter().find(|page| page.path == path).ok_or_else(Status::unknown_resource)
}

async fn visit(page: &Page, visit: Visit) -> Result<Answer, Status> {
    (page.answer)(visit).await.map(|value| as_json(&value))
}

fn as_json(value: &Value) -> Answer {
    handle::answer(StatusCode::OK, JSON, body::full(value.to_string()))
}

fn served(document: Option<Value>) -> Result<Answer, Status> {
    document.map(|document| as_json(&document)).ok_or_else(Status::unknown_resource)
}

fn text(code: StatusCode, text: &str) -> Answer {
    handle::answer(code, TEXT, body::full(text.to_owned()))
}

fn version() -> Value {
    let (major, minor, release) = KUBERNETES;
    json!({
        "major": major, "minor": minor,
        "gitVersion": format!("{release}+koinon-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "",
        "goVersion": "", "compiler": "rustc", "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// `/api` and `/apis`: the aggregated document to clients that ask for it, the plain one to others.
fn discovered(api: &Api, headers: &HeaderMap, of: Of) -> Answer {
    let accept = headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for clause in negotiate::clauses(accept) {
        let wants = clause.parameter("as") == Some("APIGroupDiscoveryList")
            && clause.parameter("g") == Some("apidiscovery.k8s.io");
        let version = match clause.parameter("v") {
            Some("v2") if wants => Aggregated::V2,
            Some("v2beta1") if wants => Aggregated::V2Beta1,
            _ if clause.parameter("as").is_none() && clause.media_type == JSON => break,
            _ => continue,
        };
        let media_type =
            format!("{JSON};g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", version.as_str());
        return tagged(&api.documents.aggregated(of, version), headers, &media_type);
    }
    let catalog = api.registry.catalog();
    as_json(&match of {
        Of::Core => discovery::core_versions(catalog),
        Of::Named => discovery::group_list(catalog),
    })
}

/// A document with its hash, or nothing but that to a client that has it.
fn tagged(document: &Document, headers: &HeaderMap, media_type: &str) -> Answer {
    let tag = format!("\"{}\"", document.hash);
    let has_it = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut answer = if has_it {
        handle::answer(StatusCode::NOT_MODIFIED, media_type, body::full(Bytes::new()))
    } else {
        handle::answer(StatusCode::OK, media_type, body::full(document.bytes.clone()))
    };
    if let Ok(tag) = HeaderValue::try_from(tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

/// The result of each check, by name.
type Checks = Vec<(String, Result<(), String>)>;

fn checks(api: &Api) -> Checks {
    api.probes.iter().map(|probe| (probe.name.clone(), (probe.check)())).collect()
}

/// `ok`, or each check on a line of its own when one fails or the client wants to see them.
fn health(checks: &[(String, Result<(), String>)], query: &Query) -> Answer {
    let failed = checks.iter().any(|(_, result)| result.is_err());
    if !failed && !query.flag("verbose") {
        return text(StatusCode::OK, "ok");
    }
    let mut lines = String::from("[+]ping ok\n");
    for (name, result) in checks {
        match result {
            Ok(()) => _ = writeln!(lines, "[+]{name} ok"),
            Err(why) => _ = writeln!(lines, "[-]{name} failed: {why}"),
        }
    }
    lines.push_str(if failed { "check failed\n" } else { "check passed\n" });
    let code = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let mut answer = text(code, &lines);
    // Browsers must not guess that a reason is a page.
    answer
        .headers_mut()
        .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    answer
}

fn single(checks: &[(String, Result<(), String>)], name: &str) -> Result<Answer, Status> {
    if name == "ping" {
        return Ok(text(StatusCode::OK, "ok"));
    }
    let (_, result) = checks.iter().find(|(known, _)| known == name).ok_or_else(Status::unknown_resource)?;
    Ok(match result {
        Ok(()) => text(StatusCode::OK, "ok"),
        Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, why),
    })
}

fn issuer() -> Value {
    json!({
        "issuer": token::ISSUER, "jwks_uri": "/openid/v1/jwks", "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
    })
}

/// What there is to look at.
fn index(api: &Api) -> Value {
    let mut paths = vec!["/api".to_owned(), "/apis".to_owned()];
    for group in &api.registry.catalog().groups {
        for version in &group.versions {
            let place = koinon_machinery::openapi::Place { group: &group.name, version };
            paths.push(format!("/{}", place.path()));
        }
    }
    let own = ["/healthz", "/livez", "/metrics", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version"];
    paths.extend(own.map(str::to_owned));
    paths.extend(api.pages.iter().map(|page| page.path.clone()));
    paths.sort();
    json!({"paths": paths})
}
