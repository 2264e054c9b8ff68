//! Structure and cost of the tree (signals.md §11, 6 and 7).

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation
)]
#![allow(clippy::cast_possible_wrap, clippy::needless_range_loop)]

use proptest::prelude::*;

use super::*;
use crate::extent::Extent;
use crate::{Hit, Scan};

/// The part of space that a leaf is responsible for.
#[derive(Clone, Copy)]
struct Region {
    lo: Vector,
    hi: Vector,
}

impl Tree {
    /// Every point is in one leaf whose region holds it, boxes cover their points, places and leaves agree, counts are equal.
    fn check(&self) {
        let everything = Region {
            lo: [f32::NEG_INFINITY; DIMENSIONS],
            hi: [f32::INFINITY; DIMENSIONS],
        };
        let (mut points, mut leaves) = (0, 0);
        let mut open = vec![(self.root, NONE, everything)];
        while let Some((link, parent, region)) = open.pop() {
            assert_eq!(parent, self.parent(link));
            match link.target() {
                Target::Split(number) => {
                    let split = &self.splits.things[number];
                    let axis = usize::from(split.axis);
                    let (mut left, mut right) = (region, region);
                    left.hi[axis] = split.at;
                    right.lo[axis] = split.at;
                    assert!(
                        region.lo[axis] < split.at && split.at < region.hi[axis],
                        "both sides have room"
                    );
                    open.push((split.kids[0], link.number(), left));
                    open.push((split.kids[1], link.number(), right));
                }
                Target::Bucket(number) => {
                    let bucket = &self.buckets[number];
                    let extent = self.buckets.extent(number);
                    for (at, (slot, point)) in bucket.points().enumerate() {
                        let entry = self.slots.entry(slot);
                        self.check_point(link, at, entry, &point, &region);
                        assert!(extent_holds(extent, &point), "the box covers its points");
                    }
                    assert!(
                        bucket.len() > 0 || parent == NONE,
                        "only the root may be empty"
                    );
                    points += bucket.len();
                    leaves += 1;
                }
                Target::Pile(number) => {
                    let pile = &self.piles.things[number];
                    for (at, entry) in pile.entries(&self.slots).enumerate() {
                        self.check_point(link, at, entry, &pile.point, &region);
                    }
                    assert!(!pile.slots.is_empty());
                    points += pile.slots.len();
                    leaves += 1;
                }
            }
        }
        assert_eq!((self.points, self.leaves()), (points as u64, leaves));
        let placed = self
            .places
            .iter()
            .filter(|place| place.leaf != Link::NOWHERE);
        assert_eq!(points, placed.count());
    }

    fn check_point(&self, leaf: Link, at: usize, entry: Entry, point: &Vector, region: &Region) {
        let place = self.places[self.slots.of(entry.id) as usize];
        assert_eq!((leaf, at), (place.leaf, place.at as usize));
        for axis in 0..DIMENSIONS {
            assert!(
                region.lo[axis] <= point[axis]
                    && point[axis] < region.hi[axis].max(f32::MAX.next_up())
            );
        }
    }
}

fn extent_holds(extent: &Extent, point: &Vector) -> bool {
    (0..DIMENSIONS).all(|axis| extent.lo[axis] <= point[axis] && point[axis] <= extent.hi[axis])
}

fn entry(id: u64) -> Entry {
    Entry {
        id,
        event_type: (id % 7) as u16,
    }
}

fn found(index: &dyn Index, query: &Query, k: usize, limit: f32) -> Vec<Hit> {
    let mut nearest = Nearest::default();
    nearest.start(k, limit);
    index.search(query, &mut nearest);
    assert!(nearest.is_exact);
    nearest.hits().to_vec()
}

/// Both indexes hold the same; the scan is the oracle.
struct Pair {
    tree: Tree,
    scan: Scan,
    last: u64,
    window: u64,
}

impl Pair {
    fn new(window: u64) -> Self {
        Self {
            tree: Tree::new(window),
            scan: Scan::new(window),
            last: 0,
            window,
        }
    }

