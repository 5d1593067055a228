//! A Kubernetes API server as a library.
//!
//! It serves whatever kinds it is given, the way Kubernetes clients expect, and knows nothing of federation. Whoever
//! composes a server brings a store, a registry of kinds, rules of its own, and a certificate authority:
//!
//! ```no_run
//! # async fn compose() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use koinon_api_server::identity::Authority;
//! use koinon_api_server::{Config, Registry, Server};
//! use koinon_machinery::schema::Schema;
//! use koinon_store::MemoryStore;
//!
//! let registry = Registry::new(Schema::built_in()).with_built_in(|_| true);
//! let config = Config::new(Arc::new(MemoryStore::new()), registry, Authority::ephemeral()?);
//! let server = Server::open(config).await?;
//!
//! // Loops of the same process read and write without a connection.
//! let client = server.client("example");
//!
//! // Everyone else comes through TLS; the kubeconfig holds a certificate of the server's own authority.
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("https://{}", listener.local_addr()?);
//! let kubeconfig = server.authority().kubeconfig(&url, "admin", "system:masters")?;
//! let (stop, stopped) = tokio::sync::watch::channel(false);
//! server.serve(listener, &["127.0.0.1".to_owned()], stopped).await?;
//! server.shutdown().await;
//! # drop((client, kubeconfig, stop));
//! # Ok(())
//! # }
//! ```

pub mod admission;
pub mod authenticate;
pub mod authorize;
pub mod identity;
pub mod local;
pub mod negotiate;
pub mod object;
pub mod registry;
pub mod request;
mod server;

mod api;
mod body;
mod built_in;
mod documents;
mod handle;
mod lifecycle;
mod limit;
mod listen;
mod metrics;
mod paths;
mod rest;
mod storage;

pub use registry::{ApiGroup, ApiResource, Registry, ResourceRef, Scope};
pub use server::{Ask, Check, Config, Grant, Page, Probe, Render, Server, ServerError, StaticToken, Visit};

#[cfg(test)]
mod tests;
