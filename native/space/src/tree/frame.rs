//! The measure of a bucket: how its points become cells of one byte an axis, and what a distance is in them at least.

use crate::extent::Extent;
use crate::lanes::{INSIDE, cells_of};
use crate::{DIMENSIONS, Vector};

/// Half the extent of a fresh bucket, in cells: as much again less a third is left for what comes.
const HALF: f32 = 80.0;
/// Below this share of it, a measure of its own tells more.
const SHRUNK: f32 = 0.6;
/// Smallest half extent: below it, squares of single precision vanish, and cells would say more than distances do.
const SMALLEST: f32 = 1e-12;
/// Cells by which a distance between cells may exceed the true one: a point and a query are each half a cell off per axis.
const MARGIN: f32 = 2.9;
/// Where the cells of a bucket are, and how many lie in a unit.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    origin: Vector,
    per_unit: f32,
}

impl Frame {
    pub const NONE: Self = Self {
        origin: [0.0; DIMENSIONS],
        per_unit: HALF / SMALLEST,
    };

    /// One that holds this box with room around it.
    pub fn around(extent: &Extent) -> Self {
        let origin = std::array::from_fn(|axis| extent.lo[axis] / 2.0 + extent.hi[axis] / 2.0);
        let half = half_of(extent);
        Self {
            origin,
            per_unit: HALF / if half > SMALLEST { half } else { SMALLEST },
        }
    }

    /// Whether the box has become so small that a measure of its own would tell more.
    pub fn is_too_wide_for(&self, extent: &Extent) -> bool {
        let half = half_of(extent);
        half > SMALLEST && half * self.per_unit < HALF * SHRUNK
    }

    /// A point's cell, if it lies inside.
    pub fn cell(&self, point: &Vector) -> Option<[u8; DIMENSIONS]> {
        let cell = self.nearest_cell(point);
        cell.iter().all(|x| INSIDE.contains(x)).then_some(cell)
    }

    /// The cell nearest to a point; of a point outside, one just beyond the border, nearer to everything inside.
    #[inline]
    pub fn nearest_cell(&self, point: &Vector) -> [u8; DIMENSIONS] {
        cells_of(point, &self.origin, self.per_unit)
    }

    /// The square between cells that no point within `square` of a query exceeds.
    #[allow(clippy::cast_possible_truncation)] // saturates, which is meant
    #[inline]
    pub fn limit(&self, square: f32) -> i16 {
        let cells = square.sqrt() * self.per_unit * 1.000_01 + MARGIN;
        (cells * cells) as i16
    }
}

fn half_of(extent: &Extent) -> f32 {
    let mut half = 0.0;
    for (lo, hi) in extent.lo.iter().zip(&extent.hi) {
        let side = hi / 2.0 - lo / 2.0;
        half = if side > half { side } else { half };
    }
    half
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::square_between;
    use proptest::prelude::*;

    fn extent_of(points: &[Vector]) -> Extent {
        let mut extent = Extent::EMPTY;
        for point in points {
            extent.cover(point);
        }
        extent
    }

    fn coordinate() -> impl Strategy<Value = f32> {
        let size = prop_oneof![
            6 => Just(1.0_f32),
            1 => Just(1e-38),
            1 => Just(1e-18),
            1 => Just(1e-12),
            1 => Just(1e6),
            1 => Just(1e18),
            1 => Just(3e38),
        ];
        (size, -1.0_f32..1.0).prop_map(|(size, x)| size * x)
    }

    proptest! {
        #[test]
        fn no_cell_is_farther_than_its_point(
            points in prop::collection::vec(prop::array::uniform8(coordinate()), 1..20),
            query in prop::array::uniform8(coordinate()),
            inside in prop::array::uniform8(0.0_f32..1.0),
        ) {
            let frame = Frame::around(&extent_of(&points));
            let near = std::array::from_fn(|axis| points[0][axis] + (query[axis] - points[0][axis]) * inside[axis] * 1e-3);
            for query in [query, near] {
                let to = frame.nearest_cell(&query);
                for point in &points {
                    let from = frame.cell(point).unwrap();
                    let square: i64 = from.iter().zip(&to).map(|(x, y)| i64::from(x.abs_diff(*y)).pow(2)).sum();
                    let limit = frame.limit(square_between(point, &query));
                    prop_assert!(limit == i16::MAX || square <= i64::from(limit));
                }
            }
        }
    }
}
