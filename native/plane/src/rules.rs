//! What an entry of another node must be before anybody is sent it: the rules that every node applies to what it is given itself
//! (M10, M13, M16, M17), because a bus is not trusted and what stands in a log goes out as it is.

use std::fmt;

use crate::content::{Content, is_media_type};
use crate::json;
use crate::members::Members;

/// Bytes of `data`: no channel may allow larger messages (L7).
pub const MAX_DATA: usize = 16 << 20;
/// The largest offset, and the latest time (P1, M13): what a 64-bit float still tells apart.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

const MAX_CHANNEL: usize = 64;
const MAX_EVENT: usize = 128;
const MAX_SEGMENTS: usize = 16;
const MAX_KEY: usize = 256;
const MAX_TRACE: usize = 512;

/// The member that breaks a rule, and what was expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach(&'static str, String);

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}

/// Whether an entry may go out.
pub fn check(members: &Members<'_>) -> Result<(), Breach> {
    let expected = |member, what: &str| Err(Breach(member, format!("expected {what}")));
    if !is_event(members.event.as_bytes()) {
        let what = "1 to 128 of A-Z a-z 0-9 _ : - in at most 16 segments joined by dots";
        return expected("event", what);
    }
    if members.data.len() > MAX_DATA {
        return expected("data", "at most 16 MiB");
    }
    // B8: what is encoded was decoded where it was published, and is again for those who do not do so themselves.
    if members.has_data()
        && let Err(fault) = json::check_data(members.data)
    {
        return Err(Breach("data", fault.to_string()));
    }
    if !members.key.is_none_or(is_key) {
        return expected("key", "1 to 256 bytes without control characters");
    }
    if let Some(Err(fault)) = members.tags.map(json::check_tags) {
        return Err(Breach("tags", fault.to_string()));
    }
    if !members.traceparent.is_none_or(is_traceparent) {
        return expected("traceparent", "one of W3C Trace Context");
    }
    let is_alone = members.traceparent.is_none();
    if members
        .tracestate
        .is_some_and(|text| is_alone || !is_tracestate(text))
    {
        return expected(
            "tracestate",
            "1 to 512 printable characters, behind a traceparent",
        );
    }
    members
        .content
        .map_or(Ok(()), |content| check_content(&content))
}

/// B6: what is said of a payload.
pub fn check_content(content: &Content<'_>) -> Result<(), Breach> {
    if !is_media_type(content.media_type) {
        let what = "a media type of at most 128 bytes, like image/jpeg";
        return Err(Breach("content_type", format!("expected {what}")));
    }
    match content.meta.map(json::check_meta) {
        Some(Err(fault)) => Err(Breach("meta", fault.to_string())),
        _ => Ok(()),
    }
}

/// Whether this is a time: finite, and no further away than its seconds can be counted.
pub fn is_time(ts: f64) -> bool {
    #[allow(clippy::cast_precision_loss, reason = "it is exact up to 2^53")]
    let most = MAX_NUMBER as f64;
    (-most..=most).contains(&ts)
}

/// P2: 4 to 16 of `[A-Za-z0-9_-]`.
pub fn is_epoch(name: &str) -> bool {
    (4..=16).contains(&name.len()) && has_only(name.as_bytes(), b"_-")
}

/// M16: 1 to 64 of `[A-Za-z0-9_.:/-]`.
pub fn is_channel(name: &[u8]) -> bool {
    (1..=MAX_CHANNEL).contains(&name.len()) && has_only(name, b"_.:/-")
}

fn has_only(name: &[u8], others: &[u8]) -> bool {
    name.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || others.contains(byte))
}

/// M16.
pub fn is_event(name: &[u8]) -> bool {
    let (mut dots, mut before) = (0, b'.');
    for byte in name {
        match byte {
            b'.' if before == b'.' => return false,
            b'.' => dots += 1,
            b'_' | b':' | b'-' => {}
            other if other.is_ascii_alphanumeric() => {}
            _ => return false,
        }
        before = *byte;
    }
    before != b'.' && dots < MAX_SEGMENTS && name.len() <= MAX_EVENT
}

/// M16.
pub fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && !key.chars().any(char::is_control)
}

