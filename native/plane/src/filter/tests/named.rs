//! Names beside balls: a vector is looked at only in events that may pass.

use std::sync::Arc;

use serde_json::json;

use crate::entry::Entry;
use crate::filter::tests::filing::{World, encoded, vector};
use crate::filter::tests::filter;

/// Those who hold what was decoded of an entry: who asks, and who has looked into it.
fn holders(entry: &Entry) -> usize {
    Arc::strong_count(&entry.decoded().unwrap())
}

/// F10; signals.md section 6: a filter of a name and a ball has nothing decoded of events of other names.
#[test]
fn what_has_another_name_is_not_decoded() {
    let near = json!({"near": {"center": vector(7), "radius": 0.1}});
    let texts = [
        json!({"event": "a", "data.vector": near}),
        json!({"all": [{"event": {"in": ["b", "c"]}}, {"any": [{"data.vector": near}, {"data.v": near}]}]}),
        json!({"any": [{"event": "d", "data.vector": near}, {"event": {"glob": "e.*"}, "data.v": near}]}),
    ];
    let names = ["a", "b", "c", "d", "e.f", "f", "ab", "z"];
    let mut world = World::new();
    let sieves = texts.map(|text| world.sieves.take(filter(&text.to_string()), false).unwrap());
    let data = json!({"vector": vector(7)});
    let events = names.map(|name| encoded(name, &data));
    world.append(events.to_vec(), 0);
    let mut hits = Vec::new();
    world
        .sieves
        .sift(0, &world.entries, &mut world.scratch, &mut hits);
    let found: Vec<_> = hits
        .iter()
        .map(|hit| (hit.sieve, names[hit.entry]))
        .collect();
    let [first, second, third] = sieves.each_ref().map(|sieve| sieve.id);
    assert_eq!(
        vec![(first, "a"), (second, "b"), (second, "c"), (third, "d")],
        found
    );
    let held: Vec<usize> = world.entries.iter().map(|entry| holders(entry)).collect();
    assert_eq!(vec![2, 2, 2, 2, 2, 1, 1, 1], held);
    let [first, ..] = sieves;
    drop(first);
    world.append(vec![encoded("a", &data)], 0);
    let newest = world.entries.split_off(names.len());
    world.sieves.sift(0, &newest, &mut world.scratch, &mut hits);
    assert_eq!((0, 1), (hits.len(), holders(&newest[0])));
}
