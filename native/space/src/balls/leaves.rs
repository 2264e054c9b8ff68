//! All leaves: which one a ball goes to, and which ones a point has to look into.

use super::grid::Cuts;
use super::leaf::{Bounds, CAPACITY, Leaf, Row, Tag};
use super::sheet::{Rows, Sheet};
use super::split::split;
use crate::Vector;
use crate::extent::Extent;

/// A leaf of fewer balls is given up when it is measured anew.
const FEWEST: usize = 32;

/// Where a ball is.
#[derive(Clone, Copy)]
struct Place {
    leaf: u32,
    at: u32,
}

const NOWHERE: Place = Place {
    leaf: u32::MAX,
    at: 0,
};

/// Memory that searches use again and again: what is found is on its way into the caches while more is looked for.
#[derive(Default)]
pub struct Scratch {
    /// Leaves, and which bits of them tell of the point.
    open: Vec<(u32, Rows)>,
    /// Leaves and places in them, of boxes that have the point.
    rows: Vec<(u32, u32)>,
    /// Those near enough for the largest ball of their leaves, each with the square of its distance.
    near: Vec<(u32, u32, f32)>,
}

/// Balls in leaves, by their numbers.
pub struct Leaves {
    /// By number; one that is free is empty.
    all: Vec<Leaf>,
    /// What the balls of each have in common.
    bounds: Vec<Bounds>,
    /// The boxes around the balls of each.
    outer: Vec<Extent>,
    free: Vec<u32>,
    /// By the numbers of balls.
    places: Vec<Place>,
    /// The leaves' boxes.
    sheet: Sheet,
    cuts: Cuts,
    /// How many there were when the cuts were made.
    cut: usize,
}

impl Default for Leaves {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            bounds: Vec::new(),
            outer: Vec::new(),
            free: Vec::new(),
            places: Vec::new(),
            sheet: Sheet::new(1),
            cuts: Cuts::NONE,
            cut: 0,
        }
    }
}

impl Leaves {
    /// Bytes allocated.
    pub fn bytes(&self) -> usize {
        let each = size_of::<Leaf>() + size_of::<Bounds>() + size_of::<Extent>();
        self.all.iter().map(Leaf::bytes).sum::<usize>()
            + self.all.capacity() * each
            + self.places.capacity() * size_of::<Place>()
            + self.sheet.bytes()
    }

    /// How many leaves there are.
    pub fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// The tag of a ball.
    pub fn tag_mut(&mut self, number: u32) -> Option<&mut Tag> {
        let place = self.places.get(number as usize)?;
        self.all.get_mut(place.leaf as usize)?.tag_mut(place.at)
    }

    /// Take in a ball whose number no other has.
    pub fn insert(&mut self, row: Row) {
        let number = row.tag.number as usize;
        while self.places.len() <= number {
            super::reserve(&mut self.places);
            self.places.push(NOWHERE);
        }
        match self.nearest(&row) {
            Some(leaf) => self.insert_in(leaf, row),
            None => self.begin(vec![row]),
        }
    }

    /// The leaf that needs to grow least for a ball: one whose box has it already, if there is one.
    fn nearest(&self, row: &Row) -> Option<u32> {
        let mut nearest = None;
        let rows = self.sheet.rows(&self.cuts.cells(&row.center));
        self.sheet
            .find(&rows, |leaf| self.compare(leaf, row, &mut nearest));
        if nearest.is_none() {
            (0..self.all.len()).for_each(|leaf| self.compare(leaf, row, &mut nearest));
        }
        nearest.map(|(_, leaf)| leaf)
    }

    fn compare(&self, leaf: usize, row: &Row, nearest: &mut Option<(f32, u32)>) {
        if nearest.is_some_and(|(least, _)| least <= 0.0) {
            return;
        }
        let gap = self.bounds[leaf].gap(&row.center, row.reach());
        if nearest.is_none_or(|(least, _)| gap < least) && self.outer[leaf] != Extent::EMPTY {
            #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
            let leaf = leaf as u32;
            *nearest = Some((gap, leaf));
        }
    }

    fn insert_in(&mut self, leaf: u32, row: Row) {
        let number = leaf as usize;
        if self.all[number].is_full() || self.all[number].is_stale() {
            let mut balls = self.take(leaf);
            balls.push(row);
            self.begin_all(balls);
            return;
        }
        let at = self.all[number].insert(row);
        self.places[row.tag.number as usize] = Place { leaf, at };
        self.bounds[number].cover(&row);
        let (lo, hi) = row.corners();
        if self.outer[number].cover_box(&lo, &hi) {
            self.note(leaf);
        }
    }

    /// A ball goes.
    pub fn remove(&mut self, number: u32) {
        let Some(place) = self.places.get_mut(number as usize) else {
            return;
        };
        let Place { leaf, at } = std::mem::replace(place, NOWHERE);
        let Some(known) = self.all.get_mut(leaf as usize) else {
            return;
        };
        known.remove(at);
        if !known.is_stale() {
            return;
        }
        let balls = self.take(leaf);
        if balls.len() < FEWEST && self.len() > 0 {
            for row in balls {
                self.insert(row);
            }
        } else if !balls.is_empty() {
            self.begin(balls);
        }
    }

