//! Balls that wait for points: the index behind `near` filters (signals.md §6).
//!
//! A live tree over the centres for each class of radii (powers of two). It only proposes, in single precision and a hair
//! wide; what holds is decided in double precision, as F7 says. The cost of a point is that of the balls that hold it and
//! of those that nearly do, not of all balls.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use crate::{DIMENSIONS, Entry, Index, Nearest, Tree, Vector};

/// Beyond, squares leave the range of single precision: such balls are looked at one by one.
const FARTHEST: f64 = 1e18;
/// Classes below this one are one: the tree tells such small radii apart no better.
const SMALLEST_CLASS: i32 = -40;
/// Most numbers a tree over them can hold.
const NUMBERS: u64 = 1 << 31;

/// All points whose Euclidean distance from the centre, in 64-bit floats, is at most the radius (F7).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ball {
    center: [f64; DIMENSIONS],
    radius: f64,
}

/// A centre or a radius that makes no ball.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NotABall {
    /// A coordinate of the centre that is not finite.
    Center {
        /// Which of the eight.
        axis: usize,
        /// What came.
        came: f64,
    },
    /// A radius that is negative or not finite.
    Radius {
        /// What came.
        came: f64,
    },
}

impl fmt::Display for NotABall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Center { axis, came } => write!(f, "center[{axis}] must be finite, got {came}"),
            Self::Radius { came } => write!(f, "radius must be finite and at least 0, got {came}"),
        }
    }
}

impl std::error::Error for NotABall {}

impl Ball {
    /// A ball, if its numbers are finite and its radius is not negative.
    pub fn new(center: [f64; DIMENSIONS], radius: f64) -> Result<Self, NotABall> {
        if let Some(axis) = center.iter().position(|x| !x.is_finite()) {
            let came = center[axis];
            return Err(NotABall::Center { axis, came });
        }
        if !(radius.is_finite() && radius >= 0.0) {
            return Err(NotABall::Radius { came: radius });
        }
        // Both zeros are one place.
        let center = center.map(|x| x + 0.0);
        Ok(Self {
            center,
            radius: radius + 0.0,
        })
    }

    /// Its centre.
    pub fn center(&self) -> &[f64; DIMENSIONS] {
        &self.center
    }

    /// Its radius.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// Whether it holds `point`; one that is not finite is in no ball.
    pub fn holds(&self, point: &[f64; DIMENSIONS]) -> bool {
        let mut sum = 0.0;
        for (x, center) in point.iter().zip(&self.center) {
            let offset = x - center;
            sum += offset * offset;
        }
        sum.sqrt() <= self.radius
    }

    fn key(&self) -> [u64; DIMENSIONS + 1] {
        let mut key = [self.radius.to_bits(); DIMENSIONS + 1];
        for (bits, x) in key.iter_mut().zip(&self.center) {
            *bits = x.to_bits();
        }
        key
    }

    /// How far from the centre a point may seem to lie that it holds, both rounded to single precision.
    fn reach(&self) -> Option<f32> {
        let farthest = self.center.iter().fold(0.0_f64, |far, x| far.max(x.abs()));
        let reach = self.radius * 1.000_01 + farthest * 1e-6;
        (farthest <= FARTHEST && reach <= FARTHEST).then(|| narrow(reach).next_up())
    }
}

#[allow(clippy::cast_possible_truncation)] // rounding is what is asked for
fn narrow(x: f64) -> f32 {
    x as f32
}

fn class_of(reach: f32) -> i32 {
    #[allow(clippy::cast_possible_truncation)] // from -150 to 128
    let class = reach.log2().ceil() as i32;
    class.max(SMALLEST_CLASS)
}

struct Kept {
    ball: Ball,
    /// Ascending.
    owners: Vec<u64>,
}

/// The balls of one size.
struct Class {
    centers: Tree,
    /// How many have each reach; positive floats are ordered as their bits are.
    reaches: BTreeMap<u32, u32>,
}

impl Class {
    fn square(&self) -> f32 {
        let reach = self.reaches.last_key_value().map_or(0, |(bits, _)| *bits);
        let reach = f32::from_bits(reach);
        (reach * reach).next_up()
    }
}

/// Balls and who waits for the points in them. Identical balls are one.
#[derive(Default)]
pub struct Balls {
    kept: Vec<Option<Kept>>,
    free: Vec<usize>,
    numbers: HashMap<[u64; DIMENSIONS + 1], usize>,
    classes: BTreeMap<i32, Class>,
    wide: BTreeSet<usize>,
    scratch: Nearest,
    proposed: Vec<usize>,
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

    /// Bytes allocated, without what the allocator adds.
    pub fn bytes(&self) -> usize {
        let owners = self.kept.iter().flatten();
        let trees = self.classes.values();
        self.kept.capacity() * size_of::<Option<Kept>>()
            + owners.map(|kept| kept.owners.capacity() * 8).sum::<usize>()
            + self.numbers.capacity() * (size_of::<[u64; DIMENSIONS + 1]>() + 9)
            + trees
                .map(|class| usize::try_from(class.centers.info().bytes).unwrap_or(usize::MAX))
                .sum::<usize>()
    }

