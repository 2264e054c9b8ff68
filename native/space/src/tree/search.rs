//! How a tree is looked through: the near side first, and what is needed next on its way from memory meanwhile.

use super::{Link, Target, Tree};
use crate::lanes::least_square;
use crate::{Budget, DIMENSIONS, Nearest, Query, Vector};

/// Leaves that are on their way while others are looked at: a bucket that is not in the caches takes as long as about so many
/// that are. (1 measured worse where the tree is larger than the caches, more no better.)
const AHEAD: usize = 3;

/// A part of the tree that a search may have to come back to.
#[derive(Debug)]
pub(crate) struct Later {
    link: Link,
    /// No point in it has a smaller one.
    least_square: f32,
    /// How far the point is from the part's region, axis by axis.
    offsets: Vector,
}

/// The leaf that a point is in as long as a tree has this shape.
#[derive(Debug, Default)]
pub(crate) struct Home {
    pub(super) leaf: Option<Link>,
    pub(super) shape: u64,
}

/// Leaves on their way, each in the place of the one that was taken for it.
struct Ahead {
    leaves: [(Link, f32); AHEAD],
    /// How many there have been.
    count: usize,
}

impl Ahead {
    fn new() -> Self {
        Self {
            leaves: [(Link::NOWHERE, 0.0); AHEAD],
            count: 0,
        }
    }

    /// Take another one in. -> the one that has been on its way the longest, once there are enough
    #[inline]
    fn exchange(&mut self, leaf: Link, least_square: f32) -> Option<(Link, f32)> {
        let place = &mut self.leaves[self.count % AHEAD];
        self.count += 1;
        let oldest = std::mem::replace(place, (leaf, least_square));
        (self.count > AHEAD).then_some(oldest)
    }

    /// Those that are left, in their order.
    fn rest(self) -> impl Iterator<Item = (Link, f32)> {
        let first = self.count.saturating_sub(AHEAD);
        (first..self.count).map(move |number| self.leaves[number % AHEAD])
    }
}

impl Tree {
    /// Begin at the root.
    fn begin(&self, nearest: &mut Nearest) {
        nearest.later.clear();
        nearest.later.push(Later {
            link: self.root,
            least_square: 0.0,
            offsets: [0.0; DIMENSIONS],
        });
    }

    /// Go down to the leaf of a part that is nearest to the point; what lies on the other sides and may matter is kept for
    /// later. -> the leaf, and the square that nothing in it is below
    #[inline]
    fn descend(&self, from: &Later, point: &Vector, nearest: &mut Nearest) -> (Link, f32) {
        let mut link = from.link;
        let bound = nearest.bound();
        if !link.is_split() {
            // It was asked when it was kept.
            return (link, from.least_square);
        }
        while link.is_split() {
            let split = &self.splits.things[link.number() as usize];
            let axis = usize::from(split.axis) % DIMENSIONS;
            let offset = point[axis] - split.at;
            let side = usize::from(offset >= 0.0);
            link = split.kids[side];
            // One term alone is a bound too; it settles most cases.
            if offset * offset <= bound {
                let other = split.kids[side ^ 1];
                let mut offsets = from.offsets;
                offsets[axis] = offset;
                let least_square = match other.target() {
                    Target::Bucket(number) => self.buckets.extent(number).least_square(point),
                    // Summed anew each time: what is never subtracted never becomes "infinity less infinity".
                    _ => least_square(&offsets),
                };
                if least_square <= bound {
                    nearest.later.push(Later {
                        link: other,
                        least_square,
                        offsets,
                    });
                }
            }
        }
        match link.target() {
            Target::Bucket(number) => (link, self.buckets.extent(number).least_square(point)),
            _ => (link, 0.0),
        }
    }

    /// Offer what lies near.
    pub(super) fn look_around(&self, query: &Query, nearest: &mut Nearest) {
        self.begin(nearest);
        if let Some(root) = nearest.later.pop() {
            // The first way down is that of the point itself.
            let (leaf, least_square) = self.descend(&root, &query.point, nearest);
            nearest.home = Home {
                leaf: Some(leaf),
                shape: self.shape,
            };
            nearest.later.push(Later {
                link: leaf,
                least_square,
                offsets: root.offsets,
            });
        }
        let mut budget = query.budget;
        self.look_ahead(&mut budget, query, nearest);
        if let Some(budget) = budget {
            self.look_on(budget, query, nearest);
        }
    }

    /// Look into leaves, some of which are on their way meanwhile, as long as there is budget for them.
    fn look_ahead(&self, budget: &mut Option<Budget>, query: &Query, nearest: &mut Nearest) {
        let mut ahead = Ahead::new();
        while budget.is_none_or(|budget| budget.leaves > 0) {
            let Some(later) = nearest.later.pop() else {
                break;
            };
            if later.least_square > nearest.bound() {
                continue;
            }
            let (leaf, least_square) = self.descend(&later, &query.point, nearest);
            if least_square > nearest.bound() {
                continue;
            }
            if let Some(budget) = budget {
                budget.leaves -= 1;
            }
            self.expect(leaf);
            if let Some((leaf, least_square)) = ahead.exchange(leaf, least_square)
                && least_square <= nearest.bound()
            {
                self.search_leaf(leaf, query, nearest);
            }
        }
        for (leaf, least_square) in ahead.rest() {
            if least_square <= nearest.bound() {
                self.search_leaf(leaf, query, nearest);
            }
        }
    }

    /// Enough was seen, unless it is still open whether anything at all is decisively near.
    fn look_on(&self, budget: Budget, query: &Query, nearest: &mut Nearest) {
        while let Some(later) = nearest.later.pop() {
            if later.least_square > nearest.bound() {
                continue;
            }
            let nearest_one = nearest.hits().first();
            let is_decided = nearest_one.is_some_and(|hit| hit.square <= budget.decisive);
            if is_decided || later.least_square > budget.decisive {
                nearest.is_exact = false;
                continue;
            }
            let (leaf, least_square) = self.descend(&later, &query.point, nearest);
            if least_square <= nearest.bound() {
                self.search_leaf(leaf, query, nearest);
            }
        }
    }

    #[inline]
    fn expect(&self, leaf: Link) {
        if let Target::Bucket(number) = leaf.target() {
            self.buckets.expect(number);
        }
    }

    #[inline]
    fn search_leaf(&self, leaf: Link, query: &Query, nearest: &mut Nearest) {
        match leaf.target() {
            Target::Bucket(number) => self.buckets[number].search(query, &self.slots, nearest),
            Target::Pile(number) => {
                self.piles.things[number].search(query, &self.slots, nearest);
            }
            // `descend` ends at leaves only.
            Target::Split(_) => (),
        }
    }
}
