//! Media types (RFC 9110 §8.3.1), as far as a hub looks at them.

const MAX: usize = 128;

/// B6: `type/subtype`, with parameters or without, of at most 128 bytes.
pub fn is_media_type(text: &str) -> bool {
    if text.len() > MAX {
        return false;
    }
    let (essence, parameters) = split(text);
    let mut names = essence.splitn(2, '/');
    let is_named = [names.next(), names.next()]
        .into_iter()
        .all(|name| name.is_some_and(is_token));
    is_named && parameters.is_none_or(are_parameters)
}

/// Whether the payload is JSON text.
pub fn is_json(media_type: &str) -> bool {
    split(media_type).0.eq_ignore_ascii_case("application/json")
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(';') {
        Some((essence, parameters)) => (essence.trim_end_matches([' ', '\t']), Some(parameters)),
        None => (text, None),
    }
}

fn is_token(text: &str) -> bool {
    let others = b"!#$%&'*+-.^_`|~";
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

/// `name=value` or `name="value"`, a semicolon between two.
fn are_parameters(text: &str) -> bool {
    let mut rest = text;
    loop {
        let Some((name, value)) = rest.trim_start_matches([' ', '\t']).split_once('=') else {
            return false;
        };
        let Some(end) = value_len(value) else {
            return false;
        };
        let Some((_, after)) = value.split_at_checked(end) else {
            return false;
        };
        if !is_token(name) {
            return false;
        }
        match after.trim_start_matches([' ', '\t']).strip_prefix(';') {
            Some(more) => rest = more,
            None => return after.is_empty(),
        }
    }
}

/// Bytes of the value that `text` begins with.
fn value_len(text: &str) -> Option<usize> {
    if !text.starts_with('"') {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        return text.get(..end).is_some_and(is_token).then_some(end);
    }
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at.checked_add(1),
            b' '..=b'~' | b'\t' => {}
            _ => return None,
        }
    }
    None
}
