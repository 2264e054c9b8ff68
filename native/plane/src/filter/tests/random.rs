//! Random filters on random events against the model, and whatever bytes anywhere.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::entry::{Composer, Entry, NewEntry, Timestamp};
use crate::filter::tests::{bounds, model};
use crate::filter::{Filter, Limits, Roster, Scratch, Subject, Totals};

const WIDE: Limits = Limits {
    bytes: 1 << 20,
    nodes: 1 << 20,
    depth: 16,
};

/// Literals of which some are equal in other forms, and some nearly.
fn literal() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(-1),
        json!(9_007_199_254_740_992_i64),
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992.0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(18_446_744_073_709_551_616.0),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("a\"b\n"),
        json!("\u{ffee}"),
        json!("\u{1f600}"),
        json!("1"),
    ])
}

fn vector() -> impl Strategy<Value = Value> {
    let number = prop::sample::select(vec![json!(0), json!(0.5), json!(-1.0), json!(2)]);
    prop::collection::vec(number, 7..10).prop_map(Value::Array)
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![6 => literal(), 1 => vector()];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop::sample::select(vec!["a", "b", "0", "1", "\u{e9}", "k\""]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "m"]);
    prop::collection::vec(segment, 1..5).prop_map(|segments| segments.join("."))
}

fn pattern() -> impl Strategy<Value = Value> {
    let segment = prop::sample::select(vec!["a", "b", "m", "*", "**"]);
    prop::collection::vec(segment, 1..6)
        .prop_filter("two ** at most", |segments| {
            segments.iter().filter(|one| **one == "**").count() <= 2
        })
        .prop_map(|segments| json!(segments.join(".")))
}

fn field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "event",
        "key",
        "tags.a",
        "tags.a.b",
        "data",
        "data.a",
        "data.a.b",
        "data.b.0",
        "data.0",
        "data.1.a",
        "data.a.a.a",
        "data.\u{e9}",
        "data.k\"",
        "content_type",
        "meta.a",
    ])
}

fn condition() -> impl Strategy<Value = (String, Value)> {
    let text = prop::sample::select(vec![json!(""), json!("a"), json!("\u{ffee}"), json!("a\"")]);
    let bound = literal().prop_filter("comparable", |one| one.is_number() || one.is_string());
    let literals = prop::collection::vec(literal(), 1..4).prop_map(Value::Array);
    let near = (vector(), 0_u8..4)
        .prop_filter("eight", |(center, _)| {
            center.as_array().is_some_and(|all| all.len() == 8)
        })
        .prop_map(|(center, radius)| json!({"center": center, "radius": radius}));
    let operator = prop_oneof![
        (
            prop::sample::select(vec!["eq", "ne", "contains"]),
            literal()
        ),
        (prop::sample::select(vec!["in", "nin"]), literals),
        (prop::sample::select(vec!["gt", "gte", "lt", "lte"]), bound),
        (Just("exists"), any::<bool>().prop_map(Value::Bool)),
        (Just("prefix"), text),
        (Just("near"), near),
    ];
    let several = prop::collection::vec(operator, 1..3).prop_map(|all| {
        Value::Object(
            all.into_iter()
                .map(|(name, operand)| (name.to_owned(), operand))
                .collect(),
        )
    });
    prop_oneof![
        2 => (field().prop_map(str::to_owned), literal()),
        5 => (field().prop_map(str::to_owned), several),
        1 => pattern().prop_map(|pattern| ("event".to_owned(), json!({"glob": pattern}))),
    ]
}

fn filter() -> impl Strategy<Value = Value> {
    let flat = prop::collection::vec(condition(), 0..3)
        .prop_map(|members| Value::Object(members.into_iter().collect()));
    flat.prop_recursive(3, 12, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array);
        let combined = prop_oneof![
            (Just("all"), several.clone()),
            (Just("any"), several),
            (Just("not"), inner),
        ];
        (prop::option::of(condition()), combined).prop_map(|(condition, (name, value))| {
            let mut members: serde_json::Map<String, Value> = condition.into_iter().collect();
            members.insert(name.to_owned(), value);
            Value::Object(members)
        })
    })
}

fn new_entry() -> impl Strategy<Value = NewEntry> {
    let tags =
        prop::collection::btree_map(prop::sample::select(vec!["a", "a.b"]), "[ab]{0,2}", 0..3);
    (
        name(),
        prop::option::of("[ab]{1,2}"),
        document(),
        prop::option::of(tags),
    )
        .prop_map(|(event, key, data, tags)| NewEntry {
            event: event.into(),
            key: key.map(Into::into),
            data: serde_json::to_vec(&data).unwrap().into(),
            tags: tags.map(|tags| serde_json::to_vec(&tags).unwrap().into()),
            ..NewEntry::default()
        })
}

fn entries(new: &[NewEntry]) -> Vec<Arc<Entry>> {
    let (composer, ts) = (Composer::new("logs"), Timestamp::new(1.0));
    let placed = (1_u64..).zip(new);
    placed
        .map(|(offset, new)| Arc::new(composer.entry(offset, &ts, new.clone())))
        .collect()
}

fn read(filter: &Value) -> Filter {
    Filter::parse(&serde_json::to_vec(filter).unwrap(), WIDE).unwrap()
}

