//! Where the cells of an axis are: of even width in a leaf, of even use over all leaves.

use crate::extent::Extent;
use crate::{DIMENSIONS, Vector};

/// Cells of an axis; those at its ends have no end. (16 and 64 measured no better.)
pub const CELLS: usize = 32;
/// A cell on each axis.
pub type Cells = [u32; DIMENSIONS];

/// The last one.
const LAST: f32 = 31.0;
/// The bits of its number.
const BITS: u32 = 31;
/// Smallest width of an axis that is told apart.
const SMALLEST: f32 = 1e-12;
/// Added to a number below 2²², it rounds it to a whole one, which stands in the low bits.
const ROUNDING: f32 = 12_582_912.0;

/// Cells of even width. What is not smaller is in no smaller cell, whatever the rounding does.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    origin: Vector,
    per_unit: Vector,
}

impl Grid {
    /// Cells over a box.
    pub fn over(extent: &Extent) -> Self {
        let per_unit = |axis: usize| {
            let side = extent.side(axis);
            // An empty box has none: any cells will do.
            LAST / if side > SMALLEST { side } else { SMALLEST }
        };
        Self {
            origin: extent.lo.map(|x| if x.is_finite() { x } else { 0.0 }),
            per_unit: std::array::from_fn(per_unit),
        }
    }

    /// The cells that a point is in.
    #[inline]
    pub fn cells(&self, point: &Vector) -> Cells {
        let mut cells = [0; DIMENSIONS];
        for axis in 0..DIMENSIONS {
            let x = (point[axis] - self.origin[axis]) * self.per_unit[axis];
            let x = if x > 0.0 { x } else { 0.0 };
            let x = if x < LAST { x } else { LAST };
            cells[axis] = (x + ROUNDING).to_bits() & BITS;
        }
        cells
    }
}

/// Cells of which each holds about as many ends of boxes as any other, so that boxes far away leave those that are here as
/// they are.
#[derive(Clone, Debug)]
pub struct Cuts([[f32; CELLS - 1]; DIMENSIONS]);

impl Cuts {
    pub const NONE: Self = Self([[f32::INFINITY; CELLS - 1]; DIMENSIONS]);

    /// Cells between these boxes.
    pub fn between(extents: &[Extent]) -> Self {
        let mut cuts = Self::NONE;
        for (axis, cuts) in cuts.0.iter_mut().enumerate() {
            let ends = extents.iter().flat_map(|one| [one.lo[axis], one.hi[axis]]);
            let mut ends: Vec<f32> = ends.collect();
            ends.sort_unstable_by(f32::total_cmp);
            for (number, cut) in cuts.iter_mut().enumerate() {
                let end = ends.get((number + 1) * ends.len() / CELLS);
                *cut = end.copied().unwrap_or(f32::INFINITY);
            }
        }
        cuts
    }

    /// The cells that a point is in.
    #[inline]
    pub fn cells(&self, point: &Vector) -> Cells {
        let mut cells = [0; DIMENSIONS];
        for ((cell, x), cuts) in cells.iter_mut().zip(point).zip(&self.0) {
            // All of them, without a branch.
            *cell = cuts.iter().map(|cut| u32::from(cut <= x)).sum();
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coordinate() -> impl Strategy<Value = f32> {
        let size = prop_oneof![
            6 => Just(1.0_f32),
            1 => Just(1e-38),
            1 => Just(1e-12),
            1 => Just(1e6),
            1 => Just(4e18),
        ];
        (size, -1.0_f32..1.0).prop_map(|(size, x)| size * x)
    }

    fn point() -> impl Strategy<Value = Vector> {
        prop::array::uniform8(coordinate())
    }

    proptest! {
        /// What lies between two places is in no cell before or behind theirs, wherever the cells are.
        #[test]
        fn cells_are_in_the_order_of_places(over in prop::collection::vec(point(), 1..80), places in prop::array::uniform3(point())) {
            let mut extents = Vec::new();
            let mut all = Extent::EMPTY;
            for point in &over {
                all.cover(point);
                let mut extent = Extent::EMPTY;
                extent.cover_box(point, &point.map(|x| x + 0.25));
                extents.push(extent);
            }
            let (grid, cuts) = (Grid::over(&all), Cuts::between(&extents));
            let of = |at: usize| std::array::from_fn(|axis| {
                let mut three = places.map(|place| place[axis]);
                three.sort_by(f32::total_cmp);
                three[at]
            });
            for cells in [[0, 1, 2].map(|at| grid.cells(&of(at))), [0, 1, 2].map(|at| cuts.cells(&of(at)))] {
                for ((low, middle), high) in cells[0].iter().zip(&cells[1]).zip(&cells[2]) {
                    prop_assert!(low <= middle && middle <= high && *high <= BITS);
                }
            }
        }
    }
}
