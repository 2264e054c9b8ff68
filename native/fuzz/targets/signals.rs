//! Whatever a caller hands to the SignalSystem is refused or processed: answers are numbers and in order, what is novel has
//! nothing near it, and every event that is taken is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signal::rules::{check_event_type, check_key, check_payload_size, is_traceparent};
use signal::{
    Around, Config, Extra, Hit, NewConnection, NewToken, Outcome, Scope, Search, Signal, SignalSystem, TokenUpdate,
    Vector, vector::vector_of,
};

/// What is left of the bytes.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> u8 {
        let first = self.0.split_first();
        first.map_or(0, |(byte, rest)| {
            self.0 = rest;
            *byte
        })
    }

    fn text(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        text
    }

    /// From bits that may be anything, or near others.
    fn vector(&mut self) -> Option<Vector> {
        let numbers: Vec<f64> = (0..8)
            .map(|_| match self.byte() {
                255 => f64::from_bits(u64::from_le_bytes(std::array::from_fn(|_| self.byte()))),
                byte => f64::from(byte % 16) / 16.0,
            })
            .collect();
        vector_of(&numbers).ok()
    }
}

fn extra(bytes: &mut Bytes<'_>) -> Option<Extra> {
    let key = std::str::from_utf8(bytes.text()).ok()?;
    let (payload, trace) = (bytes.text(), std::str::from_utf8(bytes.text()).unwrap_or_default());
    check_key(key).ok()?;
    check_payload_size(payload).ok()?;
    let is_json = plane::json::check_value(payload).is_ok();
    Some(Extra {
        key: Some(key.into()),
        payload: is_json.then(|| payload.into()),
        traceparent: is_traceparent(trace).then(|| trace.into()),
        ..Extra::default()
    })
}

fn check(outcome: &Outcome, hits: &[Hit], radius: f64) {
    assert!(outcome.anomaly_score.is_finite());
    assert!(hits.is_sorted_by(|one, other| one.distance() <= other.distance()));
    assert!(hits.iter().all(|hit| f64::from(hit.distance()) <= radius * 1.000_001));
    assert!(!outcome.is_novel || outcome.nearest_dist.is_none());
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let config = Config {
        capacity: 1_024,
        index_window: 1_024,
        auto_connect: usize::from(bytes.byte() % 3),
        novelty_events: true,
        token_events: bytes.byte() % 2 == 0,
        threads: 1,
        ..Config::default()
    };
    let radius = config.neighbor_radius;
    let system = SignalSystem::new(config).expect("a configuration that is right");
    system.take_batch(1).expect("the system works");
    let mut now = 1_u64;
    while !bytes.0.is_empty() {
        now += u64::from(bytes.byte());
        let id = u64::from(bytes.byte());
        match bytes.byte() % 10 {
            0..=3 => {
                let name = std::str::from_utf8(bytes.text()).unwrap_or_default();
                let (Some(vector), extra) = (bytes.vector(), extra(&mut bytes)) else {
                    continue;
                };
                let is_name = check_event_type(name).is_ok();
                let signal = Signal {
                    event_type: 0,
                    vector,
                    priority: bytes.byte(),
                    publish: None,
                    extra: extra.and_then(Extra::shared),
                };
                let mut told = 0;
                let result = system.emit(now, name, signal, &mut |outcome, hits| {
                    check(&outcome, hits, radius);
                    told += 1;
                });
                assert_eq!((is_name, u8::from(is_name)), (result.is_ok(), told));
            }
            4 => {
                if let Some(vector) = bytes.vector() {
                    let new = NewToken { vector, event_type: 0, weight: 1.0, priority: 0 };
                    let _ = system.create_token(now, new);
                }
            }
            5 => {
                let update = TokenUpdate { vector: bytes.vector(), ..TokenUpdate::default() };
                let _ = system.update_token(id, update);
            }
            6 => drop(system.delete_token(id)),
            7 => {
                let new = NewConnection {
                    token_a: id,
                    token_b: u64::from(bytes.byte()),
                    kind: "similar",
                    pull_strength: 1.0,
                };
                let _ = system.create_connection(new);
            }
            8 => {
                if let Some(vector) = bytes.vector() {
                    let search = Search {
                        around: Around::Point(vector),
                        k: usize::from(bytes.byte() % 64) + 1,
                        radius: None,
                        event_type: None,
                        scope: if id % 2 == 0 { Scope::Window } else { Scope::All },
                    };
                    let found = system.find_neighbors(now, &search).expect("a search within its bounds");
                    assert!(found.iter().all(|near| near.distance.is_finite()));
                }
            }
            _ => {
                if let Some(scales) = bytes.vector() {
                    let _ = system.set_scales(scales);
                }
            }
        }
    }
    while let Some(batch) = system.take_batch(64).expect("the system works") {
        for text in batch.to_json() {
            plane::json::check(&text).expect("events are JSON");
        }
    }
});
