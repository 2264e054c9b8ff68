//! M10 to M13 and rows ms4, ms6 and ms7: what depends on where a token stands.

use super::super::MAX_DEPTH;
use super::{both, message, value};

/// ms4, M13: integers within ±(2^53−1) stand anywhere, up to 64 bits inside `data` and `payload`, larger ones nowhere.
#[test]
fn integers_have_their_ranges() {
    for (integer, expected) in [
        ("9007199254740991", [true, true]),
        ("-9007199254740991", [true, true]),
        ("9007199254740992", [false, true]),
        ("-9007199254740992", [false, true]),
        ("18446744073709551615", [false, true]),
        ("18446744073709551616", [false, false]),
        ("-9223372036854775808", [false, true]),
        ("-9223372036854775809", [false, false]),
        ("99999999999999999999", [false, false]),
        ("-99999999999999999999", [false, false]),
        ("18446744073709551616.0", [true, true]),
        ("18446744073709551616e0", [true, true]),
    ] {
        assert_eq!(expected, both(integer), "{integer}");
    }
    let expected = "expected an integer from -(2^53-1) to 2^53-1 at byte 6";
    assert_eq!(
        Some(expected.to_owned()),
        message(r#"{"id":9007199254740993}"#)
    );
}

/// M13: only the `data` and `payload` of a message itself are exempt, under whatever escapes their names are written.
#[test]
fn only_members_of_messages_are_exempt() {
    for text in [
        r#"{"data":[{"x":{"y":18446744073709551615}}]}"#,
        r#"{"payload":18446744073709551615}"#,
        r#"{"d\u0061ta":18446744073709551615}"#,
        r#"[{"id":1},{"payload":{"a":18446744073709551615}}]"#,
        r#"{"data":{"data":1,"id":18446744073709551615}}"#,
    ] {
        assert_eq!(None, message(text), "{text}");
    }
    for text in [
        r#"{"tags":{"data":18446744073709551615}}"#,
        r#"{"data":1,"id":18446744073709551615}"#,
        r#"{"payload":{"a":1},"filter":{"b":18446744073709551615}}"#,
        r#"[{"data":1},{"id":18446744073709551615}]"#,
        r#"[{"data":1},18446744073709551615]"#,
        r#"[[{"data":18446744073709551615}]]"#,
        r#"{"Data":18446744073709551615}"#,
    ] {
        assert!(message(text).is_some(), "{text}");
    }
}

/// ms6, M10, L12: 32 levels of one message are taken and 33 are refused, before anything recursive sees them.
#[test]
fn nesting_is_limited() {
    let arrays = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let data = |depth: usize| format!(r#"{{"data":{}}}"#, arrays(depth - 1));
    assert_eq!(
        [true, false],
        [MAX_DEPTH, MAX_DEPTH + 1].map(|depth| message(&data(depth)).is_none())
    );
    let objects = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    assert_eq!(
        [true, false],
        [MAX_DEPTH, MAX_DEPTH + 1].map(|depth| message(&objects(depth)).is_none())
    );
    let expected = "expected at most 32 levels of nesting at byte 160";
    assert_eq!(Some(expected.to_owned()), message(&objects(1_000_000)));
}

/// M12: the array around messages is no level of any of them.
#[test]
fn an_array_of_messages_is_no_level() {
    let data = |depth: usize| {
        format!(
            r#"[{{"data":{}{}}},{{}}]"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    assert_eq!(
        [true, false],
        [MAX_DEPTH, MAX_DEPTH + 1].map(|depth| message(&data(depth)).is_none())
    );
}

/// M10: a value checked alone has the object around it as its first level.
#[test]
fn a_value_leaves_a_level_for_its_message() {
    let arrays = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(
        [true, false],
        [MAX_DEPTH - 1, MAX_DEPTH].map(|depth| value(&arrays(depth)).is_none())
    );
    assert!(message(&format!(r#"{{"data":{}}}"#, arrays(MAX_DEPTH - 1))).is_none());
}

/// ms7, M11: a key may stand once in an object, however it is written.
#[test]
fn duplicate_keys_are_refused() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"b":2,"\u0061":3}"#,
        r#"{"\u0061":1,"a":2}"#,
        r#"{"\u0061":1,"\u0061":2}"#,
        r#"{"data":1,"data":2}"#,
        r#"{"data":1,"d\u0061ta":2}"#,
        r#"{"type":"publish","tags":{"env":"a","x":1,"env":"b"}}"#,
        r#"{"tags":{"deep":[{"a":1,"a":1}]}}"#,
        r#"[{"id":1},{"id":1,"id":2}]"#,
        r#"[[{"a":1,"a":2}]]"#,
        r#"{"":1,"":2}"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
        r#"{"a-long-key-with-a-tail-1":1,"a-long-key-with-a-tail-1":2}"#,
        r#"{"payload":{"a":1,"a":2},"x":1,"x":2}"#,
    ] {
        let fault = message(text).unwrap_or_default();
        assert!(
            fault.starts_with("expected each key once in an object at byte "),
            "{text}: {fault}"
        );
    }
}

/// M11: different keys are different, and the same key may stand in different objects.
#[test]
fn different_keys_are_taken() {
    for text in [
        r#"{"a":1,"A":2,"a ":3,"":4,"\u0000":5}"#,
        r#"{"a\u0000":1,"a":2}"#,
        r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}"#,
        r#"[{"id":1},{"id":1}]"#,
        r#"{"a-long-key-with-a-tail-1":1,"a-long-key-with-a-tail-2":2}"#,
        r#"{"\\u0061":1,"a":2}"#,
    ] {
        assert_eq!(None, message(text), "{text}");
    }
}

/// M11: inside `data` and `payload` the bytes pass through, duplicates and all.
#[test]
fn duplicates_inside_data_pass() {
    for text in [
        r#"{"data":{"a":1,"a":2}}"#,
        r#"{"payload":[{"a":{"b":1,"b":1}}],"id":1}"#,
        r#"[{"data":{"a":1,"a":2}},{"data":{"a":1,"a":2}}]"#,
    ] {
        assert_eq!(None, message(text), "{text}");
    }
    assert_eq!(None, value(r#"{"a":1,"a":2}"#));
}

/// ms7: one duplicate among 100,000 keys is found, wherever it stands, without comparing each with each.
#[test]
fn duplicates_in_large_objects_are_found() {
    let object = |members: &[String]| format!(r#"{{"x":{{{}}}}}"#, members.join(","));
    let mut members: Vec<String> = (0..100_000)
        .map(|n| format!("\"the same beginning {n}\":0"))
        .collect();
    assert_eq!(None, message(&object(&members)));
    for (at, twin) in [
        (0, "the same beginning 99999"),
        (50_000, "the same beginning 7"),
        (99_999, r"th\u0065 same beginning 0"),
    ] {
        let kept = std::mem::replace(&mut members[at], format!("\"{twin}\":0"));
        let fault = message(&object(&members)).unwrap_or_default();
        assert!(
            fault.starts_with("expected each key once in the object that ends at byte "),
            "{twin}: {fault}"
        );
        members[at] = kept;
    }
}

/// ms7: objects on both sides of the size at which they are sorted, with the duplicate at each place.
#[test]
fn duplicates_are_found_at_each_size() {
    for size in 2..40 {
        let members: Vec<String> = (0..size).map(|n| format!("\"k{n}\":0")).collect();
        assert_eq!(None, message(&format!("{{{}}}", members.join(","))));
        for at in 1..size {
            let mut members = members.clone();
            members[at] = "\"k0\":0".to_owned();
            assert!(
                message(&format!("{{{}}}", members.join(","))).is_some(),
                "{at} of {size}"
            );
        }
    }
}
