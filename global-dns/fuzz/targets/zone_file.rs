//! Fuzzes `koinon_dns::fuzz::zone_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| koinon_dns::fuzz::zone_file(data));
