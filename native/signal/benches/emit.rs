//! Emits, the window full and turned over: `cargo bench -p ng-signal`.
//!
//! "clustered": 1,000 Gaussian clusters, σ 0.05 per axis; "uniform": the worst case. Seeds are fixed. Inputs are made in
//! blocks just before they are measured, so that reading them is not what is measured.
#![allow(missing_docs, clippy::unwrap_used)]
// Small numbers of a generator.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use signal::{Config, Neighbors, NewToken, Signal, SignalSystem, Vector};

const BLOCK: usize = 4_096;

/// A cheap source of vectors.
struct Source {
    state: u64,
    clusters: Option<Vec<Vector>>,
}

impl Source {
    fn uniform() -> Self {
        Self {
            state: 42,
            clusters: None,
        }
    }

    fn clustered() -> Self {
        let mut source = Self::uniform();
        let centres = (0..1_000).map(|_| source.next()).collect();
        source.clusters = Some(centres);
        source
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

    fn block(&mut self) -> Vec<Signal> {
        let signal = |vector| Signal {
            event_type: 0,
            vector,
            priority: 128,
            publish: None,
            extra: None,
        };
        (0..BLOCK).map(|_| signal(self.next())).collect()
    }
}

fn full(config: Config, source: &mut Source) -> SignalSystem {
    let window = config.index_window;
    let system = SignalSystem::new(config).unwrap();
    let token = |vector| NewToken {
        vector,
        event_type: 0,
        weight: 1.0,
        priority: 128,
    };
    for _ in 0..2 * window / BLOCK as u64 {
        let block: Vec<NewToken> = (0..BLOCK).map(|_| token(source.next())).collect();
        system.warm(0, &mut block.into_iter()).unwrap();
    }
    system.take_batch(1).unwrap();
    system
}

fn emit_all(system: &SignalSystem, block: &[Signal]) {
    let mut found = 0;
    system
        .emit_batch(0, block, &mut |_, hits| found += hits.len(), &mut || true)
        .unwrap();
    black_box(found);
    drop(system.take_batch(BLOCK).unwrap());
}

fn emits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("emit");
    group
        .throughput(Throughput::Elements(BLOCK as u64))
        .sample_size(15);
    let off = Config {
        neighbors: Neighbors::Off,
        ..Config::default()
    };
    let windows = [16_384, 131_072].map(|window| Config {
        index_window: window,
        ..Config::default()
    });
    for config in [vec![off], windows.to_vec()].concat() {
        for (name, mut source) in [
            ("clustered", Source::clustered()),
            ("uniform", Source::uniform()),
        ] {
            let label = format!("{:?}/{}/{name}", config.neighbors, config.index_window);
            let system = full(config.clone(), &mut source);
            group.bench_function(label, |bench| {
                bench.iter_batched_ref(
                    || source.block(),
                    |block| emit_all(&system, block),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, emits);
criterion_main!(benches);
