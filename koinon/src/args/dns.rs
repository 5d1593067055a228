//! What may be written about the serving of names.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::HostArgs;

/// How names are served, by the host and by nodes.
#[derive(Clone, Debug, Args)]
pub(crate) struct NamesArgs {
    /// Where names are served, over UDP and TCP
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:5353")]
    pub(crate) dns_listen: SocketAddr,
    /// Answers a second (of 128 bytes; longer ones count for several) over UDP to one network (/24, or /56 of IPv6) whose clients show no cookie; 0 for no limit
    #[arg(long, value_name = "ANSWERS", default_value_t = 1000)]
    pub(crate) dns_rate_limit: u32,
    /// Only count what --dns-rate-limit would cut or withhold
    #[arg(long)]
    pub(crate) dns_rate_limit_dry_run: bool,
    /// File with the 32 bytes that cookies are made with, the same on every server of the names (default: drawn once, in the data folder)
    #[arg(long, value_name = "FILE")]
    pub(crate) cookie_secret: Option<PathBuf>,
    /// Over which encrypted transports.
    #[command(flatten)]
    pub(crate) secure: SecureArgs,
}

/// Encrypted transports.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SecureArgs {
    /// Where names are served over TLS (port 853 by custom); may be repeated
    #[arg(long, value_name = "IP:PORT", requires = "dns_cert")]
    pub(crate) dns_tls_listen: Vec<SocketAddr>,
    /// Where names are served over HTTPS, at /dns-query; may be repeated
    #[arg(long, value_name = "IP:PORT", requires = "dns_cert")]
    pub(crate) dns_https_listen: Vec<SocketAddr>,
    /// Where names are served over QUIC (UDP port 853 by custom); may be repeated
    #[arg(long, value_name = "IP:PORT", requires = "dns_cert")]
    pub(crate) dns_quic_listen: Vec<SocketAddr>,
    /// Certificate of encrypted transports, its issuers after it, in PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "dns_key")]
    pub(crate) dns_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "dns_cert")]
    pub(crate) dns_key: Option<PathBuf>,
}

/// `koinon dns serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DnsServeArgs {
    /// Name of this node, which no other one has: its reports and its NSID carry it
    #[arg(long, value_name = "NAME", default_value = "dns-1")]
    pub(crate) node: String,
    /// Folder that keeps the last names between runs; made when missing
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Where /metrics, /livez and /readyz are served, over plain HTTP (default: nowhere)
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How they are served.
    #[command(flatten)]
    pub(crate) names: NamesArgs,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// `koinon dns`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DnsArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: DnsCommand,
}

/// What can be done about names.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// Serve the host's names from here too; goes on without the host
    Serve(Box<DnsServeArgs>),
    /// Store the zone of a zone file as a DnsZone
    Import(ImportArgs),
    /// Print the zone file of a DnsZone
    Export(ExportArgs),
}

/// `koinon dns import`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// The zone file (RFC 1035); - reads standard input
    pub(crate) file: PathBuf,
    /// The zone's apex (default: what the file's $ORIGIN and SOA record say)
    #[arg(long, value_name = "APEX")]
    pub(crate) zone: Option<String>,
    /// Check the file and print the DnsZone, without reaching the host
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// `koinon dns export`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// The zone's apex
    pub(crate) zone: String,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}
