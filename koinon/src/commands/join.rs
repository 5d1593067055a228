//! `koinon join`: brings a cluster into the fleet.
//!
//! The member is asked first, so that a typing error is told before anything is written. Then its kubeconfig, made
//! self-contained, becomes a Secret of the host and the cluster a `Cluster`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::config::Kubeconfig;
use serde_json::{Value, json};

use crate::args::JoinArgs;
use crate::commands::paths;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render;

/// Where the host keeps what belongs to itself.
pub(crate) const SYSTEM_NAMESPACE: &str = "koinon-system";

/// The annotation that tells whether two names mean the same cluster: the UID of its kube-system namespace, which is
/// what the inventory standards of SIG-Multicluster use as a cluster's identity.
const IDENTITY: &str = "koinon.io/cluster-identity";

/// How long the member may take to say who it is.
const MEMBER_DEADLINE: Duration = Duration::from_secs(5);

/// How long to wait for the host to report the new cluster as ready.
const READY_WAIT: Duration = Duration::from_secs(30);

/// Joins a cluster and waits until it is ready.
pub(crate) async fn run(args: JoinArgs) -> anyhow::Result<Outcome> {
    let (host, server) = join(&args).await?;
    render::print(&format!("cluster {} joined ({server})\n", args.name));
    report_ready(&host, &args.name).await
}

/// Joins a cluster: gives the host, and where the cluster's API is.
///
/// # Errors
/// When either does not answer, or the cluster is in the fleet under another name.
pub(crate) async fn join(args: &JoinArgs) -> anyhow::Result<(Host, String)> {
    let labels = parse_labels(&args.labels)?;
    let (kubeconfig, server) = self_contained(&args.kubeconfig, args.context.as_deref())?;
    let identity = identify(&kubeconfig).await.with_context(|| {
        format!(
            "join {}: nothing was written; the cluster at {server} must answer with these credentials",
            args.name
        )
    })?;
    let host = Host::connect(&args.host()).await?;
    for cluster in host.list(paths::CLUSTERS).await? {
        let name = cluster["metadata"]["name"].as_str().unwrap_or_default();
        if cluster["metadata"]["annotations"][IDENTITY] == identity.as_str() && name != args.name {
            bail!("join {}: this cluster is in the fleet already, as {name}; unjoin it first", args.name);
        }
    }
    write(&host, args, &kubeconfig, &server, &identity, labels).await?;
    Ok((host, server))
}

async fn write(
    host: &Host,
    args: &JoinArgs,
    kubeconfig: &str,
    server: &str,
    identity: &str,
    labels: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}});
    host.apply(&format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}"), &namespace).await?;
    let secret_name = format!("cluster-{}", args.name);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": secret_name, "namespace": SYSTEM_NAMESPACE},
        "data": {"kubeconfig": BASE64.encode(kubeconfig)},
    });
    host.apply(&format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/{secret_name}"), &secret).await?;
    let mut spec = json!({
        "connection": {
            "mode": "Push", "apiEndpoint": server,
            "secretRef": {"namespace": SYSTEM_NAMESPACE, "name": secret_name},
        },
    });
    for (field, value) in [("region", &args.region), ("zone", &args.zone), ("provider", &args.provider)] {
        if let Some(value) = value {
            spec[field] = Value::String(value.clone());
        }
    }
    let cluster = json!({
        "apiVersion": "koinon.io/v1alpha1", "kind": "Cluster",
        "metadata": {"name": args.name, "labels": labels, "annotations": {IDENTITY: identity}},
        "spec": spec,
    });
    host.apply(&format!("{}/{}", paths::CLUSTERS, args.name), &cluster).await?;
    Ok(())
}

