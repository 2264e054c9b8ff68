//! Boxes.

use crate::vector::{DIMENSIONS, Vector};

/// The smallest box around points; empty: inside out.
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

    /// No point inside has a smaller square: each term is that of the distance, or less.
    pub fn least_square(&self, point: &Vector) -> f32 {
        let mut sum = 0.0;
        for ((lo, hi), x) in self.lo.iter().zip(&self.hi).zip(point) {
            let below = lo - x;
            let above = x - hi;
            let gap = if below > above { below } else { above };
            let gap = if gap > 0.0 { gap } else { 0.0 };
            sum += gap * gap;
        }
        sum
    }

    /// Whether the box may shrink without this point.
    pub fn has_on_edge(&self, point: &Vector) -> bool {
        let edges = self.lo.iter().zip(&self.hi).zip(point);
        edges.into_iter().any(|((lo, hi), x)| x <= lo || x >= hi)
    }
}
