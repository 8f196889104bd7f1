//! Numbers in Java's notation, and base64.

use std::fmt::Write;

use super::TextError;

/// Longest unscaled value of a decimal that is printed: turning it to base ten takes time with the
/// square of its length.
pub const DECIMAL_BYTES_MAX: usize = 16 * 1024;

/// Appends an integer.
pub fn put_int(out: &mut Vec<u8>, value: i64) {
    put_u128(out, value < 0, value.unsigned_abs().into());
}

/// Appends a number as `Double.toString` does: `1.0`, `1.0E10`, `NaN`, `-Infinity`. The digits are
/// the fewest that tell the number from its neighbours, as JDK 19 and later print them.
pub fn put_double(out: &mut Vec<u8>, value: f64) {
    if special(out, value) {
        return;
    }
    let mut text = Short::default();
    let _ = write!(text, "{value:e}");
    if text.mantissa().len() == 1 {
        // Java never prints a single digit; of all with two it takes the nearest: 4.9E-324.
        text = Short::default();
        let _ = write!(text, "{value:.1e}");
    }
    put_scientific(out, &text);
}

/// Appends a number as `Float.toString` does; see [`put_double`].
pub fn put_float(out: &mut Vec<u8>, value: f32) {
    if special(out, value.into()) {
        return;
    }
    let mut text = Short::default();
    let _ = write!(text, "{value:e}");
    if text.mantissa().len() == 1 {
        text = Short::default();
        let _ = write!(text, "{value:.1e}");
    }
    put_scientific(out, &text);
}

fn special(out: &mut Vec<u8>, value: f64) -> bool {
    let text: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value == 0.0 {
        if value.is_sign_negative() { b"-0.0" } else { b"0.0" }
    } else if value == f64::INFINITY {
        b"Infinity"
    } else if value == f64::NEG_INFINITY {
        b"-Infinity"
    } else {
        return false;
    };
    out.extend_from_slice(text);
    true
}

/// Turns `-1.25e10` to Java's notation: plain from a thousandth up to ten million.
fn put_scientific(out: &mut Vec<u8>, text: &Short) {
    let exponent = text.exponent();
    let mut mantissa = text.mantissa();
    if let Some((b'-', rest)) = mantissa.split_first() {
        out.push(b'-');
        mantissa = rest;
    }
    let (whole, fraction) = match mantissa {
        [whole, _, fraction @ ..] => (*whole, fraction),
        [whole] => (*whole, &[][..]),
        [] => return,
    };
    match exponent {
        0..7 => {
            let (before, after) = fraction.split_at_checked(exponent as usize).unwrap_or((fraction, &[]));
            out.push(whole);
            out.extend_from_slice(before);
            out.resize(out.len() + exponent as usize - before.len(), b'0');
            out.push(b'.');
            put_fraction(out, after);
        }
        -3..0 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-1 - exponent) as usize, b'0');
            out.push(whole);
            // The zero of 1.0 is there only so that something follows the point.
            out.extend_from_slice(if fraction == b"0" { b"" } else { fraction });
        }
        _ => {
            out.push(whole);
            out.push(b'.');
            put_fraction(out, fraction);
            out.push(b'E');
            put_int(out, exponent.into());
        }
    }
}

fn put_fraction(out: &mut Vec<u8>, digits: &[u8]) {
    out.extend_from_slice(if digits.is_empty() { b"0" } else { digits });
}

/// Room for the longest shortest form, `-2.2250738585072014e-308`.
#[derive(Default)]
struct Short {
    bytes: [u8; 32],
    len: usize,
}

impl Short {
    fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn mantissa(&self) -> &[u8] {
        let text = self.text();
        text.iter().position(|byte| *byte == b'e').and_then(|at| text.get(..at)).unwrap_or(text)
    }

