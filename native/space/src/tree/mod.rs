//! One live bucket tree: single-axis splits, buckets of up to 64 points (signals.md §3).
//!
//! The regions of the leaves cover all of space, so every point belongs to exactly one leaf whatever comes later. Points come
//! and go one by one; where a path grows too long for the number of its leaves, that part alone is built anew.

mod balance;
mod bucket;
mod change;
mod frame;
mod search;

#[cfg(test)]
mod check;

use crate::index::is_inside;
use crate::{DIMENSIONS, Entry, Index, IndexInfo, Nearest, Query, Vector, share};
pub(crate) use bucket::CAPACITY;
use bucket::{Buckets, Pile, Slot};
pub(crate) use search::{Home, Later};

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

    fn is_split(self) -> bool {
        self.0 < Self::BUCKET
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
        usize::from(point[usize::from(self.axis) % DIMENSIONS] >= self.at)
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

/// Ids as leaves keep them: by their place in the window, from which the newest one tells the id.
struct Slots {
    window: u64,
    newest: u64,
    /// Where that one is.
    newest_slot: u32,
}

impl Slots {
    fn new(window: u64, newest: u64) -> Self {
        let mut slots = Self {
            window,
            newest,
            newest_slot: 0,
        };
        slots.newest_slot = slots.of(newest);
        slots
    }

    /// An id that may be the newest.
    fn note(&mut self, id: u64) {
        if id > self.newest {
            (self.newest, self.newest_slot) = (id, self.of(id));
        }
    }

    #[allow(clippy::cast_possible_truncation)] // below the window, which is at most 2³¹
    fn of(&self, id: u64) -> u32 {
        (id.saturating_sub(1) % self.window) as u32
    }

    #[inline]
    fn entry(&self, slot: Slot) -> Entry {
        let (newest, slot_) = (u64::from(self.newest_slot), u64::from(slot.slot));
        let back = if slot_ <= newest {
            newest - slot_
        } else {
            newest + self.window - slot_
        };
        Entry {
            id: self.newest - back,
            event_type: slot.event_type,
        }
    }
}

/// The points of a window in a tree.
pub struct Tree {
    root: Link,
    splits: Arena<Split>,
    buckets: Buckets,
    piles: Arena<Pile>,
    /// By place in the window.
    places: Vec<Place>,
    slots: Slots,
    points: u64,
    /// Points that may be moved to restore balance: what inserts have paid for.
    credit: usize,
    /// Grows whenever a leaf comes, goes or is another.
    shape: u64,
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
            slots: Slots::new(window, 1),
            points: 0,
            credit: 0,
            shape: 0,
        }
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
        while link.is_split() {
            let split = &self.splits.things[link.number() as usize];
            link = split.kids[split.side(point)];
        }
        link
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

impl Tree {
    fn insert_at(&mut self, leaf: Option<Link>, entry: Entry, point: &Vector) {
        self.slots.note(entry.id);
        let slot = Slot {
            slot: self.slots.of(entry.id),
            event_type: entry.event_type,
        };
        if self.places.len() <= slot.slot as usize {
            self.places.resize(slot.slot as usize + 1, NO_PLACE);
        }
        self.add(leaf, slot, point);
        self.points += 1;
    }
}

impl Index for Tree {
    fn insert(&mut self, entry: Entry, point: &Vector) {
        self.insert_at(None, entry, point);
    }

    fn insert_found(&mut self, entry: Entry, point: &Vector, found: &Nearest) {
        let home = &found.home;
        let leaf = home.leaf.filter(|_| home.shape == self.shape);
        self.insert_at(leaf, entry, point);
    }

    fn expect_removal(&self, id: u64) {
        let slot = self.slots.of(id) as usize;
        if let Some(place) = self.places.get(slot)
            && let Target::Bucket(number) = place.leaf.target()
            && place.leaf != Link::NOWHERE
        {
            self.buckets.expect_removal(number, place.at as usize);
        }
    }

    fn remove(&mut self, id: u64) -> bool {
        let slot = self.slots.of(id) as usize;
        let Some(&place) = self.places.get(slot) else {
            return false;
        };
        let is_kept = |slot| self.slots.entry(slot).id == id;
        if place.leaf == Link::NOWHERE || !self.slot_at(place).is_some_and(is_kept) {
            return false;
        }
        self.places[slot] = NO_PLACE;
        self.take(place);
        self.points -= 1;
        true
    }

    fn search(&self, query: &Query, nearest: &mut Nearest) {
        self.look_around(query, nearest);
    }

    fn visit_box(&self, lo: &Vector, hi: &Vector, visit: &mut dyn FnMut(Entry)) {
        let mut open = vec![self.root];
        while let Some(link) = open.pop() {
            match link.target() {
                Target::Split(number) => {
                    let split = &self.splits.things[number];
                    let axis = usize::from(split.axis);
                    if lo[axis] < split.at {
                        open.push(split.kids[0]);
                    }
                    if hi[axis] >= split.at {
                        open.push(split.kids[1]);
                    }
                }
                Target::Bucket(number) => {
                    for (slot, point) in self.buckets[number].points() {
                        if is_inside(&point, lo, hi) {
                            visit(self.slots.entry(slot));
                        }
                    }
                }
                Target::Pile(number) => {
                    let pile = &self.piles.things[number];
                    if is_inside(&pile.point, lo, hi) {
                        pile.entries(&self.slots).for_each(&mut *visit);
                    }
                }
            }
        }
    }

    fn clear(&mut self) {
        let (newest, shape) = (self.slots.newest, self.shape);
        *self = Self::new(self.slots.window);
        self.slots.note(newest);
        self.shape = shape + 1;
    }

    fn points(&self) -> u64 {
        self.points
    }

    fn info(&self) -> IndexInfo {
        let leaves = self.leaves();
        let piled: usize = self.piles.things.iter().map(|pile| pile.slots.len()).sum();
        let room = (self.buckets.used() * CAPACITY + piled).max(1);
        let bytes = self.buckets.bytes()
            + self.splits.things.capacity() * size_of::<Split>()
            + self.piles.things.capacity() * size_of::<Pile>()
            + piled * size_of::<Slot>()
            + self.places.capacity() * size_of::<Place>();
        IndexInfo {
            points: self.points,
            buckets: leaves as u64,
            fill: share(self.points, room),
            depth: self.depth(),
            bytes: bytes as u64,
        }
    }
}
