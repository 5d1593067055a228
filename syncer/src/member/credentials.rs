//! A member's kubeconfig as the host takes it: everything in the text itself, nothing to run, nothing to read elsewhere.
//!
//! Whoever may write a Secret must not thereby run programs or read files of the host.

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::Failure;

/// Reads one context of a kubeconfig.
///
/// # Errors
/// [`Failure::Configuration`], naming the field.
pub(super) async fn read(text: &str, context: Option<&str>) -> Result<kube::Config, Failure> {
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| Failure::configuration(&error))?;
    if let Some(field) = reaches_outside(&kubeconfig) {
        return Err(Failure::Configuration(format!(
            "{field}: give the credentials themselves, in the kubeconfig"
        )));
    }
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| Failure::configuration(&error))
}

/// The first field that names a program or a file of whoever reads it.
fn reaches_outside(kubeconfig: &Kubeconfig) -> Option<String> {
    for named in &kubeconfig.clusters {
        if named.cluster.as_ref().is_some_and(|cluster| cluster.certificate_authority.is_some()) {
            return Some(format!("clusters[{}].cluster.certificate-authority", named.name));
        }
    }
    for named in &kubeconfig.auth_infos {
        let Some(user) = &named.auth_info else { continue };
        let fields = [
            ("exec", user.exec.is_some()),
            ("auth-provider", user.auth_provider.is_some()),
            ("tokenFile", user.token_file.is_some()),
            ("client-certificate", user.client_certificate.is_some()),
            ("client-key", user.client_key.is_some()),
        ];
        if let Some((field, _)) = fields.iter().find(|(_, is_given)| *is_given) {
            return Some(format!("users[{}].user.{field}", named.name));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kubeconfig_that_reaches_outside_is_refused_by_its_field() {
        let rows = [
            ("exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}", "users[u].user.exec"),
            ("tokenFile: /etc/shadow", "users[u].user.tokenFile"),
            ("client-key: key.pem", "users[u].user.client-key"),
            ("auth-provider: {name: gcp, config: {}}", "users[u].user.auth-provider"),
        ];
        for (user, field) in rows {
            let text = format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
                 contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
                 clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]\n\
                 users: [{{name: u, user: {{{user}}}}}]\n"
            );
            let failure = read(&text, None).await.expect_err("it must be refused");
            assert!(failure.to_string().contains(field), "{failure} should name {field}");
        }
    }
}
