//! Filters are filed by what an event must have for them to hold: what is found so is what a scan over all of them finds.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::content::{Content, ContentEncoding, OwnContent};
use crate::entry::{Composer, Entry, NewEntry, Timestamp};
use crate::filter::tests::{bounds, filter, model};
use crate::filter::{Filter, Hit, Limits, Roster, Scratch, Sieve, Totals};

const NAMES: [&str; 5] = ["signal.a", "signal.a.b", "signal.ab", "token.created", "s"];

/// However long and nested.
fn wide(value: &Value) -> Filter {
    let limits = Limits {
        bytes: 1 << 20,
        nodes: 1 << 20,
        depth: 16,
    };
    Filter::parse(value.to_string().as_bytes(), limits).unwrap()
}

fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.3..0.7_f64, 2 => Just(0.5), 1 => Just(-0.0), 1 => Just(1e200)]
}

fn near() -> impl Strategy<Value = Value> {
    let radius = prop_oneof![5 => 0.05..0.5_f64, 1 => Just(0.0), 1 => Just(1e201)];
    let place = prop::sample::select(vec!["data.vector", "data.payload.v"]);
    let center = prop::array::uniform8(coordinate());
    (place, center, radius).prop_map(
        |(place, center, radius)| json!({place: {"near": {"center": center, "radius": radius}}}),
    )
}

fn of_name() -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(NAMES.to_vec());
    let globs = vec![
        "signal.*",
        "signal.a.**",
        "**.b",
        "signal.a",
        "*",
        "signal.*.b",
    ];
    prop_oneof![
        name().prop_map(|name| json!({"event": name})),
        prop::collection::vec(name(), 1..4).prop_map(|names| json!({"event": {"in": names}})),
        Just(json!({"event": 7})),
        prop::sample::select(vec!["", "s", "signal.a", "token."])
            .prop_map(|start| json!({"event": {"prefix": start}})),
        prop::sample::select(globs).prop_map(|glob| json!({"event": {"glob": glob}})),
    ]
}

fn any_filter() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => near(),
        3 => of_name(),
        1 => (0_u8..4).prop_map(|priority| json!({"data.priority": {"gte": priority}})),
        1 => Just(json!({"data.vector": {"exists": false}})),
        2 => (of_name(), near()).prop_map(|(name, near)| json!({"all": [near, name]})),
    ];
    leaf.prop_recursive(2, 12, 10, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..10).prop_map(|all| json!({"any": all})),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({"all": all})),
            inner.prop_map(|one| json!({"not": one})),
        ]
    })
}

/// How data comes: with escapes in its keys, with members that another of the name follows (M11), and encoded or not.
type Writing = (bool, bool, u8);

fn written(data: &Value, (escapes, doubles, content): Writing) -> NewEntry {
    let mut text = data.to_string();
    if escapes {
        text = text.replace("\"vector\"", "\"v\\u0065ctor\"");
        text = text.replace("\"payload\"", "\"\\u0070ayload\"");
    }
    if doubles {
        let former =
            r#"{"vector":[0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5],"payload":{"v":7},"priority":null,"#;
        text = text.replacen('{', former, 1);
    }
    match content {
        0 => media(
            &gzip(&text),
            "application/json",
            Some(ContentEncoding::Gzip),
        ),
        1 => media(&gzip(&text), "text/csv", Some(ContentEncoding::Gzip)),
        2 => media(&[0x81, 0xa1, b'a', 0x01], "application/msgpack", None),
        _ => NewEntry {
            data: text.into_bytes().into(),
            ..NewEntry::default()
        },
    }
}

fn media(data: &[u8], media_type: &str, encoding: Option<ContentEncoding>) -> NewEntry {
    let content = Content {
        media_type,
        encoding,
        meta: None,
    };
    NewEntry {
        data: data.into(),
        content: Some(Box::new(OwnContent::from(content))),
        ..NewEntry::default()
    }
}

pub(super) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// An event of this name with gzipped data.
pub(super) fn encoded(event: &str, data: &Value) -> NewEntry {
    NewEntry {
        event: event.into(),
        ..written(data, (false, false, 0))
    }
}

