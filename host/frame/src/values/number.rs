//! Numbers of any size as text, and the smallest type that holds one.

use super::value::{Datum, Type, Value};
use crate::Kind;

/// Most digits of a number that is read; beyond, turning it to base two takes time that nobody has.
/// A longer one stays text.
pub const DIGITS_MAX: usize = 32 * 1024;

/// First code points of the blocks of decimal digits in the basic plane: Java takes them all.
const DIGIT_BLOCKS: [u16; 37] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];

/// The value of a digit of any script.
pub(super) fn digit(char: char) -> Option<u8> {
    let code = u16::try_from(u32::from(char)).ok()?;
    let block = DIGIT_BLOCKS.get(DIGIT_BLOCKS.partition_point(|first| *first <= code).checked_sub(1)?)?;
    u8::try_from(code - block).ok().filter(|digit| *digit < 10)
}

/// A number as `BigDecimal` reads it: `digits` and how many of them are behind the point.
struct Decimal {
    negative: bool,
    /// ASCII digits without leading zeros; none = 0.
    digits: String,
    scale: i32,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() || mantissa.len() > DIGITS_MAX {
            return None;
        }
        let mut digits = String::with_capacity(mantissa.len());
        let mut n_fraction = 0;
        for (part, n) in [(whole, 0), (fraction, 1)] {
            for char in part.chars() {
                let digit = digit(char)?;
                n_fraction += n;
                if digit > 0 || !digits.is_empty() {
                    digits.push(char::from(b'0' + digit));
                }
            }
        }
        let scale = i32::try_from(n_fraction - i64::from(exponent)).ok()?;
        Some(Self { negative: text.starts_with('-'), digits, scale })
    }

    /// As an integer of 64 bits, if it is one.
    fn integer(&self) -> Option<i64> {
        let whole = self.digits.len() as i64 - i64::from(self.scale);
        if self.digits.is_empty() {
            return Some(0);
        }
        // Such a number is below one, or longer than the longest i64.
        if !(1..=19).contains(&whole) {
            return None;
        }
        let (digits, behind) = self.digits.split_at_checked(whole as usize).unwrap_or((&self.digits, ""));
        if behind.bytes().any(|digit| digit != b'0') {
            return None;
        }
        let mut value = 0_i128;
        for digit in digits.bytes().chain(std::iter::repeat(b'0')).take(whole as usize) {
            value = value * 10 + i128::from(digit - b'0');
        }
        i64::try_from(if self.negative { -value } else { value }).ok()
    }
}

/// Ten digits at most, as in Java, but for leading zeros.
fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mut value, mut n_digits) = (0_i64, 0);
    for char in digits.chars() {
        let digit = digit(char)?;
        n_digits += usize::from(n_digits > 0 || digit > 0);
        value = value.saturating_mul(10).saturating_add(digit.into());
    }
    if digits.is_empty() || n_digits > 10 {
        return None;
    }
    i32::try_from(if text.starts_with('-') { -value } else { value }).ok()
}

/// Reads a number: the smallest integer that holds it, else FLOAT32, FLOAT64 and Decimal in turn. A
/// fraction is rounded to FLOAT32 even where FLOAT64 would hold it, as Kafka Connect does.
pub(super) fn parse(text: &str) -> Option<Value> {
    let number = Decimal::parse(text)?;
    if let Some(integer) = number.integer() {
        let kind = if i8::try_from(integer).is_ok() {
            Kind::Int8
        } else if i16::try_from(integer).is_ok() {
            Kind::Int16
        } else if i32::try_from(integer).is_ok() {
            Kind::Int32
        } else {
            Kind::Int64
        };
        return Some(Value { of: Type::Plain(kind), datum: Datum::Int(integer) });
    }
    if number.scale != 0 {
        let sign = if number.negative { "-" } else { "" };
        let plain = format!("{sign}{}e{}", number.digits, -i64::from(number.scale));
        if let Some(float) = plain.parse::<f32>().ok().filter(|float| float.is_finite()) {
            return Some(Value { of: Type::Plain(Kind::Float32), datum: Datum::Float(float.into()) });
        }
        if let Some(float) = plain.parse::<f64>().ok().filter(|float| float.is_finite()) {
            return Some(Value { of: Type::Plain(Kind::Float64), datum: Datum::Float(float) });
        }
    }
    let mut unscaled = Vec::new();
    put_unscaled(&mut unscaled, number.negative, &number.digits);
    Some(Value { of: Type::Decimal(number.scale), datum: Datum::Decimal(unscaled) })
}

/// Appends the number with these ASCII digits as big-endian two's complement, in as few bytes as
/// possible: the unscaled value of a Decimal. It takes time with the square of their number, so bound
/// it first.
pub fn put_unscaled(out: &mut Vec<u8>, negative: bool, digits: &str) {
    // Least significant limb first while it is built; nine digits at a time fit one limb.
    let mut limbs: Vec<u32> = Vec::with_capacity(digits.len() / 9 + 2);
    for group in digits.as_bytes().chunks(9) {
        let (mut carry, mut factor) = (0_u64, 1_u64);
        for digit in group {
            carry = carry * 10 + u64::from(digit.wrapping_sub(b'0'));
            factor *= 10;
        }
        for limb in &mut limbs {
            let wide = u64::from(*limb) * factor + carry;
            *limb = wide as u32;
            carry = wide >> 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    // Room for the sign; what is not needed of it is cut below.
    limbs.push(0);
    if negative {
        let mut carry = true;
        for limb in &mut limbs {
            (*limb, carry) = (!*limb).overflowing_add(carry.into());
        }
    }
    let bytes: Vec<u8> = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    let mut rest = bytes.as_slice();
    while let [first, tail @ ..] = rest
        && let Some(second) = tail.first()
        && (*first == 0 && second & 0x80 == 0 || *first == 0xff && second & 0x80 != 0)
    {
        rest = tail;
    }
    out.extend_from_slice(rest);
}
