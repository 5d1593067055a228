//! Kubernetes' two spellings of an instant: whole seconds, and six decimals; always in UTC.

use jiff::Timestamp;

/// Writes an instant in whole seconds: `2006-01-02T15:04:05Z`; nothing outside the years 1 to 9999.
pub fn in_seconds(seconds: i64) -> Option<String> {
    let text = Timestamp::from_second(seconds).ok()?.to_string();
    is_writable(&text).then_some(text)
}

/// Writes an instant with six decimals: `2006-01-02T15:04:05.000000Z`; what is finer is cut off.
pub fn in_micros(seconds: i64, nanos: i32) -> Option<String> {
    let timestamp = Timestamp::new(seconds, nanos).ok()?;
    let text = timestamp.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    is_writable(&text).then(|| format!("{text}.{:06}Z", timestamp.subsec_nanosecond() / 1000))
}

/// Reads an instant: RFC 3339 with any offset, as seconds and nanoseconds since 1970.
pub fn read(text: &str) -> Option<(i64, i32)> {
    let timestamp: Timestamp = text.parse().ok()?;
    Some((timestamp.as_second(), timestamp.subsec_nanosecond()))
}

/// Four-digit years only: RFC 3339 has no others.
fn is_writable(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_micros_are_written_as_go_writes_them() {
        assert_eq!(in_seconds(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(in_micros(1_136_214_245, 1_500).as_deref(), Some("2006-01-02T15:04:05.000001Z"));
        assert_eq!(in_micros(1_136_214_245, 0).as_deref(), Some("2006-01-02T15:04:05.000000Z"));
        assert_eq!(in_seconds(i64::MAX), None);
    }

    #[test]
    fn an_offset_is_read_as_utc() {
        assert_eq!(read("1970-01-01T01:00:01+01:00"), Some((1, 0)));
        assert_eq!(read("1970-01-01T00:00:00.25Z"), Some((0, 250_000_000)));
        assert_eq!(read("yesterday"), None);
    }
}