    fn insert(&mut self, point: Vector) {
        self.last += 1;
        if let Some(leaver) = self.last.checked_sub(self.window) {
            self.remove(leaver);
        }
        if self.last.is_multiple_of(2) {
            self.tree.insert(entry(self.last), &point);
        } else {
            self.insert_found(&point);
        }
        self.scan.insert(entry(self.last), &point);
    }

    fn insert_found(&mut self, point: &Vector) {
        let found = self.around(point);
        self.tree.insert_found(entry(self.last), point, &found);
    }

    fn around(&self, point: &Vector) -> Nearest {
        let mut nearest = Nearest::default();
        nearest.start(1, 1.0);
        self.tree.search(&Query::around(*point), &mut nearest);
        nearest
    }

    fn remove(&mut self, id: u64) {
        assert_eq!(self.scan.remove(id), self.tree.remove(id));
    }

    fn compare(&self, point: &Vector, k: usize, limit: f32) {
        self.compare_query(&Query::around(*point), k, limit);
        let narrowed = Query {
            oldest: self.last.saturating_sub(self.window / 2),
            event_type: Some(3),
            ..Query::around(*point)
        };
        self.compare_query(&narrowed, k, limit);
        self.compare_boxes(point);
    }

    fn compare_query(&self, query: &Query, k: usize, limit: f32) {
        let expected = found(&self.scan, query, k, limit);
        let hits = found(&self.tree, query, k, limit);
        let squares = |hits: &[Hit]| {
            hits.iter()
                .map(|hit| hit.square.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(squares(&expected), squares(&hits));
        for hit in hits {
            assert!(query.counts(hit.entry));
            assert_eq!(
                entry(hit.entry.id),
                hit.entry,
                "the hit is one of those that were put in"
            );
        }
    }

    fn compare_boxes(&self, point: &Vector) {
        let (lo, hi) = (point.map(|x| x - 0.3), point.map(|x| x + 0.4));
        let [mut in_scan, mut in_tree] = [Vec::new(), Vec::new()];
        self.scan
            .visit_box(&lo, &hi, &mut |entry| in_scan.push(entry.id));
        self.tree
            .visit_box(&lo, &hi, &mut |entry| in_tree.push(entry.id));
        in_scan.sort_unstable();
        in_tree.sort_unstable();
        assert_eq!(in_scan, in_tree);
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Insert(Vector),
    Repeat(Vector, u8),
    Remove(u64),
    Move(u64, Vector),
    Search(Vector),
    Clear,
}

fn points() -> BoxedStrategy<Vector> {
    let extreme = prop_oneof![
        Just(0.0_f32),
        Just(-0.0),
        Just(1e-45),
        Just(-1e-40),
        Just(3.4e38),
        Just(-3.4e38),
        Just(1e19)
    ];
    prop_oneof![
        6 => prop::array::uniform8(-1.0_f32..1.0),
        4 => prop::array::uniform8((0_u8..3).prop_map(f32::from).boxed()),
        2 => (0_u8..5).prop_map(|place| [f32::from(place); 8]),
        1 => prop::array::uniform8(extreme.boxed()),
    ]
    .boxed()
}

fn steps() -> BoxedStrategy<Vec<Step>> {
    let step = prop_oneof![
        30 => points().prop_map(Step::Insert),
        3 => (points(), 1_u8..120).prop_map(|(point, times)| Step::Repeat(point, times)),
        16 => (0_u64..1_000).prop_map(Step::Remove),
        3 => (0_u64..1_000, points()).prop_map(|(share, point)| Step::Move(share, point)),
        8 => points().prop_map(Step::Search),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 1..800).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// signals.md §11, 1 and 7
    #[test]
    fn the_tree_answers_as_the_scan_does_and_keeps_its_structure(steps in steps(), window in 100_u64..700) {
        let mut pair = Pair::new(window);
        for step in steps {
            let id_at = |share: u64| 1 + pair.last * share / 1_000;
            match step {
                Step::Insert(point) => pair.insert(point),
                Step::Repeat(point, times) => (0..times).for_each(|_| pair.insert(point)),
                Step::Remove(share) => pair.remove(id_at(share)),
                Step::Move(share, point) => {
                    let id = id_at(share);
                    if pair.tree.remove(id) {
                        pair.scan.remove(id);
                        pair.tree.insert(entry(id), &point);
                        pair.scan.insert(entry(id), &point);
                    }
                }
                Step::Search(point) => {
                    for (k, limit) in [(1, 0.01), (10, 0.3), (5, f32::MAX), (64, 1e30)] {
                        pair.compare(&point, k, limit);
                    }
                }
                Step::Clear => {
                    pair.tree.clear();
                    pair.scan.clear();
                }
            }
        }
        pair.tree.check();
        prop_assert_eq!(pair.scan.points(), pair.tree.points());
    }
}

/// A cheap source of numbers from 0 to 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn point(&mut self) -> Vector {
        std::array::from_fn(|_| self.next())
    }
}

type Input<'a> = Box<dyn Fn(usize) -> Vector + 'a>;

/// signals.md §11, 6: whatever comes, paths stay short and answers right.
#[test]
fn no_input_makes_long_paths_or_wrong_answers() {
    let window = 6_000;
    let mut random = Random(7);
    let mut noise = Vec::new();
    noise.resize_with(20_000, || random.point());
    let inputs: [(&str, Input<'_>); 7] = [
        ("identical", Box::new(|_| [0.25; 8])),
        (
            "seven of eight axes identical",
            Box::new(|i| [0.5, 0.5, 0.5, noise[i][0], 0.5, 0.5, 0.5, 0.5]),
        ),
        ("twenty vectors repeated", Box::new(|i| noise[i % 20])),
        ("strictly rising", Box::new(|i| [i as f32; 8])),
        (
            "strictly falling, one axis",
            Box::new(|i| [-(i as f32), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ),
        (
            "ever wider",
            Box::new(|i| noise[i].map(|x| x * 1.002_f32.powi(i as i32))),
        ),
        (
            "drifting",
            Box::new(|i| noise[i].map(|x| x * 0.2 + i as f32 * 1e-4)),
        ),
    ];
    for (name, input) in inputs {
        let mut pair = Pair::new(window);
        for i in 0..20_000 {
            pair.insert(input(i));
            if i % 1_000 == 999 {
                pair.tree.check();
                pair.compare(&input(i), 10, 0.01);
                pair.compare(&noise[i], 10, f32::MAX);
                let (depth, leaves) = (pair.tree.depth(), pair.tree.leaves());
                let longest = 1.6 * (leaves as f64).log2() + 6.0;
                assert!(
                    f64::from(depth) <= longest,
                    "{name}: depth {depth} with {leaves} leaves after {i}"
                );
            }
        }
        let info = pair.tree.info();
        assert!(
            info.bytes <= 320 * window + 100_000,
            "{name}: {} bytes",
            info.bytes
        );
    }
}

#[test]
fn a_window_of_uniform_points_is_well_filled_and_flat() {
    let mut random = Random(1);
    let mut pair = Pair::new(10_000);
    for _ in 0..40_000 {
        pair.insert(random.point());
    }
    pair.tree.check();
    let info = pair.tree.info();
    assert_eq!(10_000, info.points);
    assert!(info.fill > 0.4, "fill {}", info.fill);
    assert!(info.depth <= 15, "depth {}", info.depth);
}

fn beside(point: &Vector, offset: &Vector) -> Vector {
    std::array::from_fn(|axis| point[axis] + (offset[axis] - 0.5) / 64.0)
}

#[test]
fn what_was_found_in_a_tree_of_another_shape_misleads_nobody() {
    let mut random = Random(3);
    let mut pair = Pair::new(2_000);
    for _ in 0..2_000 {
        pair.insert(random.point());
    }
    for _ in 0..20 {
        let point = random.point();
        let found = pair.around(&point);
        // Enough beside it that its leaf is split.
        for _ in 0..100 {
            pair.insert(beside(&point, &random.point()));
        }
        pair.last += 1;
        pair.remove(pair.last - pair.window);
        pair.tree.insert_found(entry(pair.last), &point, &found);
        pair.scan.insert(entry(pair.last), &point);
        pair.tree.check();
        pair.compare(&point, 3, 0.5);
    }
}
