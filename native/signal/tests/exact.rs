//! Exact mode against brute force (signals.md §11, 1–4 and 6–8).
#![allow(missing_docs, clippy::unwrap_used)]
// Small numbers that tests made themselves; floats are compared for the same bits.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp
)]

mod support;

use proptest::prelude::*;
use signal::{
    Around, Config, Hit, Neighbors, Scope, Search, SignalError, SignalSystem, TokenUpdate, Vector,
};
use support::{Expected, Oracle, SMALL, emit, emit_batch, find, small, token_of, vectors};

#[derive(Debug, Clone, Copy)]
enum Step {
    Emit(Vector),
    Fill(u64, Vector),
    /// Share of the ids so far, in thousandths.
    Update(u64, Vector),
    Delete(u64),
    Clear,
    SetScales(Vector),
    Wait(u64),
    Find(Vector, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        60 => vectors().prop_map(Step::Emit),
        4 => (1_u64..600, vectors()).prop_map(|(n, vector)| Step::Fill(n, vector)),
        6 => (0_u64..1_000, vectors()).prop_map(|(share, vector)| Step::Update(share, vector)),
        8 => (0_u64..1_000).prop_map(Step::Delete),
        1 => Just(Step::Clear),
        1 => prop::array::uniform8(0.25_f32..4.0).prop_map(Step::SetScales),
        4 => (0_u64..3_000_000).prop_map(Step::Wait),
        6 => (vectors(), 1_usize..20).prop_map(|(vector, k)| Step::Find(vector, k)),
    ];
    prop::collection::vec(step, 1..250)
}

fn configs() -> impl Strategy<Value = Config> {
    let radii = prop_oneof![Just((0.1, 0.1)), Just((0.25, 0.1)), Just((1e9, 1e-3))];
    let ttl = prop_oneof![3 => Just(None), 1 => Just(Some(4.0))];
    (
        radii,
        ttl,
        1_usize..12,
        prop_oneof![Just(SMALL), Just(SMALL + 300)],
    )
        .prop_map(|((near, novel), ttl, max_neighbors, capacity)| Config {
            neighbor_radius: near,
            novelty_radius: novel,
            novelty_ttl: ttl,
            max_neighbors,
            capacity,
            ..small()
        })
}

struct Pair {
    system: SignalSystem,
    oracle: Oracle,
    now_us: u64,
}

impl Pair {
    fn new(config: &Config) -> Self {
        Self {
            system: SignalSystem::new(config.clone()).unwrap(),
            oracle: Oracle::new(config),
            now_us: 1_700_000_000_000_000,
        }
    }

