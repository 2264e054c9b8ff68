//! The leaves: buckets of points, and piles of identical ones.

use std::ops::{Index, IndexMut};

use super::Arena;
use super::extent::Extent;
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

/// Up to 48 points, and who they are.
pub struct Bucket {
    pub parent: u32,
    len: u8,
    loose: u8,
    groups: [Group; CAPACITY / LANES],
    entries: [Entry; CAPACITY],
}

impl Bucket {
    fn new(parent: u32) -> Self {
        Self {
            parent,
            len: 0,
            loose: 0,
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

    fn push(&mut self, entry: Entry, point: &Vector) -> usize {
        let place = self.len();
        self.put(place, point);
        self.entries[place] = entry;
        self.len += 1;
        place
    }

    fn swap_remove(&mut self, place: usize) -> Option<Entry> {
        let last = self.len() - 1;
        let (moved, point) = (self.entries[last], self.point(last));
        self.put(place, &point);
        self.entries[place] = moved;
        self.put(last, &[f32::INFINITY; DIMENSIONS]);
        self.entries[last] = NOBODY;
        self.len -= 1;
        (place != last).then_some(moved)
    }

    fn search(&self, point: &Vector, nearest: &mut Nearest) {
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

/// All buckets. Their boxes lie side by side, apart from the points: most searches of a bucket end at its box.
pub struct Buckets {
    arena: Arena<Box<Bucket>>,
    boxes: Vec<Extent>,
}

impl Buckets {
    pub fn new() -> Self {
        Self {
            arena: Arena::new(),
            boxes: Vec::new(),
        }
    }

    /// A new empty bucket. -> its number
    pub fn add(&mut self, parent: u32) -> u32 {
        let number = self.arena.add(Box::new(Bucket::new(parent)));
        let place = number as usize;
        if place == self.boxes.len() {
            self.boxes.push(Extent::EMPTY);
        }
        self.boxes[place] = Extent::EMPTY;
        number
    }

    pub fn free(&mut self, number: u32) {
        self.arena.free.push(number);
    }

    /// How many there are.
    pub fn used(&self) -> usize {
        self.arena.used()
    }

    pub fn bytes(&self) -> usize {
        let each = size_of::<Bucket>() + size_of::<Box<Bucket>>() + size_of::<Extent>();
        self.arena.things.len() * each
    }

    pub fn get(&self, number: usize) -> Option<&Bucket> {
        self.arena.things.get(number).map(|bucket| &**bucket)
    }

    pub fn extent(&self, number: usize) -> Extent {
        self.boxes[number]
    }

    /// Add a point to a bucket that is not full. -> its place
    pub fn push(&mut self, number: usize, entry: Entry, point: &Vector) -> usize {
        self.boxes[number].cover(point);
        self.arena.things[number].push(entry, point)
    }

    /// Take a point out; the last one takes its place. -> who moved there
    pub fn swap_remove(&mut self, number: usize, place: usize) -> Option<Entry> {
        let bucket = &mut self.arena.things[number];
        let was_on_edge = self.boxes[number].has_on_edge(&bucket.point(place));
        let moved = bucket.swap_remove(place);
        bucket.loose += u8::from(was_on_edge);
        if bucket.loose >= SLACK {
            self.measure(number);
        }
        moved
    }

    /// Take all points out.
    pub fn empty(&mut self, number: usize) -> Vec<(Entry, Vector)> {
        let bucket = &mut self.arena.things[number];
        let points = bucket.points().collect();
        **bucket = Bucket::new(bucket.parent);
        self.boxes[number] = Extent::EMPTY;
        points
    }

    /// Measure a box anew. -> it
    pub fn measure(&mut self, number: usize) -> Extent {
        let bucket = &mut self.arena.things[number];
        let mut extent = Extent::EMPTY;
        for (_, point) in bucket.points() {
            extent.cover(&point);
        }
        bucket.loose = 0;
        self.boxes[number] = extent;
        extent
    }

    /// Offer every point of a bucket that can be among the nearest.
    pub fn search(&self, number: usize, point: &Vector, nearest: &mut Nearest) {
        if self.boxes[number].least_square(point) <= nearest.bound() {
            self.arena.things[number].search(point, nearest);
        }
    }
}

impl Index<usize> for Buckets {
    type Output = Bucket;

    fn index(&self, number: usize) -> &Bucket {
        &self.arena.things[number]
    }
}

impl IndexMut<usize> for Buckets {
    fn index_mut(&mut self, number: usize) -> &mut Bucket {
        &mut self.arena.things[number]
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
