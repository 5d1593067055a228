//! One member's Kubernetes API, reduced to what a syncer asks of it.
//!
//! Requests are built from the object's own coordinates, so that any kind a policy names can be synced without code of its own.
//! Every request has a deadline, and every failure is sorted into what the caller may do about it. Watches are line streams
//! that end when the member ends them or says nothing for too long.

mod credentials;
mod failure;

use std::time::Duration;

use futures::io::AsyncBufReadExt;
use futures::stream::{Stream, StreamExt};
use http::{Method, Request};
use http_body_util::BodyExt;
use koinon_machinery::Value;
use koinon_types::sync::ObjectRef;
use kube::client::Body;

pub use failure::Failure;

/// The field manager under which everything of ours is applied in a member.
pub const FIELD_MANAGER: &str = "koinon";

/// How long one request may take. A member's API answers an apply in milliseconds; an admission webhook may take its
/// default of 10 s, and what takes longer is retried rather than waited for.
const REQUEST_DEADLINE: Duration = Duration::from_secs(12);

/// How long a connection may take. A member farther than this is as good as gone; the probe has its own, shorter deadline.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// How many objects a list asks for at once: upstream's own page size, about 2 MB of Deployments.
const LIST_PAGE: usize = 500;

/// How long the member is asked to keep a watch open; it then ends and is opened again from where it was.
const WATCH_SECONDS: u64 = 290;

/// How long a response may be. A page of 500 objects at the 1.5 MiB limit would be 750 MiB; real pages are a few MiB.
const RESPONSE_BYTES_MAX: usize = 256 << 20;

/// What is accepted as discovery: aggregated where served (Kubernetes 1.30 and newer), the old documents otherwise.
const DISCOVERY_ACCEPT: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// A connection to one member's API.
#[derive(Clone)]
pub struct Member {
    client: kube::Client,
}

/// Which objects of one kind a list or a watch is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collection {
    /// API group, empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Resource name as in the URL.
    pub plural: String,
}

impl Collection {
    /// The collection that holds `object`.
    pub fn of(object: &ObjectRef) -> Self {
        Self { group: object.group.clone(), version: object.version.clone(), plural: object.plural.clone() }
    }

    fn path(&self) -> String {
        format!("{}/{}", group_version_path(&self.group, &self.version), self.plural)
    }
}

/// Everything a list returned, at one resourceVersion.
pub struct Listed {
    /// The objects.
    pub items: Vec<Value>,
    /// Where a watch goes on.
    pub resource_version: String,
}

impl Member {
    /// Builds a client from a kubeconfig, without asking the member anything.
    ///
    /// # Errors
    /// [`Failure::Configuration`] when the kubeconfig does not parse, names a missing context, carries unusable keys, or wants
    /// a program to be run or a file to be read: it may come from somebody who may not do that here.
    pub async fn from_kubeconfig(text: &str, context: Option<&str>) -> Result<Self, Failure> {
        let mut config = credentials::read(text, context).await?;
        // Retries belong to the queue, which knows what else is waiting; the client only reports.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_DEADLINE);
        config.read_timeout = None;
        let client = kube::Client::try_from(config).map_err(|error| Failure::configuration(&error))?;
        Ok(Self { client })
    }

    /// Asks `/readyz`, answering within `deadline`.
    ///
    /// # Errors
    /// What kept the member from saying that it is ready.
    pub async fn ready(&self, deadline: Duration) -> Result<(), Failure> {
        self.send(request(Method::GET, "/readyz", None)?, deadline).await.map(|_| ())
    }

