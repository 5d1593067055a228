//! Serves every built-in kind from memory, for trying clients by hand: `serve <address> <kubeconfig to write>`.

use std::error::Error;
use std::sync::Arc;

use koinon_api_server::identity::Authority;
use koinon_api_server::{Config, Registry, Server};
use koinon_machinery::schema::Schema;
use koinon_store::MemoryStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:6443".to_owned());
    let kubeconfig = arguments.next().unwrap_or_else(|| "kubeconfig".to_owned());
    let registry = Registry::new(Schema::built_in()).with_built_in(|_| true);
    let config = Config::new(Arc::new(MemoryStore::new()), registry, Authority::ephemeral()?);
    let server = Server::open(config).await?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let url = format!("https://{}", listener.local_addr()?);
    std::fs::write(kubeconfig, server.authority().kubeconfig(&url, "admin", "system:masters")?)?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.send_replace(true);
        }
    });
    server.serve(listener, &["127.0.0.1".to_owned(), "localhost".to_owned()], stopped).await?;
    server.shutdown().await;
    Ok(())
}
