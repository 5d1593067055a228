//! Load drivers: what the benchmarks measure with.
