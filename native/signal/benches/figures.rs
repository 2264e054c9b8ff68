//! The figures of the crate by themselves: `cargo bench -p ng-signal [-- emit|tokens|balls]`, one JSON object a line.
//!
//! "clustered": 1,000 Gaussian clusters, σ 0.05 per axis; "uniform": the worst case. Seeds are fixed. The window is full and
//! turned over twice before anything is measured; inputs are made in blocks just before. Times are those of the thread's own
//! processor time: median and best of the runs. A sample of every run is compared with brute force.
#![allow(missing_docs, clippy::unwrap_used)]
// Small numbers of a generator.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

use std::hint::black_box;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use signal::{Config, Neighbors, NewToken, Signal, SignalSystem, Vector};
use space::{Ball, Balls, square_between};

const BLOCK: usize = 4_096;
const RUNS: usize = 15;
const SAMPLE: usize = 8;

/// A cheap source of vectors.
struct Source {
    state: u64,
    clusters: Option<Vec<Vector>>,
}

impl Source {
    fn uniform(seed: u64) -> Self {
        Self {
            state: seed,
            clusters: None,
        }
    }

    fn clustered(seed: u64) -> Self {
        let mut source = Self::uniform(42);
        let centres = (0..1_000).map(|_| source.next()).collect();
        Self {
            state: seed,
            clusters: Some(centres),
        }
    }

    fn of(name: &str, seed: u64) -> Self {
        if name == "uniform" {
            Self::uniform(seed)
        } else {
            Self::clustered(seed)
        }
    }

    fn unit(&mut self) -> f32 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Near enough: a sum of twelve.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }

    fn next(&mut self) -> Vector {
        let place = (self.unit() * 1_000.0) as usize;
        match &self.clusters {
            None => std::array::from_fn(|_| self.unit()),
            Some(centres) => {
                let centre = centres[place % centres.len()];
                centre.map(|x| x + 0.05 * self.normal())
            }
        }
    }
}

fn cpu_us() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

/// Median and best of these.
fn summary(mut each: Vec<f64>) -> (f64, f64) {
    each.sort_by(f64::total_cmp);
    (each[each.len() / 2], each[0])
}

fn signal_of(vector: Vector) -> Signal {
    Signal {
        event_type: 0,
        vector,
        priority: 128,
        publish: None,
        extra: None,
    }
}

fn token_of(vector: Vector) -> NewToken {
    NewToken {
        vector,
        event_type: 0,
        weight: 1.0,
        priority: 128,
    }
}

/// What the window holds, to be looked through.
struct History {
    points: Vec<Vector>,
    window: usize,
}

impl History {
    /// The squares that the signal with this id had to find.
    fn nearest(&self, id: u64, k: usize, limit: f32) -> Vec<f32> {
        let before = id as usize - 1;
        let point = self.points[before];
        let window = &self.points[before.saturating_sub(self.window)..before];
        let mut squares: Vec<f32> = window
            .iter()
            .map(|other| square_between(&point, other))
            .filter(|square| square.sqrt() <= limit)
            .collect();
        squares.sort_by(f32::total_cmp);
        squares.truncate(k);
        squares
    }
}

struct Emits {
    system: SignalSystem,
    source: Source,
    history: History,
    radius: f64,
    checked: usize,
    wrong: usize,
}

impl Emits {
    fn new(window: u64, radius: f64, input: &str, neighbors: Neighbors) -> Self {
        let config = Config {
            index_window: window,
            capacity: window.max(1 << 20),
            neighbor_radius: radius,
            novelty_radius: radius.min(0.1),
            neighbors,
            ..Config::default()
        };
        let system = SignalSystem::new(config).unwrap();
        let mut source = Source::of(input, 7);
        let mut points = Vec::new();
        for _ in 0..2 * window / BLOCK as u64 {
            let block: Vec<Vector> = (0..BLOCK).map(|_| source.next()).collect();
            points.extend_from_slice(&block);
            system.warm(0, block.into_iter().map(token_of)).unwrap();
        }
        system.take_batch(1).unwrap();
        Self {
            system,
            source,
            history: History {
                points,
                window: window as usize,
            },
            radius,
            checked: 0,
            wrong: 0,
        }
    }

    /// -> microseconds per emit
    fn run(&mut self, is_checked: bool) -> f64 {
        let block: Vec<Signal> = (0..BLOCK).map(|_| signal_of(self.source.next())).collect();
        self.history
            .points
            .extend(block.iter().map(|signal| signal.vector));
        let step = BLOCK / SAMPLE;
        let mut sample = Vec::new();
        let mut seen = 0_usize;
        let start = cpu_us();
        let mut sink = |outcome: signal::Outcome, hits: &[signal::Hit]| {
            if seen.is_multiple_of(step) {
                sample.push((
                    outcome.token_id,
                    hits.iter().map(|hit| hit.square).collect::<Vec<_>>(),
                ));
            }
            seen += 1;
        };
        self.system
            .emit_batch(0, &block, &mut sink, &mut || true)
            .unwrap();
        let took = cpu_us() - start;
        drop(self.system.take_batch(BLOCK).unwrap());
        for (id, squares) in sample.into_iter().filter(|_| is_checked) {
            self.checked += 1;
            let truth = self.history.nearest(id, 10, self.radius as f32);
            self.wrong += usize::from(truth != squares);
        }
        took / BLOCK as f64
    }
}

