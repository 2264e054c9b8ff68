//! A small system to call, and the oracle: the same promises kept by brute force over a map.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]
// Small numbers that tests made themselves; floats are compared for the same bits.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use signal::{
    Around, Config, Hit, Neighbor, NewToken, Outcome, Scope, Search, Signal, SignalError,
    SignalSystem, Vector,
};

/// The smallest capacity and window there may be: edges are reached soon.
pub const SMALL: u64 = 1_024;

pub fn small() -> Config {
    Config {
        capacity: SMALL,
        index_window: SMALL,
        ..Config::default()
    }
}

pub fn signal_of(vector: Vector) -> Signal {
    Signal {
        event_type: 0,
        vector,
        priority: 128,
        publish: None,
        extra: None,
    }
}

pub fn token_of(vector: Vector) -> NewToken {
    NewToken {
        vector,
        event_type: 0,
        weight: 1.0,
        priority: 128,
    }
}

/// Among the window, of any type.
pub fn find(
    system: &SignalSystem,
    now_us: u64,
    around: Around,
    k: usize,
    radius: Option<f64>,
) -> Result<Vec<Neighbor>, SignalError> {
    let search = Search {
        around,
        k,
        radius,
        event_type: None,
        scope: Scope::Window,
    };
    system.find_neighbors(now_us, &search)
}

pub fn emit(system: &SignalSystem, now_us: u64, vector: Vector) -> (Outcome, Vec<Hit>) {
    let mut seen = Vec::new();
    let mut sink = |outcome: Outcome, hits: &[Hit]| seen.push((outcome, hits.to_vec()));
    system
        .emit(now_us, "test", signal_of(vector), &mut sink)
        .unwrap();
    seen.pop().unwrap()
}

pub fn emit_batch(
    system: &SignalSystem,
    now_us: u64,
    vectors: &[Vector],
) -> Vec<(Outcome, Vec<Hit>)> {
    let signals: Vec<Signal> = vectors.iter().copied().map(signal_of).collect();
    let mut seen = Vec::new();
    let mut sink = |outcome: Outcome, hits: &[Hit]| seen.push((outcome, hits.to_vec()));
    system
        .emit_batch(now_us, &signals, &mut sink, &mut || true)
        .unwrap();
    seen
}

/// Vectors that meet each other often: some places, some noise around them, some extremes.
pub fn vectors() -> BoxedStrategy<Vector> {
    let noise = prop::array::uniform8(-0.06_f32..0.06);
    let around =
        (0_u8..4, noise).prop_map(|(place, noise)| noise.map(|x| x + f32::from(place) * 0.1));
    let extreme = prop_oneof![
        Just(0.0_f32),
        Just(-0.0),
        Just(1e-40),
        Just(3e38),
        Just(-3e38),
        Just(1e19),
        Just(0.5)
    ];
    prop_oneof![
        8 => around,
        3 => (0_u8..20).prop_map(|place| [f32::from(place) * 0.05; 8]),
        1 => prop::array::uniform8(extreme.boxed()),
    ]
    // Unboxed, the trees of these unions outgrow the stack of a test thread.
    .boxed()
}

#[derive(Clone)]
struct Known {
    pos: Vector,
    created_us: u64,
}

/// Tokens in a map, distances one by one.
pub struct Oracle {
    tokens: BTreeMap<u64, Known>,
    last: u64,
    config: Config,
}

impl Oracle {
    pub fn new(config: &Config) -> Self {
        Self {
            tokens: BTreeMap::new(),
            last: 0,
            config: config.clone(),
        }
    }

    pub fn square(&self, a: &Vector, b: &Vector) -> f32 {
        let scaled = |x: f32, scale: f32| (x * scale).clamp(-f32::MAX, f32::MAX);
        let mut sum = 0.0_f32;
        for axis in 0..8 {
            let scale = self.config.scales[axis];
            let offset = scaled(b[axis], scale) - scaled(a[axis], scale);
            sum += offset * offset;
        }
        sum
    }

    /// Squares to all live tokens of the window within `radius`, ascending.
    pub fn near(&self, now_us: u64, point: &Vector, radius: f64) -> Vec<(u64, f32)> {
        let ttl = self
            .config
            .novelty_ttl
            .map_or(u64::MAX, |seconds| (seconds * 1e6) as u64);
        let start = self.last.saturating_sub(self.config.index_window) + 1;
        let mut near: Vec<(u64, f32)> = self
            .tokens
            .range(start..)
            .filter(|(_, known)| known.created_us.saturating_add(ttl) >= now_us)
            .map(|(id, known)| (*id, self.square(point, &known.pos)))
            .filter(|(_, square)| signal::vector::decimal(square.sqrt()) <= radius)
            .collect();
        near.sort_by(|a, b| a.1.total_cmp(&b.1));
        near
    }

    pub fn add(&mut self, now_us: u64, pos: Vector) -> u64 {
        self.last += 1;
        self.tokens.insert(
            self.last,
            Known {
                pos,
                created_us: now_us,
            },
        );
        if let Some(leaver) = self.last.checked_sub(self.config.capacity) {
            self.tokens.remove(&leaver);
        }
        self.last
    }

    pub fn update(&mut self, id: u64, pos: Vector) -> bool {
        self.tokens
            .get_mut(&id)
            .map(|known| known.pos = pos)
            .is_some()
    }

    pub fn delete(&mut self, id: u64) -> bool {
        self.tokens.remove(&id).is_some()
    }

    pub fn clear(&mut self) -> u64 {
        std::mem::take(&mut self.tokens).len() as u64
    }

    pub fn set_scales(&mut self, scales: Vector) {
        self.config.scales = scales;
    }

    pub fn len(&self) -> u64 {
        self.tokens.len() as u64
    }

    pub fn last(&self) -> u64 {
        self.last
    }

    pub fn ids(&self) -> Vec<u64> {
        self.tokens.keys().copied().collect()
    }

    /// What an emit has to answer; the token is added.
    pub fn emit(&mut self, now_us: u64, vector: Vector) -> Expected {
        let mut near = self.near(now_us, &vector, self.config.neighbor_radius);
        let nearest = near.first().map(|(_, square)| square.sqrt());
        near.truncate(self.config.max_neighbors);
        Expected {
            token_id: self.add(now_us, vector),
            is_novel: nearest
                .is_none_or(|d| signal::vector::decimal(d) > self.config.novelty_radius),
            nearest_dist: nearest,
            squares: near.into_iter().map(|(_, square)| square).collect(),
        }
    }

    /// The square of every live token's distance.
    pub fn squares(&self, point: &Vector) -> BTreeMap<u64, f32> {
        self.tokens
            .iter()
            .map(|(id, known)| (*id, self.square(point, &known.pos)))
            .collect()
    }
}

#[derive(Debug, PartialEq)]
pub struct Expected {
    pub token_id: u64,
    pub is_novel: bool,
    pub nearest_dist: Option<f32>,
    /// Ids are free among equal distances, so the squares are what is promised.
    pub squares: Vec<f32>,
}

impl Expected {
    pub fn of(outcome: &Outcome, hits: &[Hit]) -> Self {
        Self {
            token_id: outcome.token_id,
            is_novel: outcome.is_novel,
            nearest_dist: outcome.nearest_dist,
            squares: hits.iter().map(|hit| hit.square).collect(),
        }
    }
}
