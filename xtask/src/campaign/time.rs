//! Spans of time as people write them.

use std::time::Duration;

/// Reads a span such as `90s`, `10m` or `2h`.
///
/// # Errors
/// When it is none; the text says what would be accepted.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let split = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    split
        .and_then(|(number, seconds)| number.parse::<u32>().ok().map(|number| u64::from(number) * seconds))
        .filter(|&seconds| seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is no span of time such as 90s, 10m or 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_refuses_the_rest() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200)] {
            assert_eq!(read(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "h", "2", "-1s", "0s", "1.5h", "2d"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
