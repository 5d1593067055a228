//! How a command ends: stable exit codes, and errors that say what to do next.

use std::process::ExitCode;

/// A command that did what was asked may still have something to say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything is as wanted.
    Ok,
    /// It was carried out, and something is not as wanted.
    Degraded,
}

/// Prints an error for a person, the answer first, and gives the exit code.
///
/// Codes: 0 ok, 1 failed, 2 usage (given by the argument parser), 3 degraded.
#[expect(
    clippy::print_stderr,
    reason = "the place where a command's failure is told to the person who ran it"
)]
pub(crate) fn code(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Ok) => ExitCode::SUCCESS,
        Ok(Outcome::Degraded) => ExitCode::from(3),
        Err(error) => {
            eprintln!("koinon: {error:#}");
            ExitCode::FAILURE
        }
    }
}
