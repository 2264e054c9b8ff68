//! What is read, what is refused, and where the fault is said to be.

use crate::filter::tests::{filter, read};
use crate::filter::{Filter, Limits};

fn nested(depth: usize) -> String {
    let open = "{\"not\":".repeat(depth - 1);
    format!("{open}{{}}{}", "}".repeat(depth - 1))
}

fn conditions(count: usize) -> String {
    let all: Vec<String> = (0..count).map(|n| format!("\"data.f{n}\":1")).collect();
    format!("{{{}}}", all.join(","))
}

fn path(segments: usize) -> String {
    format!("{{\"data{}\":1}}", ".a".repeat(segments))
}

fn literals(count: usize) -> String {
    let all: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    format!("{{\"data.a\":{{\"in\":[{}]}}}}", all.join(","))
}

/// F1, F2, F3: the examples of the protocol, and each bound where it still holds.
#[test]
fn what_the_protocol_shows_is_read() {
    let long = format!("{{\"key\":\"{}\"}}", "k".repeat(2_048 - 10));
    for text in [
        "{}",
        " { } ",
        r#"{"event":{"prefix":"token."},"data.cpu":{"gte":80,"lt":95},"any":[{"tags.host":"db1"},{"tags.env":{"in":["prod","stage"]}}]}"#,
        r#"{"event":{"glob":"signal.input.**"},"data.priority":{"gte":150},"not":{"data.is_novel":false}}"#,
        r#"{"data.vector":{"near":{"center":[0.12,0.5,0.33,0.08,0.91,0.4,0.27,0.66],"radius":0.3}}}"#,
        r#"{"tags.a.b-c_d":"x","content_type":{"exists":false},"meta.format":"jpeg","data":null,"data.0.1":true}"#,
        r#"{"all":[{},{"key":"a"}]}"#,
        r#"{"event":{"glob":"**.a.**"}}"#,
        r#"{"data.n":{"eq":18446744073709551615,"ne":-9223372036854775808}}"#,
        &nested(4),
        &conditions(32),
        &path(16),
        &literals(64),
        &long,
    ] {
        filter(text);
    }
}

