//! What an entry of another node must be before anybody is sent it: the rules that every node applies to what it is given itself
//! (M10, M13, M16, M17), because a bus is not trusted and what stands in a log goes out as it is.

use std::fmt;

use crate::json;
use crate::members::Members;

/// Bytes of `data`: no channel may allow larger messages (L7).
pub const MAX_DATA: usize = 16 << 20;
/// The largest offset, and the latest time (P1, M13): what a 64-bit float still tells apart.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

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
    if !is_event(members.event) {
        let what = "1 to 128 of A-Z a-z 0-9 _ : - in at most 16 segments joined by dots";
        return expected("event", what);
    }
    if members.data.len() > MAX_DATA {
        return expected("data", "at most 16 MiB");
    }
    if let Err(fault) = json::check_data(members.data) {
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
    Ok(())
}

/// Whether this is a time: finite, and no further away than its seconds can be counted.
pub fn is_time(ts: f64) -> bool {
    #[allow(clippy::cast_precision_loss, reason = "it is exact up to 2^53")]
    let most = MAX_NUMBER as f64;
    (-most..=most).contains(&ts)
}

/// P2: 4 to 16 of `[A-Za-z0-9_-]`.
pub fn is_epoch(name: &str) -> bool {
    (4..=16).contains(&name.len()) && has_only(name, b"_-")
}

fn has_only(text: &str, others: &[u8]) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

fn is_event(name: &str) -> bool {
    name.len() <= MAX_EVENT
        && name.split('.').count() <= MAX_SEGMENTS
        && name
            .split('.')
            .all(|segment| !segment.is_empty() && has_only(segment, b"_:-"))
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && !key.chars().any(char::is_control)
}

fn is_traceparent(text: &str) -> bool {
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

fn is_tracestate(text: &str) -> bool {
    (1..=MAX_TRACE).contains(&text.len())
        && text
            .bytes()
            .all(|byte| b" \t".contains(&byte) || byte.is_ascii_graphic())
}