/// Waits until the host has reached the cluster, and says what it sees if that takes too long.
async fn report_ready(host: &Host, name: &str) -> anyhow::Result<Outcome> {
    let deadline = tokio::time::Instant::now() + READY_WAIT;
    loop {
        let cluster = host.read(&format!("{}/{name}", paths::CLUSTERS)).await?;
        let state = cluster["status"]["state"].as_str().unwrap_or("Unknown");
        if state == "Ready" {
            let version = cluster["status"]["kubernetesVersion"].as_str().unwrap_or("version not yet known");
            render::print(&format!("cluster {name} is ready ({version})\n"));
            return Ok(Outcome::Ok);
        }
        if tokio::time::Instant::now() >= deadline {
            render::print(&format!(
                "cluster {name} is not ready yet: {state}; see: koinon explain cluster/{name}\n"
            ));
            return Ok(Outcome::Degraded);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Asks the member whether it answers and who it is.
async fn identify(kubeconfig: &str) -> anyhow::Result<String> {
    let member = koinon_syncer::member::Member::from_kubeconfig(kubeconfig, None).await?;
    member.ready(MEMBER_DEADLINE).await?;
    let namespace = member.read("/api/v1/namespaces/kube-system").await?;
    let uid = namespace["metadata"]["uid"].as_str().context("its kube-system namespace has no uid")?;
    Ok(uid.to_owned())
}

fn parse_labels(labels: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut parsed = BTreeMap::new();
    for label in labels {
        let Some((key, value)) = label.split_once('=') else {
            bail!("--label {label}: expected KEY=VALUE, such as tier=gold");
        };
        parsed.insert(key.to_owned(), value.to_owned());
    }
    Ok(parsed)
}

/// Reads one context of a kubeconfig and brings everything it points at into it.
///
/// Shape: the text of a kubeconfig with one cluster, one user, one context, and the server's URL.
fn self_contained(path: &Path, context: Option<&str>) -> anyhow::Result<(String, String)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("read kubeconfig {shown}"))?;
    let mut config = Kubeconfig::from_yaml(&text).with_context(|| format!("read kubeconfig {shown}"))?;
    let Some(chosen) =
        context.map(str::to_owned).or_else(|| config.current_context.clone()).filter(|c| !c.is_empty())
    else {
        bail!("kubeconfig {shown}: current-context is not set; name one with --context");
    };
    config.contexts.retain(|named| named.name == chosen);
    let Some(target) = config.contexts.first().and_then(|named| named.context.clone()) else {
        bail!("kubeconfig {shown}: contexts has no {chosen:?}; name another with --context");
    };
    config.clusters.retain(|named| named.name == target.cluster);
    let user = target.user.clone().unwrap_or_default();
    config.auth_infos.retain(|named| named.name == user);
    config.current_context = Some(chosen);
    let folder = path.parent().unwrap_or(Path::new("."));
    let Some(cluster) = config.clusters.first_mut().and_then(|named| named.cluster.as_mut()) else {
        bail!("kubeconfig {shown}: clusters has no {:?}, which the context names", target.cluster);
    };
    let Some(server) = cluster.server.clone() else {
        bail!("kubeconfig {shown}: clusters[{}].cluster.server is missing", target.cluster);
    };
    let Some(auth) = config.auth_infos.first_mut().and_then(|named| named.auth_info.as_mut()) else {
        bail!("kubeconfig {shown}: users has no {user:?}, which the context names");
    };
    if auth.exec.is_some() || auth.auth_provider.is_some() {
        bail!(
            "kubeconfig {shown}: users[{user}] runs a program to log in, which the host cannot do; give one with a token or \
             a client certificate, such as that of a ServiceAccount"
        );
    }
    if let Some(file) = cluster.certificate_authority.take() {
        cluster.certificate_authority_data = Some(BASE64.encode(read_beside(folder, &file)?));
    }
    if let Some(file) = auth.client_certificate.take() {
        auth.client_certificate_data = Some(BASE64.encode(read_beside(folder, &file)?));
    }
    if let Some(file) = auth.client_key.take() {
        auth.client_key_data = Some(BASE64.encode(read_beside(folder, &file)?).into());
    }
    if let Some(file) = auth.token_file.take() {
        let token = String::from_utf8(read_beside(folder, &file)?).context("token file")?;
        auth.token = Some(token.trim().to_owned().into());
    }
    Ok((serde_norway::to_string(&config)?, server))
}

fn read_beside(folder: &Path, file: &str) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(file);
    std::fs::read(&path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str, context: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, text).unwrap();
        format!("{:#}", self_contained(&path, context).unwrap_err())
    }

    const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: one
contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: missing, user: u}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority: ca.pem}}]
users: [{name: u, user: {token: t}}]
";

    #[test]
    fn a_kubeconfig_becomes_self_contained() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), GOOD).unwrap();
        std::fs::write(folder.path().join("ca.pem"), "PEM").unwrap();
        let (text, server) = self_contained(&folder.path().join("config"), None).unwrap();
        assert_eq!(server, "https://127.0.0.1:1");
        assert!(text.contains("certificate-authority-data: UEVN"), "{text}");
        assert!(!text.contains("two"), "{text}");
    }

    #[test]
    fn an_unusable_kubeconfig_is_refused_by_the_field_at_fault() {
        let rows = [
            (GOOD.replace("current-context: one", ""), None, "current-context"),
            (GOOD.to_owned(), Some("three"), "contexts has no \"three\""),
            (GOOD.to_owned(), Some("two"), "clusters has no \"missing\""),
            (GOOD.replace("server: 'https://127.0.0.1:1', ", ""), None, "cluster.server"),
            (
                GOOD.replace("name: u, user: {token: t}", "name: v, user: {token: t}"),
                None,
                "users has no \"u\"",
            ),
            (GOOD.replace("token: t", "exec: {command: aws}"), None, "runs a program"),
            (GOOD.to_owned(), None, "ca.pem"),
            ("contexts: {".to_owned(), None, "read kubeconfig"),
        ];
        for (text, context, wanted) in rows {
            let said = refusal(&text, context);
            assert!(said.contains(wanted), "{said} should name {wanted}");
        }
    }

    #[test]
    fn a_label_is_a_pair() {
        assert!(parse_labels(&["tier".into()]).unwrap_err().to_string().contains("KEY=VALUE"));
        assert_eq!(parse_labels(&["a=b=c".into()]).unwrap()["a"], "b=c");
    }
}
