//! The `koinon` binary: reads the command line, runs one command, turns its result into an exit code.

mod args;
mod commands;
mod compose;
mod exit;
mod host;
mod render;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let cli = args::Cli::parse();
    exit::code(commands::run(cli.command))
}
