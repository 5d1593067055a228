//! The authoritative DNS server: probes, snapshots, answers.
