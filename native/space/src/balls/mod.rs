//! Balls that wait for points: the index behind `near` filters (signals.md §6).
//!
//! Balls that lie near one another and are about as large share a leaf, where each is a box of bits: a point reads eight rows of
//! them and knows which boxes it is in. Of these, single precision tells which balls hold it for certain and which certainly do
//! not; what lies between, a hair wide, is decided in double precision, as F7 says. The cost of a point is that of the leaves it
//! is near and of the boxes it is in, and a bit on each axis for every other leaf.

mod grid;
mod leaf;
mod leaves;
mod sheet;
mod split;

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::ball::{FARTHEST, narrow};
use crate::{Ball, DIMENSIONS, Vector};
use leaf::Row;
use leaves::{Leaves, Scratch};

/// Several wait for this ball.
const SEVERAL: u32 = u32::MAX;

/// Balls and who waits for the points in them. Identical balls are one.
#[derive(Default)]
pub struct Balls {
    /// By number.
    kept: Vec<Option<Arc<Ball>>>,
    /// Who waits, where it is more than one; ascending.
    several: HashMap<u32, Vec<u32>>,
    free: Vec<u32>,
    /// Numbers by balls, with a short hash beside each.
    numbers: HashTable<(u32, u32)>,
    hasher: RandomState,
    leaves: Leaves,
    /// Who waits, or [`SEVERAL`], for a ball too large or too far for single precision.
    wide: BTreeMap<u32, u32>,
    scratch: Scratch,
}

impl fmt::Debug for Balls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Balls({})", self.len())
    }
}

impl Balls {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many different balls there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are none: points need not be read then.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Bytes allocated, without what the allocator adds; the balls' own numbers among them.
    pub fn bytes(&self) -> usize {
        let several = self.several.values();
        self.kept.capacity() * size_of::<Option<Arc<Ball>>>()
            + self.len() * (size_of::<Ball>() + 2 * size_of::<usize>())
            + several
                .map(|owners| 48 + owners.capacity() * 4)
                .sum::<usize>()
            + self.numbers.capacity() * 9
            + self.leaves.bytes()
    }

    /// Who waits for a ball, or [`SEVERAL`].
    fn owner(&mut self, number: u32) -> Option<&mut u32> {
        let wide = self.wide.get_mut(&number);
        wide.or_else(|| self.leaves.tag_mut(number).map(|tag| &mut tag.owner))
    }

    /// From now on `owner`, which is below 2³²−1, is found by points in `ball`. -> whether it was not before
    pub fn insert(&mut self, owner: u32, ball: &Arc<Ball>) -> bool {
        let Some(number) = self.number(ball) else {
            self.keep(owner, ball);
            return true;
        };
        let Some(known) = self.owner(number).filter(|known| **known != owner) else {
            return false;
        };
        let before = std::mem::replace(known, SEVERAL);
        let owners = self.several.entry(number).or_default();
        if before != SEVERAL {
            owners.push(before);
        }
        let place = owners.binary_search(&owner);
        if let Err(place) = place {
            owners.insert(place, owner);
        }
        place.is_err()
    }

    /// From now on `owner` is not found by points in `ball` any more. -> whether it was before
    pub fn remove(&mut self, owner: u32, ball: &Ball) -> bool {
        let Some(number) = self.number(ball) else {
            return false;
        };
        let known = self.owner(number).copied();
        if known != Some(SEVERAL) {
            let was_there = known == Some(owner);
            if was_there {
                self.drop(number, ball);
            }
            return was_there;
        }
        let Some(owners) = self.several.get_mut(&number) else {
            return false;
        };
        let Ok(place) = owners.binary_search(&owner) else {
            return false;
        };
        owners.remove(place);
        if let [last] = owners[..] {
            self.several.remove(&number);
            if let Some(known) = self.owner(number) {
                *known = last;
            }
        }
        true
    }

    /// Add to `found` each owner, once for each of its balls that hold `point`; in no order.
    pub fn holding(&mut self, point: &[f64; DIMENSIONS], found: &mut Vec<u32>) {
        self.holding_about(&point.map(narrow), || Some(*point), found);
    }

    /// The same of a point that is known in single precision, give or take one place of it: `exact` is asked where that does
    /// not tell, once at most; without an answer these balls do not hold it.
    pub fn holding_about(
        &mut self,
        narrowed: &Vector,
        exact: impl FnOnce() -> Option<[f64; DIMENSIONS]>,
        found: &mut Vec<u32>,
    ) {
        let Self {
            kept,
            several,
            leaves,
            wide,
            scratch,
            ..
        } = self;
        let exact = LazyCell::new(exact);
        let is_held = |number: u32| {
            let ball = kept.get(number as usize).and_then(Option::as_ref);
            ball.zip(exact.as_ref())
                .is_some_and(|(ball, point)| ball.holds(point))
        };
        let mut find = |number: u32, owner: u32| {
            if owner == SEVERAL {
                found.extend(several.get(&number).into_iter().flatten());
            } else {
                found.push(owner);
            }
        };
        for (number, owner) in &*wide {
            if is_held(*number) {
                find(*number, *owner);
            }
        }
        // What is not finite, or farther than any centre and reach, is in no ball of a leaf.
        if !narrowed
            .iter()
            .all(|x| f64::from(x.abs()) <= 4.0 * FARTHEST)
        {
            return;
        }
        leaves.find(narrowed, scratch, |tag, square| {
            if square <= tag.sure || is_held(tag.number) {
                find(tag.number, tag.owner);
            }
        });
    }

    #[allow(clippy::cast_possible_truncation)] // short is what is asked for
    fn hash(&self, ball: &Ball) -> u32 {
        self.hasher.hash_one(ball.key()) as u32
    }

    fn number(&self, ball: &Ball) -> Option<u32> {
        let (key, hash) = (ball.key(), self.hash(ball));
        let is_it = |(short, number): &(u32, u32)| {
            let kept = || self.kept.get(*number as usize).and_then(Option::as_ref);
            *short == hash && kept().is_some_and(|kept| kept.key() == key)
        };
        let found = self.numbers.find(spread(hash), is_it);
        found.map(|(_, number)| *number)
    }

    fn keep(&mut self, owner: u32, ball: &Arc<Ball>) {
        let number = if let Some(number) = self.free.pop() {
            self.kept[number as usize] = Some(Arc::clone(ball));
            number
        } else {
            reserve(&mut self.kept);
            self.kept.push(Some(Arc::clone(ball)));
            #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
            let number = (self.kept.len() - 1) as u32;
            number
        };
        let hash = self.hash(ball);
        let rehash = |(short, _): &(u32, u32)| spread(*short);
        self.numbers
            .insert_unique(spread(hash), (hash, number), rehash);
        match ball.reach() {
            Some(reach) => self.leaves.insert(Row::new(ball, reach, number, owner)),
            None => drop(self.wide.insert(number, owner)),
        }
    }

    fn drop(&mut self, number: u32, ball: &Ball) {
        let hash = self.hash(ball);
        let is_it = |(_, other): &(u32, u32)| *other == number;
        if let Ok(entry) = self.numbers.find_entry(spread(hash), is_it) {
            entry.remove();
        }
        self.kept[number as usize] = None;
        self.free.push(number);
        if self.wide.remove(&number).is_none() {
            self.leaves.remove(number);
        }
    }
}

/// All the bits that a table looks at of a short hash.
fn spread(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Room for a quarter more: there may be very many.
fn reserve<T>(things: &mut Vec<T>) {
    if things.len() == things.capacity() {
        things.reserve_exact(4 + things.len() / 4);
    }
}

#[cfg(test)]
mod tests;
