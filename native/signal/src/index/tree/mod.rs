//! One live bucket tree: single-axis splits, buckets of up to 48 points (signals.md §3).
//!
//! The regions of the leaves cover all of space, so every point belongs to exactly one leaf whatever comes later. Points come
//! and go one by one; where a path grows too long for the number of its leaves, that part alone is built anew.

mod balance;
mod bucket;
mod change;
mod extent;

#[cfg(test)]
mod check;

use super::{Entry, Index, IndexInfo, Nearest};
use crate::histogram::as_f64;
use crate::vector::{DIMENSIONS, Vector};
use bucket::{Buckets, CAPACITY, Pile};

/// No node, no leaf, no place.
const NONE: u32 = u32::MAX;

/// A split, a bucket or a pile: two bits say which, the others are its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link(u32);

enum Target {
    Split(usize),
    Bucket(usize),
    Pile(usize),
}

impl Link {
    const NOWHERE: Self = Self(NONE);
    const BUCKET: u32 = 1 << 30;
    const PILE: u32 = 2 << 30;
    const NUMBER: u32 = Self::BUCKET - 1;

    fn split(number: u32) -> Self {
        Self(number)
    }

    fn bucket(number: u32) -> Self {
        Self(number | Self::BUCKET)
    }

    fn pile(number: u32) -> Self {
        Self(number | Self::PILE)
    }

    fn number(self) -> u32 {
        self.0 & Self::NUMBER
    }

    fn target(self) -> Target {
        let number = self.number() as usize;
        match self.0 & !Self::NUMBER {
            Self::BUCKET => Target::Bucket(number),
            Self::PILE => Target::Pile(number),
            _ => Target::Split(number),
        }
    }
}

/// What is below `at` on `axis` lies left.
struct Split {
    at: f32,
    axis: u8,
    kids: [Link; 2],
    parent: u32,
}

impl Split {
    fn side(&self, point: &Vector) -> usize {
        usize::from(point[usize::from(self.axis)] >= self.at)
    }
}

/// Things with numbers; a number that is free again is used again.
struct Arena<T> {
    things: Vec<T>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    fn new() -> Self {
        Self {
            things: Vec::new(),
            free: Vec::new(),
        }
    }

    #[allow(clippy::cast_possible_truncation)] // never more than points, which are at most 2³⁰ in any memory there is
    fn add(&mut self, thing: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.things[number as usize] = thing;
            return number;
        }
        self.things.push(thing);
        (self.things.len() - 1) as u32
    }

    fn used(&self) -> usize {
        self.things.len() - self.free.len()
    }
}

/// Where a token's point is kept.
#[derive(Clone, Copy)]
struct Place {
    leaf: Link,
    at: u32,
}

const NO_PLACE: Place = Place {
    leaf: Link::NOWHERE,
    at: 0,
};

/// A part of the tree that a search may have to come back to.
struct Later {
    link: Link,
    least_square: f32,
    /// How far the point is from the part's region, axis by axis.
    offsets: Vector,
}

/// The points of a window in a tree.
pub struct Tree {
    root: Link,
    splits: Arena<Split>,
    buckets: Buckets,
    piles: Arena<Pile>,
    /// By place in the window.
    places: Vec<Place>,
    window: u64,
    points: u64,
    /// Points that may be moved to restore balance: what inserts have paid for.
    credit: usize,
    later: Vec<Later>,
}

impl Tree {
    /// An empty index over the newest `window` ids.
    pub fn new(window: u64) -> Self {
        let mut buckets = Buckets::new();
        let root = Link::bucket(buckets.add(NONE));
        Self {
            root,
            splits: Arena::new(),
            buckets,
            piles: Arena::new(),
            places: Vec::new(),
            window,
            points: 0,
            credit: 0,
            later: Vec::new(),
        }
    }

    #[allow(clippy::cast_possible_truncation)] // below the window, which is at most 2³¹
    fn slot(&self, id: u64) -> usize {
        (id.saturating_sub(1) % self.window) as usize
    }

    fn leaves(&self) -> usize {
        self.buckets.used() + self.piles.used()
    }

    fn parent(&self, link: Link) -> u32 {
        match link.target() {
            Target::Split(number) => self.splits.things[number].parent,
            Target::Bucket(number) => self.buckets[number].parent,
            Target::Pile(number) => self.piles.things[number].parent,
        }
    }

