//! The scanner and the transcoder against the model and `rmp-serde`, over texts that are right, wrong, and damaged.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{check, check_value, escape, msgpack};
use super::model::{Tree, model_of_check, model_of_check_value, parsed};

fn json() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(
        &[
            "null",
            "true",
            "false",
            "0",
            "-1",
            "1.5",
            "-2.5e-3",
            "1e308",
            "1e309",
            "9007199254740991",
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "12345678901234567890.0",
            "\"\"",
            "\"text\"",
            r#""\n\u0041""#,
            r#""\ud83d\ude00""#,
            "\"é😀\"",
            r#""\ud800""#,
            "\"a long string, longer than a word\"",
        ][..],
    )
    .prop_map(str::to_owned);
    let space = prop::sample::select(&["", "", "", " ", "\n", "\t \r"][..]);
    let key = prop::sample::select(
        &[
            "a",
            "b",
            r"\u0061",
            "c",
            "d",
            "data",
            "payload",
            r"d\u0061ta",
            "",
            "type",
            "prefixed:1",
            "prefixed:2",
        ][..],
    );
    scalar.prop_recursive(5, 40, 5, move |inner| {
        let member = (space.clone(), key.clone(), space.clone(), inner.clone());
        let object = prop::collection::vec(member, 0..5).prop_map(|members| {
            let members: Vec<String> = members
                .iter()
                .map(|(a, key, b, value)| format!("{a}\"{key}\"{b}:{a}{value}{b}"))
                .collect();
            format!("{{{}}}", members.join(","))
        });
        let array = prop::collection::vec((space.clone(), inner), 0..5).prop_map(|elements| {
            let elements: Vec<String> = elements
                .iter()
                .map(|(a, value)| format!("{a}{value}{a}"))
                .collect();
            format!("[{}]", elements.join(","))
        });
        prop_oneof![2 => object, 1 => array]
    })
}

/// A byte replaced, removed or put in, most often by one that means something.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![4 => prop::sample::select(&b"{}[]\",:\\ue0129.-+ \n"[..]), 1 => any::<u8>()];
    (json(), any::<Index>(), byte, 0..3).prop_map(|(text, at, byte, how)| {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// M10–M13: accepted here is what the strict model accepts.
    #[test]
    fn check_agrees_with_the_model(text in json()) {
        prop_assert_eq!(model_of_check(text.as_bytes()), check(text.as_bytes()).is_ok());
        prop_assert_eq!(model_of_check_value(text.as_bytes()), check_value(text.as_bytes()).is_ok());
    }

    /// M10–M13: of damaged texts, too; `check` is asked about those only that a reader lets through as text.
    #[test]
    fn check_agrees_about_damaged_texts(text in damaged()) {
        prop_assert_eq!(model_of_check_value(&text), check_value(&text).is_ok());
        if std::str::from_utf8(&text).is_ok() {
            prop_assert_eq!(model_of_check(&text), check(&text).is_ok());
        }
    }

    /// M10: nesting around the limit, in arrays and objects mixed, alone and in an array of messages.
    #[test]
    fn check_agrees_about_depth(brackets in prop::collection::vec(any::<bool>(), 28..36)) {
        let opening: String = brackets.iter().map(|object| if *object { "{\"a\":" } else { "[" }).collect();
        let closing: String = brackets.iter().rev().map(|object| if *object { "}" } else { "]" }).collect();
        let text = format!("{opening}1{closing}");
        prop_assert_eq!(model_of_check(text.as_bytes()), check(text.as_bytes()).is_ok());
        prop_assert_eq!(model_of_check_value(text.as_bytes()), check_value(text.as_bytes()).is_ok());
    }

    /// M14: byte for byte what `rmp-serde` makes of the same value, so in the shortest forms and in the same order.
    #[test]
    fn transcode_agrees_with_rmp(text in json()) {
        let Some(tree) = parsed(text.as_bytes()).filter(Tree::is_data) else { return Ok(()) };
        let mut actual = b"before".to_vec();
        prop_assert_eq!(Ok(()), msgpack::transcode(text.as_bytes(), &mut actual));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let read: serde_json::Value = rmp_serde::from_slice(&actual[6..]).unwrap();
        prop_assert_eq!(&value, &read);
        if tree.is_strict(false) {
            prop_assert_eq!(rmp_serde::to_vec(&value).unwrap(), &actual[6..]);
        }
    }

    /// A float is the one that is nearest to what was written.
    #[test]
    fn floats_are_the_nearest(float in any::<f64>().prop_filter("JSON has no others", |float| float.is_finite())) {
        let text = serde_json::to_string(&float).unwrap();
        let mut out = Vec::new();
        prop_assert_eq!(Ok(()), msgpack::transcode(text.as_bytes(), &mut out));
        prop_assert_eq!(rmp_serde::to_vec(&float).unwrap(), out);
    }

    /// Any string is read back, and its bytes are those of `serde_json`.
    #[test]
    fn write_str_agrees_with_serde(text: String) {
        let mut out = Vec::new();
        escape::write_str(&mut out, &text);
        prop_assert_eq!(serde_json::to_vec(&text).unwrap(), out);
    }

    /// No input at all makes the scanners panic.
    #[test]
    fn any_bytes_are_checked(text: Vec<u8>) {
        let _ = (check(&text), check_value(&text), msgpack::transcode(&text, &mut Vec::new()));
    }
}
