//! Quantities: `500m`, `1.5Gi`, `2e3`. Exact decimal numbers with the suffix style they were written in.
//!
//! Two texts mean the same when they compare equal, and every quantity has one canonical text, so `1000m` and `1` do
//! not look like a change. Nothing here is a float. Smaller parts than a nano round away from zero, because asking for
//! too little of something must not become asking for nothing; binary quantities are capped at 2^63-1.
//! Source: upstream's `resource.Quantity`, whose canonical texts are reproduced, the odd ones too.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::Value;

/// An exact amount and the style it is written in.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// The amount is `mantissa × 10^exponent`; without factors of ten in the mantissa, zero is `0 × 10^0`.
    mantissa: i128,
    exponent: i32,
    format: Format,
    /// The text as given, where upstream keeps it.
    kept: Option<Box<str>>,
}

/// The suffixes a quantity is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `n u m k M G T P E`.
    Decimal,
    /// `Ki Mi Gi Ti Pi Ei`.
    Binary,
    /// `e3`.
    Exponent,
}

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Characters that no quantity has.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Shape,
    /// The number has more digits than can be kept exactly.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// No such suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The smallest part kept: a nano.
const EXPONENT_MIN: i64 = -9;
/// The largest power of ten with a suffix: `E`.
const EXPONENT_SUFFIX_MAX: i32 = 18;
/// Decimal digits that always fit the mantissa (10^38 < 2^127).
const DIGITS_MAX: usize = 38;

impl Quantity {
    /// Zero.
    pub const ZERO: Quantity = Quantity { mantissa: 0, exponent: 0, format: Format::Decimal, kept: None };

    /// Reads a quantity from JSON, where it may be a number too; null is zero.
    ///
    /// # Errors
    /// When it is not a quantity.
    pub fn from_value(value: &Value) -> Result<Self, Malformed> {
        match value {
            Value::Null => Ok(Self::ZERO),
            Value::String(text) => text.trim().parse(),
            Value::Number(number) => number.to_string().parse(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(Malformed::Shape),
        }
    }

    /// Whether the amount is zero.
    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// Whether the amount is below zero.
    pub fn is_negative(&self) -> bool {
        self.mantissa < 0
    }

    /// Whether the amount has no fraction.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// Adds two amounts; the style is that of `self` unless `self` is zero. `None` when the sum cannot be kept exactly.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let mantissa = self.mantissa_at(exponent)?.checked_add(other.mantissa_at(exponent)?)?;
        let format = if self.is_zero() { other.format } else { self.format };
        Some(Self::normal(mantissa, exponent, format))
    }

    /// Subtracts `other`; `None` when the difference cannot be kept exactly.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        let negated = Self { mantissa: other.mantissa.checked_neg()?, kept: None, ..other.clone() };
        self.checked_add(&negated)
    }

    /// The amount in units of `10^exponent`, rounded away from zero and capped to `i64`.
    ///
    /// Units: 0 gives whole units, -3 gives thousandths.
    pub fn scaled(&self, exponent: i32) -> i64 {
        let cap = if self.is_negative() { i64::MIN } else { i64::MAX };
        if let Some(exact) = self.mantissa_at(exponent) {
            return i64::try_from(exact).unwrap_or(cap);
        }
        if self.exponent >= exponent {
            return cap;
        }
        let dropped = exponent.abs_diff(self.exponent);
        let Some(divisor) = 10_i128.checked_pow(dropped) else { return self.mantissa.signum() as i64 };
        let rounded =
            self.mantissa / divisor + if self.mantissa % divisor == 0 { 0 } else { self.mantissa.signum() };
        i64::try_from(rounded).unwrap_or(cap)
    }

    fn normal(mantissa: i128, exponent: i32, format: Format) -> Self {
        let (mut mantissa, mut exponent) = (mantissa, exponent);
        if mantissa == 0 {
            exponent = 0;
        }
        while mantissa != 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        Self { mantissa, exponent, format, kept: None }
    }

    /// The mantissa for another exponent, if that is exact.
    fn mantissa_at(&self, exponent: i32) -> Option<i128> {
        if self.is_zero() {
            return Some(0);
        }
        let factor = u32::try_from(i64::from(self.exponent) - i64::from(exponent)).ok()?;
        self.mantissa.checked_mul(10_i128.checked_pow(factor)?)
    }
}

