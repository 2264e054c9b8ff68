//! Points that come and go.

use super::bucket::{CAPACITY, Pile, Slot};
use super::{Link, NONE, Place, Split, Target, Tree};
use crate::Vector;

/// A bucket below this joins its sibling, if both together fill no more than half a bucket.
const FEW: usize = CAPACITY / 4;
/// Moves that an insert pays for.
const CREDIT_PER_INSERT: usize = 16;

impl Tree {
    /// Put a point into the leaf whose region holds it: this one, where it is known.
    pub(super) fn add(&mut self, leaf: Option<Link>, slot: Slot, point: &Vector) {
        // Enough for everything twice: what is saved up must not pay for a storm.
        self.credit = (self.credit + CREDIT_PER_INSERT).min(2 * self.leaves() * CAPACITY);
        let mut leaf = leaf.unwrap_or_else(|| self.leaf_of(point));
        debug_assert_eq!(leaf, self.leaf_of(point));
        loop {
            match leaf.target() {
                Target::Pile(number) if self.piles.things[number].is_at(point) => {
                    let pile = &mut self.piles.things[number];
                    pile.slots.push(slot);
                    let at = pile.slots.len() - 1;
                    return self.keep(slot, leaf, at);
                }
                Target::Bucket(number) if !self.buckets[number].is_full() => {
                    let at = self.buckets.push(number, slot, point);
                    return self.keep(slot, leaf, at);
                }
                Target::Pile(_) => self.part_pile(leaf, point),
                Target::Bucket(_) | Target::Split(_) => self.split_bucket(leaf),
            }
            leaf = self.leaf_of(point);
        }
    }

    /// Note where the point of a slot is.
    #[allow(clippy::cast_possible_truncation)] // no leaf holds more than the window, which is at most 2³¹
    pub(super) fn keep(&mut self, slot: Slot, leaf: Link, at: usize) {
        self.places[slot.slot as usize] = Place {
            leaf,
            at: at as u32,
        };
    }

    pub(super) fn keep_all(&mut self, leaf: Link) {
        let mut at = 0;
        while let Some(slot) = self.slot_at(Place {
            leaf,
            at: u32::try_from(at).unwrap_or(NONE),
        }) {
            self.keep(slot, leaf, at);
            at += 1;
        }
    }

    /// Who is kept there.
    pub(super) fn slot_at(&self, place: Place) -> Option<Slot> {
        let at = place.at as usize;
        match place.leaf.target() {
            Target::Bucket(number) => self.buckets.get(number)?.slot(at),
            Target::Pile(number) => self.piles.things.get(number)?.slots.get(at).copied(),
            Target::Split(_) => None,
        }
    }

    /// Make two of a full bucket, or a pile if all its points are one.
    fn split_bucket(&mut self, leaf: Link) {
        let number = leaf.number() as usize;
        let Some(axis) = self.buckets.measure(number).widest() else {
            return self.pile_up(leaf);
        };
        let parent = self.buckets[number].parent;
        let points = self.buckets.empty(number);
        let mut values: Vec<f32> = points.iter().map(|(_, point)| point[axis]).collect();
        let at = median(&mut values);
        let right = Link::bucket(self.buckets.add(NONE));
        for (half, is_left) in [(leaf, true), (right, false)] {
            let side = points
                .iter()
                .filter(|(_, point)| (point[axis] < at) == is_left);
            self.buckets.fill(half.number() as usize, side.copied());
        }
        self.keep_all(leaf);
        self.keep_all(right);
        let split = self.join(parent, leaf, axis, at, [leaf, right]);
        self.restore_balance(split);
    }

    /// Put a split where `old` was. -> its number
    fn join(&mut self, parent: u32, old: Link, axis: usize, at: f32, kids: [Link; 2]) -> u32 {
        let axis = u8::try_from(axis).unwrap_or(0);
        let number = self.splits.add(Split {
            at,
            axis,
            kids,
            parent,
        });
        self.replace(parent, old, Link::split(number));
        for kid in kids {
            self.set_parent(kid, number);
        }
        number
    }

    /// Let `parent` lead to `new` instead of `old`.
    pub(super) fn replace(&mut self, parent: u32, old: Link, new: Link) {
        self.shape += 1;
        if parent == NONE {
            self.root = new;
        } else {
            let kids = &mut self.splits.things[parent as usize].kids;
            let side = usize::from(kids[1] == old);
            kids[side] = new;
        }
        self.set_parent(new, parent);
    }

