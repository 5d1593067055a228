//! The integration tests: one binary, so that the harness is linked once.

mod kubernetes;
mod processes;
mod scenarios;
mod transcripts;
