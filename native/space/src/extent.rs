//! Boxes.

use crate::lanes::box_square;
use crate::{DIMENSIONS, Vector};

/// The smallest box around what it covers; empty: inside out.
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

    /// Cover another box too. -> whether it did not before
    pub fn cover_box(&mut self, lo: &Vector, hi: &Vector) -> bool {
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
        box_square(&self.lo, &self.hi, point)
    }

    /// Whether the box may shrink without this point.
    pub fn has_on_edge(&self, point: &Vector) -> bool {
        let edges = self.lo.iter().zip(&self.hi).zip(point);
        edges.into_iter().any(|((lo, hi), x)| x <= lo || x >= hi)
    }
}