    /// Reads any path as JSON.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn read(&self, path: &str) -> Result<Value, Failure> {
        let body = self.send(request(Method::GET, path, None)?, REQUEST_DEADLINE).await?;
        serde_json::from_slice(&body).map_err(|error| Failure::Protocol(format!("answer to {path}: {error}")))
    }

    /// Reads a discovery root (`/api`, `/apis`), aggregated when the member knows how.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn discover(&self, path: &str) -> Result<Value, Failure> {
        let mut request = request(Method::GET, path, None)?;
        request.headers_mut().insert(http::header::ACCEPT, http::HeaderValue::from_static(DISCOVERY_ACCEPT));
        self.send_json(request).await
    }

    /// Reads one object; `None` when the member has none of that name.
    ///
    /// # Errors
    /// See [`Failure`]; a missing *kind* is an error, not `None`.
    pub async fn object(&self, object: &ObjectRef) -> Result<Option<Value>, Failure> {
        match self.read(&object_path(object)).await {
            Ok(value) => Ok(Some(value)),
            Err(Failure::NotFound { object: true, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Applies a manifest by server-side apply under our field manager, in one request.
    ///
    /// # Errors
    /// What [`Failure::doubts_identity`] says when `guard` does not hold; [`Failure::Conflict`] also when another manager owns a
    /// field and the guard leaves it to him.
    pub async fn apply(&self, object: &ObjectRef, manifest: Value, guard: &Guard) -> Result<Value, Failure> {
        let mut manifest = manifest;
        let force = match guard {
            Guard::Absent => {
                manifest["metadata"]["resourceVersion"] = NO_VERSION.into();
                true
            }
            Guard::Identity(uid) => {
                manifest["metadata"]["uid"] = uid.as_str().into();
                true
            }
            Guard::OthersFields => false,
        };
        let path = format!("{}?fieldManager={FIELD_MANAGER}&force={force}", object_path(object));
        let body = serde_json::to_vec(&manifest).map_err(|error| Failure::Protocol(error.to_string()))?;
        let request = request(Method::PATCH, &path, Some(("application/apply-patch+yaml", body)))?;
        self.send_json(request).await
    }

    /// Changes an object by a JSON merge patch under our field manager.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn merge(&self, object: &ObjectRef, patch: &Value) -> Result<Value, Failure> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", object_path(object));
        let body = serde_json::to_vec(patch).map_err(|error| Failure::Protocol(error.to_string()))?;
        self.send_json(request(Method::PATCH, &path, Some(("application/merge-patch+json", body)))?).await
    }

    /// Deletes exactly the object that was seen, in the background; already gone is success.
    ///
    /// Shape: the object while its finalizers keep it, none when it is gone.
    ///
    /// # Errors
    /// [`Failure::Conflict`] when the name now belongs to another object.
    pub async fn delete(&self, object: &ObjectRef, uid: &str) -> Result<Option<Value>, Failure> {
        let options = serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "propagationPolicy": "Background", "preconditions": {"uid": uid},
        });
        let body = serde_json::to_vec(&options).map_err(|error| Failure::Protocol(error.to_string()))?;
        let request = request(Method::DELETE, &object_path(object), Some(("application/json", body)))?;
        match self.send_json(request).await {
            Ok(answer) if answer["metadata"]["deletionTimestamp"].is_string() => Ok(Some(answer)),
            Ok(_) | Err(Failure::NotFound { object: true, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Lists everything in a collection that `selector` chooses, page by page, at one resourceVersion.
    ///
    /// # Errors
    /// See [`Failure`]; a list that ends half-way is an error, never a shorter list.
    pub async fn list(&self, collection: &Collection, selector: &str) -> Result<Listed, Failure> {
        let mut items = Vec::new();
        let resource_version = self.list_pages(collection, selector, |page| items.extend(page)).await?;
        Ok(Listed { items, resource_version })
    }

    /// Lists as [`Member::list`] does, handing over page after page, so that a large collection is never in memory as a whole.
    ///
    /// # Errors
    /// See [`Failure`]; what was handed over before an error is not the whole collection.
    pub async fn list_pages(
        &self,
        collection: &Collection,
        selector: &str,
        mut take: impl FnMut(Vec<Value>),
    ) -> Result<String, Failure> {
        let mut page_token = String::new();
        loop {
            let path = format!(
                "{}?labelSelector={}&limit={LIST_PAGE}&continue={}",
                collection.path(),
                escape(selector),
                escape(&page_token)
            );
            let mut page = self.read(&path).await?;
            let Some(Value::Array(batch)) = page.get_mut("items").map(Value::take) else {
                return Err(Failure::Protocol(format!("list of {} without items", collection.plural)));
            };
            take(batch);
            let metadata = &page["metadata"];
            page_token = metadata["continue"].as_str().unwrap_or_default().to_owned();
            if page_token.is_empty() {
                let version = metadata["resourceVersion"].as_str().filter(|version| !version.is_empty());
                let missing =
                    || Failure::Protocol(format!("list of {} without resourceVersion", collection.plural));
                return version.map(str::to_owned).ok_or_else(missing);
            }
        }
    }

    /// Watches a collection from a resourceVersion on; the stream ends when the member closes it.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::Gone`] when the resourceVersion is too old.
    pub async fn watch(
        &self,
        collection: &Collection,
        selector: &str,
        resource_version: &str,
    ) -> Result<impl Stream<Item = Result<Value, Failure>> + Send + use<>, Failure> {
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&labelSelector={}&resourceVersion={}",
            collection.path(),
            escape(selector),
            escape(resource_version)
        );
        let request = request(Method::GET, &path, None)?.map(Option::unwrap_or_default);
        let opening = self.client.request_stream(request);
        let stream = tokio::time::timeout(REQUEST_DEADLINE, opening)
            .await
            .map_err(|_| Failure::Hung { after: REQUEST_DEADLINE })?
            .map_err(|error| Failure::from_kube(&error))?;
        Ok(stream.lines().map(|line| {
            let line = line.map_err(|error| Failure::Reset(error.to_string()))?;
            serde_json::from_str(&line).map_err(|error| Failure::Protocol(format!("watch event: {error}")))
        }))
    }

    async fn send_json(&self, request: Request<Option<Vec<u8>>>) -> Result<Value, Failure> {
        let body = self.send(request, REQUEST_DEADLINE).await?;
        serde_json::from_slice(&body).map_err(|error| Failure::Protocol(format!("answer: {error}")))
    }

    async fn send(&self, request: Request<Option<Vec<u8>>>, deadline: Duration) -> Result<Vec<u8>, Failure> {
        let request = request.map(|body| body.map_or_else(Body::empty, Body::from));
        let exchange = async {
            let response = self.client.send(request).await.map_err(|error| Failure::from_kube(&error))?;
            let (head, body) = response.into_parts();
            let body = http_body_util::Limited::new(body, RESPONSE_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| Failure::Reset(error.to_string()))?
                .to_bytes();
            if head.status.is_success() { Ok(body.to_vec()) } else { Err(Failure::from_answer(&head, &body)) }
        };
        tokio::time::timeout(deadline, exchange).await.map_err(|_| Failure::Hung { after: deadline })?
    }
}

/// A version that no stored object can have: it is that of an empty etcd. An apply that names it creates its object or, when
/// there is one, is refused with 409, whoever owns it; so no read is needed to find out.
const NO_VERSION: &str = "1";

/// What must hold for an apply to be carried out. Where it holds, the host is the source of truth and takes every field it sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// No object has the name.
    Absent,
    /// The object that has the name is this one.
    Identity(String),
    /// Nobody else owns a field that is set: for a server that does not know the first guard.
    OthersFields,
}

fn request(
    method: Method,
    path: &str,
    body: Option<(&'static str, Vec<u8>)>,
) -> Result<Request<Option<Vec<u8>>>, Failure> {
    let mut builder =
        Request::builder().method(method).uri(path).header(http::header::ACCEPT, "application/json");
    let mut content = None;
    if let Some((media_type, bytes)) = body {
        builder = builder.header(http::header::CONTENT_TYPE, media_type);
        content = Some(bytes);
    }
    builder.body(content).map_err(|error| Failure::Protocol(format!("request for {path}: {error}")))
}

fn group_version_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

fn object_path(object: &ObjectRef) -> String {
    let base = group_version_path(&object.group, &object.version);
    if object.namespaced {
        format!("{base}/namespaces/{}/{}/{}", object.namespace, object.plural, escape(&object.name))
    } else {
        format!("{base}/{}/{}", object.plural, escape(&object.name))
    }
}

/// Percent-encodes what may not stand in a path segment or a query value (RFC 3986, everything but unreserved characters).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(group: &str, plural: &str, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef {
            group: group.into(),
            version: "v1".into(),
            kind: "Kind".into(),
            plural: plural.into(),
            namespaced: !namespace.is_empty(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    #[test]
    fn paths_follow_the_api_conventions() {
        let rows = [
            (object("", "configmaps", "shop", "a"), "/api/v1/namespaces/shop/configmaps/a"),
            (object("apps", "deployments", "shop", "web"), "/apis/apps/v1/namespaces/shop/deployments/web"),
            (object("", "namespaces", "", "shop"), "/api/v1/namespaces/shop"),
            (
                object("rbac.authorization.k8s.io", "clusterroles", "", "system:x/y"),
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax%2Fy",
            ),
        ];
        for (object, path) in rows {
            assert_eq!(object_path(&object), path);
        }
    }
}
