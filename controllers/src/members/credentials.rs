//! Where a member's credentials are, and what is wrong with them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use koinon_api_server::local::Client;
use koinon_model::name::ClusterName;
use koinon_types::sync::{ApiOutcome, ApiProbe, Backlog, MemberReport};
use koinon_types::v1alpha1::{Connection, SecretRef};
use tokio::sync::mpsc;

use super::Settings;
use crate::clock;
use crate::resources;

/// The key of a Secret under which the kubeconfig is.
const KEY: &str = "kubeconfig";

/// From one report of a problem to the next: as often as a member is probed, so that nobody takes silence for news.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// The credentials of one member, or what is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    secret: Option<SecretRef>,
    context: Option<String>,
    kubeconfig: Result<String, String>,
}

impl Credentials {
    /// Reads the credentials that a Cluster points at.
    pub(super) fn find(client: &Client, connection: &Connection) -> Self {
        let kubeconfig = match &connection.secret_ref {
            Some(secret) => read(client, secret),
            None => Err("spec.connection.secretRef is missing".to_owned()),
        };
        Self { secret: connection.secret_ref.clone(), context: connection.context.clone(), kubeconfig }
    }

    /// Whether they are in this Secret, or would be.
    pub(super) fn are_in(&self, namespace: &str, name: &str) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.namespace == namespace && secret.name == name)
    }

    /// How to reach the member with them.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub(super) fn settings(&self, cluster: &ClusterName) -> Result<Settings, String> {
        let kubeconfig = self.kubeconfig.clone()?;
        Ok(Settings { cluster: cluster.clone(), kubeconfig, context: self.context.clone() })
    }
}

fn read(client: &Client, secret: &SecretRef) -> Result<String, String> {
    let at = format!("Secret {}/{}", secret.namespace, secret.name);
    let Some(object) = client.get(&resources::secrets(), &secret.namespace, &secret.name) else {
        return Err(format!("{at} does not exist"));
    };
    let value = object.value();
    let Some(encoded) = value["data"][KEY].as_str() else {
        return Err(format!("{at} has no data.{KEY}"));
    };
    let bytes = BASE64.decode(encoded).map_err(|_| format!("{at}: data.{KEY} is not base64"))?;
    String::from_utf8(bytes).map_err(|_| format!("{at}: data.{KEY} is not text"))
}

/// Reports, for as long as it is so, that a member cannot be asked anything.
pub(super) async fn complain(cluster: ClusterName, problem: String, reports: mpsc::Sender<MemberReport>) {
    let mut ticks = tokio::time::interval(COMPLAINT_INTERVAL);
    loop {
        ticks.tick().await;
        let api = ApiProbe {
            outcome: ApiOutcome::Misconfigured,
            message: problem.clone(),
            at_ms: clock::now().as_millis(),
            latency_ms: 0,
        };
        let report = MemberReport {
            cluster: cluster.to_string(),
            api,
            synced: false,
            version: None,
            api_enablements: None,
            capacity: None,
            backlog: Backlog::default(),
        };
        if reports.send(report).await.is_err() {
            return;
        }
    }
}
