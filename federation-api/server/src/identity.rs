//! Who this server is: its certificate authority, its own certificate, and what it hands to clients.
//!
//! The authority is created at the first start and kept in the data folder, so that kubeconfig files given out
//! earlier stay valid. Leaf certificates are issued at every start. A server without a folder (tests, simulated
//! members) has an authority that lives as long as the process.
//! It does not decide who may do what: see `authenticate` and `authorize`.

use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Ten years: an authority outlives the machines it runs on, and its key never leaves the data folder.
const AUTHORITY_YEARS: i64 = 10;

/// One year: a leaf is issued again at every start, and a server that runs longer than this needs a restart anyway.
const LEAF_YEARS: i64 = 1;

/// Clocks of clients may be behind ours by up to a day.
const BACKDATE_DAYS: i64 = 1;

/// Why the identity of the server could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file of the data folder cannot be read or written.
    #[error("access {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A key or certificate cannot be made or read.
    #[error("handle {subject}")]
    Certificate {
        /// Which one.
        subject: String,
        /// What the library said.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate cannot be used for TLS.
    #[error("set up TLS")]
    Tls(#[from] rustls::Error),
    /// The certificate authority cannot vouch for client certificates.
    #[error("trust the certificate authority for clients")]
    Trust(#[from] rustls::server::VerifierBuilderError),
}

/// A certificate with its private key, both as PEM text.
#[derive(Clone)]
pub struct KeyedCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

/// The certificate authority of one server.
pub struct Authority {
    certificate_der: CertificateDer<'static>,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    token_key: KeyPair,
}

// === impl Authority ===

impl Authority {
    /// Opens the authority kept in `folder`, creating it the first time.
    ///
    /// # Errors
    /// When a file cannot be read or written, or does not hold what it should.
    pub fn open(folder: &Path) -> Result<Self, IdentityError> {
        fs::create_dir_all(folder)
            .map_err(|source| IdentityError::File { path: folder.to_owned(), source })?;
        let key = open_key(&folder.join("ca.key"))?;
        let token_key = open_key(&folder.join("service-account.key"))?;
        let path = folder.join("ca.crt");
        match fs::read_to_string(&path) {
            Ok(pem) => Self::assemble(pem, key, token_key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = authority_certificate(&key)?;
                write_private(&path, &pem)?;
                Self::assemble(pem, key, token_key)
            }
            Err(source) => Err(IdentityError::File { path, source }),
        }
    }

    /// Creates an authority that is forgotten when the process ends.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn ephemeral() -> Result<Self, IdentityError> {
        let key = generate_key("the authority's key")?;
        let pem = authority_certificate(&key)?;
        Self::assemble(pem, key, generate_key("the token key")?)
    }

    fn assemble(certificate_pem: String, key: KeyPair, token_key: KeyPair) -> Result<Self, IdentityError> {
        let subject = || "the certificate authority ca.crt".to_owned();
        let certificate_der = first_certificate(&certificate_pem).ok_or_else(|| {
            IdentityError::Certificate { subject: subject(), source: rcgen::Error::CouldNotParseCertificate }
        })?;
        let issuer = Issuer::from_ca_cert_der(&certificate_der, key)
            .map_err(|source| IdentityError::Certificate { subject: subject(), source })?;
        Ok(Self { certificate_der, certificate_pem, issuer, token_key })
    }

    /// The authority's certificate as PEM text: what clients trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's certificate as DER.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate_der
    }

    /// The key that signs ServiceAccount tokens.
    pub fn token_key(&self) -> &KeyPair {
        &self.token_key
    }

    /// Issues a certificate that proves to be `user`, a member of `group`.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn client_certificate(&self, user: &str, group: &str) -> Result<KeyedCertificate, IdentityError> {
        let mut params = leaf(ExtendedKeyUsagePurpose::ClientAuth);
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        self.issue(&params, format!("the client certificate of {user}")).map(|(keyed, _)| keyed)
    }

    /// Issues the server's certificate for the names and addresses that clients may dial.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn server_certificate(
        &self,
        names: &[String],
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), IdentityError> {
        let mut params = leaf(ExtendedKeyUsagePurpose::ServerAuth);
        params.distinguished_name.push(DnType::CommonName, "koinon");
        params.subject_alt_names = names.iter().filter_map(|name| alternative_name(name)).collect();
        let (keyed, der) = self.issue(&params, "the server certificate".to_owned())?;
        let key = first_key(&keyed.key_pem);
        Ok((der, key))
    }

    fn issue(
        &self,
        params: &CertificateParams,
        subject: String,
    ) -> Result<(KeyedCertificate, CertificateDer<'static>), IdentityError> {
        let key = generate_key(&subject)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(|source| IdentityError::Certificate { subject, source })?;
        let der = certificate.der().clone();
        Ok((KeyedCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }, der))
    }

    /// A kubeconfig whose user is `user`, for a server at `url`.
    ///
    /// # Errors
    /// When the client certificate cannot be made.
    pub fn kubeconfig(&self, url: &str, user: &str, group: &str) -> Result<String, IdentityError> {
        let keyed = self.client_certificate(user, group)?;
        Ok(format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: koinon\nclusters:\n- name: koinon\n  cluster:\n    server: {url}\n    \
             certificate-authority-data: {}\nusers:\n- name: {user}\n  user:\n    client-certificate-data: {}\n    \
             client-key-data: {}\ncontexts:\n- name: koinon\n  context:\n    cluster: koinon\n    user: {user}\n",
            BASE64_STANDARD.encode(&self.certificate_pem),
            BASE64_STANDARD.encode(&keyed.certificate_pem),
            BASE64_STANDARD.encode(&keyed.key_pem),
        ))
    }
}

