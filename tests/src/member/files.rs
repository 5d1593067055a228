//! What a member's processes read at start: certificates, keys, a token, a kubeconfig.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The bearer token of the member's administrator. It opens a throw-away cluster on loopback.
const TOKEN: &str = "koinon-tests-administrator";

/// Paths of the files.
pub(super) struct Files {
    pub(super) authority: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) token_key: PathBuf,
    pub(super) token_public_key: PathBuf,
    pub(super) tokens: PathBuf,
    pub(super) kubeconfig: PathBuf,
}

// === impl Files ===

impl Files {
    /// Writes all of them into `folder` for an API server at `api`.
    pub(super) fn write(folder: &Path, name: &str, api: SocketAddr, service_ip: Ipv4Addr) -> Result<Self> {
        let files = Self {
            authority: folder.join("ca.crt"),
            certificate: folder.join("server.crt"),
            key: folder.join("server.key"),
            token_key: folder.join("service-account.key"),
            token_public_key: folder.join("service-account.pub"),
            tokens: folder.join("tokens.csv"),
            kubeconfig: folder.join("kubeconfig"),
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, format!("{name} authority"));
        let authority_key = KeyPair::generate()?;
        let authority = params.self_signed(&authority_key)?;
        let issuer = Issuer::new(params, authority_key);

        let names = [api.ip().to_string(), service_ip.to_string(), "kubernetes.default.svc".into()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;

        write(&files.authority, &authority.pem())?;
        write(&files.certificate, &certificate.pem())?;
        write(&files.key, &key.serialize_pem())?;
        let token_key = KeyPair::generate()?;
        write(&files.token_key, &token_key.serialize_pem())?;
        write(&files.token_public_key, &token_key.public_key_pem())?;
        write(&files.tokens, &format!("{TOKEN},administrator,administrator,\"system:masters\"\n"))?;
        write(&files.kubeconfig, &kubeconfig(name, api, &authority.pem()))?;
        Ok(files)
    }
}

fn kubeconfig(name: &str, api: SocketAddr, authority: &str) -> String {
    let authority = BASE64_STANDARD.encode(authority);
    format!(
        "apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: https://{api}
    certificate-authority-data: {authority}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: administrator
users:
- name: administrator
  user:
    token: {TOKEN}
"
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}