    /// The balls of a leaf that is none any more.
    fn take(&mut self, leaf: u32) -> Vec<Row> {
        let number = leaf as usize;
        let outer = std::mem::replace(&mut self.outer[number], Extent::EMPTY);
        let (lo, hi) = (self.cuts.cells(&outer.lo), self.cuts.cells(&outer.hi));
        self.sheet.clear(number, &lo, &hi);
        self.bounds[number] = Bounds::NONE;
        self.free.push(leaf);
        let former = std::mem::replace(&mut self.all[number], Leaf::none());
        former.balls().map(|(_, row)| row).collect()
    }

    /// A leaf of these, or two.
    fn begin_all(&mut self, balls: Vec<Row>) {
        let parts = (balls.len() > CAPACITY).then(|| split(&balls)).flatten();
        match parts {
            Some((one, other)) => {
                self.begin(one);
                self.begin(other);
            }
            None => self.begin(balls),
        }
    }

    /// A leaf of these.
    fn begin(&mut self, mut balls: Vec<Row>) {
        let (leaf, bounds, outer) = Leaf::of(&mut balls);
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(Leaf::none());
            self.bounds.push(Bounds::NONE);
            self.outer.push(Extent::EMPTY);
            #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
            let number = (self.all.len() - 1) as u32;
            number
        });
        for (at, row) in leaf.balls() {
            self.places[row.tag.number as usize] = Place { leaf: number, at };
        }
        self.all[number as usize] = leaf;
        self.bounds[number as usize] = bounds;
        self.outer[number as usize] = outer;
        if self.len() >= 2 * self.cut || self.all.len() > self.sheet.room() {
            self.cut_anew();
        } else {
            self.note(number);
        }
    }

    /// Boxes are told apart as they lie now.
    fn cut_anew(&mut self) {
        let used = self.outer.iter().filter(|outer| **outer != Extent::EMPTY);
        self.cuts = Cuts::between(&used.copied().collect::<Vec<_>>());
        self.cut = self.len();
        self.sheet = Sheet::new(self.all.len());
        #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
        (0..self.all.len() as u32).for_each(|leaf| self.note(leaf));
    }

    /// Have a leaf found by what its box covers now.
    fn note(&mut self, leaf: u32) {
        let outer = &self.outer[leaf as usize];
        if *outer != Extent::EMPTY {
            let (lo, hi) = (self.cuts.cells(&outer.lo), self.cuts.cells(&outer.hi));
            self.sheet.put(leaf as usize, &lo, &hi);
        }
    }

    /// Visit the balls that may hold a point, each with the square of its distance.
    pub fn find(&self, point: &Vector, scratch: &mut Scratch, mut visit: impl FnMut(&Tag, f32)) {
        let Scratch { open, rows, near } = scratch;
        open.clear();
        rows.clear();
        let own = self.sheet.rows(&self.cuts.cells(point));
        self.sheet.find(&own, |number| {
            if self.bounds[number].reaches(point) {
                #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
                let leaf = number as u32;
                open.push((leaf, self.all[number].expect(point)));
            }
        });
        for (leaf, bits) in &*open {
            self.all[*leaf as usize].find(bits, |place| rows.push((*leaf, place)));
        }
        // Half of them do not reach it, and nothing tells which: a branch would be taken for the wrong one as often.
        near.resize(rows.len(), (0, 0, 0.0));
        let mut count = 0;
        for (leaf, place) in &*rows {
            let square = self.all[*leaf as usize].square(*place, point);
            near[count] = (*leaf, *place, square);
            count += usize::from(square <= self.bounds[*leaf as usize].square());
        }
        for (leaf, place, _) in &near[..count] {
            self.all[*leaf as usize].expect_tag(*place);
        }
        for (leaf, place, square) in &near[..count] {
            let tag = self.all[*leaf as usize].tag(*place);
            if *square <= tag.reach {
                visit(tag, *square);
            }
        }
    }
}

#[cfg(test)]
impl Leaves {
    /// Every ball is in one leaf, where its number says, and within its bounds.
    pub fn check(&self, balls: usize) {
        let mut seen = 0;
        for (number, leaf) in (0_u32..).zip(&self.all) {
            let at = number as usize;
            assert_eq!(
                leaf.len() == 0,
                self.outer[at] == Extent::EMPTY,
                "an empty leaf covers nothing"
            );
            assert_eq!(leaf.len() == 0, self.free.contains(&number));
            for (place, row) in leaf.balls() {
                let known = self.places[row.tag.number as usize];
                assert_eq!((number, place), (known.leaf, known.at));
                let (lo, hi) = row.corners();
                assert!(!self.outer[at].clone().cover_box(&lo, &hi));
                assert!(self.bounds[at].reaches(&row.center));
                seen += 1;
            }
        }
        assert_eq!(balls, seen);
    }
}
