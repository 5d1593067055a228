//! The project's own tasks: `cargo xtask test` is the one that matters, it runs all that a change must pass.
//!
//! Every task prints what it does and how long it took, and exits non-zero with the reason when it fails.
//! Nothing is skipped in silence: what a task needs and cannot prepare itself, it names.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program speaks there")]

mod workspace;

mod bench;
mod campaign;
mod codegen;
mod judge;
mod kube_assets;
mod needs;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Koinon's own tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formats, lints, tidies, prepares what tests need, builds and runs every test
    Test {
        /// Passed on to `cargo test --workspace`, for instance a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Holds the crate arrows, the sizes and the bans of the style guide
    Tidy,
    /// Builds the pinned Kubernetes binaries that tests run against, or reuses them from the cache
    KubeAssets,
    /// Writes the committed tables from upstream's facts; needs Go and the network once
    Codegen {
        /// Fails when a committed table is not what would be written, and writes nothing
        #[arg(long)]
        check: bool,
    },
    /// Runs a benchmark with a release build: prints a table, writes target/bench/<name>.json
    Bench {
        /// propagation or dns
        name: bench::Name,
        /// Passed on to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Holds a running host against the standards with programs that are not ours; writes target/judge/<name>.json
    Judge {
        /// dns
        name: judge::Name,
        /// Passed on to the judge: --queries N, --seed N
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Tries a release build for long, or searches for what breaks it
    Campaign {
        /// floods or fuzz-dns
        name: campaign::Name,
        /// How long it runs: 90s, 10m, 2h
        #[arg(long = "for", value_name = "TIME", value_parser = campaign::read_time, default_value = "10m")]
        time: std::time::Duration,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Test { arguments } => test::run(&workspace, &arguments),
        Task::Tidy => tidy::run(&workspace),
        Task::KubeAssets => kube_assets::prepare(&workspace),
        Task::Codegen { check } => codegen::run(check),
        Task::Bench { name, arguments } => bench::run(&workspace, name, &arguments),
        Task::Judge { name, arguments } => judge::run(&workspace, name, &arguments),
        Task::Campaign { name, time } => campaign::run(&workspace, name, time),
    }
}
