//! The host as an operator's command sees it: a Kubernetes API, reached by a kubeconfig like kubectl does.

use anyhow::{Context as _, anyhow, bail};
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

use crate::args::HostArgs;

/// A connection to the host's API; clones share it.
#[derive(Clone)]
pub(crate) struct Host {
    client: kube::Client,
    server: String,
}

impl Host {
    /// Connects by the kubeconfig that the arguments, the environment or the home directory name.
    ///
    /// # Errors
    /// When there is no kubeconfig, or it cannot be used; the text says which file and what to give instead.
    pub(crate) async fn connect(args: &HostArgs) -> anyhow::Result<Self> {
        let kubeconfig = match &args.kubeconfig {
            Some(path) => Kubeconfig::read_from(path).with_context(|| format!("read kubeconfig {}", path.display()))?,
            None => Kubeconfig::read().context(
                "read the host's kubeconfig: give --kubeconfig FILE or set KUBECONFIG (the server writes admin.kubeconfig \
                 into its data folder)",
            )?,
        };
        let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.context("use kubeconfig")?;
        config.connect_timeout = Some(std::time::Duration::from_secs(5));
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        Ok(Self { client: kube::Client::try_from(config).context("use kubeconfig")?, server })
    }

    /// Reads a path; `None` when there is nothing.
    ///
    /// # Errors
    /// When the host cannot be reached or refuses.
    pub(crate) async fn find(&self, path: &str) -> anyhow::Result<Option<Value>> {
        match self.exchange(Method::GET, path, None).await {
            Ok(value) => Ok(Some(value)),
            Err(Refusal::Status { code: 404, .. }) => Ok(None),
            Err(refusal) => Err(refusal.into_error(&self.server)),
        }
    }

    /// Reads a path that must be there.
    ///
    /// # Errors
    /// When the host cannot be reached or refuses.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<Value> {
        self.exchange(Method::GET, path, None).await.map_err(|refusal| refusal.into_error(&self.server))
    }

    /// Lists the items of a collection.
    ///
    /// # Errors
    /// When the host cannot be reached or refuses.
    pub(crate) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut list = self.read(path).await?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => bail!("the host's answer to {path} is no list; is {} a Koinon host?", self.server),
        }
    }

    /// Server-side applies an object at its path under the CLI's field manager.
    ///
    /// # Errors
    /// When the host cannot be reached or refuses.
    pub(crate) async fn apply(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        let path = format!("{path}?fieldManager=koinon-cli&force=true&fieldValidation=Strict");
        let body = Some(("application/apply-patch+yaml", serde_json::to_vec(object)?));
        self.exchange(Method::PATCH, &path, body).await.map_err(|refusal| refusal.into_error(&self.server))
    }

    /// Merge-patches an object.
    ///
    /// # Errors
    /// When the host cannot be reached or refuses.
    pub(crate) async fn merge(&self, path: &str, patch: &Value) -> anyhow::Result<Value> {
        let body = Some(("application/merge-patch+json", serde_json::to_vec(patch)?));
        self.exchange(Method::PATCH, path, body).await.map_err(|refusal| refusal.into_error(&self.server))
    }

    /// Posts to a page of the host.
    ///
    /// # Errors
    /// When the host cannot be reached or refuses.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = Some(("application/json", serde_json::to_vec(body)?));
        self.exchange(Method::POST, path, body).await.map_err(|refusal| refusal.into_error(&self.server))
    }

    /// The address of its API.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Deletes an object; `false` when there was none.
    ///
    /// # Errors
    /// When the host cannot be reached or refuses.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<bool> {
        match self.exchange(Method::DELETE, path, None).await {
            Ok(_) => Ok(true),
            Err(Refusal::Status { code: 404, .. }) => Ok(false),
            Err(refusal) => Err(refusal.into_error(&self.server)),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Value, Refusal> {
        let mut builder = Request::builder().method(method).uri(path).header("accept", "application/json");
        let mut content = Vec::new();
        if let Some((media_type, bytes)) = body {
            builder = builder.header("content-type", media_type);
            content = bytes;
        }
        let request = builder.body(content).map_err(|error| Refusal::Other(anyhow!(error)))?;
        match self.client.request::<Value>(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => {
                Err(Refusal::Status { code: status.code, message: status.message.clone() })
            }
            Err(error) => Err(Refusal::Other(anyhow!(error))),
        }
    }
}

enum Refusal {
    Status { code: u16, message: String },
    Other(anyhow::Error),
}

impl Refusal {
    fn into_error(self, server: &str) -> anyhow::Error {
        match self {
            Self::Status { code: 401, .. } => {
                anyhow!(
                    "the host at {server} does not accept these credentials; use the admin.kubeconfig of its data folder"
                )
            }
            Self::Status { message, .. } => anyhow!("{message}"),
            Self::Other(error) => {
                error.context(format!("reach the host at {server}; is `koinon server` running?"))
            }
        }
    }
}