    fn id_at(&self, share: u64) -> u64 {
        1 + self.oracle.last() * share / 1_000
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Emit(vector) => self.emit(vector)?,
            Step::Fill(n, vector) => self.fill(n, vector),
            Step::Update(share, vector) => {
                let id = self.id_at(share);
                let update = TokenUpdate {
                    vector: Some(vector),
                    ..TokenUpdate::default()
                };
                prop_assert_eq!(
                    Ok(self.oracle.update(id, vector)),
                    self.system.update_token(id, update)
                );
            }
            Step::Delete(share) => {
                let id = self.id_at(share);
                prop_assert_eq!(Ok(self.oracle.delete(id)), self.system.delete_token(id));
            }
            Step::Clear => prop_assert_eq!(Ok(self.oracle.clear()), self.system.clear_tokens()),
            Step::SetScales(scales) => {
                self.oracle.set_scales(scales);
                prop_assert_eq!(Ok(()), self.system.set_scales(scales));
            }
            Step::Wait(us) => self.now_us += us,
            Step::Find(vector, k) => self.find(vector, k)?,
        }
        prop_assert_eq!(Ok(self.oracle.len()), self.system.count_tokens());
        Ok(())
    }

    fn emit(&mut self, vector: Vector) -> Result<(), TestCaseError> {
        let square_before = self.oracle.squares(&vector);
        let expected = self.oracle.emit(self.now_us, vector);
        let (outcome, hits) = emit(&self.system, self.now_us, vector);
        prop_assert_eq!(expected, Expected::of(&outcome, &hits));
        prop_assert!((0.0..=1.0).contains(&outcome.anomaly_score));
        for hit in hits {
            // The hit is a token that lived at that distance, whichever of equals it is.
            prop_assert_eq!(Some(&hit.square), square_before.get(&hit.entry.id));
        }
        Ok(())
    }

    fn fill(&mut self, n: u64, vector: Vector) {
        // Different places, so that one fill is not one pile only.
        let shifted = |i: u64| vector.map(|x| x + (i % 7) as f32 * 0.01);
        let vectors: Vec<Vector> = (0..n)
            .map(shifted)
            .filter(|v| v.iter().all(|x| x.is_finite()))
            .collect();
        for vector in &vectors {
            self.oracle.add(self.now_us, *vector);
        }
        self.system
            .warm(self.now_us, vectors.into_iter().map(token_of))
            .unwrap();
    }

    fn find(&mut self, vector: Vector, k: usize) -> Result<(), TestCaseError> {
        let found = find(&self.system, self.now_us, Around::Point(vector), k, None).unwrap();
        let all = self.oracle.near(self.now_us, &vector, f64::INFINITY);
        prop_assert_eq!(k.min(all.len()), found.len());
        for (neighbor, (_, square)) in found.iter().zip(&all) {
            prop_assert!(neighbor.distance.is_finite());
            if square.is_finite() {
                prop_assert_eq!(
                    signal::vector::decimal(square.sqrt()).to_bits(),
                    neighbor.distance.to_bits()
                );
            }
        }
        prop_assert!(found.is_sorted_by(|a, b| a.distance <= b.distance));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// signals.md §11, 1 and 8: for any mix of emit, create, update, delete, clear, eviction, ageing and `set_scales`.
    #[test]
    fn exact_mode_equals_brute_force(config in configs(), steps in steps()) {
        let mut pair = Pair::new(&config);
        for step in steps {
            pair.take(step)?;
        }
        let listed: Vec<u64> = pair.system.list_tokens(10_000, None).unwrap().iter().map(|t| t.token.id).collect();
        let mut expected = pair.oracle.ids();
        expected.reverse();
        prop_assert_eq!(expected, listed);
    }

    /// signals.md §11, 2
    #[test]
    fn the_same_vector_again_is_not_novel_and_nearest_to_itself(vector in vectors(), others in prop::collection::vec(vectors(), 0..40)) {
        let system = SignalSystem::new(small()).unwrap();
        for other in others {
            emit(&system, 0, other);
        }
        let first = emit(&system, 0, vector).0.token_id;
        let (outcome, hits) = emit(&system, 0, vector);
        prop_assert!(!outcome.is_novel);
        prop_assert_eq!(Some(0.0), outcome.nearest_dist);
        prop_assert!(hits.iter().any(|hit| hit.entry.id == first && hit.square == 0.0) || hits.len() == 10);
    }

    /// signals.md §11, 3
    #[test]
    fn the_order_of_inserts_changes_no_distance(
        mut tokens in prop::collection::vec(vectors(), 1..200),
        point in vectors(),
        turn in 0_usize..200,
    ) {
        let distances = |tokens: &[Vector]| -> Vec<f64> {
            let system = SignalSystem::new(small()).unwrap();
            system.warm(0, tokens.iter().copied().map(token_of)).unwrap();
            let found = find(&system, 0, Around::Point(point), 10, Some(0.3)).unwrap();
            found.into_iter().map(|neighbor| neighbor.distance).collect()
        };
        let before = distances(&tokens);
        let turn = turn % tokens.len();
        tokens.rotate_left(turn);
        tokens.reverse();
        prop_assert_eq!(before, distances(&tokens));
    }

    /// signals.md §11, 4: also across the edge of the window.
    #[test]
    fn a_batch_is_the_sequence_of_its_emits(
        before in 0_u64..1_100,
        tokens in prop::collection::vec(vectors(), 1..700),
        cut in 0_usize..700,
        threads in 1_usize..4,
    ) {
        let systems = [1, threads].map(|threads| SignalSystem::new(Config { threads, ..small() }).unwrap());
        for system in &systems {
            system.warm(0, vec![token_of([0.5; 8]); before as usize].into_iter()).unwrap();
        }
        let one_by_one: Vec<_> = tokens.iter().map(|vector| emit(&systems[0], 0, *vector)).collect();
        let (head, tail) = tokens.split_at(cut.min(tokens.len()));
        let mut batched = emit_batch(&systems[1], 0, head);
        batched.extend(emit_batch(&systems[1], 0, tail));
        prop_assert_eq!(one_by_one.len(), batched.len());
        for (alone, together) in one_by_one.into_iter().zip(batched) {
            // Ids are free among equal distances.
            let squares = |hits: &[Hit]| hits.iter().map(|hit| hit.square.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(alone.0, together.0);
            prop_assert_eq!(squares(&alone.1), squares(&together.1));
            prop_assert!(together.1.iter().all(|hit| hit.entry.id < together.0.token_id));
        }
    }

    /// signals.md §11, 5: never better than exact, and what is called novel is novel.
    #[test]
    fn bounded_searches_are_never_wrong_about_novelty(
        tokens in prop::collection::vec(vectors(), 1..900),
        max_leaves in 1_u32..4,
        radii in prop_oneof![Just((0.1, 0.1)), Just((0.5, 0.05)), Just((3.0, 0.2))],
    ) {
        let config = Config { neighbor_radius: radii.0, novelty_radius: radii.1, ..small() };
        let bounded = Config { neighbors: Neighbors::Bounded, max_leaves, ..config.clone() };
        let [exact, bounded] = [config, bounded].map(|config| SignalSystem::new(config).unwrap());
        for vector in tokens {
            let (truth, all) = emit(&exact, 0, vector);
            let (told, some) = emit(&bounded, 0, vector);
            prop_assert_eq!(truth.is_novel, told.is_novel);
            prop_assert!(truth.exact);
            if told.exact {
                prop_assert_eq!(truth.nearest_dist, told.nearest_dist);
                prop_assert_eq!(all.len(), some.len());
            }
            prop_assert!(some.len() <= all.len());
            for (better, found) in all.iter().zip(&some) {
                prop_assert!(better.square <= found.square);
            }
        }
    }

    #[test]
    fn a_box_holds_the_tokens_between_its_corners(
        tokens in prop::collection::vec(vectors(), 1..400),
        a in vectors(),
        b in vectors(),
        limit in 0_usize..300,
        scales in prop::array::uniform8(0.25_f32..4.0),
        neighbors in prop_oneof![Just(Neighbors::Exact), Just(Neighbors::Off)],
    ) {
        let system = SignalSystem::new(Config { neighbors, scales, ..small() }).unwrap();
        for vector in &tokens {
            emit(&system, 0, *vector);
        }
        let lo: Vector = std::array::from_fn(|axis| a[axis].min(b[axis]));
        let hi: Vector = std::array::from_fn(|axis| a[axis].max(b[axis]));
        let is_inside = |vector: &Vector| (0..8).all(|axis| lo[axis] <= vector[axis] && vector[axis] <= hi[axis]);
        let numbered = (1_u64..).zip(&tokens).filter(|(_, vector)| is_inside(vector));
        let mut expected: Vec<u64> = numbered.map(|(id, _)| id).collect();
        expected.reverse();
        expected.truncate(limit);
        prop_assert_eq!(Ok(expected), system.range_query(0, &lo, &hi, limit));
    }
}

/// signals.md §11, 6: none of these may cost more than the window, and all answers are right.
#[test]
fn awkward_inputs_get_right_answers() {
    let line = |i: u64| [i as f32 * 0.01, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
    let repeated = |i: u64| [(i % 20) as f32 * 0.3; 8];
    let rising = |i: u64| [i as f32; 8];
    let tiny = |i: u64| [f32::from_bits(i as u32 + 1); 8];
    let huge = |i: u64| [if i.is_multiple_of(2) { 3e38 } else { -3e38 }; 8];
    let inputs: [fn(u64) -> Vector; 6] = [|_| [0.25; 8], line, repeated, rising, tiny, huge];
    for input in inputs {
        let mut pair = Pair::new(&small());
        for i in 0..2_500 {
            let step = if i % 5 == 0 {
                Step::Emit(input(i))
            } else {
                Step::Fill(1, input(i))
            };
            pair.take(step).unwrap();
        }
    }
}

/// Distances equal to the radius count as within (signals.md §3, §4).
#[test]
fn the_radius_itself_is_within() {
    let system = SignalSystem::new(small()).unwrap();
    emit(&system, 0, [0.0; 8]);
    let mut edge = [0.0; 8];
    edge[2] = 0.1;
    let (outcome, hits) = emit(&system, 0, edge);
    assert_eq!(
        (false, Some(0.1), 1),
        (outcome.is_novel, outcome.nearest_dist, hits.len())
    );
    let mut beyond = [0.0; 8];
    beyond[3] = 0.1_f32.next_up();
    let (outcome, hits) = emit(&system, 0, beyond);
    assert_eq!(
        (true, None, 0),
        (outcome.is_novel, outcome.nearest_dist, hits.len())
    );
    assert!((outcome.anomaly_score - 1.0).abs() < f32::EPSILON);
}

/// signals.md §4
#[test]
fn what_is_older_than_its_time_to_live_makes_nothing_known() {
    let config = Config {
        novelty_ttl: Some(2.0),
        ..small()
    };
    let system = SignalSystem::new(config).unwrap();
    let second = 1_000_000;
    assert!(emit(&system, 10 * second, [0.5; 8]).0.is_novel);
    assert!(!emit(&system, 12 * second, [0.5; 8]).0.is_novel);
    assert!(emit(&system, 15 * second, [0.5; 8]).0.is_novel);
    assert_eq!(3, system.count_tokens().unwrap());
    assert_eq!(1, system.index_info().unwrap().points);
}

#[test]
fn a_token_is_not_its_own_neighbour_and_a_missing_one_is_named() {
    let system = SignalSystem::new(small()).unwrap();
    let first = emit(&system, 0, [0.5; 8]).0.token_id;
    let second = emit(&system, 0, [0.51; 8]).0.token_id;
    let found = find(&system, 0, Around::Token(first), 10, None).unwrap();
    assert_eq!(
        vec![second],
        found.iter().map(|n| n.token_id).collect::<Vec<_>>()
    );
    let error = find(&system, 0, Around::Token(99), 10, None).unwrap_err();
    assert_eq!(
        "token_id must be the id of a live token, got 99",
        error.to_string()
    );
}

#[test]
fn searches_are_bounded() {
    let system = SignalSystem::new(small()).unwrap();
    let around = Around::Point([0.5; 8]);
    for (k, radius) in [
        (0, None),
        (65, None),
        (1, Some(0.0)),
        (1, Some(f64::NAN)),
        (1, Some(2e9)),
    ] {
        let error = find(&system, 0, around, k, radius).unwrap_err();
        assert!(matches!(error, SignalError::Argument { .. }), "{error}");
    }
    assert!(matches!(
        system.list_tokens(10_001, None),
        Err(SignalError::Argument { .. })
    ));
}

/// signals.md §2: without an index nothing is said to be new or near, and the window can still be asked.
#[test]
fn without_an_index_nothing_is_novel_and_nothing_is_near() {
    let config = Config {
        neighbors: signal::Neighbors::Off,
        ..small()
    };
    let system = SignalSystem::new(config).unwrap();
    for _ in 0..2 {
        let (outcome, hits) = emit(&system, 0, [0.5; 8]);
        assert_eq!(
            (false, false, None, 0),
            (
                outcome.is_novel,
                outcome.exact,
                outcome.nearest_dist,
                hits.len()
            )
        );
    }
    let found = find(&system, 0, Around::Point([0.5; 8]), 10, Some(0.1)).unwrap();
    assert_eq!(
        vec![0.0, 0.0],
        found.iter().map(|n| n.distance).collect::<Vec<_>>()
    );
}

#[test]
fn all_tokens_or_those_of_one_type_can_be_asked_for() {
    let system = SignalSystem::new(Config {
        capacity: 3 * SMALL,
        ..small()
    })
    .unwrap();
    // Number 0, which the others have.
    system.intern("near.by").unwrap();
    let far = signal::NewToken {
        event_type: system.intern("far.away").unwrap(),
        ..token_of([9.0; 8])
    };
    system.warm(0, [far].into_iter()).unwrap();
    let near = vec![token_of([0.5; 8]); SMALL as usize];
    system.warm(0, near.into_iter()).unwrap();
    let ids = |scope, event_type, radius| {
        let search = Search {
            around: Around::Point([9.0; 8]),
            k: 2,
            radius,
            event_type,
            scope,
        };
        let found = system.find_neighbors(0, &search).unwrap();
        found.iter().map(|n| n.token_id).collect::<Vec<_>>()
    };
    assert_eq!(
        2,
        ids(Scope::Window, None, None).len(),
        "the window has lost the first"
    );
    assert_eq!(Some(&1), ids(Scope::All, None, None).first());
    assert_eq!(vec![1], ids(Scope::All, Some("far.away"), None));
    assert_eq!(vec![1], ids(Scope::All, None, Some(0.1)));
    assert!(ids(Scope::Window, Some("far.away"), None).is_empty());
    assert!(ids(Scope::All, Some("never.seen"), None).is_empty());
}

#[test]
fn a_box_inside_out_is_refused_with_its_axis() {
    let system = SignalSystem::new(small()).unwrap();
    let mut hi = [1.0; 8];
    hi[2] = -1.0;
    let error = system.range_query(0, &[0.0; 8], &hi, 10).unwrap_err();
    assert_eq!(
        "hi must be at least lo on every axis, got lo[2]=0 and hi[2]=-1",
        error.to_string()
    );
    assert!(system.range_query(0, &[0.0; 8], &[1.0; 8], 10_001).is_err());
}