    /// From now on `owner` is found by points in `ball`. -> whether it was not before
    pub fn insert(&mut self, owner: u64, ball: &Ball) -> bool {
        let number = match self.numbers.get(&ball.key()) {
            Some(number) => *number,
            None => self.keep(ball),
        };
        match self.kept.get_mut(number).and_then(Option::as_mut) {
            Some(kept) => match kept.owners.binary_search(&owner) {
                Ok(_) => false,
                Err(place) => {
                    kept.owners.insert(place, owner);
                    true
                }
            },
            None => false,
        }
    }

    /// From now on `owner` is not found by points in `ball` any more. -> whether it was before
    pub fn remove(&mut self, owner: u64, ball: &Ball) -> bool {
        let Some(&number) = self.numbers.get(&ball.key()) else {
            return false;
        };
        let Some(kept) = self.kept.get_mut(number).and_then(Option::as_mut) else {
            return false;
        };
        let Ok(place) = kept.owners.binary_search(&owner) else {
            return false;
        };
        kept.owners.remove(place);
        if kept.owners.is_empty() {
            self.drop(number, ball);
        }
        true
    }

    /// Add to `found` each owner, once for each of its balls that hold `point`; in no order.
    pub fn holding(&mut self, point: &[f64; DIMENSIONS], found: &mut Vec<u64>) {
        let narrowed = point.map(narrow);
        self.proposed.clear();
        self.proposed.extend(&self.wide);
        // What is not finite, or farther than any centre and reach, is in no ball of a tree.
        if narrowed
            .iter()
            .all(|x| f64::from(x.abs()) <= 4.0 * FARTHEST)
        {
            for class in self.classes.values() {
                self.scratch.start(usize::MAX, class.square());
                let mut propose = |entry: Entry| self.proposed.push(number_of(entry.id));
                class
                    .centers
                    .visit_within_using(&mut self.scratch, &narrowed, &mut propose);
            }
        }
        for number in &self.proposed {
            if let Some(Some(kept)) = self.kept.get(*number)
                && kept.ball.holds(point)
            {
                found.extend_from_slice(&kept.owners);
            }
        }
    }

    fn keep(&mut self, ball: &Ball) -> usize {
        let kept = Some(Kept {
            ball: *ball,
            owners: Vec::new(),
        });
        let number = self.free.pop().unwrap_or(self.kept.len());
        if number == self.kept.len() {
            self.kept.push(kept);
        } else {
            self.kept[number] = kept;
        }
        self.numbers.insert(ball.key(), number);
        match ball.reach() {
            Some(reach) => self.file(number, ball, reach),
            None => drop(self.wide.insert(number)),
        }
        number
    }

    fn file(&mut self, number: usize, ball: &Ball, reach: f32) {
        let class = self
            .classes
            .entry(class_of(reach))
            .or_insert_with(|| Class {
                centers: Tree::new(NUMBERS),
                reaches: BTreeMap::new(),
            });
        *class.reaches.entry(reach.to_bits()).or_insert(0) += 1;
        let entry = Entry {
            id: id_of(number),
            event_type: 0,
        };
        let center: Vector = ball.center.map(narrow);
        class.centers.insert(entry, &center);
    }

    fn drop(&mut self, number: usize, ball: &Ball) {
        self.kept[number] = None;
        self.free.push(number);
        self.numbers.remove(&ball.key());
        let Some(reach) = ball.reach() else {
            self.wide.remove(&number);
            return;
        };
        let key = class_of(reach);
        let Some(class) = self.classes.get_mut(&key) else {
            return;
        };
        class.centers.remove(id_of(number));
        if let Some(count) = class.reaches.get_mut(&reach.to_bits()) {
            *count -= 1;
            if *count == 0 {
                class.reaches.remove(&reach.to_bits());
            }
        }
        if class.reaches.is_empty() {
            self.classes.remove(&key);
        }
    }
}

fn id_of(number: usize) -> u64 {
    number as u64 + 1
}

