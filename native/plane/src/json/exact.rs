//! Numbers by their mathematical value (F5): integers of 64 bits digit by digit, all others as 64-bit floats.

use std::cmp::Ordering;
use std::fmt;

use super::lexer::Lexer;
use super::number::Number;

/// One past the largest integer, 2^64, and the smallest one, −2^63; as floats both are exact.
const ABOVE: f64 = 18_446_744_073_709_551_616.0;
const LEAST: f64 = -9_223_372_036_854_775_808.0;

/// A number with one form for each value: a float that is an integer of 64 bits is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exact {
    /// 0 to 2^64−1.
    Natural(u64),
    /// −2^63 to −1.
    Negative(i64),
    /// Finite, and no such integer.
    Float(f64),
}

impl Exact {
    /// The number that a text consists of; `None` for any other text, and for what no 64-bit float can hold.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut lexer = Lexer::new(text);
        let number = lexer.number().ok()?;
        Self::of(&number).filter(|_| lexer.at() == text.len())
    }

    /// The value of a number as it stands in a text.
    pub(super) fn of(number: &Number<'_>) -> Option<Self> {
        if number.integer && number.is_native() {
            let magnitude = i128::from(number.magnitude()?);
            let value = if number.negative {
                magnitude.checked_neg()?
            } else {
                magnitude
            };
            return Some(Self::from_whole(value));
        }
        Self::from_float(number.value())
    }

    fn from_float(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        let whole = float.fract() == 0.0 && (LEAST..ABOVE).contains(&float);
        Some(if whole {
            Self::from_whole(integer(float))
        } else {
            Self::Float(float)
        })
    }

    /// An integer of 64 bits, with or without a sign.
    #[allow(clippy::cast_precision_loss, reason = "callers are within the ranges")]
    fn from_whole(value: i128) -> Self {
        let natural = || u64::try_from(value).map(Self::Natural);
        let negative = || i64::try_from(value).map(Self::Negative);
        natural()
            .or_else(|_| negative())
            .unwrap_or(Self::Float(value as f64))
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Self::Natural(value) => Some(i128::from(*value)),
            Self::Negative(value) => Some(i128::from(*value)),
            Self::Float(_) => None,
        }
    }

    /// The nearest 64-bit float.
    #[allow(
        clippy::cast_precision_loss,
        reason = "the nearest float is what is asked for"
    )]
    pub fn nearest(&self) -> f64 {
        match self {
            Self::Natural(value) => *value as f64,
            Self::Negative(value) => *value as f64,
            Self::Float(value) => *value,
        }
    }

    /// Which of two is greater; never by a rounded value.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self.whole(), other.whole()) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(a), None) => against(a, other.nearest()),
            (None, Some(b)) => against(b, self.nearest()).reverse(),
            // Neither is NaN, and no float is −0: that is an integer.
            (None, None) => self.nearest().total_cmp(&other.nearest()),
        }
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Natural(value) => value.fmt(f),
            Self::Negative(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:e}"),
        }
    }
}

/// An integer of 64 bits against a float that is none.
fn against(integer_value: i128, float: f64) -> Ordering {
    if float >= ABOVE {
        return Ordering::Less;
    }
    if float < LEAST {
        return Ordering::Greater;
    }
    // It lies between two integers.
    if integer_value <= integer(float.floor()) {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "callers give whole numbers that 128 bits hold"
)]
fn integer(whole: f64) -> i128 {
    whole as i128
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn number(text: &str) -> Exact {
        Exact::parse(text.as_bytes()).unwrap()
    }

    /// F5: one value has one form, whatever way it was written.
    #[test]
    fn a_value_has_one_form() {
        for same in [
            &["1", "1.0", "1e0", "10e-1", "0.1e1"][..],
            &["0", "-0", "0.0", "-0.0", "0e9"],
            &["100", "1e2", "1.0E+2"],
            &["-9223372036854775808", "-9223372036854775808.0"],
            &[
                "18446744073709551616",
                "18446744073709551616.0",
                "1.8446744073709551616e19",
            ],
            &["0.1", "1e-1", "0.10000000000000000555"],
        ] {
            for text in same {
                assert_eq!(number(same[0]), number(text), "{text}");
                assert_eq!(Ordering::Equal, number(same[0]).order(&number(text)));
            }
        }
        assert_eq!("100", number("1e2").to_string());
        assert_eq!("1.5e0", number("1.5").to_string());
    }

    /// F5: integers that a float would round are told apart, from each other and from floats.
    #[test]
    fn integers_are_exact() {
        let rising = [
            "-1e300",
            "-9223372036854775809.0e1",
            "-9223372036854775808",
            "-9223372036854775807",
            "-9007199254740993",
            "-9007199254740992.0",
            "-1.5",
            "-1",
            "0",
            "1e-300",
            "0.5",
            "1",
            "1.5",
            "2",
            "9007199254740992.0",
            "9007199254740993",
            "9007199254740994.0",
            "18446744073709551614",
            "18446744073709551615",
            "18446744073709551616.0",
            "1e300",
        ];
        for (at, one) in rising.iter().enumerate() {
            for (other_at, other) in rising.iter().enumerate() {
                let order = number(one).order(&number(other));
                assert_eq!(at.cmp(&other_at), order, "{one} {other}");
            }
        }
    }

    /// Whatever is no number is none.
    #[test]
    fn other_texts_are_no_numbers() {
        for text in [
            "", "-", "1.", ".5", "01", "1e", "1e400", "1 ", " 1", "0x1", "NaN", "\"1\"",
        ] {
            assert_eq!(None, Exact::parse(text.as_bytes()), "{text}");
        }
    }
}
