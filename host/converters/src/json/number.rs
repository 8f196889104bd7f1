//! Numbers as they are written in JSON, exactly.

use cofferdam_frame::values;

use super::scan::Number;
use crate::DataError;

/// The lower 64 bits of a number without its fraction: `BigInteger.longValue`, which is what
/// Jackson answers for a number that no long can hold.
pub(crate) fn integer(number: Number<'_>) -> i64 {
    if number.integral {
        return wrapping(number.text.bytes(), 0);
    }
    let Parts { digits, scale, .. } = Parts::new(number.text);
    // Digits behind the point are cut off; with a positive exponent there are zeros to append.
    match usize::try_from(scale) {
        Ok(cut) => wrapping(digits.bytes().take(digits.len().saturating_sub(cut)), 0),
        Err(_) => wrapping(digits.bytes(), scale.unsigned_abs()),
    }
    .wrapping_mul(if number.text.starts_with('-') { -1 } else { 1 })
}

/// Digits modulo 2^64, with that many zeros behind; a minus among them turns the sign.
fn wrapping(digits: impl Iterator<Item = u8>, zeros: u64) -> i64 {
    let (mut value, mut negative) = (0_i64, false);
    for digit in digits {
        match digit {
            b'-' => negative = true,
            _ => value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')),
        }
    }
    // 10^64 is a multiple of 2^64: nothing is left from there on.
    for _ in 0..zeros.min(64) {
        value = value.wrapping_mul(10);
    }
    if negative { value.wrapping_neg() } else { value }
}

/// A number taken apart.
struct Parts {
    negative: bool,
    digits: String,
    /// Digits of `digits` that are behind the point; negative: zeros to append.
    scale: i64,
}

impl Parts {
    fn new(text: &str) -> Self {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        // Beyond any sensible exponent only its sign matters, and there must be room to add to it.
        let exponent: i64 = match exponent.parse::<i32>() {
            Ok(exponent) => exponent.into(),
            Err(_) if exponent.starts_with('-') => i32::MIN.into(),
            Err(_) => i32::MAX.into(),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        Self {
            negative: text.starts_with('-'),
            digits: [whole, fraction].concat(),
            scale: fraction.len() as i64 - exponent,
        }
    }
}

/// Appends the unscaled value of a number at `scale`: big-endian two's complement, as few bytes as
/// possible.
///
/// # Errors
/// When the number has digits beyond the scale: rows have no room for them, and nothing is rounded.
pub(crate) fn put_unscaled(text: &str, scale: i32, out: &mut Vec<u8>) -> Result<(), DataError> {
    let mut parts = Parts::new(text);
    let significant = parts.digits.trim_start_matches('0').len();
    parts.digits.drain(..parts.digits.len() - significant);
    let written = parts.scale;
    while parts.scale > i64::from(scale) && parts.digits.ends_with('0') {
        parts.digits.pop();
        parts.scale -= 1;
    }
    let missing = i64::from(scale) - parts.scale;
    if parts.digits.is_empty() {
        out.push(0);
        return Ok(());
    }
    if !(0..=1000).contains(&missing) {
        return Err(DataError::new(format!(
            "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has \
             scale {written}."
        )));
    }
    parts.digits.extend(std::iter::repeat_n('0', missing as usize));
    values::put_unscaled(out, parts.negative, &parts.digits);
    Ok(())
}

/// The same big-endian number without the bytes that only repeat its sign.
pub(crate) fn shortest(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && let Some(second) = rest.first()
        && (*first == 0 && second & 0x80 == 0 || *first == 0xff && second & 0x80 != 0)
    {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn integers_are_cut_and_wrap_as_in_java() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("007", 7),
            ("-5", -5),
            ("9223372036854775807", i64::MAX),
            ("9223372036854775808", i64::MIN),
            ("-9223372036854775808", i64::MIN),
            ("12345678901234567890", -6_101_065_172_474_983_726),
            ("1.5", 1),
            ("-1.7", -1),
            ("0.9", 0),
            ("1e3", 1000),
            ("12.34e1", 123),
            ("1e-400", 0),
            ("1e400", 0),
            ("1e99999999999", 0),
            ("1e-99999999999", 0),
        ] {
            let integral = !text.contains(['.', 'e']);
            assert_eq!(integer(Number { text, integral }), expected, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        let unscaled = |text, scale| {
            let mut out = Vec::new();
            put_unscaled(text, scale, &mut out).map(|()| out)
        };
        for (text, scale, expected) in [
            ("123.45", 2, &[0x30, 0x39][..]),
            ("-1.10", 2, &[0x92]),
            ("123.4", 2, &[0x30, 0x34]),
            ("123.4500", 2, &[0x30, 0x39]),
            ("-0.01", 2, &[0xff]),
            ("0", 5, &[0]),
            ("0e99", 5, &[0]),
            ("1.28", 2, &[0x00, 0x80]),
            ("-1.28", 2, &[0x80]),
            ("100", -2, &[1]),
            ("-99999999999999999999.99", 2, &[0xfd, 0xe1, 0xe6, 0x1f, 0x36, 0x45, 0x4d, 0xc0, 0x00, 0x01]),
        ] {
            assert_eq!(unscaled(text, scale).unwrap(), expected, "{text}");
        }
        assert_eq!(
            unscaled("123.4567", 2).unwrap_err().message,
            "Decimal value has mismatching scale for given Decimal schema. Schema has scale 2, value has scale 4."
        );
        assert!(unscaled("1e9999999", 2).is_err());
    }

    #[test]
    fn repeated_sign_bytes_are_cut() {
        for (bytes, expected) in [
            (&[0, 0, 1][..], &[1][..]),
            (&[0, 0x80], &[0, 0x80]),
            (&[0xff, 0xff], &[0xff]),
            (&[0xff, 0x7f], &[0xff, 0x7f]),
            (&[], &[]),
        ] {
            assert_eq!(shortest(bytes), expected);
        }
    }
}
