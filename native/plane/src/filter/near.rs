//! `near`: vectors within a ball (F7).

use space::{Ball, DIMENSIONS};

use crate::json::{Value, elements, float};

/// The vector that a value is: an array of exactly 8 finite numbers.
pub fn vector(value: &Value<'_>) -> Option<[f64; DIMENSIONS]> {
    let Value::Array(array) = value else {
        return None;
    };
    let mut vector = [0.0; DIMENSIONS];
    let mut places = vector.iter_mut();
    for element in elements(array) {
        let (Value::Number(digits), Some(place)) = (element, places.next()) else {
            return None;
        };
        *place = float(digits)?;
    }
    places.next().is_none().then_some(vector)
}

/// A ball as JSON; equal balls alike.
pub fn write(ball: &Ball, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"center":["#);
    for (at, number) in ball.center().iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_number(out, *number);
    }
    out.extend_from_slice(br#"],"radius":"#);
    write_number(out, ball.radius());
    out.push(b'}');
}

fn write_number(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(format!("{number:e}").as_bytes());
}
