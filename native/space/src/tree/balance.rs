//! Balance: where a path has grown too long for the number of its leaves, that part is built anew.

use super::bucket::{CAPACITY, Slot};
use super::change::median;
use super::{Link, NONE, Split, Target, Tree};
use crate::Vector;
use crate::extent::Extent;

/// A path may be longer than the best by this factor,
const FACTOR: f64 = 1.6;
/// and by this many splits.
const SLACK: f64 = 4.0;
/// Points of a bucket that is built: others will come.
const FILL: usize = CAPACITY * 2 / 3;

/// What is put somewhere when a part is built anew: a point, or a whole pile.
struct Unit {
    point: Vector,
    content: Content,
}

#[derive(Clone, Copy)]
enum Content {
    Point(Slot),
    Pile(Link),
}

fn longest_path(leaves: usize) -> f64 {
    let leaves = u32::try_from(leaves).unwrap_or(u32::MAX);
    FACTOR * f64::from(leaves).log2() + SLACK
}

impl Tree {
    /// After a split: if it lies too deep, build the smallest part anew that is out of balance, as far as inserts have paid
    /// for it (which bounds the work whatever comes).
    pub(super) fn restore_balance(&mut self, split: u32) {
        if f64::from(self.path_length(split)) <= longest_path(self.leaves()) {
            return;
        }
        if let Some((part, leaves)) = self.unbalanced(split) {
            self.credit -= leaves * CAPACITY;
            self.rebuild(part);
        }
    }

    fn path_length(&self, split: u32) -> u32 {
        let mut length = 0;
        let mut number = split;
        while number != NONE {
            number = self.splits.things[number as usize].parent;
            length += 1;
        }
        length
    }

    /// The lowest split above `split` with too few leaves for its height, and how many it has.
    fn unbalanced(&self, split: u32) -> Option<(u32, usize)> {
        let (mut number, mut height, mut leaves) = (split, 1_u32, 2);
        loop {
            if leaves * CAPACITY > self.credit {
                return None;
            }
            if f64::from(height) > longest_path(leaves) {
                return Some((number, leaves));
            }
            let parent = self.splits.things[number as usize].parent;
            let kids = self.splits.things.get(parent as usize)?.kids;
            let other = if kids[0] == Link::split(number) {
                kids[1]
            } else {
                kids[0]
            };
            leaves += self.count_leaves(other);
            height += 1;
            number = parent;
        }
    }

    fn count_leaves(&self, link: Link) -> usize {
        let mut leaves = 0;
        let mut open = vec![link];
        while let Some(link) = open.pop() {
            match link.target() {
                Target::Split(number) => open.extend(self.splits.things[number].kids),
                Target::Bucket(_) | Target::Pile(_) => leaves += 1,
            }
        }
        leaves
    }

    fn rebuild(&mut self, split: u32) {
        let parent = self.splits.things[split as usize].parent;
        let mut units = self.harvest(Link::split(split));
        let built = self.build(&mut units);
        self.replace(parent, Link::split(split), built);
    }

    /// Everything below `link`; its splits and buckets are free after it.
    fn harvest(&mut self, link: Link) -> Vec<Unit> {
        let mut units = Vec::new();
        let mut open = vec![link];
        while let Some(link) = open.pop() {
            match link.target() {
                Target::Split(number) => {
                    open.extend(self.splits.things[number].kids);
                    self.splits.free.push(link.number());
                }
                Target::Bucket(number) => {
                    let points = self.buckets[number].points();
                    units.extend(points.map(|(slot, point)| Unit {
                        point,
                        content: Content::Point(slot),
                    }));
                    self.free_leaf(link);
                }
                Target::Pile(number) => units.push(Unit {
                    point: self.piles.things[number].point,
                    content: Content::Pile(link),
                }),
            }
        }
        units
    }

    /// A balanced part of these units (one at least). Its depth is that of halving, plus at most one per axis of ties.
    fn build(&mut self, units: &mut [Unit]) -> Link {
        if let [
            Unit {
                content: Content::Pile(pile),
                ..
            },
        ] = units
        {
            return *pile;
        }
        let has_piles = units
            .iter()
            .any(|unit| matches!(unit.content, Content::Pile(_)));
        let extent = extent_of(units);
        match extent.widest() {
            Some(axis) if has_piles || units.len() > FILL => self.build_split(units, axis),
            _ => self.build_bucket(units),
        }
    }

    fn build_split(&mut self, units: &mut [Unit], axis: usize) -> Link {
        let at = median(
            &mut units
                .iter()
                .map(|unit| unit.point[axis])
                .collect::<Vec<f32>>(),
        );
        let border = partition(units, |unit| unit.point[axis] < at);
        let (left, right) = units.split_at_mut(border);
        let kids = [self.build(left), self.build(right)];
        let axis = u8::try_from(axis).unwrap_or(0);
        let number = self.splits.add(Split {
            at,
            axis,
            kids,
            parent: NONE,
        });
        for kid in kids {
            self.set_parent(kid, number);
        }
        Link::split(number)
    }

    /// Points without a pile among them; identical ones are never more than a bucket holds, or they would be a pile.
    fn build_bucket(&mut self, units: &[Unit]) -> Link {
        let number = self.buckets.add(NONE);
        let points = units.iter().filter_map(|unit| match unit.content {
            Content::Point(slot) => Some((slot, unit.point)),
            Content::Pile(_) => None,
        });
        self.buckets.fill(number as usize, points);
        let leaf = Link::bucket(number);
        self.keep_all(leaf);
        leaf
    }
}

fn extent_of(units: &[Unit]) -> Extent {
    let mut extent = Extent::EMPTY;
    for unit in units {
        extent.cover(&unit.point);
    }
    extent
}

/// Bring those for which `is_left` holds to the front. -> how many
fn partition(units: &mut [Unit], is_left: impl Fn(&Unit) -> bool) -> usize {
    let mut border = 0;
    for place in 0..units.len() {
        if is_left(&units[place]) {
            units.swap(border, place);
            border += 1;
        }
    }
    border
}
