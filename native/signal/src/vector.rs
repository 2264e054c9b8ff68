//! The eight coordinates of a signal, and the decimal numbers that people read for 32-bit floats.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

pub use space::DIMENSIONS;

use crate::SignalError;

/// The names of the axes, in order.
pub const AXES: [&str; DIMENSIONS] = [
    "physical",
    "sensory",
    "motor",
    "emotional",
    "cognitive",
    "social",
    "temporal",
    "abstract",
];

/// physical, sensory, motor, emotional, cognitive, social, temporal, abstract.
pub type Vector = space::Vector;

/// The vector of these numbers, if they are eight and stay finite as 32-bit floats (M32).
pub fn vector_of(numbers: &[f64]) -> Result<Vector, SignalError> {
    let given: &[f64; DIMENSIONS] = numbers.try_into().map_err(|_| SignalError::Dimensions {
        came: numbers.len(),
    })?;
    checked(given.map(narrow), |axis| given.get(axis).copied())
}

/// The same vector, if its numbers are finite.
pub fn finite(vector: Vector) -> Result<Vector, SignalError> {
    checked(vector, |axis| vector.get(axis).copied().map(f64::from))
}

fn checked(vector: Vector, given: impl Fn(usize) -> Option<f64>) -> Result<Vector, SignalError> {
    // All of them at once: nearly always they are.
    if vector.iter().fold(true, |all, x| all & x.is_finite()) {
        return Ok(vector);
    }
    let axis = vector.iter().position(|x| !x.is_finite()).unwrap_or(0);
    Err(SignalError::NotFinite {
        axis,
        came: given(axis).unwrap_or(f64::NAN),
    })
}

#[allow(clippy::cast_possible_truncation)] // rounding is what is asked for; an overflow becomes infinite and is refused
fn narrow(x: f64) -> f32 {
    x as f32
}

/// Coordinates as the index keeps them: multiplied by the scales, and finite even where the product is not.
pub fn scaled(vector: &Vector, scales: &Vector) -> Vector {
    let mut point = *vector;
    for (x, scale) in point.iter_mut().zip(scales) {
        *x = (*x * scale).clamp(-f32::MAX, f32::MAX);
    }
    point
}

/// The shortest decimal number that is this float, as a 64-bit float: `0.1`, not `0.10000000149011612`.
///
/// It is the number that the JSON of an event holds, and it keeps the order: x ≤ y ⇔ decimal(x) ≤ decimal(y).
pub fn decimal(x: f32) -> f64 {
    let mut buffer = ryu::Buffer::new();
    buffer.format(x).parse().unwrap_or(f64::from(x))
}

/// The largest 32-bit radius whose decimal form is not above `radius`, so that "within" means the same to both sides of JSON.
pub fn radius_of(radius: f64) -> f32 {
    let nearest = narrow(radius);
    if decimal(nearest) > radius {
        nearest.next_down()
    } else {
        nearest
    }
}

/// The largest square whose root is not above `radius`: the one comparison a search needs.
pub fn square_limit(radius: f32) -> f32 {
    let mut square = radius * radius;
    while square > 0.0 && square.sqrt() > radius {
        square = square.next_down();
    }
    while square.next_up().sqrt() <= radius {
        square = square.next_up();
    }
    square
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::float_cmp)]

    use super::*;
    use proptest::prelude::*;

    /// M32: the message says how many numbers came.
    #[test]
    fn seven_numbers_are_refused_with_the_number_that_came() {
        let error = vector_of(&[0.5; 7]).unwrap_err();
        assert_eq!("vector must have 8 dimensions, got 7", error.to_string());
        assert_eq!("vector_invalid", error.slug());
    }

    /// M32: a number that is finite only in 64 bits is refused.
    #[test]
    fn what_does_not_stay_finite_in_32_bits_is_refused() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -3.5e38] {
            let mut numbers = [0.5; DIMENSIONS];
            numbers[3] = bad;
            let error = vector_of(&numbers).unwrap_err();
            assert_eq!("vector_invalid", error.slug());
            let text = error.to_string();
            assert!(text.starts_with("vector[3] must be finite"), "{text}");
        }
        assert!(vector_of(&[f64::from(f32::MAX); DIMENSIONS]).is_ok());
    }

    #[test]
    fn a_scaled_coordinate_never_overflows() {
        let point = scaled(&[f32::MAX; DIMENSIONS], &[10.0; DIMENSIONS]);
        assert_eq!([f32::MAX; DIMENSIONS], point);
    }

    #[test]
    fn a_radius_means_its_decimal_number() {
        assert_eq!(0.1_f32, radius_of(0.1));
        assert!(decimal(radius_of(0.123_456_789)) <= 0.123_456_789);
    }

    proptest! {
        #[test]
        fn decimals_keep_the_order_of_floats(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(a.partial_cmp(&b), decimal(a).partial_cmp(&decimal(b)));
        }

        #[test]
        fn a_square_is_within_its_limit_exactly_when_its_root_is_within_the_radius(
            radius in prop_oneof![1e-30_f32..1e-10, 1e-6_f32..10.0, 1e3_f32..1e9],
            step in -4_i32..5,
        ) {
            let limit = square_limit(radius);
            let mut square = radius * radius;
            for _ in 0..step.abs() {
                square = if step < 0 { square.next_down() } else { square.next_up() };
            }
            let square = square.max(0.0);
            prop_assert_eq!(square.sqrt() <= radius, square <= limit);
        }
    }
}