/// The same members in another order, with space between, and strings escaped.
fn rewritten(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().rev().map(|(key, value)| {
                format!(" {}\t: {} ", rewritten(&json!(key)), rewritten(value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(rewritten).collect();
            format!("[ {} ]", elements.join(" , "))
        }
        Value::String(text) => {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        }
        other => other.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// F1 to F7: a filter lets through what the protocol says, alone and together with others, and is one in any form of it.
    #[test]
    fn filters_mean_what_the_model_means(
        filters in prop::collection::vec(filter(), 1..4),
        events in prop::collection::vec(new_entry(), 1..4),
    ) {
        let entries = entries(&events);
        let mut scratch = Scratch::default();
        let totals = Arc::new(Totals::new(bounds(100, 100)));
        let sieves = Arc::new(Roster::new(Arc::clone(&totals)));
        let taken: Vec<_> = filters.iter().map(|one| sieves.take(read(one), false).unwrap()).collect();
        let mut passes = Vec::new();
        for (filter, sieve) in filters.iter().zip(&taken) {
            let compiled = read(filter);
            let again = Filter::parse(&compiled.text(), WIDE).unwrap();
            prop_assert_eq!(compiled.text(), again.text());
            let other = Filter::parse(rewritten(filter).as_bytes(), WIDE).unwrap();
            prop_assert_eq!(compiled.text(), other.text());
            sieve.judge(0, &entries, &mut scratch, &mut passes);
            for (entry, together) in entries.iter().zip(&passes) {
                let event: Value = serde_json::from_slice(&entry.json()).unwrap();
                let expected = model::passes(filter, &event);
                let subject = Subject::from(&**entry);
                prop_assert_eq!(expected, compiled.passes(&subject, &mut scratch), "{} {}", filter, event);
                prop_assert_eq!(expected, again.passes(&subject, &mut scratch), "{}", filter);
                prop_assert_eq!(expected, *together);
            }
        }
        // Each filter is evaluated for each event once, however many ask.
        prop_assert_eq!(totals.count() * entries.len(), usize::try_from(totals.judged.get()).unwrap());
        let both = read(&filters[0]).and(&read(&filters[filters.len() - 1]));
        for entry in &entries {
            let event: Value = serde_json::from_slice(&entry.json()).unwrap();
            let expected = model::passes(&filters[0], &event) && model::passes(&filters[filters.len() - 1], &event);
            prop_assert_eq!(expected, both.passes(&Subject::from(&**entry), &mut scratch));
        }
    }

    /// F8: whatever bytes come as a filter, they are refused or mean something, in bounded time.
    #[test]
    fn any_bytes_are_read_or_refused(
        base in filter(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..60),
        event in new_entry(),
    ) {
        let mut text = serde_json::to_vec(&base).unwrap();
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text.truncate(cut.index(text.len() * 3 + 1));
        let entry = &entries(&[event])[0];
        for bytes in [text, noise] {
            if let Ok(filter) = Filter::parse(&bytes, Limits::default()) {
                let again = Filter::parse(&filter.text(), WIDE).unwrap();
                prop_assert_eq!(filter.text(), again.text());
                filter.passes(&Subject::from(&**entry), &mut Scratch::default());
            }
        }
    }

    /// What is in a message cannot make its evaluation fail, however broken it is.
    #[test]
    fn any_bytes_can_be_looked_at(
        filter in filter(),
        event in new_entry(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        noise in prop::collection::vec(prop::sample::select(b"{}[]\",:\\u1ea0- \x80".to_vec()), 0..80),
    ) {
        let compiled = read(&filter);
        let mut broken = entries(&[event])[0].json().to_vec();
        for (at, byte) in changes {
            let at = at.index(broken.len());
            broken[at] = byte;
        }
        for message in [&broken, &noise] {
            let subject = Subject::new("a", None, message);
            let mut scratch = Scratch::default();
            let first = compiled.passes(&subject, &mut scratch);
            prop_assert_eq!(first, compiled.passes(&subject, &mut scratch), "the same twice");
        }
    }
}

/// Time grows with the event and not with its square, whatever stands in it.
#[test]
fn time_is_bounded() {
    let text = r#"{"any":[{"data.a":{"contains":"aaaaaaaaaaaaaaab"}},{"data.b":{"contains":"x"}},{"data.9999":1},{"data.a.0":1}]}"#;
    let filter = Filter::parse(text.as_bytes(), Limits::default()).unwrap();
    let many = |part: &str, count: usize| part.repeat(count);
    let members: Vec<String> = (0..50_000)
        .map(|number| format!("\"k{number}\":{number},"))
        .collect();
    let members = members.concat();
    let data = [
        format!("{{\"a\":\"{}\"}}", many("a", 4 << 20)),
        format!("{{\"a\":\"{}\"}}", many("\\u0061", 1 << 20)),
        format!("[{}1]", many("[],", 1 << 20)),
        format!("{{{}\"b\":[{}1]}}", members, many("\"y\",", 200_000)),
        format!("{{{}\"a\":1}}", many("\"a\":[1,2],", 200_000)),
    ];
    let new: Vec<NewEntry> = data
        .iter()
        .map(|data| NewEntry {
            event: "e".into(),
            data: data.as_bytes().into(),
            ..NewEntry::default()
        })
        .collect();
    let started = std::time::Instant::now();
    for entry in entries(&new) {
        assert!(!filter.passes(&Subject::from(&*entry), &mut Scratch::default()));
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}