/// M17.
pub fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str, len: usize| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part.len() == len && part.bytes().all(digit)
    };
    let is_some = |part: &str| part.bytes().any(|byte| byte != b'0');
    let mut parts = text.splitn(5, '-');
    let (Some(version), Some(trace), Some(parent), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let rest = parts.next();
    text.len() <= MAX_TRACE
        && is_hex(version, 2)
        && version != "ff"
        && (version != "00" || rest.is_none())
        && is_hex(trace, 32)
        && is_some(trace)
        && is_hex(parent, 16)
        && is_some(parent)
        && is_hex(flags, 2)
        && rest.is_none_or(|rest| rest.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// M17.
pub fn is_tracestate(text: &str) -> bool {
    (1..=MAX_TRACE).contains(&text.len())
        && text
            .bytes()
            .all(|byte| b" \t".contains(&byte) || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01";
    const FINE: Members<'_> = Members {
        event: "a.b",
        data: b"1",
        key: None,
        tags: None,
        traceparent: None,
        tracestate: None,
        content: None,
    };

    fn breach(members: &Members<'_>) -> Option<&'static str> {
        check(members).err().map(|Breach(member, _)| member)
    }

    /// M16: names.
    #[test]
    fn events_and_keys_are_as_every_node_wants_them() {
        let (long, deep) = ("x".repeat(128), ["a"; 16].join("."));
        for event in ["a", "A-Z_0:9", &long, &deep] {
            assert_eq!(None, breach(&Members { event, ..FINE }), "{event}");
        }
        let (longer, deeper) = ("x".repeat(129), ["a"; 17].join("."));
        for event in [
            "", ".", "a.", "a..b", "a b", "ä", "a/b", "a\0", &longer, &deeper,
        ] {
            assert_eq!(Some("event"), breach(&Members { event, ..FINE }), "{event}");
        }
        let (long, longer) = ("k".repeat(256), "ж".repeat(129));
        for key in ["k", "ключ", &long] {
            assert_eq!(
                None,
                breach(&Members {
                    key: Some(key),
                    ..FINE
                }),
                "{key}"
            );
        }
        for key in ["", "a\nb", "\u{7f}", "\u{85}", &longer] {
            assert_eq!(
                Some("key"),
                breach(&Members {
                    key: Some(key),
                    ..FINE
                }),
                "{key:?}"
            );
        }
    }

    /// M10, M13, L7: `data` is one JSON value, no deeper than where a signal's payload stands, and no larger than any message.
    #[test]
    fn data_is_one_value_that_may_go_out() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        for data in [
            "null",
            " {\"a\":1,\"a\":2} ",
            "18446744073709551615",
            &nested(32),
        ] {
            assert_eq!(
                None,
                breach(&Members {
                    data: data.as_bytes(),
                    ..FINE
                }),
                "{data}"
            );
        }
        for data in [
            "",
            "1 2",
            "1,\"b\":2",
            "NaN",
            "1e400",
            "18446744073709551616",
            "\"\\ud800\"",
            &nested(33),
        ] {
            assert_eq!(
                Some("data"),
                breach(&Members {
                    data: data.as_bytes(),
                    ..FINE
                }),
                "{data}"
            );
        }
        assert_eq!(
            Some("data"),
            breach(&Members {
                data: b"\"\xff\"",
                ..FINE
            })
        );
        let string = |len: usize| format!("\"{}\"", "x".repeat(len - 2)).into_bytes();
        assert_eq!(
            None,
            breach(&Members {
                data: &string(MAX_DATA),
                ..FINE
            })
        );
        assert_eq!(
            Some("data"),
            breach(&Members {
                data: &string(MAX_DATA + 1),
                ..FINE
            })
        );
    }

    /// M17: a trace context is one, and its second half does not come alone.
    #[test]
    fn a_trace_context_is_whole() {
        let with = |traceparent, tracestate| Members {
            traceparent,
            tracestate,
            ..FINE
        };
        let later = format!("cc{}-more", &TRACE[2..]);
        for traceparent in [TRACE, &later] {
            assert_eq!(None, breach(&with(Some(traceparent), Some("a=1,b=2"))));
        }
        let upper = TRACE.to_uppercase();
        let endless = format!("cc{}-{}", &TRACE[2..], "x".repeat(512));
        let none = format!("00-{}{}", "0".repeat(32), &TRACE[35..]);
        for traceparent in ["", "00-1", &upper, &TRACE[..54], &endless, &none] {
            assert_eq!(
                Some("traceparent"),
                breach(&with(Some(traceparent), None)),
                "{traceparent}"
            );
        }
        let long = "x".repeat(513);
        for tracestate in ["", "a\n", &long] {
            assert_eq!(
                Some("tracestate"),
                breach(&with(Some(TRACE), Some(tracestate)))
            );
        }
        assert_eq!(Some("tracestate"), breach(&with(None, Some("a=1"))));
    }

    /// P2, M13: epochs, and times whose seconds can be counted.
    #[test]
    fn epochs_and_times_are_bounded() {
        assert!(["k3Fq", "a_b-c", &"x".repeat(16)].into_iter().all(is_epoch));
        assert!(
            !["", "abc", "ab:c", "abcä", &"x".repeat(17)]
                .into_iter()
                .any(is_epoch)
        );
        assert!([0.0, -1.5, 1.8e9, 9e15].into_iter().all(is_time));
        assert!(
            ![f64::NAN, f64::INFINITY, 1e16, -1e16]
                .into_iter()
                .any(is_time)
        );
    }
}
