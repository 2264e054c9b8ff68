//! M14, and the strings that the plane writes itself.

use super::super::{MAX_DEPTH, escape, msgpack};
use super::refused;

fn packed(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    msgpack::transcode(text.as_bytes(), &mut out).unwrap();
    out
}

/// M14: integers stay integers, each in its shortest form, and everything else is a 64-bit float.
#[test]
fn numbers_keep_their_kind() {
    for (text, expected) in [
        ("0", &[0x00][..]),
        ("-0", &[0x00]),
        ("127", &[0x7f]),
        ("128", &[0xcc, 0x80]),
        ("255", &[0xcc, 0xff]),
        ("256", &[0xcd, 1, 0]),
        ("65536", &[0xce, 0, 1, 0, 0]),
        ("4294967296", &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
        (
            "18446744073709551615",
            &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255],
        ),
        ("-1", &[0xff]),
        ("-32", &[0xe0]),
        ("-33", &[0xd0, 0xdf]),
        ("-129", &[0xd1, 0xff, 0x7f]),
        ("-32769", &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
        (
            "-2147483649",
            &[0xd3, 255, 255, 255, 255, 127, 255, 255, 255],
        ),
        ("-9223372036854775808", &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("1.0", &[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("1e0", &[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(expected, packed(text), "{text}");
    }
    let huge = msgpack::transcode(b"[18446744073709551616]", &mut Vec::new());
    assert_eq!(
        Some("expected an integer from -2^63 to 2^64-1 at byte 1".to_owned()),
        refused(huge)
    );
}

/// Heads take the shortest form for the length that the JSON turns out to have, inside each other, too.
#[test]
fn heads_are_minimal() {
    let array = |len: usize| format!("[{}]", vec!["0"; len].join(","));
    for (len, head) in [
        (0, &[0x90][..]),
        (15, &[0x9f]),
        (16, &[0xdc, 0, 16]),
        (65_535, &[0xdc, 255, 255]),
        (65_536, &[0xdd, 0, 1, 0, 0]),
    ] {
        assert_eq!([head, &vec![0; len]].concat(), packed(&array(len)));
        let nested = packed(&format!(r#"{{"a":{},"b":1}}"#, array(len)));
        assert_eq!(
            [b"\x82\xa1a", head, &vec![0; len], b"\xa1b\x01"].concat(),
            nested
        );
    }
    let object = format!(
        "{{{}}}",
        (10..26)
            .map(|n| format!("\"{n}\":null"))
            .collect::<Vec<_>>()
            .join(",")
    );
    assert_eq!([0xde, 0, 16, 0xa2, b'1', b'0', 0xc0], packed(&object)[..7]);
    for (len, head) in [
        (31, &[0xbf][..]),
        (32, &[0xd9, 32]),
        (255, &[0xd9, 255]),
        (256, &[0xda, 1, 0]),
        (65_536, &[0xdb, 0, 1, 0, 0]),
    ] {
        assert_eq!(
            [head, &vec![b'x'; len]].concat(),
            packed(&format!("\"{}\"", "x".repeat(len)))
        );
    }
}

/// Escapes are taken out, in keys and values.
#[test]
fn strings_read_as_they_read() {
    let expected = [
        b"\x81\xa1a",
        &[0xab][..],
        "\"\\/\u{8}\u{c}\n\r😀".as_bytes(),
    ]
    .concat();
    assert_eq!(
        expected,
        packed(r#"{"\u0061":"\"\\\/\b\f\n\r\ud83d\ude00"}"#)
    );
    let corners = [
        &[0xae][..],
        "\u{d7ff}\u{e000}\u{10000}\u{10ffff}".as_bytes(),
    ]
    .concat();
    assert_eq!(corners, packed(r#""\ud7ff\ue000\ud800\udc00\udbff\udfff""#));
    assert_eq!(b"\x93\xc0\xc3\xc2"[..], packed(" [ null , true , false ] "));
}

/// What a hub puts around `data` may go beyond the 32 levels of a message, and what is no JSON is refused.
#[test]
fn transcode_is_bounded() {
    let arrays = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(MAX_DEPTH + 2, packed(&arrays(MAX_DEPTH + 2)).len());
    for text in [
        arrays(1_000_000),
        "[1".to_owned(),
        "nope".to_owned(),
        String::new(),
    ] {
        assert!(msgpack::transcode(text.as_bytes(), &mut Vec::new()).is_err());
    }
}

/// Each character is written so that a JSON parser reads it back, with the short escapes where there are any.
#[test]
fn written_strings_read_back() {
    for code in (0..0x800)
        .chain(0xd7f0..0xd800)
        .chain(0xe000..0xe010)
        .chain(0x1_f600..0x1_f610)
    {
        let expected: String = ['x', char::from_u32(code).unwrap(), 'y'].iter().collect();
        let mut out = Vec::new();
        escape::write_str(&mut out, &expected);
        assert_eq!(expected, serde_json::from_slice::<String>(&out).unwrap());
        assert_eq!(serde_json::to_vec(&expected).unwrap(), out);
    }
}

/// The writers of single values agree with an independent implementation.
#[test]
fn msgpack_writers_agree_with_rmp() {
    let mut out = Vec::new();
    for int in [
        0,
        1,
        -1,
        127,
        128,
        -32,
        -33,
        -128,
        -129,
        32_767,
        -32_769,
        i64::from(i32::MIN) - 1,
        i64::MIN,
        i64::MAX,
    ] {
        out.clear();
        msgpack::write_int(&mut out, int);
        assert_eq!(rmp_serde::to_vec(&int).unwrap(), out);
    }
    for float in [0.0, -0.0, 1.5, f64::MAX, f64::MIN_POSITIVE] {
        out.clear();
        msgpack::write_f64(&mut out, float);
        assert_eq!(rmp_serde::to_vec(&float).unwrap(), out);
    }
    out.clear();
    msgpack::write_map_len(&mut out, 1);
    msgpack::write_str(&mut out, "é");
    msgpack::write_array_len(&mut out, 3);
    msgpack::write_nil(&mut out);
    msgpack::write_bool(&mut out, true);
    msgpack::write_uint(&mut out, u64::MAX);
    let read: serde_json::Value = rmp_serde::from_slice(&out).unwrap();
    assert_eq!(serde_json::json!({"é": [null, true, u64::MAX]}), read);
}
