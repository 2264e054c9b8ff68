//! What bounds the distinct filters: their number, except of those that cost nothing, and their memory; and what is left of them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::error::PlaneError;
use crate::filter::tests::filing::{World, ball};
use crate::filter::tests::{bounds, filter};
use crate::filter::{Bounds, Roster, Sieve, Totals};

fn sieves(bounds: Bounds) -> (Arc<Roster>, Arc<Totals>) {
    let totals = Arc::new(Totals::new(bounds));
    (Arc::new(Roster::new(Arc::clone(&totals))), totals)
}

fn take(sieves: &Arc<Roster>, value: &Value) -> Result<Arc<Sieve>, PlaneError> {
    sieves.take(filter(&value.to_string()), false)
}

/// A ball of its own for each number.
fn near(place: &str, number: u32, radius: f64) -> Value {
    let center = vec![0.001 * f64::from(number); 8];
    json!({place: {"near": {"center": center, "radius": radius}}})
}

/// `max_channel_filters`: balls so wide that almost whatever comes lies in them count as any other filter.
#[test]
fn wide_balls_are_counted() {
    for radius in [0.500_001, 1.0, 1e17, 1e200] {
        let (sieves, _) = sieves(bounds(10, 2));
        let wide = |number| near("data.vector", number, radius);
        let either = json!({"any": [near("data.vector", 1, 0.1), wide(1)]});
        let _held = [
            take(&sieves, &wide(0)).unwrap(),
            take(&sieves, &either).unwrap(),
        ];
        let refused = take(&sieves, &wide(2)).unwrap_err();
        assert!(matches!(refused, PlaneError::Filters("of the channel", 2)));
        take(&sieves, &near("data.vector", 2, 0.5)).unwrap();
    }
}

/// `max_channel_filters`: each place that a ball is asked of is looked at in every event, so only some of them are free.
#[test]
fn places_beyond_the_first_are_counted() {
    let (sieves, totals) = sieves(bounds(10, 2));
    let at = |place: u32, number| take(&sieves, &near(&format!("data.v{place}"), number, 0.1));
    let mut held: Vec<_> = (0..8).map(|place| at(place, 1).unwrap()).collect();
    let counted = [at(8, 1).unwrap(), at(9, 1).unwrap()];
    assert!(matches!(
        at(10, 1),
        Err(PlaneError::Filters("of the channel", 2))
    ));
    assert!(at(8, 2).is_err(), "known, but not among the first");
    held.push(at(7, 2).unwrap());
    held.push(take(&sieves, &near("data.vector", 1, 0.1)).unwrap());
    let both = json!({"any": [near("data.v0", 3, 0.1), near("data.v10", 3, 0.1)]});
    assert!(take(&sieves, &both).is_err());
    drop(held.remove(0));
    held.push(at(10, 1).unwrap());
    assert!(at(11, 1).is_err());
    drop((held, counted));
    assert_eq!((0, 0, 0), (totals.count(), totals.bytes(), totals.balls()));
    let _held: Vec<_> = (0..10).map(|place| at(place, 1).unwrap()).collect();
}

/// `filter_memory`: filters found by balls are bounded by their bytes, not by their number; others by both.
#[test]
fn memory_bounds_what_numbers_do_not() {
    let totals = Arc::new(Totals::new(Bounds {
        all: 1,
        of_channel: 1,
        bytes: 100_000,
    }));
    let sieves = Arc::new(Roster::new(Arc::clone(&totals)));
    let mut held = Vec::new();
    let refused = loop {
        match sieves.take(filter(&ball(held.len())), false) {
            Ok(sieve) => held.push(sieve),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, PlaneError::FilterMemory(75_000)));
    assert!((15..90).contains(&held.len()), "{}", held.len());
    held.truncate(10);
    held.push(sieves.take(filter("{\"key\":1}"), false).unwrap());
    let full = sieves.take(filter("{\"key\":2}"), false).unwrap_err();
    assert_eq!(
        "there are 1 distinct filters of the channel already",
        full.to_string()
    );
    assert_eq!(
        (11, 10, 2),
        (totals.count(), totals.balls(), totals.refused.get())
    );
}

