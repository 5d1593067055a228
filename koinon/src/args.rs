//! What a person may write on the command line, and what each word means.
//!
//! The same definitions give `--help`, shell completion and the checked configuration. Nothing here acts.

mod dns;
mod lookup;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use koinon_dns::Subnet;

pub(crate) use dns::{
    AcknowledgeArgs, DnsArgs, DnsCommand, DnsServeArgs, DoctorArgs, ExportArgs, GuardArgs, HistoryArgs,
    ImportArgs, NamesArgs, SecureArgs,
};
pub(crate) use lookup::{HostLookupArgs, LookupArgs, of_system};

/// One API, placement, sync and global names over many Kubernetes clusters.
#[derive(Debug, Parser)]
#[command(name = "koinon", version, about, long_about = None, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How an operator's command reaches the host, in the words of kubectl.
#[derive(Clone, Debug, Args)]
pub(crate) struct HostArgs {
    /// Kubeconfig of the host (default: $KUBECONFIG, then ~/.kube/config)
    #[arg(long, value_name = "FILE", help_heading = "Host")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of that kubeconfig (default: the current one)
    #[arg(long, value_name = "NAME", help_heading = "Host")]
    pub(crate) context: Option<String>,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the host: API, store, controllers, syncers and DNS in one process
    Server(ServerArgs),
    /// See it all in a minute: a host, three simulated clusters, a shop, a lost cluster and its return
    Demo(DemoArgs),
    /// Run one simulated cluster: a real Kubernetes API with simulated nodes and pods
    Simulate(SimulateArgs),
    /// Join a cluster to the fleet
    Join(JoinArgs),
    /// Take a cluster out of the fleet
    Unjoin(UnjoinArgs),
    /// Clusters, workloads and names at a glance
    Status(StatusArgs),
    /// Why an object is where it is: who was chosen, who refused, what the members say
    Explain(ExplainArgs),
    /// What a name answers now, and why
    Resolve(ResolveArgs),
    /// More DNS servers of the host's names, zone files in and out, and a look at zones from outside
    Dns(DnsArgs),
    /// Print a completion script for a shell
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `koinon server`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// Folder for the store, the certificate authority and admin.kubeconfig; made when missing
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Where the API listens
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:6443")]
    pub(crate) listen: SocketAddr,
    /// Name or address by which clients reach the API, for its certificate; may be given several times
    #[arg(long = "advertise", value_name = "NAME")]
    pub(crate) advertise: Vec<String>,
    /// Whether names are served
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub(crate) dns: Switch,
    /// How they are served.
    #[command(flatten)]
    pub(crate) names: NamesArgs,
    /// How much of them may be taken away.
    #[command(flatten)]
    pub(crate) guard: GuardArgs,
    /// File with the 32 bytes that keys of signed zones are sealed with (default: drawn once, in the data folder)
    #[arg(long, value_name = "FILE")]
    pub(crate) key_encryption_file: Option<PathBuf>,
    /// How parents of signed zones are looked up.
    #[command(flatten)]
    pub(crate) lookup: HostLookupArgs,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is done.
    On,
    /// It is left out.
    Off,
}

/// `koinon demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Run the whole tour without a person, and fail unless every step is seen
    #[arg(long)]
    pub(crate) script: bool,
}

/// `koinon simulate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Name of the cluster
    pub(crate) name: String,
    /// Where its API listens; its load balancers have the same address
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7443")]
    pub(crate) listen: SocketAddr,
    /// Where its kubeconfig is written (default: NAME.kubeconfig)
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Nodes, each with 8 CPUs, 32 GiB and room for 110 pods
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub(crate) nodes: u32,
}

/// `koinon resolve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ResolveArgs {
    /// The name to resolve
    pub(crate) name: String,
    /// Type of the record
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "A")]
    pub(crate) kind: String,
    /// Address of the client that asks
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) client: IpAddr,
    /// Network that a resolver at that address asks for (EDNS Client Subnet): 192.0.2.0/24
    #[arg(long, value_name = "CIDR")]
    pub(crate) subnet: Option<Subnet>,
    /// Moment to answer at: 2026-01-02T03:04:05Z, or from now, such as +10m or -1h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    /// Suppose that these clusters are unreachable, and answer as then
    #[arg(long, value_name = "CLUSTER", value_delimiter = ',')]
    pub(crate) if_down: Vec<String>,
    /// How to print the result.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// `koinon join`.
#[derive(Clone, Debug, Args)]
pub(crate) struct JoinArgs {
    /// The name of the cluster in the fleet
    pub(crate) name: String,
    /// Kubeconfig of the cluster to join
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: PathBuf,
    /// Context of that kubeconfig (default: the current one)
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Region, for spread and geography
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Zone within the region
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// Provider: aws, azure, gcp, on-prem or any word
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// Label of the cluster, for selectors; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Kubeconfig of the host (default: $KUBECONFIG, then ~/.kube/config)
    #[arg(long, value_name = "FILE", help_heading = "Host")]
    pub(crate) host_kubeconfig: Option<PathBuf>,
    /// Context of the host's kubeconfig (default: the current one)
    #[arg(long, value_name = "NAME", help_heading = "Host")]
    pub(crate) host_context: Option<String>,
}

impl JoinArgs {
    /// How to reach the host; `--kubeconfig` is the member's here.
    pub(crate) fn host(&self) -> HostArgs {
        HostArgs { kubeconfig: self.host_kubeconfig.clone(), context: self.host_context.clone() }
    }
}

/// `koinon unjoin`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UnjoinArgs {
    /// The cluster to take out
    pub(crate) name: String,
    /// What becomes of the objects that Koinon placed there
    #[arg(long, value_enum, default_value_t = Leftovers::Prune)]
    pub(crate) objects: Leftovers,
    /// How long to wait for the cluster to be cleaned, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) wait: u64,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// What becomes of placed objects when their cluster leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Leftovers {
    /// They are deleted there.
    Prune,
    /// They stay and are no longer ours.
    Preserve,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// `-o`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OutputArgs {
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

/// `koinon status`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    /// How to print the result.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// `koinon explain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The object: deployment/shop, svc/shop, globalrecord/shop, cluster/on-prem
    #[arg(value_name = "KIND/NAME")]
    pub(crate) object: String,
    /// Namespace of the object
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// How to print the result
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How to reach the host.
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