fn event() -> impl Strategy<Value = NewEntry> {
    let vector = prop_oneof![
        6 => prop::collection::vec(coordinate(), 8..9).prop_map(|vector| json!(vector)),
        1 => prop::collection::vec(coordinate(), 7..10).prop_map(|vector| json!(vector)),
        1 => Just(json!("no vector")),
    ];
    let name = prop::sample::select(NAMES.to_vec());
    let writing = (any::<bool>(), any::<bool>(), 0_u8..8);
    (name, vector.clone(), vector, 0_u8..4, writing).prop_map(
        |(name, vector, other, priority, writing)| {
            let data = json!({"vector": vector, "priority": priority, "payload": {"v": other}});
            NewEntry {
                event: name.into(),
                ..written(&data, writing)
            }
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Take(Value),
    Leave(prop::sample::Index),
    /// So many have left the log before anybody has read them.
    Judge(Vec<NewEntry>, u64),
    /// By another thread, which is behind.
    JudgeAgain(prop::sample::Index),
    Rotate,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lost = prop_oneof![4 => Just(0_u64), 1 => 1_u64..200];
    let step = prop_oneof![
        6 => any_filter().prop_map(Step::Take),
        2 => any::<prop::sample::Index>().prop_map(Step::Leave),
        4 => (prop::collection::vec(event(), 1..6), lost).prop_map(|(events, lost)| Step::Judge(events, lost)),
        1 => any::<prop::sample::Index>().prop_map(Step::JudgeAgain),
        1 => Just(Step::Rotate),
    ];
    prop::collection::vec(step, 1..60)
}

/// Roster as a thread has them, and all that it was given.
pub(super) struct World {
    pub(super) totals: Arc<Totals>,
    pub(super) sieves: Arc<Roster>,
    taken: Vec<(Value, Arc<Sieve>)>,
    pub(super) entries: Vec<Arc<Entry>>,
    history: u64,
    offset: u64,
    pub(super) scratch: Scratch,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Arc::new(Totals::new(bounds(1_000, 1_000))))
    }

    pub(super) fn with(totals: Arc<Totals>) -> Self {
        Self {
            sieves: Arc::new(Roster::new(Arc::clone(&totals))),
            totals,
            taken: Vec::new(),
            entries: Vec::new(),
            history: 0,
            offset: 0,
            scratch: Scratch::default(),
        }
    }

    pub(super) fn append(&mut self, events: Vec<NewEntry>, lost: u64) -> usize {
        let (composer, ts) = (Composer::new("signals"), Timestamp::new(1.0));
        let first = self.entries.len();
        self.offset += lost;
        for event in events {
            self.offset += 1;
            let entry = composer.entry(self.offset, &ts, event);
            self.entries.push(Arc::new(entry));
        }
        first
    }

    fn expected(&self, entries: &[Arc<Entry>]) -> Vec<Hit> {
        let mut expected = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            let event: Value = serde_json::from_slice(&entry.json()).unwrap();
            let passing = self
                .taken
                .iter()
                .filter(|(filter, _)| model::passes(filter, &event));
            expected.extend(passing.map(|(_, sieve)| Hit {
                sieve: sieve.id,
                entry: number,
            }));
        }
        expected.sort_unstable();
        expected.dedup();
        expected
    }

    fn judge(&mut self, first: usize) -> Result<(), TestCaseError> {
        let entries: Vec<_> = self.entries[first..].to_vec();
        let mut hits = Vec::new();
        self.sieves
            .sift(self.history, &entries, &mut self.scratch, &mut hits);
        for together in hits.chunk_by(|one, other| one.sieve == other.sieve) {
            prop_assert!(together.is_sorted());
        }
        let of_each = hits.chunk_by(|one, other| one.sieve == other.sieve).count();
        let sieves: BTreeSet<u64> = hits.iter().map(|hit| hit.sieve).collect();
        prop_assert_eq!(sieves.len(), of_each, "those of a filter are together");
        hits.sort_unstable();
        prop_assert_eq!(self.expected(&entries), hits);
        Ok(())
    }

    /// Whatever was judged, together or alone, is what the model says, and is counted so.
    fn check(&mut self) -> Result<(), TestCaseError> {
        for (filter, sieve) in &self.taken {
            let mut owed = 0;
            for entry in &self.entries {
                let event: Value = serde_json::from_slice(&entry.json()).unwrap();
                let expected = model::passes(filter, &event);
                if let Some(known) = sieve.known(self.history, entry.offset(), &self.sieves.front())
                {
                    prop_assert_eq!(expected, known, "{} {}", filter, event);
                }
                prop_assert_eq!(
                    expected,
                    sieve.passes(self.history, entry, &mut self.scratch)
                );
                owed += u64::from(expected);
            }
            if let (Some(first), Some(last)) = (self.entries.first(), self.entries.last())
                && last.offset() - first.offset() + 1 == self.entries.len() as u64
            {
                let counted = sieve.owed(self.history, first.offset() - 1, last.offset());
                prop_assert_eq!(Some(owed), counted);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// F7; signals.md section 11, 9 and 10: what is found by balls and names is what a scan finds, while filters come and go,
    /// entries are lost and histories end; and what is known afterwards of each entry is what each filter says alone.
    #[test]
    fn what_is_found_is_what_a_scan_finds(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Take(value) => {
                    let sieve = world.sieves.take(wide(&value), false).unwrap();
                    world.taken.push((value, sieve));
                }
                Step::Leave(which) if !world.taken.is_empty() => {
                    let at = which.index(world.taken.len());
                    world.taken.swap_remove(at);
                }
                Step::Judge(events, lost) => {
                    let first = world.append(events, lost);
                    world.judge(first)?;
                }
                Step::JudgeAgain(from) if !world.entries.is_empty() => {
                    let first = from.index(world.entries.len());
                    world.judge(first)?;
                }
                Step::Rotate => {
                    world.check()?;
                    world.entries.clear();
                    world.history += 1;
                    world.offset = 0;
                }
                Step::Leave(_) | Step::JudgeAgain(_) => {}
            }
        }
        world.check()?;
        let totals = Arc::clone(&world.totals);
        world.taken.clear();
        prop_assert_eq!((0, 0, 0), (totals.count(), totals.bytes(), totals.balls()));
    }
}

