//! What may be written about the serving of names.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use koinon_controllers::names::guard;

use super::{HostArgs, LookupArgs, OutputArgs};

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
    /// Location database in the MaxMind DB format (GeoLite2, GeoIP2 or compatible), read again when it changes; may be given several times
    #[arg(long = "geo-db", value_name = "FILE")]
    pub(crate) geo_dbs: Vec<PathBuf>,
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

/// How much of the names may be taken away without somebody saying that it is meant. These are flags and no fields of a zone,
/// because whoever deletes a zone by mistake would delete its guard with it.
#[derive(Clone, Debug, Args)]
pub(crate) struct GuardArgs {
    /// Largest share of a zone's names or addresses, in percent, that changes may take away without `koinon dns acknowledge`;
    /// 100 lets everything go
    #[arg(long, value_name = "PERCENT", default_value_t = guard::PERCENT_MAX, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) dns_removals_max: u8,
    /// How long removals add up, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = guard::WINDOW_SECONDS)]
    pub(crate) dns_removals_window: u64,
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
    /// See what changes would take away and therefore wait, and let them pass
    Acknowledge(AcknowledgeArgs),
    /// What names answered, since when and why
    History(HistoryArgs),
    /// Ask the parent zone and every name server whether a zone is reached, and say what to do
    Doctor(DoctorArgs),
}

/// `koinon dns doctor`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The zone's apex
    pub(crate) zone: String,
    /// How servers are found.
    #[command(flatten)]
    pub(crate) lookup: LookupArgs,
    /// How to print the result.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
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

/// `koinon dns acknowledge`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AcknowledgeArgs {
    /// What passes, by its digest; without one, what is held is shown and nothing passes
    pub(crate) digests: Vec<String>,
    /// How to print the result.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// `koinon dns history`.
#[derive(Clone, Debug, Args)]
#[group(id = "whose", required = true, args = ["name", "zone"])]
pub(crate) struct HistoryArgs {
    /// The name whose answers changed
    pub(crate) name: Option<String>,
    /// Every name of the zone with this apex
    #[arg(long, value_name = "APEX", conflicts_with = "name")]
    pub(crate) zone: Option<String>,
    /// How far back: 90s, 15m, 1h, 7d (default: as far as it is kept)
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) since: Option<Duration>,
    /// Changes shown, the latest ones
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// How to print the result.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// A span of time: a number and a unit.
fn span(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text}: a number and one of s, m, h and d is expected, such as 15m");
    let at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(expected)?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    let number: u32 = number.parse().map_err(|_| expected())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "5", "h", "-1h", "1 h", "1w", "5°"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
