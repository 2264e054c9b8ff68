//! Connections between tokens, and the events of what the API and emits do beside signals (signals.md §1, §7).
#![allow(missing_docs, clippy::unwrap_used, clippy::float_cmp)]

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use signal::{Config, NewConnection, Question, SignalError, SignalSystem};
use std::collections::BTreeMap;
use support::{SMALL, emit, small, token_of};

fn system(change: impl FnOnce(&mut Config)) -> SignalSystem {
    let mut config = small();
    change(&mut config);
    let system = SignalSystem::new(config).unwrap();
    assert!(system.take_batch(1).unwrap().is_none());
    system
}

fn drained(system: &SignalSystem) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while let Some(batch) = system.take_batch(4_096).unwrap() {
        for entry in batch.entries() {
            let data = serde_json::from_slice(&entry.data).unwrap();
            events.push((entry.event.to_string(), data));
        }
    }
    events
}

fn between(token_a: u64, token_b: u64) -> NewConnection<'static> {
    NewConnection {
        token_a,
        token_b,
        kind: "similar",
        pull_strength: 0.5,
    }
}

fn tokens(system: &SignalSystem, n: usize) {
    let new = (0_u8..).take(n).map(|i| token_of([f32::from(i) * 0.25; 8]));
    let new: Vec<_> = new.collect();
    system.create_tokens(0, new.into_iter(), true).unwrap();
    drained(system);
}

#[test]
fn a_connection_is_told_when_it_is_made_changed_and_removed() {
    let system = system(|config| config.node = "n1".into());
    tokens(&system, 2);
    let id = system.create_connection(between(1, 2)).unwrap();
    assert_eq!(Ok(id), system.create_connection(between(1, 2)));
    assert_eq!(Ok(true), system.update_connection(id, 0.75));
    assert_eq!(Ok(true), system.delete_connection(id));
    assert_eq!(Ok(false), system.delete_connection(id));
    assert_eq!(Ok(false), system.update_connection(id, 0.1));
    let told = |pull: f64, activations: u32| {
        json!({"connections": [{"connection_id": 1, "token_a": 1, "token_b": 2, "kind": "similar", "pull_strength": pull,
                                "preferred_distance": 0.707_106_77, "activations": activations}], "node": "n1"})
    };
    let expected = [
        ("connection.created", told(0.5, 0)),
        ("connection.updated", told(0.5, 1)),
        ("connection.updated", told(0.75, 1)),
        ("connection.deleted", told(0.75, 1)),
    ];
    assert_eq!(
        expected
            .map(|(event, data)| (event.to_owned(), data))
            .to_vec(),
        drained(&system)
    );
    assert_eq!(Ok(0), system.count_connections());
}

#[test]
fn what_is_no_connection_is_refused_with_what_came() {
    let system = system(|config| config.max_connections = 1);
    tokens(&system, 3);
    let refusal = |new| system.create_connection(new).unwrap_err().to_string();
    assert_eq!(
        "token_a must be the id of a live token, got 9",
        refusal(between(9, 1))
    );
    assert_eq!(
        "token_b must be the id of a live token, got 0",
        refusal(between(1, 0))
    );
    assert_eq!(
        "token_b must be another token than token_a, got 1",
        refusal(between(1, 1))
    );
    let bad_kind = NewConnection {
        kind: "no kind",
        ..between(1, 2)
    };
    assert!(refusal(bad_kind).starts_with("kind must be 1 to 128 of"));
    assert!(system.list_connections(10_001, None).is_err());
    system.create_connection(between(1, 2)).unwrap();
    let full = system.create_connection(between(1, 3)).unwrap_err();
    assert_eq!(
        (
            "overloaded",
            "the table of token connections is full, it holds 1"
        ),
        (full.slug(), &*full.to_string())
    );
    assert_eq!(1, system.stats().counts.connections_refused);
    assert_eq!(
        Ok(1),
        system.create_connection(between(1, 2)),
        "one that is there needs no room"
    );
}

#[test]
fn kinds_are_bounded() {
    let system = system(|_| ());
    tokens(&system, 2);
    let make = |n: u32| {
        let kind = format!("k{n}");
        system.create_connection(NewConnection {
            kind: &kind,
            ..between(1, 2)
        })
    };
    for n in 1..256 {
        make(n).unwrap();
    }
    assert!(matches!(
        make(256),
        Err(SignalError::NamesFull { limit: 256 })
    ));
    assert!(make(7).is_ok());
}

#[test]
fn a_connection_goes_with_either_of_its_tokens() {
    let system = system(|_| ());
    tokens(&system, 4);
    for (a, b) in [(1, 2), (3, 1), (3, 4)] {
        system.create_connection(between(a, b)).unwrap();
    }
    drained(&system);
    system.delete_token(1).unwrap();
    let severed: Vec<Value> = drained(&system)
        .into_iter()
        .filter(|(event, _)| event == "connection.deleted")
        .map(|(_, data)| data)
        .collect();
    assert_eq!(
        vec![json!({"reason": "token", "count": 2, "node": ""})],
        severed
    );
    assert_eq!(Ok(1), system.count_connections());
    system.clear_tokens().unwrap();
    assert_eq!(Ok(0), system.count_connections());
}

#[test]
fn evicted_tokens_take_their_connections_along() {
    let system = system(|_| ());
    tokens(&system, 2);
    system.create_connection(between(1, 2)).unwrap();
    system
        .warm(
            5_000_000,
            vec![token_of([7.0; 8]); usize::try_from(SMALL).unwrap()].into_iter(),
        )
        .unwrap();
    assert_eq!(Ok(0), system.count_connections());
    let events = drained(&system);
    let told = events.iter().find(|(_, data)| data["reason"] == "token");
    assert_eq!(Some(&json!(1)), told.map(|(_, data)| &data["count"]));
}

