//! What a YAML scalar means, by the rules of the library Kubernetes reads YAML with (a mix of YAML 1.1 and 1.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Number;

use crate::Value;

/// Answers the value of a scalar; `core_tag` is the part after `!!`, absent for none and for custom tags.
///
/// # Errors
/// When the text does not fit its tag, or has no JSON form.
pub(super) fn resolve(text: &str, is_plain: bool, core_tag: Option<&str>) -> Result<Value, String> {
    match core_tag {
        Some("str") => Ok(text.into()),
        Some("binary") => binary(text),
        None if !is_plain => Ok(text.into()),
        None => plain(text),
        Some(tag) => {
            let value = plain(text)?;
            match (tag, &value) {
                ("bool", Value::Bool(_)) | ("null", Value::Null) | ("float", Value::Number(_)) => Ok(value),
                ("int", Value::Number(number)) if !number.is_f64() => Ok(value),
                ("timestamp", Value::String(_)) => Ok(value),
                ("bool" | "null" | "float" | "int" | "timestamp", _) => {
                    Err(format!("cannot decode `{text}` as a !!{tag}"))
                }
                _ => Ok(text.into()),
            }
        }
    }
}

fn binary(text: &str) -> Result<Value, String> {
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes =
        STANDARD.decode(compact).map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| "!!binary value is not UTF-8".to_owned())?;
    Ok(text.into())
}

fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Err(format!("unsupported value: {text}")),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return Ok(text.into());
    }
    let digits = text.replace('_', "");
    if let Some(number) = integer(&digits) {
        return Ok(Value::Number(number));
    }
    if is_decimal(&digits)
        && let Some(number) = digits.parse().ok().and_then(Number::from_f64)
    {
        return Ok(Value::Number(number));
    }
    Ok(text.into())
}

/// An integer as Go reads one with base 0: `0x1f`, `0o17`, `017`, `0b11`, each with a sign.
fn integer(text: &str) -> Option<Number> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match magnitude.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &magnitude[2..]),
        [b'0', b'o' | b'O', ..] => (8, &magnitude[2..]),
        [b'0', b'b' | b'B', ..] => (2, &magnitude[2..]),
        [b'0', _, ..] => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if !negative {
        return Some(magnitude.into());
    }
    0i64.checked_sub_unsigned(magnitude).map(Number::from)
}

/// Whether the text is a decimal number: sign, digits with at most one point, exponent.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digit = !whole.is_empty() || !fraction.is_empty();
    has_digit
        && all_digits(whole)
        && all_digits(fraction)
        && exponent.is_none_or(|digits| !digits.is_empty() && all_digits(digits))
}
