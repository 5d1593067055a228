//! Fuzzes `koinon_dns::fuzz::updates`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| koinon_dns::fuzz::updates(data));
