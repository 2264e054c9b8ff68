//! The rules for what travels with a signal (M16, M17, signals.md §10).

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use crate::SignalError;
use crate::error::shortened;

/// Largest payload, in bytes of JSON text.
pub const MAX_PAYLOAD: usize = 65_536;
/// Most signals in one batch inside the process.
pub const MAX_BATCH: usize = 65_536;
/// Most neighbours a search may ask for.
pub const MAX_NEIGHBORS: usize = 64;
/// Most tokens a listing returns.
pub const MAX_LISTED: usize = 10_000;

/// Most bytes that may travel with one signal: payload, key, tags and trace context.
pub const MAX_EXTRA: usize = 128 << 10;

const MAX_EVENT_NAME: usize = 128;
const MAX_SEGMENTS: usize = 16;
const MAX_KEY: usize = 256;
const MAX_TAGS: usize = 16;
const MAX_TAG_NAME: usize = 64;
const MAX_TAG_VALUE: usize = 256;
const MAX_TRACESTATE: usize = 512;

fn refused(field: &'static str, expected: &'static str, came: &str) -> SignalError {
    SignalError::Field {
        field,
        expected,
        came: shortened(came),
    }
}

/// An event name: 1–128 of `[A-Za-z0-9_:-]` in at most 16 segments joined by dots.
pub fn check_event_type(name: &str) -> Result<(), SignalError> {
    let good_segment = |segment: &str| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b))
    };
    if name.len() <= MAX_EVENT_NAME
        && name.split('.').count() <= MAX_SEGMENTS
        && name.split('.').all(good_segment)
    {
        return Ok(());
    }
    Err(refused(
        "event_type",
        "1 to 128 of [A-Za-z0-9_:-] in at most 16 segments joined by dots",
        name,
    ))
}

/// A key: 1–256 bytes without control characters.
pub fn check_key(key: &str) -> Result<(), SignalError> {
    if (1..=MAX_KEY).contains(&key.len()) && !key.chars().any(char::is_control) {
        return Ok(());
    }
    Err(refused(
        "key",
        "1 to 256 bytes without control characters",
        key,
    ))
}

/// Tags: at most 16 strings of at most 256 bytes under names of 1–64 of `[A-Za-z0-9_.-]`.
pub fn check_tags<'a>(
    tags: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
) -> Result<(), SignalError> {
    if tags.len() > MAX_TAGS {
        return Err(SignalError::TooLarge {
            field: "tags",
            limit: MAX_TAGS,
            came: tags.len(),
        });
    }
    for (name, value) in tags {
        let good = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if !good || !(1..=MAX_TAG_NAME).contains(&name.len()) {
            return Err(refused("tags", "named by 1 to 64 of [A-Za-z0-9_.-]", name));
        }
        if value.len() > MAX_TAG_VALUE {
            return Err(refused("tags", "strings of at most 256 bytes", value));
        }
    }
    Ok(())
}

/// A payload's size; its JSON is the caller's to check.
pub fn check_payload_size(payload: &[u8]) -> Result<(), SignalError> {
    if payload.len() <= MAX_PAYLOAD {
        return Ok(());
    }
    Err(SignalError::TooLarge {
        field: "payload",
        limit: MAX_PAYLOAD,
        came: payload.len(),
    })
}

/// A priority.
pub fn check_priority(priority: i64) -> Result<u8, SignalError> {
    u8::try_from(priority).map_err(|_| SignalError::Priority { came: priority })
}

/// The size of a batch.
pub fn check_batch_size(signals: usize) -> Result<(), SignalError> {
    if signals <= MAX_BATCH {
        return Ok(());
    }
    Err(SignalError::TooLarge {
        field: "vectors",
        limit: MAX_BATCH,
        came: signals,
    })
}

