//! Kubernetes quantities (`100m`, `1.5Gi`, `2e3`), exact to a billionth.

use std::fmt;
use std::str::FromStr;

/// Billionths per unit; Kubernetes rounds anything finer up to a billionth.
const NANOS_PER_UNIT: i128 = 1_000_000_000;

/// An amount, in billionths of its unit. Two spellings of the same amount are equal.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

/// Says that a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a quantity such as 100m, 1.5 or 2Gi")]
pub struct Invalid {
    /// What was given.
    pub text: String,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many whole units.
    #[must_use]
    pub const fn from_units(units: i64) -> Self {
        Self(units as i128 * NANOS_PER_UNIT)
    }

    /// The amount in billionths.
    #[must_use]
    pub const fn as_nanos(self) -> i128 {
        self.0
    }

    /// What is left after `other` is taken, not below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// How many times `part` fits; `None` when `part` is nothing, so that there is no limit.
    #[must_use]
    pub fn times(self, part: Self) -> Option<u32> {
        (part.0 > 0).then(|| u32::try_from((self.0.max(0)) / part.0).unwrap_or(u32::MAX))
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl FromStr for Quantity {
    type Err = Invalid;

    /// Source: k8s.io/apimachinery `resource.ParseQuantity`: sign, digits with an optional fraction, then a decimal
    /// suffix, a binary suffix or an exponent.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse(text).ok_or_else(|| Invalid { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Quantity> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (digits, suffix) = unsigned.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // 27 digits are 10^18 whole units in billionths: more than any memory, and safely inside i128 with its suffix.
    if fraction.contains('.') || whole.len() + fraction.len() == 0 || whole.len() > 27 || fraction.len() > 27
    {
        return None;
    }
    let (numerator, denominator) = scale(suffix)?;
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(denominator)?;
    let scaled = mantissa.checked_mul(numerator)?;
    // Rounded up, away from zero: a request is never made smaller by its spelling.
    let nanos = scaled / divisor + i128::from(scaled % divisor != 0);
    Some(Quantity(if negative { -nanos } else { nanos }))
}

/// The factor of a suffix, from its unit to billionths, as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let decimal = |exponent: i32| -> Option<(i128, i128)> {
        let shifted = exponent.checked_add(9)?;
        let power = 10_i128.checked_pow(shifted.unsigned_abs())?;
        Some(if shifted < 0 { (1, power) } else { (power, 1) })
    };
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => Some((NANOS_PER_UNIT << 10, 1)),
        "Mi" => Some((NANOS_PER_UNIT << 20, 1)),
        "Gi" => Some((NANOS_PER_UNIT << 30, 1)),
        "Ti" => Some((NANOS_PER_UNIT << 40, 1)),
        "Pi" => Some((NANOS_PER_UNIT << 50, 1)),
        "Ei" => Some((NANOS_PER_UNIT << 60, 1)),
        exponent => decimal(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

impl fmt::Display for Quantity {
    /// Writes plain decimal units (`0.1`, `1536`), which every reader of quantities accepts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, nanos) = (self.0.abs() / NANOS_PER_UNIT, self.0.abs() % NANOS_PER_UNIT);
        let sign = if self.0 < 0 { "-" } else { "" };
        if nanos == 0 {
            return write!(f, "{sign}{units}");
        }
        let fraction = format!("{nanos:09}");
        write!(f, "{sign}{units}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_spellings_of_one_amount_are_equal() {
        let same = [
            ("1", "1000m"),
            ("0.1", "100m"),
            ("1Ki", "1024"),
            ("1.5Gi", "1536Mi"),
            ("2e3", "2k"),
            ("1E3", "1k"),
        ];
        for (left, right) in same {
            assert_eq!(
                left.parse::<Quantity>().unwrap(),
                right.parse::<Quantity>().unwrap(),
                "{left} {right}"
            );
        }
    }

    #[test]
    fn refuses_what_kubernetes_refuses() {
        for text in ["", "Gi", "1.2.3", "1GiB", "1 Gi", "abc", "1e", "--1", "."] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn counts_how_often_a_request_fits() {
        let four = Quantity::from_units(4);
        assert_eq!(four.times("1500m".parse().unwrap()), Some(2));
        assert_eq!(four.times(Quantity::ZERO), None);
        assert_eq!("-1".parse::<Quantity>().unwrap().times(four), Some(0));
    }
}
