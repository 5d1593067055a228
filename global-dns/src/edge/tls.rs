//! The certificate that encrypted transports show, and its replacement while the server runs.
//!
//! ```text
//! files ─► read ─► changed? ─► pair, if it is one ─► swap ─► the next handshake shows it
//!                                  └─ broken: the old one stays, the log and a metric say so
//! ```
//! A mounted Secret changes by a flip of symbolic links, which no watch of the file itself sees, so contents are compared.
//! TLS 1.3 only: transfers (RFC 9103 §7.1) and QUIC (RFC 9001 §4.2) ask for it, and no resolver that speaks DNS
//! over TLS to an authority lacks it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::sync::watch;
use tracing::{error, info};

use crate::metrics::Metrics;

/// How often the files are looked at. A kubelet takes about a minute to bring a changed Secret, so this adds little; two
/// small files are read each time.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The certificate of a server and where it comes from.
#[derive(Clone)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    pair: Pair,
}

/// Why files cannot be used as a certificate and its key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("read {file}")]
    File {
        /// Which one.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no certificate, or what is there is none.
    #[error("{file} must hold a certificate in PEM (BEGIN CERTIFICATE), its issuers after it")]
    Certificate {
        /// Which file.
        file: PathBuf,
    },
    /// There is no key, or what is there is none.
    #[error(
        "{file} must hold an unencrypted private key in PEM (BEGIN PRIVATE KEY): ECDSA P-256 or P-384, Ed25519 or RSA"
    )]
    Key {
        /// Which file.
        file: PathBuf,
    },
    /// The key is that of another certificate.
    #[error("the key in {key} is not that of the certificate in {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// The parts of TLS cannot be put together.
    #[error("set up TLS")]
    Tls(#[from] rustls::Error),
}

/// A certificate with its key, ready to be shown.
#[derive(Clone)]
struct Pair {
    /// The bytes of both files.
    files: [Vec<u8>; 2],
    shown: Arc<CertifiedKey>,
    /// When it expires. Units: seconds since 1970.
    expiry: i64,
}

/// What handshakes take the certificate from.
#[derive(Clone)]
pub(crate) struct Shown(Arc<ArcSwap<CertifiedKey>>);

// === impl Identity ===

impl Identity {
    /// Reads a certificate with its issuers, and its key, both in PEM.
    ///
    /// # Errors
    /// When a file cannot be read or used, or the two do not belong together.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, IdentityError> {
        let pair = Pair::read(&certificate, &key, read(&certificate, &key)?)?;
        Ok(Self { certificate, key, pair })
    }

    /// What handshakes are to take it from.
    pub(crate) fn shown(&self) -> Shown {
        Shown(Arc::new(ArcSwap::new(Arc::clone(&self.pair.shown))))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The TLS side of a listener that speaks these protocols (RFC 7301).
///
/// # Errors
/// When the system gives no randomness for session tickets.
pub(crate) fn server_config(shown: &Shown, protocols: &[&[u8]]) -> Result<ServerConfig, IdentityError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown.clone()));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    // A client that comes back brings its session itself: nothing is remembered per client. Early data stays off, which
    // could be replayed (RFC 9250 §4.5).
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

/// Follows the files until asked to stop.
pub(crate) async fn follow(
    identity: Identity,
    shown: Shown,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
    let Identity { certificate, key, pair } = identity;
    metrics.connections.certificate::<IdentityError>(&Ok(pair.expiry));
    // What was seen last, good or not: each change is told once.
    let mut seen = Seen::Files(pair.files);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let (files, known) = ([certificate.clone(), key.clone()], seen.clone());
        let looking = tokio::task::spawn_blocking(move || look(&files, &known));
        let Ok(Some((now_seen, found))) = looking.await else { continue };
        seen = now_seen;
        metrics.connections.certificate(&found.as_ref().map(|pair| pair.expiry));
        match found {
            Ok(pair) => {
                info!(certificate = %certificate.display(), "showing another certificate from now on");
                shown.0.store(pair.shown);
            }
            Err(problem) => {
                let error = chain(&problem);
                error!(error, "the changed certificate cannot be used; still showing the one before");
            }
        }
    }
}

/// What the files held when they were last looked at.
#[derive(Clone, PartialEq, Eq)]
enum Seen {
    Files([Vec<u8>; 2]),
    Unreadable,
}

/// Looks at the files; none when they are as they were.
fn look([certificate, key]: &[PathBuf; 2], known: &Seen) -> Option<(Seen, Result<Pair, IdentityError>)> {
    match read(certificate, key) {
        Ok(files) => {
            let seen = Seen::Files(files.clone());
            (seen != *known).then(|| (seen, Pair::read(certificate, key, files)))
        }
        Err(error) => (*known != Seen::Unreadable).then_some((Seen::Unreadable, Err(error))),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn read(certificate: &Path, key: &Path) -> Result<[Vec<u8>; 2], IdentityError> {
    let read =
        |file: &Path| fs::read(file).map_err(|source| IdentityError::File { file: file.to_owned(), source });
    Ok([read(certificate)?, read(key)?])
}

// === impl Pair ===

impl Pair {
    fn read(certificate: &Path, key: &Path, files: [Vec<u8>; 2]) -> Result<Self, IdentityError> {
        let no_certificate = || IdentityError::Certificate { file: certificate.to_owned() };
        let no_key = || IdentityError::Key { file: key.to_owned() };
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&files[0]).collect();
        let chain = chain.map_err(|_| no_certificate())?;
        let leaf = chain.first().ok_or_else(no_certificate)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|_| no_certificate())?;
        let expiry = parsed.validity().not_after.timestamp();
        let private = PrivateKeyDer::from_pem_slice(&files[1]).map_err(|_| no_key())?;
        let provider: CryptoProvider = default_provider();
        let signer = provider.key_provider.load_private_key(private).map_err(|_| no_key())?;
        let shown = CertifiedKey::new(chain, signer);
        shown.keys_match().map_err(|_| IdentityError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })?;
        Ok(Self { files, shown: Arc::new(shown), expiry })
    }
}

// === impl Shown ===

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

#[cfg(test)]
mod tests;
