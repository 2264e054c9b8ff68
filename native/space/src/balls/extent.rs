//! Boxes over balls and over their centres.

use crate::{DIMENSIONS, Vector};

/// From `lo` to `hi` on each axis; empty: inside out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    pub lo: Vector,
    pub hi: Vector,
}

impl Extent {
    pub const EMPTY: Self = Self {
        lo: [f32::INFINITY; DIMENSIONS],
        hi: [f32::NEG_INFINITY; DIMENSIONS],
    };

    /// Cover another box too. -> whether it did not before
    pub fn cover(&mut self, lo: &Vector, hi: &Vector) -> bool {
        let before = *self;
        for (low, x) in self.lo.iter_mut().zip(lo) {
            *low = if x < low { *x } else { *low };
        }
        for (high, x) in self.hi.iter_mut().zip(hi) {
            *high = if x > high { *x } else { *high };
        }
        *self != before
    }

    /// How long it is on an axis.
    pub fn side(&self, axis: usize) -> f32 {
        self.hi[axis] - self.lo[axis]
    }

    /// No point inside has a smaller square: a hair is taken off for the order of summing.
    #[inline]
    pub fn least_square(&self, point: &Vector) -> f32 {
        let mut squares = [0.0; DIMENSIONS];
        for (((square, lo), hi), x) in squares.iter_mut().zip(&self.lo).zip(&self.hi).zip(point) {
            let (below, above) = (lo - x, x - hi);
            let gap = if below > above { below } else { above };
            let gap = if gap > 0.0 { gap } else { 0.0 };
            *square = gap * gap;
        }
        sum(&squares) * 0.999_999
    }
}

/// In pairs, as vector registers do it.
#[inline]
fn sum(terms: &Vector) -> f32 {
    let (low, high) = terms.split_at(DIMENSIONS / 2);
    let mut halves = [0.0; DIMENSIONS / 2];
    for ((half, one), other) in halves.iter_mut().zip(low).zip(high) {
        *half = one + other;
    }
    (halves[0] + halves[2]) + (halves[1] + halves[3])
}

/// The square of a distance, to a few places in the last digit.
#[inline]
pub fn square(a: &Vector, b: &Vector) -> f32 {
    let mut squares = [0.0; DIMENSIONS];
    for ((square, x), y) in squares.iter_mut().zip(a).zip(b) {
        let offset = x - y;
        *square = offset * offset;
    }
    sum(&squares)
}
