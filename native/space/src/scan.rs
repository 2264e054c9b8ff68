//! The exact scan: every point of the window is looked at, so the cost of a search grows with the window.

use crate::index::is_inside;
use crate::{DIMENSIONS, Entry, Hit, Index, IndexInfo, Nearest, Query, Vector, share};

/// Points in a block: wide enough for vector registers, small enough for the stack.
const BLOCK: usize = 64;

/// Where nothing is: infinitely far from every finite point, so that the loop needs no branch for holes.
const NOWHERE: Block = Block([[f32::INFINITY; BLOCK]; DIMENSIONS]);

/// Coordinates axis by axis.
#[derive(Clone)]
struct Block([[f32; BLOCK]; DIMENSIONS]);

impl Block {
    fn squares(&self, point: &Vector) -> [f32; BLOCK] {
        let mut squares = [0.0; BLOCK];
        for (axis, x) in self.0.iter().zip(point) {
            for (square, y) in squares.iter_mut().zip(axis) {
                let offset = y - x;
                *square += offset * offset;
            }
        }
        squares
    }

    fn point(&self, lane: usize) -> Vector {
        std::array::from_fn(|axis| self.0[axis][lane])
    }

    fn put(&mut self, lane: usize, point: &Vector) {
        for (axis, x) in self.0.iter_mut().zip(point) {
            axis[lane] = *x;
        }
    }
}

/// The points of a window, each in the place that its id gives it.
pub struct Scan {
    blocks: Vec<Block>,
    entries: Vec<Entry>,
    window: u64,
    points: u64,
}

const NOBODY: Entry = Entry {
    id: 0,
    event_type: 0,
};

impl Scan {
    /// An empty index over the newest `window` ids.
    pub fn new(window: u64) -> Self {
        Self {
            blocks: Vec::new(),
            entries: Vec::new(),
            window,
            points: 0,
        }
    }

    #[allow(clippy::cast_possible_truncation)] // below the window, which is at most 2³¹
    fn place(&self, id: u64) -> usize {
        (id.saturating_sub(1) % self.window) as usize
    }

    fn reach(&mut self, place: usize) {
        while self.entries.len() <= place {
            self.blocks.push(NOWHERE);
            self.entries.extend([NOBODY; BLOCK]);
        }
    }
}

fn least(squares: &[f32; BLOCK]) -> f32 {
    // A plain comparison compiles to one vector instruction; `f32::min` does not.
    squares
        .iter()
        .fold(f32::INFINITY, |a, b| if *b < a { *b } else { a })
}

impl Index for Scan {
    fn insert(&mut self, entry: Entry, point: &Vector) {
        let place = self.place(entry.id);
        self.reach(place);
        self.points += u64::from(self.entries[place].id == 0);
        self.entries[place] = entry;
        self.blocks[place / BLOCK].put(place % BLOCK, point);
    }

    fn remove(&mut self, id: u64) -> bool {
        let place = self.place(id);
        if self
            .entries
            .get(place)
            .is_none_or(|entry| entry.id != id || id == 0)
        {
            return false;
        }
        self.entries[place] = NOBODY;
        self.blocks[place / BLOCK].put(place % BLOCK, &[f32::INFINITY; DIMENSIONS]);
        self.points -= 1;
        true
    }

    fn search(&self, query: &Query, nearest: &mut Nearest) {
        for (block, entries) in self.blocks.iter().zip(self.entries.chunks_exact(BLOCK)) {
            let squares = block.squares(&query.point);
            if least(&squares) > nearest.bound() {
                continue;
            }
            for (&square, &entry) in squares.iter().zip(entries) {
                if square <= nearest.bound() && query.counts(entry) {
                    nearest.offer(Hit { entry, square });
                }
            }
        }
    }

    fn visit_box(&self, lo: &Vector, hi: &Vector, visit: &mut dyn FnMut(Entry)) {
        for (place, entry) in self.entries.iter().enumerate() {
            if is_inside(&self.blocks[place / BLOCK].point(place % BLOCK), lo, hi) {
                visit(*entry);
            }
        }
    }

    fn clear(&mut self) {
        self.blocks.fill(NOWHERE);
        self.entries.fill(NOBODY);
        self.points = 0;
    }

    fn points(&self) -> u64 {
        self.points
    }

    fn info(&self) -> IndexInfo {
        let bytes = self.blocks.capacity() * size_of::<Block>()
            + self.entries.capacity() * size_of::<Entry>();
        IndexInfo {
            points: self.points,
            buckets: self.blocks.len() as u64,
            fill: share(self.points, self.entries.len()),
            depth: 0,
            bytes: bytes as u64,
        }
    }
}