// === parsing ===

/// A quantity's text, taken apart.
struct Parts<'a> {
    is_negative: bool,
    /// Digits before the point without leading zeros, at least `0`.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, Malformed> {
        let is_negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let significant = unsigned.trim_start_matches('0');
        let (whole, rest) = split_digits(significant);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        let letters = suffix.trim_start_matches(|letter| "eEinumkKMGTP".contains(letter));
        let (_, rest) = split_digits(letters.strip_prefix(['-', '+']).unwrap_or(letters));
        if text.is_empty() || !rest.is_empty() {
            return Err(Malformed::Shape);
        }
        Ok(Self { is_negative, whole: if whole.is_empty() { "0" } else { whole }, fraction, suffix })
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The base, the exponent of it and the style a suffix stands for.
fn interpret(suffix: &str) -> Option<(i128, i32, Format)> {
    let known = match suffix {
        "" => (10, 0, Format::Decimal),
        "n" => (10, -9, Format::Decimal),
        "u" => (10, -6, Format::Decimal),
        "m" => (10, -3, Format::Decimal),
        "k" => (10, 3, Format::Decimal),
        "M" => (10, 6, Format::Decimal),
        "G" => (10, 9, Format::Decimal),
        "T" => (10, 12, Format::Decimal),
        "P" => (10, 15, Format::Decimal),
        "E" => (10, 18, Format::Decimal),
        "Ki" => (2, 10, Format::Binary),
        "Mi" => (2, 20, Format::Binary),
        "Gi" => (2, 30, Format::Binary),
        "Ti" => (2, 40, Format::Binary),
        "Pi" => (2, 50, Format::Binary),
        "Ei" => (2, 60, Format::Binary),
        other => {
            let digits = other.strip_prefix(['e', 'E'])?;
            (10, digits.parse().ok()?, Format::Exponent)
        }
    };
    Some(known)
}

impl FromStr for Quantity {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parts = Parts::of(text)?;
        let (base, suffix_exponent, format) = interpret(parts.suffix).ok_or(Malformed::Suffix)?;
        let digits = format!("{}{}", parts.whole, parts.fraction);
        let mut quantity = match format {
            Format::Decimal | Format::Exponent => {
                let exponent = i64::from(suffix_exponent) - parts.fraction.len() as i64;
                let (mantissa, exponent) = decimal(&digits, exponent)?;
                let exponent = i32::try_from(exponent).map_err(|_| Malformed::Suffix)?;
                Self::normal(mantissa, exponent, format)
            }
            Format::Binary => binary(&parts, &digits, base.pow(suffix_exponent.unsigned_abs()))?,
        };
        if parts.is_negative {
            quantity.mantissa = -quantity.mantissa;
        }
        if is_kept(&parts, &digits, suffix_exponent, format) {
            quantity.kept = Some(text.into());
        }
        Ok(quantity)
    }
}

/// Answers `digits × 10^exponent` as a mantissa and an exponent, rounding up what is below a nano.
fn decimal(digits: &str, exponent: i64) -> Result<(i128, i64), Malformed> {
    let significant = digits.trim_end_matches('0');
    let exponent = exponent + (digits.len() - significant.len()) as i64;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Ok((0, 0));
    }
    let n_dropped = usize::try_from(EXPONENT_MIN - exponent).unwrap_or(0);
    let kept = &significant[..significant.len().saturating_sub(n_dropped)];
    if kept.len() > DIGITS_MAX {
        return Err(Malformed::Number);
    }
    let mantissa = if kept.is_empty() { 0 } else { kept.parse::<i128>().map_err(|_| Malformed::Number)? };
    if n_dropped == 0 { Ok((mantissa, exponent)) } else { Ok((mantissa + 1, EXPONENT_MIN)) }
}

