//! Boxes.

use crate::{DIMENSIONS, Vector};

/// The smallest box around points; empty: inside out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Extent {
    pub lo: Vector,
    pub hi: Vector,
}

impl Extent {
    pub const EMPTY: Self = Self {
        lo: [f32::INFINITY; DIMENSIONS],
        hi: [f32::NEG_INFINITY; DIMENSIONS],
    };

    pub fn cover(&mut self, point: &Vector) {
        for ((lo, hi), x) in self.lo.iter_mut().zip(&mut self.hi).zip(point) {
            *lo = if x < lo { *x } else { *lo };
            *hi = if x > hi { *x } else { *hi };
        }
    }

    /// The axis along which it is longest, if it is longer than a point.
    pub fn widest(&self) -> Option<usize> {
        let mut widest = None;
        let mut longest = 0.0;
        for (axis, (lo, hi)) in self.lo.iter().zip(&self.hi).enumerate() {
            if hi - lo > longest {
                longest = hi - lo;
                widest = Some(axis);
            }
        }
        // The difference of two subnormals may vanish, that of two different floats never does.
        widest
    }

    /// No point inside has a smaller square.
    #[inline]
    pub fn least_square(&self, point: &Vector) -> f32 {
        let mut gaps = [0.0; DIMENSIONS];
        for (((gap, lo), hi), x) in gaps.iter_mut().zip(&self.lo).zip(&self.hi).zip(point) {
            let below = lo - x;
            let above = x - hi;
            let larger = if below > above { below } else { above };
            *gap = if larger > 0.0 { larger } else { 0.0 };
        }
        least_square(&gaps)
    }

    /// Whether the box may shrink without this point.
    pub fn has_on_edge(&self, point: &Vector) -> bool {
        let edges = self.lo.iter().zip(&self.hi).zip(point);
        edges.into_iter().any(|((lo, hi), x)| x <= lo || x >= hi)
    }
}

/// The square of a distance of at least so much along each axis, never above what any order of summing gives: the terms
/// are those of the distance or less, and a hair is taken off for the order.
#[inline]
pub fn least_square(gaps: &Vector) -> f32 {
    let mut halves = [0.0_f32; DIMENSIONS / 2];
    for (axis, half) in halves.iter_mut().enumerate() {
        let (a, b) = (gaps[axis], gaps[axis + DIMENSIONS / 2]);
        *half = a * a + b * b;
    }
    ((halves[0] + halves[2]) + (halves[1] + halves[3])) * 0.999_999
}