/// How many a listing may be asked for.
pub fn check_limit(limit: usize) -> Result<(), SignalError> {
    if limit <= MAX_LISTED {
        return Ok(());
    }
    Err(SignalError::Argument {
        name: "limit",
        expected: "at most 10000",
        came: limit.to_string(),
    })
}

/// Whether this is a W3C `traceparent`; one that is not is dropped, not refused (M17).
pub fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, size: usize| {
        part.len() == size
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let some = |part: &str| part.bytes().any(|b| b != b'0');
    let mut parts = text.splitn(5, '-');
    let (Some(version), Some(trace), Some(parent), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    // Version 00 has exactly four parts; later ones may have more (W3C Trace Context §3.2.2).
    let tail = parts.next();
    hex(version, 2)
        && version != "ff"
        && (version != "00" || tail.is_none())
        && hex(trace, 32)
        && some(trace)
        && hex(parent, 16)
        && some(parent)
        && hex(flags, 2)
        && text.len() <= MAX_TRACESTATE
        && tail.is_none_or(|tail| tail.bytes().all(|b| b.is_ascii_graphic()))
}

/// Whether this may be passed on as a W3C `tracestate`.
pub fn is_tracestate(text: &str) -> bool {
    (1..=MAX_TRACESTATE).contains(&text.len())
        && text
            .bytes()
            .all(|b| b" \t".contains(&b) || b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// M16: event names.
    #[test]
    fn event_names_follow_their_grammar() {
        let segments = ["a"; 16].join(".");
        for good in [
            "a",
            "signal.input.text",
            "A-Z_0:9",
            &"x".repeat(128),
            &segments,
        ] {
            assert_eq!(Ok(()), check_event_type(good), "{good}");
        }
        let too_many = ["a"; 17].join(".");
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "ä",
            "a/b",
            "a\0",
            &"x".repeat(129),
            &too_many,
        ] {
            assert_eq!(
                "bad_message",
                check_event_type(bad).unwrap_err().slug(),
                "{bad}"
            );
        }
    }

    /// M16: keys are counted in bytes and hold no control characters.
    #[test]
    fn keys_are_bytes_without_control_characters() {
        for good in ["k", "ключ", &"k".repeat(256)] {
            assert_eq!(Ok(()), check_key(good), "{good}");
        }
        for bad in [
            "",
            "a\nb",
            "\u{7f}",
            "\u{85}",
            &"k".repeat(257),
            &"ж".repeat(129),
        ] {
            assert!(check_key(bad).is_err(), "{bad:?}");
        }
    }

    /// M16: tags.
    #[test]
    fn tags_are_few_short_and_plainly_named() {
        let value = "v".repeat(256);
        assert_eq!(
            Ok(()),
            check_tags([("chat.id-1_x", value.as_str()), ("b", "")].into_iter())
        );
        let long = "v".repeat(257);
        let name = "n".repeat(65);
        for bad in [[("", "v")], [("a b", "v")], [("a", &long)], [(&name, "v")]] {
            assert!(check_tags(bad.into_iter()).is_err(), "{bad:?}");
        }
        let many = vec![("a", "v"); 17];
        assert_eq!(
            "too_large",
            check_tags(many.into_iter()).unwrap_err().slug()
        );
    }

    /// M17: what is no `traceparent` is recognised, so that it can be dropped.
    #[test]
    fn trace_context_is_recognised() {
        let good = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01";
        assert!(is_traceparent(good));
        assert!(is_traceparent(&good.replacen("00", "cc", 1)));
        assert!(is_traceparent(&(good.replacen("00", "cc", 1) + "-more")));
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good[..54],
            &(good.to_owned() + "-more"),
            &good.replacen("00", "ff", 1),
            "00-00000000000000000000000000000000-5b1e9c40d2a7f638-01",
            "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-0000000000000000-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
        assert!(is_tracestate("a=1,b=2"));
        assert!(!is_tracestate("") && !is_tracestate("a\n") && !is_tracestate(&"x".repeat(513)));
    }
}
