//! What lies near a point: the seam between who asks and the structure that answers.
//!
//! An index holds points under ids. It decides nothing: novelty, lifetimes and the window are the caller's.

use crate::tree::{Home, Later};
use crate::{DIMENSIONS, Vector};

/// What an index remembers of a point besides its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Whose point it is.
    pub id: u64,
    /// The caller's: an interned event type, so that a hit costs no visit to where the rest is kept.
    pub event_type: u16,
}

/// A point near the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Whose point it is.
    pub entry: Entry,
    /// Square of its distance.
    pub square: f32,
}

impl Hit {
    /// The distance.
    pub fn distance(&self) -> f32 {
        self.square.sqrt()
    }
}

/// When a search may stop before it is exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Buckets that may be looked into.
    pub leaves: u32,
    /// After that it goes on only to find out whether anything lies within this square.
    pub decisive: f32,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Query {
    /// Around which point; finite.
    pub point: Vector,
    /// Smaller ids do not count.
    pub oldest: u64,
    /// Others do not count.
    pub event_type: Option<u16>,
    /// Without one the search is exact.
    pub budget: Option<Budget>,
}

impl Query {
    /// Everything counts, exactly.
    pub fn around(point: Vector) -> Self {
        Self {
            point,
            oldest: 0,
            event_type: None,
            budget: None,
        }
    }

    pub(crate) fn counts(&self, entry: Entry) -> bool {
        entry.id >= self.oldest
            && self
                .event_type
                .is_none_or(|wanted| wanted == entry.event_type)
    }
}

/// The nearest points found so far: at most `k`, none beyond the limit, ascending.
#[derive(Debug, Default)]
pub struct Nearest {
    hits: Vec<Hit>,
    k: usize,
    limit: f32,
    /// Whether nothing that counts was left out.
    pub is_exact: bool,
    /// Parts of a tree that the search may have to come back to.
    pub(crate) later: Vec<Later>,
    /// Where in a tree the search began.
    pub(crate) home: Home,
}

impl Nearest {
    /// Forget what was found and look for the `k` nearest with a square of at most `limit` (finite).
    pub fn start(&mut self, k: usize, limit: f32) {
        self.hits.clear();
        self.k = k;
        self.limit = limit;
        self.is_exact = true;
    }

    /// A square above this one cannot be among the nearest any more.
    pub fn bound(&self) -> f32 {
        match self.hits.last() {
            Some(worst) if self.hits.len() == self.k => worst.square,
            _ => self.limit,
        }
    }

    /// Take `hit` in, if it is among the nearest.
    pub fn offer(&mut self, hit: Hit) {
        // The bound is finite: no infinite square gets in, and nothing unordered.
        if hit.square.is_nan() || hit.square > self.bound() {
            return;
        }
        let place = self
            .hits
            .partition_point(|other| other.square <= hit.square);
        if self.hits.len() == self.k {
            if place == self.k {
                return;
            }
            self.hits.pop();
        }
        self.hits.insert(place, hit);
    }

    /// How many are looked for.
    pub fn wanted(&self) -> usize {
        self.k
    }

    /// What was found, ascending.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }
}

/// How an index is doing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct IndexInfo {
    /// Points in it.
    pub points: u64,
    /// Buckets (blocks of a scan).
    pub buckets: u64,
    /// Share of the buckets' room that is used.
    pub fill: f64,
    /// Longest way from the root to a bucket; 0 for a scan.
    pub depth: u32,
    /// Bytes allocated.
    pub bytes: u64,
}

/// A set of points that can be asked for the nearest ones.
///
/// At most `window` ids lie between the oldest point and the newest: the caller removes what leaves the window before it
/// inserts. An id is inserted once, until it is removed. Searches share it: they may run side by side.
pub trait Index: Send + Sync {
    /// Add a point; its coordinates are finite.
    fn insert(&mut self, entry: Entry, point: &Vector);
    /// Add the point around which `found` was searched for, in this index.
    fn insert_found(&mut self, entry: Entry, point: &Vector, found: &Nearest) {
        let _ = found;
        self.insert(entry, point);
    }
    /// This point is about to be taken out.
    fn expect_removal(&self, id: u64) {
        let _ = id;
    }
    /// Take a point out. -> whether it was there
    fn remove(&mut self, id: u64) -> bool;
    /// Offer every point that counts and can be among the nearest.
    fn search(&self, query: &Query, nearest: &mut Nearest);
    /// Visit every point of a box (its borders included), in no order.
    fn visit_box(&self, lo: &Vector, hi: &Vector, visit: &mut dyn FnMut(Entry));
    /// Take all points out.
    fn clear(&mut self);
    /// How many points are in it.
    fn points(&self) -> u64;
    /// How it is doing.
    fn info(&self) -> IndexInfo;
}

pub(crate) fn is_inside(point: &Vector, lo: &Vector, hi: &Vector) -> bool {
    (0..DIMENSIONS).all(|axis| lo[axis] <= point[axis] && point[axis] <= hi[axis])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hit(id: u64, square: f32) -> Hit {
        Hit {
            entry: Entry { id, event_type: 0 },
            square,
        }
    }

    #[test]
    fn what_is_infinite_or_no_number_is_not_near() {
        let mut nearest = Nearest::default();
        nearest.start(2, f32::MAX);
        nearest.offer(hit(1, f32::INFINITY));
        nearest.offer(hit(2, f32::NAN));
        assert!(nearest.hits().is_empty());
    }

    proptest! {
        #[test]
        fn the_nearest_are_the_smallest_squares_within_the_limit(
            squares in prop::collection::vec(0.0_f32..10.0, 0..80),
            k in 1_usize..12,
            limit in 0.0_f32..10.0,
        ) {
            let mut nearest = Nearest::default();
            nearest.start(k, limit);
            for (id, square) in (1..).zip(&squares) {
                nearest.offer(hit(id, *square));
            }
            let mut expected: Vec<f32> = squares.into_iter().filter(|s| *s <= limit).collect();
            expected.sort_by(f32::total_cmp);
            expected.truncate(k);
            let found: Vec<f32> = nearest.hits().iter().map(|hit| hit.square).collect();
            prop_assert_eq!(expected, found);
        }
    }
}
