//! `near`: vectors within a ball (F7).

use crate::json::{Value, elements, float};

/// Numbers of a vector.
pub const DIMENSIONS: usize = 8;

/// A ball.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// Finite numbers.
    pub center: [f64; DIMENSIONS],
    /// Finite, not negative.
    pub radius: f64,
}

impl Near {
    /// Whether a value is an array of exactly 8 numbers no further from the centre than the radius, in 64-bit floats.
    pub fn holds(&self, value: &Value<'_>) -> bool {
        let Value::Array(array) = value else {
            return false;
        };
        let mut coordinates = self.center.iter();
        let mut sum = 0.0;
        for element in elements(array) {
            let (Value::Number(digits), Some(center)) = (element, coordinates.next()) else {
                return false;
            };
            let Some(number) = float(digits) else {
                return false;
            };
            let away = number - center;
            sum += away * away;
        }
        coordinates.next().is_none() && sum.sqrt() <= self.radius
    }

    /// As JSON; equal balls alike.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"center":["#);
        for (at, number) in self.center.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write(out, *number);
        }
        out.extend_from_slice(br#"],"radius":"#);
        write(out, self.radius);
        out.push(b'}');
    }
}

fn write(out: &mut Vec<u8>, number: f64) {
    // −0 and 0 are one number.
    let number = if number == 0.0 { 0.0 } else { number };
    out.extend_from_slice(format!("{number:e}").as_bytes());
}
