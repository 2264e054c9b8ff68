//! The leaves: buckets of points, and piles of identical ones.

use crate::index::{Entry, Hit, Nearest};
use crate::vector::{DIMENSIONS, Vector};

/// Points in a bucket (32 and 64 measured no better, 16 worse).
pub const CAPACITY: usize = 48;
/// Points whose distances are computed at once.
const LANES: usize = 16;
/// Points that left from the edge of the box, after which it is measured anew.
const SLACK: u8 = 4;

const NOBODY: Entry = Entry {
    id: 0,
    event_type: 0,
};

/// Coordinates axis by axis; unused lanes are infinitely far from everything.
#[derive(Clone)]
struct Group([[f32; LANES]; DIMENSIONS]);

const NOWHERE: Group = Group([[f32::INFINITY; LANES]; DIMENSIONS]);

impl Group {
    fn squares(&self, point: &Vector) -> [f32; LANES] {
        let mut squares = [0.0; LANES];
        for (axis, x) in self.0.iter().zip(point) {
            for (square, y) in squares.iter_mut().zip(axis) {
                let offset = y - x;
                *square += offset * offset;
            }
        }
        squares
    }
}

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
    fn least_square(&self, point: &Vector) -> f32 {
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

    fn has_on_edge(&self, point: &Vector) -> bool {
        let edges = self.lo.iter().zip(&self.hi).zip(point);
        edges.into_iter().any(|((lo, hi), x)| x <= lo || x >= hi)
    }
}

/// Up to 48 points, their box, and who they are.
pub struct Bucket {
    pub parent: u32,
    len: u8,
    loose: u8,
    extent: Extent,
    groups: [Group; CAPACITY / LANES],
    entries: [Entry; CAPACITY],
}

impl Bucket {
    pub fn new(parent: u32) -> Self {
        Self {
            parent,
            len: 0,
            loose: 0,
            extent: Extent::EMPTY,
            groups: [NOWHERE, NOWHERE, NOWHERE],
            entries: [NOBODY; CAPACITY],
        }
    }

    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub fn is_full(&self) -> bool {
        self.len() == CAPACITY
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries[..self.len()]
    }

    pub fn point(&self, place: usize) -> Vector {
        let group = &self.groups[place / LANES].0;
        std::array::from_fn(|axis| group[axis][place % LANES])
    }

    pub fn points(&self) -> impl Iterator<Item = (Entry, Vector)> {
        (0..self.len()).map(|place| (self.entries[place], self.point(place)))
    }

    fn put(&mut self, place: usize, point: &Vector) {
        let group = &mut self.groups[place / LANES].0;
        for (axis, x) in group.iter_mut().zip(point) {
            axis[place % LANES] = *x;
        }
    }

    /// Add a point; the bucket is not full. -> its place
    pub fn push(&mut self, entry: Entry, point: &Vector) -> usize {
        let place = self.len();
        self.put(place, point);
        self.entries[place] = entry;
        self.extent.cover(point);
        self.len += 1;
        place
    }

    /// Take a point out; the last one takes its place. -> who moved there
    pub fn swap_remove(&mut self, place: usize) -> Option<Entry> {
        let last = self.len() - 1;
        if self.extent.has_on_edge(&self.point(place)) {
            self.loose += 1;
        }
        let (moved, point) = (self.entries[last], self.point(last));
        self.put(place, &point);
        self.entries[place] = moved;
        self.put(last, &[f32::INFINITY; DIMENSIONS]);
        self.entries[last] = NOBODY;
        self.len -= 1;
        if self.loose >= SLACK {
            self.measure();
        }
        (place != last).then_some(moved)
    }

    /// Measure the box anew. -> it
    pub fn measure(&mut self) -> Extent {
        let mut extent = Extent::EMPTY;
        for (_, point) in self.points() {
            extent.cover(&point);
        }
        self.extent = extent;
        self.loose = 0;
        extent
    }

    #[cfg(test)]
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Offer every point that can be among the nearest.
    pub fn search(&self, point: &Vector, nearest: &mut Nearest) {
        if self.extent.least_square(point) > nearest.bound() {
            return;
        }
        let groups = self.groups.iter().zip(self.entries.chunks_exact(LANES));
        for (group, entries) in groups.take(self.len().div_ceil(LANES)) {
            let squares = group.squares(point);
            if least(&squares) > nearest.bound() {
                continue;
            }
            for (&square, &entry) in squares.iter().zip(entries) {
                if square <= nearest.bound() {
                    nearest.offer(Hit { entry, square });
                }
            }
        }
    }
}

fn least(squares: &[f32; LANES]) -> f32 {
    // A plain comparison compiles to one vector instruction; `f32::min` does not.
    squares
        .iter()
        .fold(f32::INFINITY, |a, b| if *b < a { *b } else { a })
}

/// Identical points: a bucket of no extent cannot be split. It costs one distance whatever its size.
pub struct Pile {
    pub parent: u32,
    pub point: Vector,
    pub entries: Vec<Entry>,
}

impl Pile {
    /// Whether `point` is one of them.
    #[allow(clippy::float_cmp)] // identical is what is meant
    pub fn is_at(&self, point: &Vector) -> bool {
        self.point == *point
    }

    /// Offer as many of them as can be among the nearest.
    pub fn search(&self, point: &Vector, nearest: &mut Nearest) {
        let mut square = 0.0;
        for (x, y) in point.iter().zip(&self.point) {
            let offset = y - x;
            square += offset * offset;
        }
        for &entry in self.entries.iter().take(nearest.wanted()) {
            nearest.offer(Hit { entry, square });
        }
    }
}