/// A filter, where its fault is, and a part of what is said of it.
const FAULTS: &[(&str, &str, &str)] = &[
    ("", "", "a JSON object"),
    ("[]", "", "a filter: an object, came an array"),
    ("3", "", "a filter: an object, came 3"),
    ("{\"key\":1,\"key\":2}", "", "each key once"),
    ("{\"key\":\"\\ud800\"}", "", "a JSON object"),
    (
        r#"{"data.a":{"in":[]}}"#,
        "data.a.in",
        "1 to 64 literals, came 0",
    ),
    (
        r#"{"data.a":{"in":3}}"#,
        "data.a.in",
        "an array of literals, came 3",
    ),
    (
        r#"{"data.a":{"in":[1,[2]]}}"#,
        "data.a.in.1",
        "text, a number, true, false or null, came an array",
    ),
    (r#"{"data.a":{"eq":{}}}"#, "data.a.eq", "came an object"),
    (
        r#"{"data.a":[1]}"#,
        "data.a",
        "a literal or an object of operators, came an array",
    ),
    (
        r#"{"data.a":{}}"#,
        "data.a",
        "at least one operator, came none",
    ),
    (
        r#"{"data.a":{"regex":"x"}}"#,
        "data.a.regex",
        "eq, ne, in, nin",
    ),
    (
        r#"{"data.a":{"gt":null}}"#,
        "data.a.gt",
        "a number or text, came null",
    ),
    (
        r#"{"data.a":{"lte":true}}"#,
        "data.a.lte",
        "a number or text, came true",
    ),
    (
        r#"{"data.a":{"exists":1}}"#,
        "data.a.exists",
        "true or false, came 1",
    ),
    (
        r#"{"data.a":{"prefix":1}}"#,
        "data.a.prefix",
        "text, came 1",
    ),
    (
        r#"{"data.a":{"contains":{}}}"#,
        "data.a.contains",
        "came an object",
    ),
    (r#"{"key":{"glob":"a"}}"#, "key.glob", "glob on event only"),
    (
        r#"{"event":{"glob":"**.a.**.b.**"}}"#,
        "event.glob",
        "at most two ** in a pattern",
    ),
    (
        r#"{"event":{"glob":"a*.b"}}"#,
        "event.glob",
        "a * or ** that stands alone",
    ),
    (
        r#"{"event":{"glob":"a..b"}}"#,
        "event.glob",
        "segments of at least one character",
    ),
    (r#"{"event":{"glob":7}}"#, "event.glob", "text, came 7"),
    (
        r#"{"data.v":{"near":[1]}}"#,
        "data.v.near",
        r#"an object {"center""#,
    ),
    (
        r#"{"data.v":{"near":{"radius":1}}}"#,
        "data.v.near",
        "one without center",
    ),
    (
        r#"{"data.v":{"near":{"center":[1,2,3,4,5,6,7,8]}}}"#,
        "data.v.near",
        "one without radius",
    ),
    (
        r#"{"data.v":{"near":{"center":[1,2,3,4,5,6,7],"radius":1}}}"#,
        "data.v.near.center",
        "7 elements",
    ),
    (
        r#"{"data.v":{"near":{"center":[1,2,3,4,5,6,7,"8"],"radius":1}}}"#,
        "data.v.near.center.7",
        "a number",
    ),
    (
        r#"{"data.v":{"near":{"center":[1,2,3,4,5,6,7,8],"radius":-1}}}"#,
        "data.v.near.radius",
        "zero or more",
    ),
    (
        r#"{"data.v":{"near":{"center":[1,2,3,4,5,6,7,8],"radius":1,"x":1}}}"#,
        "data.v.near.x",
        "center or radius",
    ),
    (r#"{"all":[]}"#, "all", "at least one filter, came none"),
    (
        r#"{"any":{}}"#,
        "any",
        "an array of filters, came an object",
    ),
    (
        r#"{"any":[{"key":"a"},3]}"#,
        "any.1",
        "a filter: an object, came 3",
    ),
    (r#"{"not":[]}"#, "not", "a filter: an object, came an array"),
    (
        r#"{"any":[{"not":{"data.a":{"like":1}}}]}"#,
        "any.0.not.data.a.like",
        "eq, ne",
    ),
    (r#"{"a":1}"#, "a", "event, key, content_type"),
    (r#"{"events":1}"#, "events", "came \"events\""),
    (r#"{"event.x":1}"#, "event.x", "event, key"),
    (r#"{"tags":1}"#, "tags", "tags.<name>"),
    (r#"{"meta":1}"#, "meta", "meta.<path>"),
    (r#"{"tags.":1}"#, "tags.", "a tag of 1 to 64"),
    (r#"{"tags.a b":1}"#, "tags.a b", "a tag of 1 to 64"),
    (
        r#"{"data.":1}"#,
        "data.",
        "segments of at least one character",
    ),
    (
        r#"{"data.a..b":1}"#,
        "data.a..b",
        "segments of at least one character",
    ),
    (r#"{"":1}"#, "", "event, key"),
];

fn assert_fault(text: &str, path: &str, expected: &str) {
    let fault = read(text).expect_err(text);
    assert_eq!(path, fault.path, "{text}");
    assert!(fault.to_string().contains(expected), "{text}: {fault}");
}

/// F9: what breaks a rule is refused with the member and what was expected there.
#[test]
fn every_rule_has_its_fault() {
    for (text, path, expected) in FAULTS {
        assert_fault(text, path, expected);
    }
}

/// F8: so is what is one more than a bound.
#[test]
fn every_bound_has_its_fault() {
    let (deep, many, far, wide) = (nested(5), conditions(33), path(17), literals(65));
    let large = format!("{{\"key\":\"{}\"}}", "k".repeat(2_048 - 9));
    let many_tags = format!("{{\"tags.{}\":1}}", "n".repeat(65));
    for (text, path, expected) in [
        (large.as_str(), "", "at most 2048 bytes, came 2049"),
        (&deep, "not.not.not.not", "at most 4 filters in one another"),
        (
            &many,
            "data.f32",
            "at most 32 operators, literals and combinators",
        ),
        (
            &far,
            &far[2..far.len() - 4],
            "a path of at most 16 segments, came 17",
        ),
        (&wide, "data.a.in", "1 to 64 literals, came 65"),
        (
            &many_tags,
            &many_tags[2..many_tags.len() - 4],
            "a tag of 1 to 64",
        ),
    ] {
        assert_fault(text, path, expected);
    }
}

/// The bounds are those that were given.
#[test]
fn bounds_can_be_set() {
    let limits = Limits {
        bytes: 20,
        nodes: 1,
        depth: 1,
    };
    let parse = |text: &str| Filter::parse(text.as_bytes(), limits);
    assert!(parse(r#"{"key":"a"}"#).is_ok());
    assert!(
        parse(r#"{"key":"a","data":1}"#)
            .unwrap_err()
            .to_string()
            .contains("at most 1 operators")
    );
    assert!(
        parse(r#"{"not":{}}"#)
            .unwrap_err()
            .to_string()
            .contains("at most 1 filters")
    );
    assert!(
        parse(r#"{"key":"aaaaaaaaaaaaaaaaaaa"}"#)
            .unwrap_err()
            .to_string()
            .contains("at most 20 bytes")
    );
}

/// Equal filters have one form, whatever way they were written: they are one view.
#[test]
fn equal_filters_have_one_form() {
    for (one, other) in [
        (
            r#"{"key":"a","data.b":1}"#,
            " { \"data.b\" : 1.0 ,\n \"key\" : \"\\u0061\" } ",
        ),
        (r#"{"key":"a"}"#, r#"{"key":{"eq":"a"}}"#),
        (
            r#"{"data.a":{"gte":80,"lt":95}}"#,
            r#"{"data.a":{"lt":9.5e1,"gte":80.0}}"#,
        ),
        (
            r#"{"any":[{"key":"a"},{"key":"b"}]}"#,
            r#"{"any":[{"key":"b"},{"key":"a"},{"key":"b"}]}"#,
        ),
        (
            r#"{"data.a":{"in":[1,2]}}"#,
            r#"{"data.a":{"in":[2,1.0,2e0]}}"#,
        ),
        (
            r#"{"all":[{"key":"a"},{"all":[{"data":1}]}]}"#,
            r#"{"key":"a","data":1}"#,
        ),
        (r#"{"any":[{"key":"a"}]}"#, r#"{"key":"a"}"#),
        (r#"{"all":[{}]}"#, "{}"),
        (
            r#"{"data":{"near":{"center":[0,0,0,0,0,0,0,1],"radius":1}}}"#,
            r#"{"data":{"near":{"radius":1.0,"center":[0.0,-0.0,0,0,0,0,0,1e0]}}}"#,
        ),
    ] {
        let form = |text| String::from_utf8(filter(text).text()).unwrap();
        assert_eq!(form(one), form(other));
    }
    for (one, other) in [
        (
            r#"{"data.a":9007199254740993}"#,
            r#"{"data.a":9007199254740992}"#,
        ),
        (r#"{"data.a":1}"#, r#"{"data.a":"1"}"#),
        (r#"{"data.a":1}"#, r#"{"data.b":1}"#),
        (r#"{"tags.a.b":"x"}"#, r#"{"data.a.b":"x"}"#),
        (r#"{"not":{"key":"a"}}"#, r#"{"key":"a"}"#),
        (r#"{"not":{"key":"a"}}"#, r#"{"key":{"ne":"a"}}"#),
    ] {
        assert_ne!(filter(one).text(), filter(other).text());
    }
    assert!(filter("{}").is_open() && filter(r#"{"all":[{},{}]}"#).is_open());
    assert!(!filter(r#"{"key":"a"}"#).is_open());
}

/// F12: both must let through, and the bounds of one are not those of both.
#[test]
fn two_filters_become_one() {
    let both = filter(&conditions(32)).and(&filter(r#"{"key":"a"}"#));
    let mut all = conditions(32);
    all.insert_str(1, "\"key\":\"a\",");
    let wide = Limits {
        nodes: 33,
        ..Limits::default()
    };
    assert_eq!(
        Filter::parse(all.as_bytes(), wide).unwrap().text(),
        both.text()
    );
    let open = filter("{}");
    let one = filter(r#"{"key":"a"}"#);
    assert_eq!(one.text(), open.and(&one).text());
}
