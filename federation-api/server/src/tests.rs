//! The server as clients see it, in process: requests with heads and bodies, but without connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use koinon_machinery::Value;
use koinon_machinery::schema::Schema;
use koinon_store::MemoryStore;
use serde_json::json;

use crate::authenticate::{MASTERS, User};
use crate::body::Body;
use crate::handle;
use crate::identity::Authority;
use crate::registry::{ApiGroup, ApiResource, Endpoint, Registry, ScalePaths, Scope};
use crate::server::{Config, Server};

mod authority;
mod connections;
mod endings;
mod reads;
mod watches;
mod writes;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server in memory.
pub(crate) struct World {
    pub(crate) server: Server,
    user: User,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

/// An open watch.
pub(crate) struct Frames {
    body: Body,
    rest: Vec<u8>,
}

/// A server with every built-in kind and one custom kind, `widgets.example.com`.
pub(crate) async fn world() -> World {
    world_over(&Arc::new(MemoryStore::new())).await
}

/// The same, over what a store holds.
pub(crate) async fn world_over(store: &Arc<MemoryStore>) -> World {
    let registry = Registry::new(Schema::built_in()).with_built_in(|_| true).with_api(group()).unwrap();
    let store = Arc::clone(store);
    let config = Config::new(store, registry, Authority::ephemeral().unwrap());
    let server = Server::open(config).await.unwrap();
    World { server, user: User::authenticated("ann", [MASTERS.to_owned()]) }
}

fn group() -> ApiGroup {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}, "color": {"type": "string", "default": "red"}}},
        "status": {"type": "object", "properties": {"size": {"type": "integer"}}}}});
    let resource = ApiResource {
        plural: "widgets".to_owned(),
        singular: "widget".to_owned(),
        kind: "Widget".to_owned(),
        short_names: Vec::new(),
        categories: Vec::new(),
        scope: Scope::Namespaced,
        status: Endpoint::Served,
        scale: Some(ScalePaths {
            spec: ".spec.size".to_owned(),
            status: ".status.size".to_owned(),
            selector: String::new(),
        }),
        columns: Vec::new(),
        schema,
    };
    ApiGroup { group: "example.com".to_owned(), version: "v1".to_owned(), resources: vec![resource] }
}

// === impl World ===

impl World {
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> http::Response<Body> {
        handle::handle(&self.server.api, Some(self.user.clone()), request).await
    }

    /// Sends a request with a body of a media type, and reads the answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: impl Into<Bytes>,
    ) -> Reply {
        let request = Request::builder().method(method).uri(path).header("content-type", media_type);
        let answer = self.send(request.body(Full::new(body.into())).unwrap()).await;
        Reply::read(answer).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, "application/json", body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, "application/json", body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, media_type: &str, body: Value) -> Reply {
        self.call(Method::PATCH, path, media_type, body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str, body: Value) -> Reply {
        self.call(Method::DELETE, path, "application/json", body.to_string()).await
    }

    /// Creates a ConfigMap in `default`.
    pub(crate) async fn config_map(&self, name: &str, labels: Value) -> Value {
        let reply = self
            .post(
                "/api/v1/namespaces/default/configmaps",
                json!({"metadata": {"name": name, "labels": labels}}),
            )
            .await;
        assert_eq!(reply.code, 201, "{reply:?}");
        reply.body
    }

    /// Waits until an object is gone.
    pub(crate) async fn gone(&self, path: &str) {
        let poll = async {
            while self.get(path).await.code != 404 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("{path} stays"));
    }

    /// Opens a watch.
    pub(crate) async fn watch(&self, path: &str) -> Frames {
        let answer = self.send(Request::get(path).body(Full::default()).unwrap()).await;
        assert_eq!(answer.status(), 200);
        Frames { body: answer.into_body(), rest: Vec::new() }
    }

    /// The same server for another user.
    pub(crate) fn becoming(&mut self, user: User) {
        self.user = user;
    }
}

// === impl Reply ===

impl Reply {
    pub(crate) async fn read(answer: http::Response<Body>) -> Self {
        let code = answer.status().as_u16();
        let warnings = answer.headers().get_all("warning").iter();
        let warnings = warnings.map(|value| value.to_str().unwrap().to_owned()).collect();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Self { code, warnings, body }
    }

    /// The reason of a failure.
    pub(crate) fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap_or_default()
    }

    /// The names of a list's items.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap())
            .collect()
    }
}

// === impl Frames ===

impl Frames {
    /// The next frame; `None` when the watch has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("a frame in time")?;
            self.rest.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    }

    /// The type and the name of the next frame.
    pub(crate) async fn word(&mut self) -> String {
        let frame = self.next().await.expect("another frame");
        format!(
            "{} {}",
            frame["type"].as_str().unwrap(),
            frame["object"]["metadata"]["name"].as_str().unwrap_or("-")
        )
    }
}

/// The version of an object or a list.
pub(crate) fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}
