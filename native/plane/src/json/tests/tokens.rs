//! M10 and rows ms1, ms2, ms3 and ms5: what is JSON, token by token.

use super::super::check_value;
use super::{both, message, value};

/// RFC 8259: what its grammar allows is taken, with space wherever it may stand.
#[test]
fn json_is_taken() {
    for text in [
        "{}",
        " {} ",
        "[]",
        "\t[\r\n] ",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1.5e+10",
        "-12.25E-3",
        "\"\"",
        r#"{"type":"ping"}"#,
        r#" { "type" : "ping" , "t" : [ 1 , { } , [ ] , "x" ] } "#,
        r#"[{"type":"ping"},{"type":"ping"}]"#,
        r#"{"data":"\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00 é \u007f"}"#,
        "{\"data\":\"\u{7f}\u{2028}\u{feff}\"}",
    ] {
        assert_eq!([None, None], [message(text), value(text)], "{text}");
    }
}

/// ms1: what is no JSON is refused, with what was expected, where, and what came.
#[test]
fn broken_json_is_refused_with_its_place() {
    for (text, expected) in [
        ("", "expected a JSON value at byte 0"),
        ("  ", "expected a JSON value at byte 2"),
        ("hello", "expected a JSON value at byte 0, got h"),
        ("nul", "expected a JSON value at byte 0, got n"),
        ("{\"a\":1", "expected , or } after a member at byte 6"),
        (
            "{\"a\":1 \"b\"",
            "expected , or } after a member at byte 7, got \"",
        ),
        (
            "{\"a\":1]",
            "expected , or } after a member at byte 6, got ]",
        ),
        ("{\"a\":1,}", "expected a key in quotes at byte 7, got }"),
        ("{a:1}", "expected a key in quotes at byte 1, got a"),
        ("{\"a\" 1}", "expected : after a key at byte 5, got 1"),
        ("{\"a\":}", "expected a JSON value at byte 5, got }"),
        ("[1,]", "expected a JSON value at byte 3, got ]"),
        ("[1}", "expected , or ] after an element at byte 2, got }"),
        ("[", "expected a JSON value at byte 1"),
        ("{} {}", "expected the end of the text at byte 3, got {"),
        ("]", "expected a JSON value at byte 0, got ]"),
        (
            "\"abc",
            "expected a character, an escape or the end of the string at byte 4",
        ),
        (
            "\"a\nb\"",
            "expected a character, an escape or the end of the string at byte 2, got byte 0x0a",
        ),
        ("'a'", "expected a JSON value at byte 0, got '"),
        (
            "{\"a\":1}\0",
            "expected the end of the text at byte 7, got byte 0x00",
        ),
        ("\u{feff}{}", "expected no byte order mark at byte 0"),
        ("{}//", "expected the end of the text at byte 2, got /"),
        ("\u{a0}{}", "expected a JSON value at byte 0, got byte 0xc2"),
    ] {
        assert_eq!(
            [Some(expected.to_owned()), Some(expected.to_owned())],
            [message(text), value(text)],
            "{text}"
        );
    }
}

/// ms2, M10: words for numbers, forms that are no numbers, and numbers that no 64-bit float holds are refused.
#[test]
fn odd_numbers_are_refused() {
    let long = |digits: usize| format!("{}e-{digits}", "9".repeat(digits));
    let refused = [
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "1e400",
        "-1e400",
        "1e309",
        "1.8e308",
        "0.1e310",
        "1e99999999999999999999",
        "+1",
        ".5",
        "5.",
        "01",
        "-01",
        "00",
        "-",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "--1",
        "1.e5",
        "1.5.5",
    ];
    for number in refused.iter().map(ToString::to_string).chain([
        format!("{}.0", "9".repeat(400)),
        format!("{}e9", "9".repeat(305)),
    ]) {
        assert_eq!([false, false], both(&number), "{number}");
    }
    let taken = [
        "1e308",
        "1.7976931348623157e308",
        "-1.7976931348623157E+308",
        "1e-400",
        "0e999999999999",
        "0.0",
        "1E5",
        "123.456e-7",
    ];
    for number in taken.iter().map(ToString::to_string).chain([
        format!("0.{}", "1".repeat(5000)),
        long(305),
        long(400),
        long(5000),
    ]) {
        assert_eq!([true, true], both(&number), "{number}");
    }
}

/// ms3, M10: a surrogate is taken as the first or second of a pair only.
#[test]
fn lone_surrogates_are_refused() {
    for text in [
        r"\ud800",
        r"\udfff",
        r"\ud800x",
        r"\ud800\n",
        r"\ud800\u0041",
        r"\ud800\ud800",
        r"\ude00\ud83d",
        r"\ud83d\ude0",
        r"\ud83d\ude00\ude00",
    ] {
        assert_eq!([false, false], both(&format!("\"{text}\"")), "{text}");
    }
    for text in [r"\ud83d\ude00", r"\uD83D\uDE00", r"\ud7ff\ue000"] {
        assert_eq!([true, true], both(&format!("\"{text}\"")), "{text}");
    }
}

/// ms3: the error shows the right form.
#[test]
fn a_lone_surrogate_is_told_how_a_pair_looks() {
    let expected = r"expected a low surrogate after a high one, as in \ud83d\ude00 at byte 7";
    assert_eq!(Some(expected.to_owned()), message(r#"{"id":"\ud800"}"#));
}

/// RFC 8259 §7: other escapes, and halves of escapes, are refused.
#[test]
fn odd_escapes_are_refused() {
    for text in [
        r"\x41", r"\'", r"\0", r"\u12", r"\u12g4", r"\U0041", r"\", r"\u+123",
    ] {
        assert_eq!([false, false], both(&format!("\"{text}\"")), "{text}");
    }
}

/// ms5: an integer of 5,000 digits is refused.
#[test]
fn thousands_of_digits_are_refused() {
    assert_eq!([false, false], both(&"7".repeat(5000)));
    assert_eq!([false, false], both(&format!("-{}", "7".repeat(5000))));
}

/// M10: a value from REST is UTF-8; a text frame has been checked by its reader.
#[test]
fn values_are_utf8() {
    let fault = check_value(b"[\"caf\xe9\"]").map_err(|fault| fault.to_string());
    assert_eq!(
        Err("expected UTF-8 at byte 5, got byte 0xe9".to_owned()),
        fault
    );
    let cut = check_value(b"\"\xf0\x9f").map_err(|fault| fault.at);
    assert_eq!(Err(1), cut);
    assert!(check_value(b"\xed\xa0\x80").is_err());
}
