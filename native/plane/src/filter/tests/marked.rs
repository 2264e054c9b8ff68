//! Members of signals that are read where they are known to stand: filters decide as if they read all of the message.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::entry::{Composer, Entry, NewEntry, Timestamp};
use crate::filter::tests::{bounds, filter, model};
use crate::filter::{Roster, Scratch, Subject, Totals};
use crate::marks::{MARKED, Marks};

/// Numbers as signals have them, written shortest in single precision: what they say is no single float.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![4 => 0.0..1.0_f32, 2 => Just(0.1), 1 => Just(-0.0), 1 => Just(1e-7), 1 => Just(3e38)]
}

fn text(numbers: &[f32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|x| format!("{x:?}")).collect();
    format!("[{}]", numbers.join(","))
}

/// The data of a signal, with and without its marks.
fn signal() -> impl Strategy<Value = [NewEntry; 2]> {
    let vector = prop::array::uniform8(number());
    let distance = prop::option::of(number());
    let node = prop::sample::select(vec!["\"n\"", "\"a\\\"b\\n\"", "\"\""]);
    let payload = prop::sample::select(vec![
        "",
        r#","payload":{"vector":7,"priority":[1]}"#,
        r#","payload":"\"node\":1""#,
    ]);
    let numbers = (0_u64..4, 0_u8..4, any::<bool>());
    (vector, distance, number(), node, payload, numbers).prop_map(
        |(vector, distance, score, node, payload, (token_id, priority, is_novel))| {
            let distance = distance.map_or("null".into(), |x| format!("{x:?}"));
            let values = [
                token_id.to_string(),
                text(&vector),
                priority.to_string(),
                is_novel.to_string(),
                distance,
                format!("{score:?}"),
                node.to_owned(),
            ];
            let (mut data, mut marks) = (String::from("{"), [(0, 0); MARKED.len()]);
            for ((name, value), mark) in MARKED.iter().zip(values).zip(&mut marks) {
                data.extend(["\"", name, "\":"]);
                let start = data.len();
                data += &value;
                *mark = (
                    u16::try_from(start).unwrap(),
                    u16::try_from(data.len()).unwrap(),
                );
                let more = if *name == "node" { payload } else { "," };
                data += more;
            }
            data += "}";
            [Some(Box::new(Marks::new(marks, vector))), None].map(|marks| NewEntry {
                event: "signal.a".into(),
                data: data.clone().into_bytes().into(),
                key: Some("k".into()),
                marks,
                ..NewEntry::default()
            })
        },
    )
}

fn condition() -> impl Strategy<Value = Value> {
    let fields: Vec<String> = MARKED
        .iter()
        .map(|name| format!("data.{name}"))
        .chain((0..9).map(|axis| format!("data.vector.{axis}")))
        .chain(
            [
                "data",
                "data.vector.00",
                "data.vector.1.0",
                "data.node.0",
                "data.payload.vector",
                "key",
            ]
            .map(String::from),
        )
        .collect();
    let literal = prop_oneof![
        4 => number().prop_map(|x| {
            let value: Value = serde_json::from_str(&format!("{x:?}")).unwrap();
            value
        }),
        2 => (0_u8..4).prop_map(Value::from),
        1 => prop::sample::select(vec![json!(null), json!(true), json!("a\"b\n"), json!("n"), json!("")]),
    ];
    let operator = prop::sample::select(vec!["eq", "ne", "contains"]);
    let compare = prop::sample::select(vec!["gt", "gte", "lt", "lte"]);
    let field = || prop::sample::select(fields.clone());
    prop_oneof![
        (field(), operator, literal)
            .prop_map(|(field, operator, literal)| json!({field: {operator: literal}})),
        (field(), compare, number()).prop_map(|(field, operator, x)| json!({field: {operator: x}})),
        (field(), any::<bool>()).prop_map(|(field, wanted)| json!({field: {"exists": wanted}})),
        (prop::array::uniform8(number()), 0.0..1.5_f64).prop_map(|(center, radius)| {
            json!({"data.vector": {"near": {"center": center, "radius": radius}}})
        }),
    ]
}

fn entry(new: NewEntry) -> Entry {
    Composer::new("signals").entry(7, &Timestamp::new(1.0), new)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// signals.md section 5: native and plain evaluation agree, with each other and with the protocol.
    #[test]
    fn marks_change_no_decision(
        signal in signal(),
        conditions in prop::collection::vec(condition(), 1..4),
        near in 0.0..1.0_f64,
    ) {
        let [marked, plain] = signal.map(|one| Arc::new(entry(one)));
        prop_assert!(marked.marks().is_some() && plain.marks().is_none());
        let message: Value = serde_json::from_slice(&plain.json()).unwrap();
        prop_assert_eq!(plain.json(), marked.json());
        // A ball whose border is the vector itself.
        let vector = message["data"]["vector"].as_array().unwrap().iter();
        let vector: Vec<f64> = vector.map(|x| x.as_f64().unwrap()).collect();
        let mut center = vector.clone();
        center[3] += near;
        let edge = json!({"data.vector": {"near": {"center": center, "radius": (center[3] - vector[3]).abs()}}});
        let all = json!({"all": conditions.clone()});
        let mut scratch = Scratch::default();
        for one in conditions.iter().chain([&edge, &all]) {
            let filter = filter(&one.to_string());
            let passes = [&marked, &plain].map(|entry| filter.passes(&Subject::from(&**entry), &mut scratch));
            let expected = model::passes(one, &message);
            prop_assert_eq!([expected, expected], passes, "{} {}", one, message);
            let roster = Arc::new(Roster::new(Arc::new(Totals::new(bounds(10, 10)))));
            let _sieve = roster.take(filter, false).unwrap();
            let mut hits = Vec::new();
            for (history, entry) in (1..).zip([&marked, &plain]) {
                roster.sift(history, std::slice::from_ref(entry), &mut scratch, &mut hits);
                prop_assert_eq!(usize::from(expected), hits.len(), "{} {}", one, message);
            }
        }
    }
}

/// Marks belong to `data` as it was written: a payload of another kind has none.
#[test]
fn other_payloads_have_no_marks() {
    let content = crate::content::Content {
        media_type: "text/plain",
        encoding: None,
        meta: None,
    };
    let new = NewEntry {
        data: b"[1]"[..].into(),
        content: Some(Box::new(content.into())),
        marks: Some(Box::default()),
        ..NewEntry::default()
    };
    assert!(entry(new).marks().is_none());
}
