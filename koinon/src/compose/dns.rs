//! How a DNS server is run, by the host and by a node of its own.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use koinon_dns::serve::{Config, Secure, SecureAddresses};
use koinon_dns::{CookieSecret, Identity, Limit};

use super::private::write_private;
use crate::args::{GuardArgs, NamesArgs, SecureArgs};

/// The file with the secret of cookies, in the data folder.
const SECRET: &str = "dns-cookies.secret";

/// How names are served.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// Where, over UDP and TCP.
    pub(crate) listen: SocketAddr,
    /// How answers over UDP are limited, if they are.
    pub(crate) limit: Option<Limit>,
    /// Location databases.
    pub(crate) geo_dbs: Vec<PathBuf>,
    /// What cookies are made with; none draws it and keeps it.
    pub(crate) cookie_secret: Option<PathBuf>,
    /// Over which encrypted transports.
    pub(crate) secure: SecureArgs,
}

impl From<NamesArgs> for Serving {
    fn from(args: NamesArgs) -> Self {
        let limit = Limit { per_second: args.dns_rate_limit, dry_run: args.dns_rate_limit_dry_run };
        Self {
            listen: args.dns_listen,
            limit: (limit.per_second > 0).then_some(limit),
            geo_dbs: args.geo_dbs,
            cookie_secret: args.cookie_secret,
            secure: args.secure,
        }
    }
}

impl From<GuardArgs> for koinon_controllers::names::guard::Settings {
    fn from(args: GuardArgs) -> Self {
        Self {
            percent_max: args.dns_removals_max,
            window: std::time::Duration::from_secs(args.dns_removals_window),
        }
    }
}

/// The configuration of a server with this name and folder.
///
/// # Errors
/// When the name is too long, or a file cannot be read or written.
pub(super) fn config(serving: &Serving, name: &str, data_dir: PathBuf) -> anyhow::Result<Config> {
    let secret = match &serving.cookie_secret {
        Some(file) => given_secret(file)?,
        None => kept_secret(&data_dir)?,
    };
    Ok(Config {
        listen: serving.listen,
        n_threads: std::thread::available_parallelism().map_or(1, usize::from),
        vantage: name.to_owned(),
        nsid: name.try_into().with_context(|| format!("name the node {name:?}"))?,
        secret,
        limit: serving.limit,
        seed: seed(),
        secure: secure(&serving.secure)?,
        geo_dbs: serving.geo_dbs.clone(),
        data_dir: Some(data_dir),
    })
}

/// Encrypted transports, with the certificate that they show.
fn secure(args: &SecureArgs) -> anyhow::Result<Option<Secure>> {
    let SecureArgs { dns_tls_listen, dns_https_listen, dns_quic_listen, dns_cert, dns_key } = args;
    // That both files are there or none is seen to by the arguments themselves.
    let (Some(certificate), Some(key)) = (dns_cert, dns_key) else { return Ok(None) };
    if dns_tls_listen.is_empty() && dns_https_listen.is_empty() && dns_quic_listen.is_empty() {
        anyhow::bail!(
            "--dns-cert is for encrypted transports: add --dns-tls-listen, --dns-https-listen or --dns-quic-listen"
        );
    }
    let identity =
        Identity::load(certificate.clone(), key.clone()).context("use --dns-cert and --dns-key")?;
    Ok(Some(Secure {
        identity,
        tls: dns_tls_listen.clone(),
        https: dns_https_listen.clone(),
        quic: dns_quic_listen.clone(),
    }))
}

/// Where names are served over encrypted transports, for the line that says that a server is ready.
pub(crate) fn describe(secure: &SecureAddresses) -> String {
    let transports = [("TLS", &secure.tls), ("HTTPS", &secure.https), ("QUIC", &secure.quic)];
    let told = transports.iter().flat_map(|(transport, addresses)| {
        addresses.iter().map(move |address| format!(", over {transport} at {address}"))
    });
    told.collect()
}

/// A key that nobody outside the process can guess: the standard library's own, made from the system's randomness.
pub(super) fn seed() -> [u64; 2] {
    use std::hash::{BuildHasher as _, RandomState};
    [RandomState::new().hash_one(0_u8), RandomState::new().hash_one(1_u8)]
}

/// What cookies are made with: drawn once and kept, so that a restart forgets no client.
fn kept_secret(data_dir: &Path) -> anyhow::Result<CookieSecret> {
    let path = data_dir.join(SECRET);
    match std::fs::read(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("read {}", path.display()));
        }
        Ok(kept) => {
            if let Ok(kept) = kept.try_into() {
                return Ok(CookieSecret::new(kept));
            }
        }
        Err(_) => {}
    }
    let bytes = random()?;
    write_private(&path, &bytes).with_context(|| format!("write {}", path.display()))?;
    Ok(CookieSecret::new(bytes))
}

/// Bytes that nobody can guess.
pub(super) fn random<const LENGTH: usize>() -> anyhow::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let mut randomness = std::fs::File::open("/dev/urandom").context("open /dev/urandom")?;
    randomness.read_exact(&mut bytes).context("read /dev/urandom")?;
    Ok(bytes)
}

/// A secret that the operator gives to every server of the names.
fn given_secret(file: &Path) -> anyhow::Result<CookieSecret> {
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let length = bytes.len();
    let bytes = bytes.try_into().map_err(|_| {
        anyhow::anyhow!("--cookie-secret {}: it has {length} bytes, and 32 are expected", file.display())
    })?;
    Ok(CookieSecret::new(bytes))
}
