#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

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
    Insert(u32, [f64; 8], f64),
    Remove(usize),
    Ask([f64; 8]),
    /// At the border of a ball, and a hair to either side: of double precision, and of single.
    AskBorder(usize, usize, f64),
}

fn steps() -> BoxedStrategy<Vec<Step>> {
    let step = prop_oneof![
        8 => (0_u32..40, place(), radius()).prop_map(|(owner, center, radius)| Step::Insert(owner, center, radius)),
        3 => (0_usize..10_000).prop_map(Step::Remove),
        5 => place().prop_map(Step::Ask),
        4 => (0_usize..10_000, 0_usize..8, -2e-5..2e-5).prop_map(|(which, axis, hair)| Step::AskBorder(which, axis, hair)),
    ];
    prop::collection::vec(step, 1..600).boxed()
}

fn check(balls: &mut Balls, all: &[(u32, Ball)], point: &[f64; 8]) {
    let mut expected: Vec<u32> = all
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
        let mut all: Vec<(u32, Ball)> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(owner, center, radius) => {
                    let ball = Ball::new(center, radius).unwrap();
                    let is_new = !all.contains(&(owner, ball));
                    prop_assert_eq!(is_new, balls.insert(owner, &Arc::new(ball)));
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
                Step::AskBorder(which, axis, hair) if !all.is_empty() => {
                    let ball = all[which % all.len()].1;
                    let mut point = *ball.center();
                    point[axis] += ball.radius() * (1.0 + hair);
                    check(&mut balls, &all, &point);
                    point[axis] = ball.center()[axis] + ball.radius();
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
    let ball = Arc::new(Ball::new([0.5; 8], 0.1).unwrap());
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
    balls.insert(1, &Arc::new(Ball::new([0.5; 8], 1e300).unwrap()));
    balls.insert(2, &Arc::new(Ball::new([0.5; 8], 10.0).unwrap()));
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
        balls.insert(
            owner,
            &Arc::new(Ball::new(center, 0.02 + next() * 0.28).unwrap()),
        );
    }
    let each = balls.bytes() / balls.len();
    assert!(each <= 288, "{each} bytes per ball");
}

/// Numbers with a fixed seed, from 0 to 1.
struct Chance(u64);

impl Chance {
    fn number(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below the length
    fn index(&mut self, len: usize) -> usize {
        (self.number() * len as f64) as usize
    }

    fn place(&mut self) -> [f64; 8] {
        std::array::from_fn(|_| self.number())
    }
}

/// So many balls of a kind, however they may lie.
fn kind(name: &str, count: usize) -> Vec<Ball> {
    let mut chance = Chance(11);
    let clusters: Vec<[f64; 8]> = (0..10).map(|_| chance.place()).collect();
    let mut all = Vec::new();
    for number in 0..count {
        let far = number as f64;
        let (center, radius) = match name {
            "clustered" => {
                let around = chance.place();
                let of = clusters[number % clusters.len()];
                (
                    std::array::from_fn(|axis| of[axis] + 0.1 * around[axis]),
                    0.1,
                )
            }
            "of many sizes" => (chance.place(), 0.6 * chance.number().powi(3)),
            "rising" => ([far * 1e-3; 8], 2e-3),
            "on one axis" => (
                std::array::from_fn(|axis| if axis == 5 { far * 1e-4 } else { 0.5 }),
                0.01,
            ),
            // Single precision cannot tell them apart.
            "almost the same" => ([0.5 + far * 1e-12; 8], 0.1),
            "mostly the same" if number % 20 > 0 => ([0.5 + far * 1e-12; 8], 0.1),
            "mostly the same" => (chance.place(), 0.3 * chance.number()),
            "with some far away" if number % 50 == 0 => ([far * 1e10; 8], 1e9),
            "with some far away" => (chance.place(), 0.2),
            other => unreachable!("{other}"),
        };
        all.push(Ball::new(center, radius).unwrap());
    }
    all
}

const KINDS: [&str; 7] = [
    "clustered",
    "of many sizes",
    "rising",
    "on one axis",
    "almost the same",
    "mostly the same",
    "with some far away",
];

/// signals.md §11, 6 and 7: very many balls, however they lie, come and go; every one is in one leaf and found as by a scan.
#[test]
fn very_many_balls_of_any_kind_are_found() {
    for name in KINDS {
        let kept = kind(name, 3_000);
        let mut balls = Balls::new();
        let mut all: Vec<(u32, Ball)> = (0..).zip(kept).collect();
        for (owner, ball) in &all {
            assert!(balls.insert(*owner, &Arc::new(*ball)));
        }
        let mut chance = Chance(5);
        for left in [3_000, 700, 40, 1, 0] {
            while all.len() > left {
                let at = chance.index(all.len());
                let (owner, ball) = all.swap_remove(at);
                assert!(balls.remove(owner, &ball), "{name}");
            }
            balls.leaves.check(all.len());
            for _ in 0..20 {
                let at = chance.index(all.len());
                let near = all.get(at).map_or([0.5; 8], |(_, ball)| *ball.center());
                check(
                    &mut balls,
                    &all,
                    &near.map(|x| x + 0.1 * (chance.number() - 0.5)),
                );
                check(&mut balls, &all, &chance.place());
            }
        }
        assert!(balls.is_empty(), "{name}");
    }
}

/// However balls lie, leaves are well filled, and nothing is kept of what has gone.
#[test]
fn memory_follows_the_balls_that_there_are() {
    for name in KINDS {
        let mut balls = Balls::new();
        let all = kind(name, 6_000);
        for (owner, ball) in (0..).zip(&all) {
            balls.insert(owner, &Arc::new(*ball));
        }
        let (leaves, each) = (balls.leaves.len(), balls.bytes() / balls.len());
        assert!(
            leaves <= 6_000 / 100 && each <= 350,
            "{name}: {leaves} {each}"
        );
        let most = balls.bytes();
        for (owner, ball) in (0..).zip(&all) {
            assert!(balls.remove(owner, ball), "{name}");
        }
        let left = balls.bytes();
        assert_eq!(0, balls.leaves.len(), "{name}");
        assert!(left <= most / 4, "{name}: {left} of {most}");
    }
}