#[test]
fn an_emit_connects_its_token_with_its_nearest_and_tells_so_once() {
    let system = system(|config| (config.auto_connect, config.neighbor_radius) = (2, 1.0));
    for x in [0.0, 0.25, 0.5] {
        emit(&system, 0, [x, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
    emit(&system, 0, [0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let events = drained(&system);
    let made: Vec<&Value> = events
        .iter()
        .filter(|(event, _)| event == "connection.created")
        .map(|(_, data)| &data["connections"])
        .collect();
    assert_eq!(3, made.len(), "the first had nobody near");
    let ends = |list: &Value| -> Vec<(u64, u64)> {
        let list = list.as_array().unwrap().iter();
        list.map(|one| {
            (
                one["token_a"].as_u64().unwrap(),
                one["token_b"].as_u64().unwrap(),
            )
        })
        .collect()
    };
    assert_eq!(vec![(4, 2), (4, 3)], ends(made[2]));
    let nearest = &made[2][0];
    assert!((nearest["pull_strength"].as_f64().unwrap() - 0.95).abs() < 1e-6);
    assert_eq!(
        6,
        system.connections_of(2).unwrap().len() + system.connections_of(3).unwrap().len()
    );
}

#[test]
fn novel_signals_are_told_once_more_at_most_ten_times_a_second() {
    let system = system(|config| config.novelty_events = true);
    let second = 1_000_000;
    for (n, now) in [
        (0_u8, second),
        (1, second + 1),
        (2, second + 99_999),
        (3, second + 100_000),
    ] {
        emit(&system, now, [f32::from(n); 8]);
    }
    let events = drained(&system);
    let told: Vec<&Value> = events
        .iter()
        .filter(|(event, _)| event == "signal.anomaly.novelty")
        .map(|(_, data)| data)
        .collect();
    let novelty = |id: u32, left_out: u32| json!({"token_id": id, "nearest_dist": null, "event": "test", "left_out": left_out, "node": ""});
    assert_eq!(vec![&novelty(1, 0), &novelty(4, 2)], told);
}

#[test]
fn one_question_in_a_hundred_is_told() {
    let system = system(|_| ());
    for n in 1..=200 {
        let question = Question {
            k: n,
            radius: (n == 200).then_some(0.5),
            hits: 3,
            us: 1.25,
        };
        system.note_question(question).unwrap();
    }
    let event = |k: usize, radius: Option<f64>| {
        let data =
            json!({"k": k, "radius": radius, "hits": 3, "processing_time_us": 1.25, "node": ""});
        ("grid.query".to_owned(), data)
    };
    assert_eq!(
        vec![event(100, None), event(200, Some(0.5))],
        drained(&system)
    );
    assert_eq!(200, system.stats().counts.queries);
}

#[derive(Debug, Clone)]
enum Step {
    Connect(u64, u64, bool),
    Remove(u64),
    DeleteToken(u64),
    AddToken,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1_u64..30, 1_u64..30, any::<bool>()).prop_map(|(a, b, other)| Step::Connect(a, b, other)),
        2 => (1_u64..60).prop_map(Step::Remove),
        1 => (1_u64..30).prop_map(Step::DeleteToken),
        2 => Just(Step::AddToken),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn the_table_is_a_map_whose_connections_join_live_tokens(steps in steps()) {
        let system = SignalSystem::new(small()).unwrap();
        let mut model: BTreeMap<u64, (u64, u64, bool)> = BTreeMap::new();
        let (mut live, mut last_token, mut last) = (std::collections::BTreeSet::new(), 0, 0);
        for step in steps {
            match step {
                Step::AddToken => {
                    last_token = system.create_token(0, token_of([0.5; 8])).unwrap();
                    live.insert(last_token);
                }
                Step::DeleteToken(id) => {
                    prop_assert_eq!(Ok(live.remove(&id)), system.delete_token(id));
                    model.retain(|_, (a, b, _)| *a != id && *b != id);
                }
                Step::Remove(id) => {
                    prop_assert_eq!(Ok(model.remove(&id).is_some()), system.delete_connection(id));
                }
                Step::Connect(a, b, other) => {
                    let kind = if other { "other" } else { "similar" };
                    let made = system.create_connection(NewConnection { kind, ..between(a, b) });
                    let known = model.iter().find(|(_, ends)| **ends == (a, b, other)).map(|(id, _)| *id);
                    if a == b || !live.contains(&a) || !live.contains(&b) {
                        prop_assert!(made.is_err());
                    } else if let Some(id) = known {
                        prop_assert_eq!(Ok(id), made);
                    } else {
                        last += 1;
                        prop_assert_eq!(Ok(last), made);
                        model.insert(last, (a, b, other));
                    }
                }
            }
            prop_assert_eq!(Ok(model.len() as u64), system.count_connections());
        }
        let newest: Vec<u64> = model.keys().rev().copied().collect();
        let listed: Vec<u64> = system.list_connections(100, None).unwrap().iter().map(|one| one.id).collect();
        prop_assert_eq!(newest.iter().take(100).copied().collect::<Vec<_>>(), listed);
        for token in 1..=last_token {
            let of = system.connections_of(token).unwrap();
            let expected = model.iter().rev().filter(|(_, (a, b, _))| *a == token || *b == token);
            prop_assert_eq!(expected.map(|(id, _)| *id).collect::<Vec<_>>(), of.iter().map(|one| one.id).collect::<Vec<_>>());
        }
    }
}
