//! The vectors that the encoder shares with Python and TypeScript.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::Value;
use signal::encode_text;

/// signals.md §11, 13.
#[test]
fn the_shared_vectors_are_equal_to_the_last_bit() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/encoder.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let expected: Vec<f64> = case["vector"]
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap())
            .collect();
        let text = case["text"].as_str().unwrap();
        assert_eq!(expected, encode_text(text), "{}", case["name"]);
    }
}

proptest! {
    #[test]
    fn every_coordinate_lies_within_its_reach(text in "\\PC*") {
        for x in encode_text(&text) {
            prop_assert!(x > 0.3 && x < 0.7, "{x}");
        }
    }
}
