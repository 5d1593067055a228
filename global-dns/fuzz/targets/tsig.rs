//! Fuzzes `koinon_dns::fuzz::tsig`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| koinon_dns::fuzz::tsig(data));
