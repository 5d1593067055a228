//! Fuzzes `koinon_dns::fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| koinon_dns::fuzz::records(data));