/// Eight times the same coordinate, another for each number.
pub(super) fn vector(number: usize) -> Value {
    let coordinate = 0.001 * f64::from(u32::try_from(number).unwrap());
    json!(vec![coordinate; 8])
}

pub(super) fn ball(number: usize) -> String {
    let center = vector(number);
    json!({"data.vector": {"near": {"center": center, "radius": 0.001}}}).to_string()
}

pub(super) fn at(number: usize) -> NewEntry {
    NewEntry {
        event: "signal.a".into(),
        data: json!({"vector": vector(number)})
            .to_string()
            .into_bytes()
            .into(),
        ..NewEntry::default()
    }
}

/// signals.md section 6: an event that no ball holds touches no filter, however many there are; nor does one whose name none
/// begins with.
#[test]
fn an_event_touches_those_that_it_may_pass() {
    let mut world = World::new();
    let texts = (0..2_000).map(ball);
    let held: Vec<Arc<Sieve>> = texts
        .map(|text| world.sieves.take(filter(&text), false).unwrap())
        .collect();
    let names = [
        r#"{"event":"token.created","data.a":1}"#,
        r#"{"event":{"glob":"action.*"},"data.a":1}"#,
    ];
    let _named = names.map(|text| world.sieves.take(filter(text), false).unwrap());
    assert_eq!((2_002, 2_000), (world.totals.count(), world.totals.balls()));
    let mut hits = Vec::new();
    let first = world.append(vec![at(5_000), at(1_234)], 0);
    let entries = world.entries[first..].to_vec();
    world
        .sieves
        .sift(0, &entries, &mut world.scratch, &mut hits);
    let found: Vec<u64> = hits.iter().map(|hit| hit.sieve).collect();
    assert_eq!(vec![held[1_234].id], found);
    assert_eq!((1, 1), (world.totals.judged.get(), world.totals.near.get()));
    assert_eq!(
        Some(0),
        held[7].owed(0, 0, 2),
        "judged, though not looked at"
    );
}