    fn set_parent(&mut self, link: Link, parent: u32) {
        match link.target() {
            Target::Split(number) => self.splits.things[number].parent = parent,
            Target::Bucket(number) => self.buckets[number].parent = parent,
            Target::Pile(number) => self.piles.things[number].parent = parent,
        }
    }

    /// The leaf whose region holds `point`.
    fn leaf_of(&self, point: &Vector) -> Link {
        let mut link = self.root;
        while let Target::Split(number) = link.target() {
            let split = &self.splits.things[number];
            link = split.kids[split.side(point)];
        }
        link
    }

    /// Go down to the leaf that holds `point`; what lies on the other sides and may matter is kept for later.
    fn descend(&mut self, from: Link, offsets: &Vector, point: &Vector, bound: f32) -> Link {
        let mut link = from;
        while let Target::Split(number) = link.target() {
            let split = &self.splits.things[number];
            let side = split.side(point);
            let axis = usize::from(split.axis);
            let offset = point[axis] - split.at;
            // One term alone is a bound too; it settles most cases.
            if offset * offset <= bound {
                let mut offsets = *offsets;
                offsets[axis] = offset;
                let least_square = match split.kids[1 - side].target() {
                    Target::Bucket(number) => self.buckets.extent(number).least_square(point),
                    _ => square(&offsets),
                };
                if least_square <= bound {
                    let link = split.kids[1 - side];
                    self.later.push(Later {
                        link,
                        least_square,
                        offsets,
                    });
                }
            }
            link = split.kids[side];
        }
        link
    }

    fn search_leaf(&self, leaf: Link, point: &Vector, nearest: &mut Nearest) {
        match leaf.target() {
            Target::Bucket(number) => self.buckets.search(number, point, nearest),
            Target::Pile(number) => self.piles.things[number].search(point, nearest),
            // `descend` ends at leaves only.
            Target::Split(_) => (),
        }
    }

    fn depth(&self) -> u32 {
        let mut deepest = 0;
        let mut open = vec![(self.root, 0)];
        while let Some((link, depth)) = open.pop() {
            deepest = deepest.max(depth);
            if let Target::Split(number) = link.target() {
                open.extend(self.splits.things[number].kids.map(|kid| (kid, depth + 1)));
            }
        }
        deepest
    }
}

/// Summed in the order of every distance, so that it is never above one that it bounds; summed anew each time, for what is
/// never subtracted never becomes "infinity less infinity".
fn square(offsets: &Vector) -> f32 {
    let mut sum = 0.0;
    for offset in offsets {
        sum += offset * offset;
    }
    sum
}

impl Index for Tree {
    fn insert(&mut self, entry: Entry, point: &Vector) {
        let slot = self.slot(entry.id);
        if self.places.len() <= slot {
            self.places.resize(slot + 1, NO_PLACE);
        }
        self.add(entry, point);
        self.points += 1;
    }

    fn remove(&mut self, id: u64) -> bool {
        let slot = self.slot(id);
        let Some(&place) = self.places.get(slot) else {
            return false;
        };
        if place.leaf == Link::NOWHERE || self.entry_at(place).is_none_or(|entry| entry.id != id) {
            return false;
        }
        self.places[slot] = NO_PLACE;
        self.take(place);
        self.points -= 1;
        true
    }

    fn search(&mut self, point: &Vector, nearest: &mut Nearest) {
        let leaf = self.descend(self.root, &[0.0; DIMENSIONS], point, nearest.bound());
        self.search_leaf(leaf, point, nearest);
        while let Some(later) = self.later.pop() {
            if later.least_square <= nearest.bound() {
                let leaf = self.descend(later.link, &later.offsets, point, nearest.bound());
                self.search_leaf(leaf, point, nearest);
            }
        }
    }

    fn clear(&mut self) {
        let window = self.window;
        *self = Self::new(window);
    }

    fn points(&self) -> u64 {
        self.points
    }

    fn info(&self) -> IndexInfo {
        let leaves = self.leaves();
        let piled: usize = self
            .piles
            .things
            .iter()
            .map(|pile| pile.entries.len())
            .sum();
        let room = (self.buckets.used() * CAPACITY + piled).max(1);
        let bytes = self.buckets.bytes()
            + self.splits.things.capacity() * size_of::<Split>()
            + self.piles.things.capacity() * size_of::<Pile>()
            + piled * size_of::<Entry>()
            + self.places.capacity() * size_of::<Place>();
        IndexInfo {
            points: self.points,
            buckets: leaves as u64,
            fill: as_f64(self.points) / as_f64(room as u64),
            depth: self.depth(),
            bytes: bytes as u64,
        }
    }
}
