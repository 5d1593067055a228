//! What a benchmark leaves: a table for people, a file for programs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::assets;

/// The value below which `percent` of the samples lie. Units: milliseconds.
///
/// Shape: 0 for no samples; nearest rank otherwise.
pub fn percentile_ms(samples: &[Duration], percent: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).map_or(0.0, |sample| sample.as_secs_f64() * 1000.0)
}

/// One line of a table: what was measured, the figure, and the bar it is held against.
pub fn line(what: &str, figure: &str, bar: &str) -> String {
    format!("{what:44} {figure:>16}   {bar}")
}

/// Writes `target/bench/<name>.json`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(name: &str, figures: &Value) -> Result<PathBuf> {
    let folder = assets::target_folder()?.join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let file = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(figures).context("figures are JSON")?;
    std::fs::write(&file, text + "\n").with_context(|| format!("failed to write {}", file.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&samples, 50), 50.0);
        assert_eq!(percentile_ms(&samples, 99), 99.0);
        assert_eq!(percentile_ms(&samples[..1], 99), 100.0);
        assert_eq!(percentile_ms(&[], 50), 0.0);
    }
}