fn number_of(id: u64) -> usize {
    usize::try_from(id - 1).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

    use super::*;
    use proptest::prelude::*;

    fn coordinate() -> impl Strategy<Value = f64> {
        prop_oneof![
            12 => 0.0..1.0,
            4 => (0_u8..4).prop_map(|n| f64::from(n) * 0.25),
            1 => Just(-0.0),
            1 => -1e6..1e6,
            1 => prop_oneof![Just(1e17), Just(1e19), Just(-1e40), Just(1e300), Just(1e-300)],
        ]
    }

    fn place() -> BoxedStrategy<[f64; 8]> {
        prop_oneof![
            6 => prop::array::uniform8(0.3..0.7),
            3 => (0_u8..3).prop_map(|n| [f64::from(n) * 0.25; 8]),
            2 => prop::array::uniform8(coordinate()),
        ]
        .boxed()
    }

    fn radius() -> BoxedStrategy<f64> {
        prop_oneof![
            6 => 0.0..0.6,
            3 => prop_oneof![Just(0.0), Just(0.25), Just(0.1)],
            1 => prop_oneof![Just(1e-20), Just(3.0), Just(1e6), Just(1e19), Just(1e200)],
        ]
        .boxed()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64, [f64; 8], f64),
        Remove(usize),
        Ask([f64; 8]),
        /// At the border of a ball, and a hair to either side.
        AskBorder(usize, usize),
    }

    fn steps() -> BoxedStrategy<Vec<Step>> {
        let step = prop_oneof![
            8 => (0_u64..40, place(), radius()).prop_map(|(owner, center, radius)| Step::Insert(owner, center, radius)),
            3 => (0_usize..10_000).prop_map(Step::Remove),
            5 => place().prop_map(Step::Ask),
            4 => (0_usize..10_000, 0_usize..8).prop_map(|(which, axis)| Step::AskBorder(which, axis)),
        ];
        prop::collection::vec(step, 1..600).boxed()
    }

    fn check(balls: &mut Balls, all: &[(u64, Ball)], point: &[f64; 8]) {
        let mut expected: Vec<u64> = all
            .iter()
            .filter(|(_, ball)| ball.holds(point))
            .map(|(owner, _)| *owner)
            .collect();
        let mut found = Vec::new();
        balls.holding(point, &mut found);
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(expected, found, "around {point:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// F7; signals.md §11, 10: matches equal a scan over all balls while subscriptions come and go.
        #[test]
        fn the_balls_found_are_those_that_hold_the_point(steps in steps()) {
            let mut balls = Balls::new();
            let mut all: Vec<(u64, Ball)> = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(owner, center, radius) => {
                        let ball = Ball::new(center, radius).unwrap();
                        let is_new = !all.contains(&(owner, ball));
                        prop_assert_eq!(is_new, balls.insert(owner, &ball));
                        if is_new {
                            all.push((owner, ball));
                        }
                    }
                    Step::Remove(which) if !all.is_empty() => {
                        let (owner, ball) = all.swap_remove(which % all.len());
                        prop_assert!(balls.remove(owner, &ball));
                        prop_assert!(!balls.remove(owner, &ball));
                    }
                    Step::Ask(point) => check(&mut balls, &all, &point),
                    Step::AskBorder(which, axis) if !all.is_empty() => {
                        let ball = all[which % all.len()].1;
                        let mut point = ball.center;
                        point[axis] += ball.radius;
                        for _ in 0..3 {
                            check(&mut balls, &all, &point);
                            point[axis] = point[axis].next_up();
                        }
                    }
                    Step::Remove(_) | Step::AskBorder(..) => (),
                }
            }
            let distinct: BTreeSet<_> = all.iter().map(|(_, ball)| ball.key()).collect();
            prop_assert_eq!(distinct.len(), balls.len());
        }
    }

    #[test]
    fn identical_balls_are_one_and_cost_one() {
        let mut balls = Balls::new();
        let ball = Ball::new([0.5; 8], 0.1).unwrap();
        for owner in 0..1_000 {
            assert!(balls.insert(owner, &ball));
        }
        assert_eq!(1, balls.len());
        let mut found = Vec::new();
        balls.holding(&[0.51; 8], &mut found);
        assert_eq!(1_000, found.len());
        for owner in 0..1_000 {
            assert!(balls.remove(owner, &ball));
        }
        assert!(balls.is_empty());
        assert!(balls.classes.is_empty(), "an empty class goes");
    }

    #[test]
    fn what_is_no_ball_is_refused_with_what_came() {
        let mut center = [0.5; 8];
        center[3] = f64::NAN;
        assert_eq!(
            "center[3] must be finite, got NaN",
            Ball::new(center, 0.1).unwrap_err().to_string()
        );
        for radius in [-0.1, f64::INFINITY, f64::NAN] {
            let text = Ball::new([0.5; 8], radius).unwrap_err().to_string();
            assert!(
                text.starts_with("radius must be finite and at least 0, got "),
                "{text}"
            );
        }
    }

    #[test]
    fn a_point_that_is_not_finite_is_in_no_ball() {
        let mut balls = Balls::new();
        balls.insert(1, &Ball::new([0.5; 8], 1e300).unwrap());
        balls.insert(2, &Ball::new([0.5; 8], 10.0).unwrap());
        let mut found = Vec::new();
        for bad in [f64::NAN, f64::INFINITY] {
            balls.holding(&[bad; 8], &mut found);
        }
        assert!(found.is_empty());
    }

    #[test]
    fn memory_stays_in_proportion_to_the_balls_there_are() {
        let mut balls = Balls::new();
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f64 / (1_u64 << 24) as f64
        };
        for owner in 0..50_000 {
            let center = std::array::from_fn(|_| next());
            balls.insert(owner, &Ball::new(center, 0.02 + next() * 0.28).unwrap());
        }
        let each = balls.bytes() / balls.len();
        assert!(each <= 512, "{each} bytes per ball");
    }
}
