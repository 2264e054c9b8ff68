//! Balls that wait for points: the index behind `near` filters (signals.md §6).
//!
//! A live tree over the centres for each class of radii (powers of two). It tells in single precision which balls hold a point
//! for certain and which certainly do not; what lies between, a hair wide, is decided in double precision, as F7 says. The cost
//! of a point is that of the balls that hold it and of those that nearly do, not of all balls.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::ball::{FARTHEST, narrow};
use crate::{Ball, DIMENSIONS, Entry, Index, Nearest, Tree, Vector};

/// Classes below this one are one: the tree tells such small radii apart no better.
const SMALLEST_CLASS: i32 = -40;
/// Most numbers a tree over them can hold.
const NUMBERS: u64 = 1 << 31;
/// Bits of a reach that make no difference to how wide its class is searched: two in a thousand.
const FINE: u32 = 14;
/// Several wait for this ball.
const SEVERAL: u32 = u32::MAX;

fn class_of(reach: f32) -> i32 {
    #[allow(clippy::cast_possible_truncation)] // from -150 to 128
    let class = reach.log2().ceil() as i32;
    class.max(SMALLEST_CLASS)
}

/// What most points need to know of a ball.
#[derive(Clone, Copy)]
struct Brief {
    /// It holds what seems to lie within this square,
    sure: f32,
    /// and nothing beyond this one.
    reach: f32,
    /// Who waits for it, or [`SEVERAL`].
    owner: u32,
}

impl Brief {
    fn of(ball: &Ball, owner: u32) -> Self {
        let square = |x: f32| x * x;
        Self {
            sure: ball.sure().map_or(-1.0, |sure| square(sure).next_down()),
            reach: ball
                .reach()
                .map_or(f32::INFINITY, |reach| square(reach).next_up()),
            owner,
        }
    }
}

/// The balls of one size.
struct Class {
    centers: Tree,
    /// How many have each reach, rounded up; positive floats are ordered as their bits are.
    reaches: BTreeMap<u32, u32>,
}

impl Class {
    fn square(&self) -> f32 {
        let reach = self.reaches.last_key_value().map_or(0, |(bits, _)| *bits);
        let reach = f32::from_bits(reach << FINE);
        (reach * reach).next_up()
    }
}

/// The reach or a little more, as it is counted.
fn rough(reach: f32) -> u32 {
    reach.to_bits().div_ceil(1 << FINE)
}

/// Balls and who waits for the points in them. Identical balls are one.
#[derive(Default)]
pub struct Balls {
    /// By number.
    kept: Vec<Option<Arc<Ball>>>,
    briefs: Vec<Brief>,
    /// Who waits, where it is more than one; ascending.
    several: HashMap<u32, Vec<u32>>,
    free: Vec<u32>,
    /// Numbers by balls, with a short hash beside each.
    numbers: HashTable<(u32, u32)>,
    hasher: RandomState,
    classes: BTreeMap<i32, Class>,
    wide: BTreeSet<u32>,
    scratch: Nearest,
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
        let trees = self.classes.values();
        self.kept.capacity() * size_of::<Option<Arc<Ball>>>()
            + self.len() * (size_of::<Ball>() + 2 * size_of::<usize>())
            + self.briefs.capacity() * size_of::<Brief>()
            + self
                .several
                .values()
                .map(|owners| 48 + owners.capacity() * 4)
                .sum::<usize>()
            + self.numbers.capacity() * 9
            + trees
                .map(|class| usize::try_from(class.centers.info().bytes).unwrap_or(usize::MAX))
                .sum::<usize>()
    }

    /// From now on `owner`, which is below 2³²−1, is found by points in `ball`. -> whether it was not before
    pub fn insert(&mut self, owner: u32, ball: &Arc<Ball>) -> bool {
        let Some(number) = self.number(ball) else {
            self.keep(owner, ball);
            return true;
        };
        let Some(brief) = self.briefs.get_mut(number as usize) else {
            return false;
        };
        if brief.owner == owner {
            return false;
        }
        let before = std::mem::replace(&mut brief.owner, SEVERAL);
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
        let Some(brief) = self.briefs.get_mut(number as usize) else {
            return false;
        };
        if brief.owner != SEVERAL {
            let was_there = brief.owner == owner;
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
            brief.owner = last;
            self.several.remove(&number);
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
            briefs,
            several,
            classes,
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
        let mut find = |number: u32, owner: u32| match several.get(&number) {
            Some(owners) if owner == SEVERAL => found.extend_from_slice(owners),
            _ => found.push(owner),
        };
        for number in wide.iter() {
            if let Some(brief) = briefs.get(*number as usize)
                && is_held(*number)
            {
                find(*number, brief.owner);
            }
        }
        // What is not finite, or farther than any centre and reach, is in no ball of a tree.
        if !narrowed
            .iter()
            .all(|x| f64::from(x.abs()) <= 4.0 * FARTHEST)
        {
            return;
        }
        for class in classes.values() {
            let visit = |slot: crate::tree::Slot, square: f32| {
                let Some(brief) = briefs.get(slot.slot as usize) else {
                    return;
                };
                if square <= brief.sure || (square <= brief.reach && is_held(slot.slot)) {
                    find(slot.slot, brief.owner);
                }
            };
            class
                .centers
                .visit_slots(scratch, narrowed, class.square(), visit);
        }
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
        let brief = Brief::of(ball, owner);
        let number = if let Some(number) = self.free.pop() {
            self.kept[number as usize] = Some(Arc::clone(ball));
            self.briefs[number as usize] = brief;
            number
        } else {
            reserve(&mut self.kept);
            reserve(&mut self.briefs);
            self.kept.push(Some(Arc::clone(ball)));
            self.briefs.push(brief);
            #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
            let number = (self.kept.len() - 1) as u32;
            number
        };
        let hash = self.hash(ball);
        let rehash = |(short, _): &(u32, u32)| spread(*short);
        self.numbers
            .insert_unique(spread(hash), (hash, number), rehash);
        match ball.reach() {
            Some(reach) => self.file(number, ball, reach),
            None => drop(self.wide.insert(number)),
        }
    }

    fn file(&mut self, number: u32, ball: &Ball, reach: f32) {
        let class = self
            .classes
            .entry(class_of(reach))
            .or_insert_with(|| Class {
                centers: Tree::new(NUMBERS),
                reaches: BTreeMap::new(),
            });
        *class.reaches.entry(rough(reach)).or_insert(0) += 1;
        let entry = Entry {
            id: id_of(number),
            event_type: 0,
        };
        let center: Vector = ball.center().map(narrow);
        class.centers.insert(entry, &center);
    }

    fn drop(&mut self, number: u32, ball: &Ball) {
        let hash = self.hash(ball);
        let is_it = |(_, other): &(u32, u32)| *other == number;
        if let Ok(entry) = self.numbers.find_entry(spread(hash), is_it) {
            entry.remove();
        }
        self.kept[number as usize] = None;
        self.free.push(number);
        let Some(reach) = ball.reach() else {
            self.wide.remove(&number);
            return;
        };
        let key = class_of(reach);
        let Some(class) = self.classes.get_mut(&key) else {
            return;
        };
        class.centers.remove(id_of(number));
        let rough = rough(reach);
        if let Some(count) = class.reaches.get_mut(&rough) {
            *count -= 1;
            if *count == 0 {
                class.reaches.remove(&rough);
            }
        }
        if class.reaches.is_empty() {
            self.classes.remove(&key);
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

fn id_of(number: u32) -> u64 {
    u64::from(number) + 1
}

#[cfg(test)]
mod tests;