fn alternative_name(name: &str) -> Option<SanType> {
    match name.parse::<IpAddr>() {
        Ok(address) => Some(SanType::IpAddress(address)),
        Err(_) => name.try_into().ok().map(SanType::DnsName),
    }
}

fn authority_certificate(key: &KeyPair) -> Result<String, IdentityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "koinon-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    set_validity(&mut params, AUTHORITY_YEARS);
    let certificate = params.self_signed(key).map_err(|source| IdentityError::Certificate {
        subject: "the certificate authority ca.crt".to_owned(),
        source,
    })?;
    Ok(certificate.pem())
}

fn leaf(usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, LEAF_YEARS);
    params
}

fn set_validity(params: &mut CertificateParams, years: i64) {
    let now = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let day = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(now.saturating_sub(BACKDATE_DAYS.days()));
    params.not_after = day(now.saturating_add(years.years()));
}

fn generate_key(subject: &str) -> Result<KeyPair, IdentityError> {
    KeyPair::generate().map_err(|source| IdentityError::Certificate { subject: subject.to_owned(), source })
}

fn open_key(path: &Path) -> Result<KeyPair, IdentityError> {
    match fs::read_to_string(path) {
        Ok(pem) => KeyPair::from_pem(&pem)
            .map_err(|source| IdentityError::Certificate { subject: path.display().to_string(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = generate_key(&path.display().to_string())?;
            write_private(path, &key.serialize_pem())?;
            Ok(key)
        }
        Err(source) => Err(IdentityError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file that only its owner may read, completely or not at all.
fn write_private(path: &Path, text: &str) -> Result<(), IdentityError> {
    let temporary = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| IdentityError::File { path: path.to_owned(), source })
}

fn first_certificate(pem: &str) -> Option<CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

fn first_key(pem: &str) -> PrivateKeyDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    let key =
        PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("a key that was serialised a line above");
    PrivateKeyDer::Pkcs8(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_authority_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::open(folder.path()).unwrap();
        let second = Authority::open(folder.path()).unwrap();
        assert_eq!(first.certificate_pem(), second.certificate_pem());
        let mode = fs::metadata(folder.path().join("ca.key")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    }

    #[test]
    fn names_the_file_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.key"), "not a key").unwrap();
        let error = Authority::open(folder.path()).err().unwrap();
        assert!(error.to_string().contains("ca.key"), "{error}");
    }
}