/// `filter_memory`: what was judged counts too; it takes what filters leave, the oldest goes, and of that nothing is known (M48).
#[test]
fn memory_bounds_what_was_judged() {
    let (sieves, totals) = sieves(Bounds {
        all: 100,
        of_channel: 100,
        bytes: 100_000,
    });
    let takes = |number: u32| take(&sieves, &json!({"key": number.to_string()})).unwrap();
    let held: Vec<_> = (0..10).map(takes).collect();
    let filters = totals.bytes();
    for sieve in &held {
        for number in 0..5_000 {
            sieve.note(0, 64 * number + 1, true);
        }
        assert!((filters + 1..=75_000 + filters).contains(&totals.bytes()));
    }
    assert_eq!(None, held[0].owed(0, 0, 64));
    assert_eq!(None, held[9].owed(0, 0, 64));
    take(&sieves, &json!({"key": "there is room for filters"})).unwrap();
    drop(held);
    assert_eq!((0, 0), (totals.count(), totals.bytes()));
}

/// `filter_memory`: filters leave a quarter to what is judged through them, and what had to be let go and is judged again is counted.
#[test]
fn what_is_judged_again_is_counted() {
    let totals = Arc::new(Totals::new(Bounds {
        all: 1_000,
        of_channel: 1_000,
        bytes: 100_000,
    }));
    let mut world = World::with(Arc::clone(&totals));
    let first = world.append((0..2).map(super::filing::at).collect(), 0);
    let entry = Arc::clone(&world.entries[first]);
    let held: Vec<_> = (0..)
        .map_while(|number| take(&world.sieves, &json!({"key": number})).ok())
        .collect();
    assert!((60_000..=75_000).contains(&totals.bytes()));
    let judge = |world: &mut World| {
        held[0].passes(0, &entry, &mut world.scratch);
        (totals.judged.get(), totals.rejudged.get())
    };
    assert_eq!((1, 0), judge(&mut world));
    assert_eq!((1, 0), judge(&mut world), "it is known");
    for number in 1..10_000 {
        held[0].note(0, 64 * number, true);
    }
    assert!(totals.bytes() <= 100_000);
    assert_eq!((2, 1), judge(&mut world));
}

/// What each of very many filters takes stays small: a tree of conditions, and a place on the channel.
#[test]
fn a_filter_is_small() {
    use crate::filter::node::Node;
    let near = filter(&ball(1));
    let sizes = [size_of::<Node>(), size_of::<Sieve>(), near.rule.held()];
    assert!(
        sizes[0] <= 48 && sizes[1] <= 128 && sizes[2] <= 256,
        "{sizes:?}"
    );
}

/// The last filter of a channel leaves nothing behind, though nobody asks the channel for anything any more, nor when there is
/// no channel any more.
#[test]
fn the_last_leaves_nothing() {
    for closes in [false, true] {
        let (sieves, totals) = sieves(bounds(10, 10));
        let held = [
            sieves.take(filter(&ball(1)), false).unwrap(),
            sieves.take(filter(&ball(2)), false).unwrap(),
        ];
        assert_eq!((2, 2), (totals.count(), totals.balls()));
        let sieves = (!closes).then_some(sieves);
        drop(held);
        let left = (totals.count(), totals.balls(), totals.bytes());
        assert_eq!((0, 0, 0), left, "{}", sieves.is_some());
    }
}

/// The same for those that go while others come and while events are looked at.
#[test]
fn nothing_is_left_of_those_that_go_meanwhile() {
    let mut world = World::new();
    let first = world.append((0..20).map(super::filing::at).collect(), 0);
    let entries = world.entries[first..].to_vec();
    let sieves = &world.sieves;
    std::thread::scope(|scope| {
        for thread in 0..2 {
            scope.spawn(move || {
                for number in 0..500 {
                    drop(sieves.take(filter(&ball(number % 20 + thread)), false));
                }
            });
        }
        let mut hits = Vec::new();
        for _ in 0..200 {
            sieves.sift(0, &entries, &mut world.scratch, &mut hits);
        }
    });
    let totals = &world.totals;
    assert_eq!((0, 0, 0), (totals.count(), totals.balls(), totals.bytes()));
}