    fn exponent(&self) -> i32 {
        let text = self.text();
        let at = text.iter().position(|byte| *byte == b'e').map_or(text.len(), |at| at + 1);
        text.get(at..).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0)
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Appends a decimal as `BigDecimal.toString` does: plain, or with an exponent where the scale is
/// negative or the number very small. `unscaled` is big-endian two's complement; no bytes are zero.
///
/// # Errors
/// When it is longer than [`DECIMAL_BYTES_MAX`].
pub fn put_decimal(out: &mut Vec<u8>, scale: i32, unscaled: &[u8]) -> Result<(), TextError> {
    let mut digits = Vec::with_capacity(40);
    put_unscaled(&mut digits, unscaled)?;
    let digits = match digits.split_first() {
        Some((b'-', rest)) => {
            out.push(b'-');
            rest
        }
        _ => digits.as_slice(),
    };
    let scale = i64::from(scale);
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if scale > 0 && adjusted >= -6 {
        match digits.split_at_checked((digits.len() as i64 - scale).max(0) as usize) {
            Some((whole, fraction)) if !whole.is_empty() => {
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            _ => {
                out.extend_from_slice(b"0.");
                out.resize(out.len() + scale as usize - digits.len(), b'0');
                out.extend_from_slice(digits);
            }
        }
    } else {
        let (whole, fraction) = digits.split_at_checked(1).unwrap_or((digits, &[]));
        out.extend_from_slice(whole);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        if adjusted != 0 {
            out.push(b'E');
            if adjusted > 0 {
                out.push(b'+');
            }
            put_int(out, adjusted);
        }
    }
    Ok(())
}

fn put_unscaled(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TextError> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    if bytes.len() <= 16 {
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        let tail = wide.len() - bytes.len();
        if let Some(slot) = wide.get_mut(tail..) {
            slot.copy_from_slice(bytes);
        }
        put_u128(out, negative, i128::from_be_bytes(wide).unsigned_abs());
        return Ok(());
    }
    if bytes.len() > DECIMAL_BYTES_MAX {
        return Err(TextError::DecimalTooLong);
    }
    let mut limbs = magnitude(bytes, negative);
    // Most significant first; each division by 10^9 takes nine digits off the end.
    let mut groups = Vec::new();
    while !limbs.is_empty() {
        let mut rest = 0_u64;
        for limb in &mut limbs {
            let wide = rest << 32 | u64::from(*limb);
            *limb = (wide / 1_000_000_000) as u32;
            rest = wide % 1_000_000_000;
        }
        groups.push(rest);
        let zeros = limbs.iter().take_while(|limb| **limb == 0).count();
        limbs.drain(..zeros);
    }
    if negative {
        out.push(b'-');
    }
    let mut groups = groups.iter().rev();
    put_u128(out, false, groups.next().copied().unwrap_or(0).into());
    for group in groups {
        let mut left = *group;
        let mut nine = [b'0'; 9];
        for digit in nine.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        out.extend_from_slice(&nine);
    }
    Ok(())
}

/// Absolute value in 32-bit limbs, most significant first, without leading zeros.
fn magnitude(bytes: &[u8], negative: bool) -> Vec<u32> {
    let flip = if negative { 0xff } else { 0 };
    let mut carry = u64::from(negative);
    let mut limbs: Vec<u32> = bytes
        .rchunks(4)
        .map(|chunk| {
            let limb = chunk.iter().fold(0_u64, |limb, byte| limb << 8 | u64::from(byte ^ flip)) + carry;
            let bits = chunk.len() * 8;
            carry = limb >> bits;
            (limb & ((1_u64 << bits) - 1)) as u32
        })
        .collect();
    if carry > 0 {
        limbs.push(1);
    }
    limbs.reverse();
    let zeros = limbs.iter().take_while(|limb| **limb == 0).count();
    limbs.drain(..zeros);
    limbs
}

fn put_u128(out: &mut Vec<u8>, negative: bool, value: u128) {
    let mut digits = [0; 40];
    let mut at = digits.len();
    let mut put = |digit: u8| {
        at -= 1;
        if let Some(slot) = digits.get_mut(at) {
            *slot = b'0' + digit;
        }
    };
    // Division of 128 bits is slow, and nearly all numbers need but 64.
    let mut wide = value;
    while wide > u128::from(u64::MAX) {
        put((wide % 10) as u8);
        wide /= 10;
    }
    let mut left = wide as u64;
    loop {
        put((left % 10) as u8);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Appends `bytes` in base64: the standard alphabet, with padding.
pub fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const ALPHABET: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| ALPHABET.get((bits & 63) as usize).copied().unwrap_or(b'=');
    out.reserve(bytes.len().div_ceil(3) * 4);
    let (threes, rest) = bytes.as_chunks::<3>();
    for [a, b, c] in threes {
        let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
        out.extend_from_slice(&[letter(bits >> 18), letter(bits >> 12), letter(bits >> 6), letter(bits)]);
    }
    match rest {
        [a] => {
            let bits = u32::from(*a) << 16;
            out.extend_from_slice(&[letter(bits >> 18), letter(bits >> 12), b'=', b'=']);
        }
        [a, b] => {
            let bits = u32::from(*a) << 16 | u32::from(*b) << 8;
            out.extend_from_slice(&[letter(bits >> 18), letter(bits >> 12), letter(bits >> 6), b'=']);
        }
        _ => {}
    }
}