    /// Make a pile of a bucket whose points are all the same.
    fn pile_up(&mut self, leaf: Link) {
        let bucket = &self.buckets[leaf.number() as usize];
        let parent = bucket.parent;
        let pile = Pile {
            parent,
            point: bucket.point(0),
            slots: bucket.points().map(|(slot, _)| slot).collect(),
        };
        let pile = Link::pile(self.piles.add(pile));
        self.buckets.free(leaf.number());
        self.replace(parent, leaf, pile);
        self.keep_all(pile);
    }

    /// Make room beside a pile for a point that is not on it.
    fn part_pile(&mut self, leaf: Link, point: &Vector) {
        let pile = &self.piles.things[leaf.number() as usize];
        let (parent, axis) = (pile.parent, farthest_axis(&pile.point, point));
        let (here, there) = (pile.point[axis], point[axis]);
        let bucket = Link::bucket(self.buckets.add(NONE));
        let kids = if there < here {
            [bucket, leaf]
        } else {
            [leaf, bucket]
        };
        let at = if there < here { here } else { there };
        let split = self.join(parent, leaf, axis, at, kids);
        self.restore_balance(split);
    }

    /// Take out what is kept there; leaves that have become too small go.
    pub(super) fn take(&mut self, place: Place) {
        let at = place.at as usize;
        match place.leaf.target() {
            Target::Bucket(number) => {
                if let Some(moved) = self.buckets.swap_remove(number, at) {
                    self.keep(moved, place.leaf, at);
                }
                if self.buckets[number].len() < FEW {
                    self.shrink(place.leaf);
                }
            }
            Target::Pile(number) => {
                let slots = &mut self.piles.things[number].slots;
                slots.swap_remove(at);
                if let Some(&moved) = slots.get(at) {
                    self.keep(moved, place.leaf, at);
                } else if slots.is_empty() {
                    self.drop_leaf(place.leaf);
                }
            }
            Target::Split(_) => (),
        }
    }

    /// Give a small bucket's points to its sibling, or an empty one's place.
    fn shrink(&mut self, leaf: Link) {
        let bucket = &self.buckets[leaf.number() as usize];
        if bucket.len() == 0 {
            return self.drop_leaf(leaf);
        }
        let Some(sibling) = self.sibling(leaf) else {
            return;
        };
        let Target::Bucket(number) = sibling.target() else {
            return;
        };
        if bucket.len() + self.buckets[number].len() > CAPACITY / 2 {
            return;
        }
        let points: Vec<(Slot, Vector)> = bucket.points().collect();
        for (slot, point) in points {
            let at = self.buckets.push(number, slot, &point);
            self.keep(slot, sibling, at);
        }
        self.drop_leaf(leaf);
    }

    fn sibling(&self, leaf: Link) -> Option<Link> {
        let parent = self.splits.things.get(self.parent(leaf) as usize)?;
        Some(if parent.kids[0] == leaf {
            parent.kids[1]
        } else {
            parent.kids[0]
        })
    }

    /// Take a leaf away that nobody is kept in any more; its sibling takes the place of their parent.
    fn drop_leaf(&mut self, leaf: Link) {
        let Some(sibling) = self.sibling(leaf) else {
            return self.plant(leaf);
        };
        let parent = self.parent(leaf);
        let above = self.splits.things[parent as usize].parent;
        self.replace(above, Link::split(parent), sibling);
        self.splits.free.push(parent);
        self.free_leaf(leaf);
    }

    pub(super) fn free_leaf(&mut self, leaf: Link) {
        match leaf.target() {
            Target::Bucket(_) => self.buckets.free(leaf.number()),
            Target::Pile(number) => {
                self.piles.things[number].slots = Vec::new();
                self.piles.free.push(leaf.number());
            }
            Target::Split(_) => (),
        }
    }

    /// The last leaf is empty: begin with an empty bucket again.
    fn plant(&mut self, leaf: Link) {
        self.free_leaf(leaf);
        self.shape += 1;
        self.root = Link::bucket(self.buckets.add(NONE));
    }
}

/// Where to split these values so that there are some on either side, as even as ties allow. They are not all equal.
pub(super) fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    let (left, &mut median, right) = values.select_nth_unstable_by(middle, f32::total_cmp);
    if left.iter().any(|x| *x < median) {
        return median;
    }
    // The lower half is one value: what is next above it begins the right side.
    let above = right.iter().copied().filter(|x| *x > median);
    above.fold(f32::INFINITY, |a, b| if b < a { b } else { a })
}

fn farthest_axis(a: &Vector, b: &Vector) -> usize {
    let mut axis = 0;
    let mut longest = 0.0;
    for (n, (x, y)) in a.iter().zip(b).enumerate() {
        if (x - y).abs() > longest {
            longest = (x - y).abs();
            axis = n;
        }
    }
    axis
}