fn emits() {
    let mut cases = vec![(131_072_u64, 0.1, Neighbors::Off)];
    for (window, radius) in [
        (16_384, 0.1),
        (131_072, 0.05),
        (131_072, 0.1),
        (131_072, 0.25),
        (1_048_576, 0.1),
    ] {
        cases.push((window, radius, Neighbors::Exact));
    }
    cases.push((131_072, 0.1, Neighbors::Bounded));
    for (window, radius, neighbors) in cases {
        for input in ["clustered", "uniform"] {
            let mut emits = Emits::new(window, radius, input, neighbors);
            let is_checked = neighbors == Neighbors::Exact;
            emits.run(is_checked);
            let (median, best) = summary((0..RUNS).map(|_| emits.run(is_checked)).collect());
            let info = emits.system.index_info().unwrap();
            println!(
                "{{\"what\":\"emit\",\"neighbors\":\"{neighbors:?}\",\"window\":{window},\"radius\":{radius},\"input\":\"{input}\",\
                 \"us_median\":{median:.3},\"us_best\":{best:.3},\"checked\":{},\"wrong\":{},\"depth\":{},\"fill\":{:.3},\
                 \"bytes_per_point\":{:.1}}}",
                emits.checked,
                emits.wrong,
                info.depth,
                info.fill,
                info.bytes as f64 / (info.points.max(1)) as f64,
            );
        }
    }
}

fn tokens() {
    let count = 1_048_576_usize;
    for (name, neighbors) in [("off", Neighbors::Off), ("exact", Neighbors::Exact)] {
        let config = Config {
            neighbors,
            ..Config::default()
        };
        let system = SignalSystem::new(config).unwrap();
        let mut source = Source::clustered(9);
        let mut runs = Vec::new();
        for round in 0..RUNS {
            let points: Vec<Vector> = (0..count / 8).map(|_| source.next()).collect();
            let start = cpu_us();
            system
                .create_tokens(0, points.into_iter().map(token_of), true)
                .unwrap();
            // The first rounds touch pages that are new.
            if round >= 8 {
                runs.push((cpu_us() - start) / (count / 8) as f64);
            }
        }
        let (median, best) = summary(runs);
        println!(
            "{{\"what\":\"tokens\",\"neighbors\":\"{name}\",\"us_median\":{median:.4},\"us_best\":{best:.4}}}"
        );
    }
}

fn balls() {
    for (count, low, high) in [
        (100_000_usize, 0.05, 0.05),
        (100_000, 0.1, 0.1),
        (100_000, 0.2, 0.2),
        (100_000, 0.02, 0.3),
        (1_000_000, 0.1, 0.1),
    ] {
        for input in ["clustered", "uniform"] {
            measure_balls(count, low, high, input);
        }
    }
}

fn wide(vector: Vector) -> [f64; 8] {
    vector.map(f64::from)
}

fn measure_balls(count: usize, low: f64, high: f64, input: &str) {
    let mut source = Source::of(input, 3);
    let mut balls = Balls::new();
    let mut all = Vec::with_capacity(count);
    let start = cpu_us();
    for owner in 0..count as u32 {
        let radius = low + (high - low) * f64::from(source.unit());
        let ball = Arc::new(Ball::new(wide(source.next()), radius).unwrap());
        balls.insert(owner, &ball);
        all.push(ball);
    }
    let built = (cpu_us() - start) / count as f64;
    let (mut runs, mut matches, mut wrong, mut churn) = (Vec::new(), 0_usize, 0_usize, Vec::new());
    for _ in 0..RUNS {
        let points: Vec<[f64; 8]> = (0..BLOCK).map(|_| wide(source.next())).collect();
        let mut found = Vec::new();
        let start = cpu_us();
        for point in &points {
            found.clear();
            balls.holding(point, &mut found);
            matches += black_box(&found).len();
        }
        runs.push((cpu_us() - start) / BLOCK as f64);
        for point in points.iter().take(3) {
            found.clear();
            balls.holding(point, &mut found);
            let truth = all.iter().filter(|ball| ball.holds(point)).count();
            wrong += usize::from(truth != found.len());
        }
        let start = cpu_us();
        for (owner, ball) in (0..).zip(all.iter().take(BLOCK)) {
            balls.remove(owner, ball);
            balls.insert(owner, ball);
        }
        churn.push((cpu_us() - start) / BLOCK as f64);
    }
    let (median, best) = summary(runs);
    println!(
        "{{\"what\":\"balls\",\"count\":{count},\"radius\":[{low},{high}],\"input\":\"{input}\",\"us_median\":{median:.3},\
         \"us_best\":{best:.3},\"matches\":{:.2},\"wrong\":{wrong},\"insert_us\":{built:.3},\"replace_us\":{:.3},\
         \"bytes_per_ball\":{}}}",
        matches as f64 / (RUNS * BLOCK) as f64,
        summary(churn).0,
        balls.bytes() / count,
    );
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |name: &str| {
        let names: Vec<&String> = asked.iter().filter(|name| !name.starts_with('-')).collect();
        names.is_empty() || names.iter().any(|other| *other == name)
    };
    if is_asked("emit") {
        emits();
    }
    if is_asked("tokens") {
        tokens();
    }
    if is_asked("balls") {
        balls();
    }
}
