//! The canonical texts and the arithmetic of quantities.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn writes_the_canonical_text() {
    for (text, expected) in [
        ("0", "0"),
        ("00", "0"),
        ("-0", "0"),
        ("0Mi", "0"),
        ("0.0", "0"),
        ("1", "1"),
        ("100", "100"),
        ("1000", "1k"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("5.", "5."),
        ("0.500", "500m"),
        ("250m", "250m"),
        ("0.25", "250m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1Gi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1023Mi", "1023Mi"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("0.1Ki", "102400m"),
        ("0.001Gi", "1073741824m"),
        ("128974848", "128974848"),
        ("129e6", "129e6"),
        ("129M", "129M"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("12e1", "120"),
        ("1e4", "10e3"),
        ("1000E", "1000E"),
        ("10000000", "10M"),
        ("100k", "100k"),
        ("100000k", "100M"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("1.0000000001", "1000000001n"),
        ("-1.5", "-1500m"),
        ("-0.1n", "-1n"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808"),
        ("8Ei", "9223372036854775807"),
        ("100Ei", "9223372036854775807"),
        ("7Ei", "7Ei"),
        // Texts that upstream keeps although they could be shorter.
        ("+5", "+5"),
        ("01", "01"),
        ("1.500", "1.500"),
        ("10.000", "10"),
        ("m", "0"),
        ("9Ki", "9Ki"),
        ("8Ki", "8Ki"),
    ] {
        assert_eq!(quantity(text).to_string(), expected, "{text}");
    }
}

#[test]
fn refuses_what_is_no_quantity() {
    for (text, expected) in [
        ("", Malformed::Shape),
        ("abc", Malformed::Shape),
        ("1.1.M", Malformed::Shape),
        ("1+1.0M", Malformed::Shape),
        ("1 ", Malformed::Shape),
        (" 1", Malformed::Shape),
        ("1,5", Malformed::Shape),
        ("0.1mi", Malformed::Suffix),
        ("1i", Malformed::Suffix),
        ("-3.01i", Malformed::Suffix),
        ("-3.01e-", Malformed::Suffix),
        ("1GiB", Malformed::Shape),
        ("1mm", Malformed::Suffix),
        ("1e", Malformed::Suffix),
        ("1e99999999999", Malformed::Suffix),
        (&"9".repeat(60), Malformed::Number),
    ] {
        assert_eq!(text.parse::<Quantity>().unwrap_err(), expected, "{text}");
    }
}

#[test]
fn reads_numbers_and_null_from_json() {
    for (value, expected) in [
        (json!(1), "1"),
        (json!(0.5), "500m"),
        (json!(null), "0"),
        (json!(" 2Gi "), "2Gi"),
        (json!(-3), "-3"),
    ] {
        assert_eq!(Quantity::from_value(&value).unwrap().to_string(), expected);
    }
    assert!(Quantity::from_value(&json!(true)).is_err());
}

#[test]
fn compares_amounts_whatever_the_style() {
    for (left, right, expected) in [
        ("1000m", "1", Ordering::Equal),
        ("1.500", "1500m", Ordering::Equal),
        ("1Ki", "1024", Ordering::Equal),
        ("1Ki", "1k", Ordering::Greater),
        ("-1", "1", Ordering::Less),
        ("-2", "-1", Ordering::Less),
        ("0", "0Gi", Ordering::Equal),
        ("1e200", "1e199", Ordering::Greater),
        ("1e200", "1n", Ordering::Greater),
        ("-1e200", "-1n", Ordering::Less),
        ("1n", "1e200", Ordering::Less),
    ] {
        assert_eq!(quantity(left).cmp(&quantity(right)), expected, "{left} {right}");
    }
}

#[test]
fn adds_and_subtracts_exactly() {
    for (left, right, sum) in [
        ("1", "500m", "1500m"),
        ("0", "1Gi", "1Gi"),
        ("1Gi", "512Mi", "1536Mi"),
        ("1Gi", "1", "1073741825"),
        ("1", "-1", "0"),
    ] {
        assert_eq!(
            quantity(left).checked_add(&quantity(right)).unwrap().to_string(),
            sum,
            "{left} + {right}"
        );
    }
    assert_eq!(quantity("1Gi").checked_sub(&quantity("1Mi")).unwrap().to_string(), "1023Mi");
    assert_eq!(quantity("1e200").checked_add(&quantity("1n")), None);
}

#[test]
fn rounds_away_from_zero_when_scaled() {
    for (text, exponent, expected) in [
        ("1500m", 0, 2),
        ("1500m", -3, 1500),
        ("-1500m", 0, -2),
        ("1Gi", 0, 1 << 30),
        ("1n", 0, 1),
        ("1n", 200, 1),
        ("0", 0, 0),
        ("1e200", 0, i64::MAX),
        ("-1e200", 0, i64::MIN),
    ] {
        assert_eq!(quantity(text).scaled(exponent), expected, "{text}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    "[+-]?[0-9]{0,12}(\\.[0-9]{0,10})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[0-9]|e-[0-9]|E[0-9])?"
}

proptest! {
    #[test]
    fn keeps_the_amount_in_its_text(text in any_text()) {
        let Ok(first) = text.parse::<Quantity>() else { return Ok(()) };
        let again = quantity(&first.to_string());
        prop_assert_eq!(&again, &first, "{}", text);
        prop_assert_eq!(again.to_string(), first.to_string());
    }

    #[test]
    fn adds_in_any_order_and_orders_as_it_subtracts(left in any_text(), right in any_text()) {
        let (Ok(left), Ok(right)) = (left.parse::<Quantity>(), right.parse::<Quantity>()) else { return Ok(()) };
        prop_assert_eq!(left.checked_add(&right), right.checked_add(&left));
        if let Some(difference) = left.checked_sub(&right) {
            prop_assert_eq!(difference.mantissa.signum().cmp(&0), left.cmp(&right));
            prop_assert_eq!(difference.checked_add(&right), Some(left));
        }
    }

    #[test]
    fn never_panics(text in "\\PC{0,20}") {
        let _ = text.parse::<Quantity>();
    }
}
