//! Numbers as they stand in a text, and the ranges they have to be in.

/// ±(2^53−1): what every client holds exactly (M13).
const MAX_SAFE: u64 = (1 << 53) - 1;

/// Whole digits that are below 2^53 whatever they are.
const SAFE_DIGITS: usize = 15;

/// A float of at most this many digits before its point is below 10^308.
const FLOAT_DIGITS: usize = 308;

/// A number of RFC 8259.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    /// All of it; ASCII.
    pub text: &'a [u8],
    pub negative: bool,
    /// The digits before a point or exponent.
    pub digits: &'a [u8],
    /// From the `e` on; empty without one.
    pub exponent: &'a [u8],
    /// Neither a point nor an exponent: `1.0` and `1e3` are floats.
    pub integer: bool,
}

impl Number<'_> {
    /// M10: a 64-bit float can hold it. An integer has M13 above it.
    #[inline]
    pub fn is_finite(&self) -> bool {
        self.is_short() || self.value().is_finite()
    }

    /// M13, in members of messages.
    #[inline]
    pub fn is_safe(&self) -> bool {
        self.digits.len() <= SAFE_DIGITS
            || self
                .magnitude()
                .is_some_and(|magnitude| magnitude <= MAX_SAFE)
    }

    /// M13, inside `data` and `payload`: −2^63 to 2^64−1.
    #[inline]
    pub fn is_native(&self) -> bool {
        let least = i64::MIN.unsigned_abs();
        self.digits.len() <= SAFE_DIGITS
            || self
                .magnitude()
                .is_some_and(|magnitude| !self.negative || magnitude <= least)
    }

    /// The nearest 64-bit float.
    pub fn value(&self) -> f64 {
        // RFC 8259 is a part of what Rust parses.
        let text = std::str::from_utf8(self.text).unwrap_or_default();
        text.parse().unwrap_or(f64::NAN)
    }

    /// An integer without its sign, if 64 bits hold it.
    pub fn magnitude(&self) -> Option<u64> {
        self.digits.iter().try_fold(0_u64, |magnitude, digit| {
            magnitude
                .checked_mul(10)?
                .checked_add(u64::from(digit.wrapping_sub(b'0')))
        })
    }

    /// Too short to leave the range of a float: nearly every number, and told without parsing it.
    #[inline]
    fn is_short(&self) -> bool {
        let exponent = self.exponent.len().saturating_sub(1);
        let powers = match exponent {
            0 => 0,
            1..=2 => 99,
            _ => return false,
        };
        self.digits.len().saturating_add(powers) <= FLOAT_DIGITS
    }
}