/// Multiplies `digits` by a power of two and caps the amount.
fn binary(parts: &Parts<'_>, digits: &str, factor: i128) -> Result<Quantity, Malformed> {
    let cap = Quantity::normal(i128::from(i64::MAX), 0, Format::Binary);
    let is_capped = match parts.whole.parse::<i128>() {
        Ok(whole) => whole.checked_mul(factor).is_none_or(|units| units > i128::from(i64::MAX)),
        Err(_) => true,
    };
    if is_capped {
        return Ok(cap);
    }
    let product = digits.parse::<i128>().ok().and_then(|mantissa| mantissa.checked_mul(factor));
    let product = product.ok_or(Malformed::Number)?;
    let (mantissa, exponent) = decimal(&product.to_string(), -(parts.fraction.len() as i64))?;
    let exponent = i32::try_from(exponent).map_err(|_| Malformed::Number)?;
    let mut amount = Quantity::normal(mantissa, exponent, Format::Binary);
    if amount < Quantity::from(1) {
        // Less than one unit reads better as a decimal fraction.
        amount.format = Format::Decimal;
    }
    Ok(amount)
}

/// Whether the text is already canonical enough that upstream keeps it as given.
///
/// Source: the fast path of upstream's parser, with its precision limits.
fn is_kept(parts: &Parts<'_>, digits: &str, suffix_exponent: i32, format: Format) -> bool {
    let n_digits = digits.len() as i32;
    match format {
        Format::Decimal | Format::Exponent => {
            let scale = suffix_exponent.saturating_sub(parts.fraction.len() as i32);
            n_digits <= EXPONENT_SUFFIX_MAX
                && i64::from(scale) >= EXPONENT_MIN
                && scale % 3 == 0
                && !digits.ends_with("000")
                && !digits.starts_with('0')
        }
        Format::Binary => {
            parts.fraction.is_empty()
                && 14 - n_digits - suffix_exponent * 3 / 10 >= 0
                && digits.parse::<i64>().is_ok_and(|value| value & 7 != 0)
        }
    }
}

impl From<i64> for Quantity {
    fn from(units: i64) -> Self {
        Self::normal(i128::from(units), 0, Format::Decimal)
    }
}

// === rendering and comparing ===

impl fmt::Display for Quantity {
    /// The canonical text: no fraction, the largest suffix that loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kept) = &self.kept {
            return f.write_str(kept);
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        match self.format {
            Format::Binary => match self.mantissa_at(0).filter(|units| units.abs() >= 1024) {
                Some(units) => write_binary(f, units),
                None => self.write_decimal(f, Format::Decimal),
            },
            Format::Decimal | Format::Exponent => self.write_decimal(f, self.format),
        }
    }
}

impl Quantity {
    fn write_decimal(&self, f: &mut fmt::Formatter<'_>, format: Format) -> fmt::Result {
        let mut exponent = self.exponent - self.exponent.rem_euclid(3);
        if format == Format::Decimal {
            exponent = exponent.min(EXPONENT_SUFFIX_MAX);
        }
        let n_zeros = (self.exponent - exponent) as usize;
        write!(f, "{}{}", self.mantissa, "0".repeat(n_zeros))?;
        match (format, exponent) {
            (_, 0) => Ok(()),
            (Format::Exponent, exponent) => write!(f, "e{exponent}"),
            (Format::Decimal | Format::Binary, exponent) => f.write_str(match exponent {
                -9 => "n",
                -6 => "u",
                -3 => "m",
                3 => "k",
                6 => "M",
                9 => "G",
                12 => "T",
                15 => "P",
                _ => "E",
            }),
        }
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, units: i128) -> fmt::Result {
    let suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let (mut units, mut step) = (units, 0);
    while units % 1024 == 0 && step + 1 < suffixes.len() {
        units /= 1024;
        step += 1;
    }
    write!(f, "{units}{}", suffixes[step])
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        (self.mantissa, self.exponent) == (other.mantissa, other.exponent)
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    /// Compares amounts; styles do not matter.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_sign = self.mantissa.signum().cmp(&other.mantissa.signum());
        if by_sign != Ordering::Equal || self.is_zero() {
            return by_sign;
        }
        let exponent = self.exponent.min(other.exponent);
        let by_amount = match (self.mantissa_at(exponent), other.mantissa_at(exponent)) {
            (Some(own), Some(others)) => return own.cmp(&others),
            // The mantissa that cannot be aligned belongs to the amount that is too large to be.
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
        };
        if self.is_negative() { by_amount.reverse() } else { by_amount }
    }
}

#[cfg(test)]
mod tests;
