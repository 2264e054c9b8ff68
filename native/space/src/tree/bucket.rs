//! The leaves: buckets of points, and piles of identical ones.

use std::ops::{Index, IndexMut};

use super::frame::Frame;
use super::{Arena, Slots};
use crate::extent::Extent;
use crate::lanes::{Cells, fetch_ahead, fetch_once};
use crate::{DIMENSIONS, Entry, Hit, Nearest, Query, Vector, square_between};

/// Points in a bucket, as many as a word has bits (48 and 32 measured worse, 96 and 128 no better).
pub const CAPACITY: usize = 64;
/// What a first look at a bucket reads: its frame and its cells.
const FIRST_LOOK: usize = std::mem::offset_of!(Bucket, rows);
/// Points that left from the edge of the box, after which it is measured anew.
const SLACK: u8 = 4;

/// Up to 64 points, and who they are: cells for a first look at all of them, exact rows for those that pass it.
#[repr(C)]
pub struct Bucket {
    pub parent: u32,
    len: u8,
    loose: u8,
    frame: Frame,
    cells: Cells,
    rows: [Row; CAPACITY],
}

/// A point and who it is, side by side: whoever looks at the one needs the other.
#[derive(Clone, Copy)]
struct Row {
    point: Vector,
    who: Slot,
}

const NOBODY: Row = Row {
    point: [0.0; DIMENSIONS],
    who: Slot {
        slot: 0,
        event_type: 0,
    },
};

impl Bucket {
    fn new(parent: u32) -> Self {
        Self {
            parent,
            len: 0,
            loose: 0,
            frame: Frame::NONE,
            cells: Cells::ZERO,
            rows: [NOBODY; CAPACITY],
        }
    }

    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// One bit for each place that is taken.
    fn all(&self) -> u64 {
        let free = u64::BITS - u32::from(self.len);
        u64::MAX.checked_shr(free).unwrap_or(0)
    }

    pub fn is_full(&self) -> bool {
        self.len() == CAPACITY
    }

    pub fn slot(&self, place: usize) -> Option<Slot> {
        (place < self.len()).then(|| self.rows[place].who)
    }

    pub fn point(&self, place: usize) -> Vector {
        self.rows[place].point
    }

    pub fn points(&self) -> impl Iterator<Item = (Slot, Vector)> {
        let rows = self.rows.iter().take(self.len());
        rows.map(|row| (row.who, row.point))
    }

    fn put(&mut self, place: usize, slot: Slot, point: &Vector) {
        self.rows[place] = Row {
            point: *point,
            who: slot,
        };
    }

    /// `extent` holds the new point too.
    fn push(&mut self, slot: Slot, point: &Vector, extent: &Extent) -> usize {
        let place = self.len();
        self.put(place, slot, point);
        self.len += 1;
        match self.frame.cell(point) {
            Some(cell) if place > 0 => self.cells.put(place, cell),
            _ => self.reframe(extent),
        }
        place
    }

    fn reframe(&mut self, extent: &Extent) {
        self.frame = Frame::around(extent);
        for place in 0..self.len() {
            let cell = self.frame.nearest_cell(&self.rows[place].point);
            self.cells.put(place, cell);
        }
    }

    fn swap_remove(&mut self, place: usize) -> Option<Slot> {
        let last = self.len() - 1;
        let moved = self.rows[last];
        self.len -= 1;
        self.rows[place] = moved;
        // It was inside before.
        let cell = self.frame.nearest_cell(&moved.point);
        self.cells.put(place, cell);
        (place != last).then_some(moved.who)
    }

    /// Offer every point that can be among the nearest.
    #[inline]
    pub fn search(&self, query: &Query, slots: &Slots, nearest: &mut Nearest) {
        let cell = self.frame.nearest_cell(&query.point);
        let limit = self.frame.limit(nearest.bound());
        let mut left = self.cells.within(cell, limit) & self.all();
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            let row = &self.rows[place];
            let square = square_between(&query.point, &row.point);
            if square <= nearest.bound() {
                let entry = slots.entry(row.who);
                if query.counts(entry) {
                    nearest.offer(Hit { entry, square });
                }
            }
        }
    }
}

/// An entry as leaves keep it: the place of its id in the window instead of the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub slot: u32,
    pub event_type: u16,
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

    pub fn extent(&self, number: usize) -> &Extent {
        &self.boxes[number]
    }

    /// Add a point to a bucket that is not full. -> its place
    pub fn push(&mut self, number: usize, slot: Slot, point: &Vector) -> usize {
        self.boxes[number].cover(point);
        self.arena.things[number].push(slot, point, &self.boxes[number])
    }

    /// Put points into an empty bucket that has room for them.
    pub fn fill(&mut self, number: usize, points: impl Iterator<Item = (Slot, Vector)>) {
        let (bucket, extent) = (&mut self.arena.things[number], &mut self.boxes[number]);
        for (slot, point) in points {
            extent.cover(&point);
            let place = bucket.len();
            bucket.put(place, slot, &point);
            bucket.len += 1;
        }
        bucket.reframe(extent);
    }

    /// Take a point out; the last one takes its place. -> who moved there
    pub fn swap_remove(&mut self, number: usize, place: usize) -> Option<Slot> {
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
    pub fn empty(&mut self, number: usize) -> Vec<(Slot, Vector)> {
        let bucket = &mut self.arena.things[number];
        let points = bucket.points().collect();
        (bucket.len, bucket.loose) = (0, 0);
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
        if bucket.frame.is_too_wide_for(&extent) {
            bucket.reframe(&extent);
        }
        self.boxes[number] = extent;
        extent
    }

    /// The point of this place is about to be taken out.
    #[inline]
    pub fn expect_removal(&self, number: usize, place: usize) {
        let bucket = &*self.arena.things[number];
        fetch_ahead(&raw const bucket.parent, 1);
        fetch_ahead(&raw const self.boxes[number], size_of::<Extent>());
        // Of the last one only a guess: where it stands in most buckets.
        for place in [place, CAPACITY / 2] {
            if let Some(row) = bucket.rows.get(place) {
                fetch_ahead(row, size_of::<Row>());
            }
        }
        bucket.cells.expect(place);
    }

    /// A look at this bucket is likely to come.
    #[inline]
    pub fn expect(&self, number: usize) {
        fetch_once(&raw const *self.arena.things[number], FIRST_LOOK);
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

/// Identical points: a bucket of no extent cannot be split. It costs one distance whatever its size.
pub struct Pile {
    pub parent: u32,
    pub point: Vector,
    pub slots: Vec<Slot>,
}

impl Pile {
    /// Whether `point` is one of them.
    #[allow(clippy::float_cmp)] // identical is what is meant
    pub fn is_at(&self, point: &Vector) -> bool {
        self.point == *point
    }

    /// Offer as many of them as can be among the nearest.
    pub fn search(&self, query: &Query, slots: &Slots, nearest: &mut Nearest) {
        let square = square_between(&query.point, &self.point);
        if square > nearest.bound() {
            return;
        }
        let entries = self.slots.iter().map(|slot| slots.entry(*slot));
        for entry in entries
            .filter(|entry| query.counts(*entry))
            .take(nearest.wanted())
        {
            nearest.offer(Hit { entry, square });
        }
    }

    pub fn entries(&self, slots: &Slots) -> impl Iterator<Item = Entry> {
        self.slots.iter().map(|slot| slots.entry(*slot))
    }
}
