//! What filters mean, clause by clause.

use crate::filter::Filter;
use crate::filter::tests::{Event, filter, passes};

fn data(value: &str) -> Event {
    Event::new("e", None, &format!("\"data\":{value}"))
}

fn assert_all(event: &Event, expected: bool, filters: &[&str]) {
    for text in filters {
        assert_eq!(expected, passes(text, event), "{text} on {}", event.message);
    }
}

/// F1: all members must hold; `{}` lets everything through; combinators combine.
#[test]
fn members_and_combinators() {
    let event = Event::new("a.b", Some("k"), r#""data":{"n":5}"#);
    assert_all(
        &event,
        true,
        &[
            "{}",
            r#"{"event":"a.b","key":"k","data.n":5}"#,
            r#"{"any":[{"key":"x"},{"data.n":5}]}"#,
            r#"{"all":[{"key":"k"},{"data.n":5}]}"#,
            r#"{"not":{"key":"x"}}"#,
            r#"{"not":{"not":{"any":[{}]}}}"#,
        ],
    );
    assert_all(
        &event,
        false,
        &[
            r#"{"event":"a.b","key":"x"}"#,
            r#"{"any":[{"key":"x"},{"data.n":6}]}"#,
            r#"{"all":[{"key":"k"},{"data.n":6}]}"#,
            r#"{"not":{}}"#,
            r#"{"key":"k","not":{"data.n":5}}"#,
        ],
    );
}

/// F2: fields, tags whose names have dots, indexes, and members that an entry has from elsewhere.
#[test]
fn fields_reach_where_they_say() {
    let event = Event::new(
        "e",
        None,
        r#""data":{"a":[10,{"b":null},[[7]]],"0":"zero"},"tags":{"host":"db1","a.b":"c"},"content_type":"image/jpeg","meta":{"format":"jpeg","x":{"y":1}}"#,
    );
    assert_all(
        &event,
        true,
        &[
            r#"{"data.a.0":10}"#,
            r#"{"data.a.1.b":null}"#,
            r#"{"data.a.2.0.0":7}"#,
            r#"{"data.0":"zero"}"#,
            r#"{"tags.host":"db1","tags.a.b":"c"}"#,
            r#"{"content_type":{"prefix":"image/"},"meta.format":"jpeg","meta.x.y":1}"#,
            r#"{"data":{"exists":true},"data.a":{"exists":true},"data.a.1":{"exists":true}}"#,
        ],
    );
    assert_all(
        &event,
        false,
        &[
            r#"{"data.a.3":{"exists":true}}"#,
            r#"{"data.a.00":{"exists":true}}"#,
            r#"{"data.a.b":{"exists":true}}"#,
            r#"{"data.b":{"exists":true}}"#,
            r#"{"tags.a":{"exists":true}}"#,
            r#"{"key":{"exists":true}}"#,
            r#"{"data.type":{"exists":true}}"#,
        ],
    );
    assert!(passes(r#"{"data.1":2}"#, &data("[1,2]")));
    assert!(passes(r#"{"data":"x"}"#, &data("\"x\"")));
}

/// M11: of members that stand twice the last one counts, with all that is in it.
#[test]
fn the_last_of_two_members_counts() {
    let event = data(r#"{"a":{"b":1,"c":[1]},"a":{"b":2,"b":3}}"#);
    assert_all(
        &event,
        true,
        &[r#"{"data.a.b":3}"#, r#"{"data.a.c":{"exists":false}}"#],
    );
    let event = data(r#"{"a":{"b":1},"\u0061":4}"#);
    assert_all(
        &event,
        true,
        &[r#"{"data.a":4}"#, r#"{"data.a.b":{"exists":false}}"#],
    );
}

/// F3: each operator where it holds and where it does not.
#[test]
fn operators() {
    let event = data(
        r#"{"n":80,"s":"token.new","t":true,"z":null,"l":[1,"two",null,[3]],"o":{},"e":"a\u0062c"}"#,
    );
    assert_all(
        &event,
        true,
        &[
            r#"{"data.n":{"eq":80,"ne":81,"in":[1,80],"nin":[1,2],"gt":79.5,"gte":80,"lt":80.5,"lte":80}}"#,
            r#"{"data.s":{"eq":"token.new","ne":"x","in":["token.new"],"nin":["x"],"gt":"token","gte":"token.new","lt":"u","lte":"v"}}"#,
            r#"{"data.s":{"prefix":"token.","contains":"en.n"}}"#,
            r#"{"data.e":{"eq":"abc","prefix":"ab","contains":"bc","gt":"abb","lt":"abd","in":["abc"]}}"#,
            r#"{"data.t":true,"data.z":null}"#,
            r#"{"data.t":{"in":[null,true]},"data.z":{"in":[null,true],"exists":true}}"#,
            r#"{"data.l":{"contains":1}}"#,
            r#"{"data.l":{"contains":"two"}}"#,
            r#"{"data.l":{"contains":null}}"#,
            r#"{"data.x":{"exists":false},"data.o":{"exists":true}}"#,
            r#"{"data.s":{"prefix":"","contains":""}}"#,
            r#"{"data.l":{"ne":1,"nin":[1,2]},"data.o":{"ne":null}}"#,
            r#"{"data.s":{"ne":5,"nin":[5,null]}}"#,
        ],
    );
    assert_all(
        &event,
        false,
        &[
            r#"{"data.n":{"ne":80}}"#,
            r#"{"data.n":{"nin":[80]}}"#,
            r#"{"data.n":{"gt":80}}"#,
            r#"{"data.n":{"lt":80}}"#,
            r#"{"data.n":{"gte":80.5}}"#,
            r#"{"data.n":{"lte":79}}"#,
            r#"{"data.s":{"gt":"token.new"}}"#,
            r#"{"data.s":{"prefix":"token.new.er"}}"#,
            r#"{"data.e":{"prefix":"abcd"}}"#,
            r#"{"data.s":{"contains":"xx"}}"#,
            r#"{"data.l":{"contains":3}}"#,
            r#"{"data.l":{"contains":"tw"}}"#,
            r#"{"data.x":{"exists":true}}"#,
            r#"{"data.z":{"exists":false}}"#,
        ],
    );
}

/// F4: a missing field, or a value that is not of the type that an operator asks for, makes it false; `not` inverts that.
#[test]
fn missing_and_other_types_are_false() {
    let event = data(r#"{"s":"80","n":80,"l":[80],"o":{}}"#);
    for field in ["x", "s", "l", "o"] {
        for operator in [
            r#"{"eq":80}"#,
            r#"{"in":[80]}"#,
            r#"{"gt":0}"#,
            r#"{"gte":0}"#,
            r#"{"lt":99}"#,
            r#"{"lte":99}"#,
        ] {
            let text = format!(r#"{{"data.{field}":{operator}}}"#);
            assert_all(&event, false, &[&text]);
            assert_all(&event, true, &[&format!("{{\"not\":{text}}}")]);
        }
    }
    assert_all(
        &event,
        false,
        &[
            r#"{"data.x":{"ne":1}}"#,
            r#"{"data.x":{"nin":[1]}}"#,
            r#"{"data.x":null}"#,
            r#"{"data.n":{"prefix":"8"}}"#,
            r#"{"data.n":{"contains":8}}"#,
            r#"{"data.n":{"gt":"0"}}"#,
            r#"{"data.s":{"contains":8}}"#,
            r#"{"key":{"lt":"zzz"}}"#,
            r#"{"event":5}"#,
        ],
    );
}

/// F5: by mathematical value, integers of 64 bits exactly, strings by code points; nothing is converted.
#[test]
fn numbers_and_strings_compare_exactly() {
    let event = data(
        r#"{"one":1.0,"big":9007199254740993,"max":18446744073709551615,"min":-9223372036854775808,"s":"\ud83d\ude00","t":"\uffee"}"#,
    );
    assert_all(
        &event,
        true,
        &[
            r#"{"data.one":1}"#,
            r#"{"data.big":9007199254740993}"#,
            r#"{"data.big":{"gt":9007199254740992.0,"lt":9007199254740994.0}}"#,
            r#"{"data.max":18446744073709551615}"#,
            r#"{"data.max":{"gt":18446744073709551614,"lt":1.8446744073709552e19}}"#,
            r#"{"data.min":-9223372036854775808.0}"#,
            // U+1F600 is behind U+FFEE, whatever their UTF-16 says.
            "{\"data.s\":{\"gt\":\"\u{ffee}\"}}",
            "{\"data.t\":{\"lt\":\"\u{1f600}\"}}",
        ],
    );
    assert_all(
        &event,
        false,
        &[
            r#"{"data.big":9007199254740992}"#,
            r#"{"data.big":9007199254740992.0}"#,
            r#"{"data.max":18446744073709551614}"#,
            r#"{"data.one":"1"}"#,
            r#"{"data.one":true}"#,
        ],
    );
}

/// F6: literal segments, `*` for exactly one, `**` for any number including none.
#[test]
fn globs() {
    for (pattern, fits, fits_not) in [
        (
            "signal.input.*",
            &["signal.input.text"][..],
            &[
                "signal.input.text.chat",
                "signal.input",
                "signal.input2.text",
            ][..],
        ),
        (
            "signal.input.**",
            &[
                "signal.input",
                "signal.input.text",
                "signal.input.text.chat",
            ],
            &["signal", "signal.output"],
        ),
        ("**", &["a", "a.b.c"], &[]),
        (
            "**.text",
            &["text", "a.text", "a.b.text"],
            &["text.a", "atext"],
        ),
        (
            "a.**.z",
            &["a.z", "a.b.z", "a.b.c.z"],
            &["a", "z", "a.b", "b.z"],
        ),
        ("**.m.**", &["m", "a.m", "m.z", "a.b.m.y.z"], &["a", "a.b"]),
        (
            "**.m.*.n.**",
            &["m.x.n", "a.m.x.m.x.n.z"],
            &["m.n", "m.x.y.n"],
        ),
        ("a.**.a", &["a.a", "a.b.a"], &["a"]),
        ("**.**", &["a", "a.b"], &[]),
        ("*.*", &["a.b"], &["a", "a.b.c"]),
        (
            "a.**.b.**.c",
            &["a.b.c", "a.x.b.y.c", "a.b.b.c"],
            &["a.c", "a.c.b", "a.b"],
        ),
    ] {
        let text = format!(r#"{{"event":{{"glob":"{pattern}"}}}}"#);
        let again = String::from_utf8(filter(&text).text()).unwrap();
        assert_eq!(text, again);
        for (names, expected) in [(fits, true), (fits_not, false)] {
            for name in names {
                assert_eq!(
                    expected,
                    passes(&text, &Event::new(name, None, "")),
                    "{pattern} {name}"
                );
            }
        }
    }
}

/// F7: exactly 8 finite numbers, by plain Euclidean distance in 64-bit floats; the radius belongs to it.
#[test]
fn near_is_within_the_radius() {
    let ball = |radius: &str| {
        format!(r#"{{"data.v":{{"near":{{"center":[0,0,0,0,0,0,0,0],"radius":{radius}}}}}}}"#)
    };
    let vector = |text: &str| data(&format!(r#"{{"v":{text}}}"#));
    let at = vector("[3,4.0,0,0,0,0,0,0e5]");
    assert!(passes(&ball("5"), &at));
    assert!(!passes(&ball("4.999999999999999"), &at));
    let same = r#"{"data.v":{"near":{"center":[3,4,0,0,0,0,0,0],"radius":0}}}"#;
    assert!(passes(same, &at));
    for other in [
        "[3,4,0,0,0,0,0]",
        "[0,0,0,0,0,0,0,0,0]",
        "[0,0,0,0,0,0,0,\"0\"]",
        "[0,0,0,0,0,0,0,null]",
        "[[0],0,0,0,0,0,0,0]",
        "[]",
        "0",
        "{}",
        "\"\"",
    ] {
        assert!(!passes(&ball("1e300"), &vector(other)), "{other}");
    }
    assert!(
        !passes(&ball("1e300"), &vector("[1e300,1e300,0,0,0,0,0,0]")),
        "infinitely far"
    );
}

/// F10: where `data` is no JSON it is missing, and what describes it is there.
#[test]
fn media_have_no_data() {
    let event = Event::new(
        "camera.frame",
        Some("cam-1"),
        r#""content_type":"image/jpeg","meta":{"width":1920}"#,
    );
    assert_all(
        &event,
        true,
        &[
            r#"{"content_type":"image/jpeg","meta.width":{"gte":1280},"data":{"exists":false}}"#,
            r#"{"not":{"data.x":1}}"#,
        ],
    );
}

/// A filter that names neither needs neither: the message is not read for the event's name and key.
#[test]
fn what_is_not_asked_for_is_not_read() {
    let unreadable = Event {
        name: "e".into(),
        key: Some("k".into()),
        message: "no message".into(),
    };
    assert!(passes(r#"{"event":"e","key":"k"}"#, &unreadable));
    assert!(!passes(
        r#"{"key":"x","data.a":{"exists":false}}"#,
        &unreadable
    ));
    let order: Filter = filter(r#"{"data.a":1,"any":[{"data.b":1},{"key":"k"}],"key":"k"}"#);
    let expected = r#"{"all":[{"key":{"eq":"k"}},{"any":[{"key":{"eq":"k"}},{"data.b":{"eq":1}}]},{"data.a":{"eq":1}}]}"#;
    assert_eq!(expected, std::str::from_utf8(&order.text()).unwrap());
}
