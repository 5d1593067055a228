//! Where something is on the earth.

use std::fmt;

/// A point on the earth, to the millionth of a degree (eleven centimetres).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinates {
    latitude: i32,
    longitude: i32,
}

/// Says that a text is no number of degrees within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number of degrees from -{degrees_max} to {degrees_max}, such as 50.11")]
pub struct InvalidDegrees {
    /// The bound.
    pub degrees_max: i32,
}

impl Coordinates {
    /// The point at this latitude and longitude, in whole millionths of a degree; none out of bounds.
    #[must_use]
    pub const fn from_millionths(latitude: i32, longitude: i32) -> Option<Self> {
        if latitude.unsigned_abs() > 90_000_000 || longitude.unsigned_abs() > 180_000_000 {
            return None;
        }
        Some(Self { latitude, longitude })
    }

    /// Millionths of a degree north of the equator.
    #[must_use]
    pub const fn latitude(self) -> i32 {
        self.latitude
    }

    /// Millionths of a degree east of Greenwich.
    #[must_use]
    pub const fn longitude(self) -> i32 {
        self.longitude
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", f64::from(self.latitude) / 1e6, f64::from(self.longitude) / 1e6)
    }
}

/// Reads a latitude: decimal degrees, north positive. Units: millionths of a degree.
///
/// # Errors
/// When the text is no number from -90 to 90.
pub fn latitude(text: &str) -> Result<i32, InvalidDegrees> {
    degrees(text, 90)
}

/// Reads a longitude: decimal degrees, east positive. Units: millionths of a degree.
///
/// # Errors
/// When the text is no number from -180 to 180.
pub fn longitude(text: &str) -> Result<i32, InvalidDegrees> {
    degrees(text, 180)
}

fn degrees(text: &str, degrees_max: i32) -> Result<i32, InvalidDegrees> {
    let plain = |byte: u8| byte.is_ascii_digit() || b"+-.".contains(&byte);
    let number: Option<f64> = if text.bytes().all(plain) { text.parse().ok() } else { None };
    let within = number.filter(|number| number.abs() <= f64::from(degrees_max));
    within.map(|number| (number * 1e6).round() as i32).ok_or(InvalidDegrees { degrees_max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_decimal_and_bounded() {
        for (text, wanted) in
            [("50.11", Some(50_110_000)), ("-90", Some(-90_000_000)), ("+8.6821267", Some(8_682_127))]
        {
            assert_eq!(latitude(text).ok(), wanted, "{text}");
        }
        for bad in ["", "90.1", "-91", "50,1", "1e1", "north", "NaN", "inf", "."] {
            assert!(latitude(bad).is_err(), "{bad}");
        }
        assert_eq!(longitude("-179.5"), Ok(-179_500_000));
        assert_eq!(longitude("181"), Err(InvalidDegrees { degrees_max: 180 }));
        assert_eq!(Coordinates::from_millionths(90_000_001, 0), None);
    }
}
