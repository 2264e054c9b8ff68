//! Channel names as names of directories: small letters, digits, `_` and `-` stand for themselves, every other byte is `%XX`,
//! so that a file system that does not tell `A` from `a` keeps both apart, and `.` or `/` can do no harm.

use std::fmt::Write as _;

/// The directory of a channel. 64 characters (M16) become at most 192.
pub fn encode(channel: &str) -> String {
    let mut name = String::with_capacity(channel.len());
    for byte in channel.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    name
}

/// The channel of a directory; `None` for a name that `encode` does not give.
pub fn decode(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.split_at_checked(2).filter(|_| *first == b'%');
        if let Some((digits, after)) = escaped {
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|channel| encode(channel) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M16: every channel name has a directory of its own, and comes back from it.
    #[test]
    fn names_come_back_and_do_no_harm() {
        for (channel, directory) in [
            ("signals", "signals"),
            ("room:A/b", "room%3A%41%2Fb"),
            ("..", "%2E%2E"),
        ] {
            assert_eq!(directory, encode(channel));
            assert_eq!(Some(channel), decode(directory).as_deref());
        }
        assert!(encode(&"Z".repeat(64)).len() < 255);
        assert_eq!(None, decode("A"));
        assert_eq!(None, decode("%4"));
    }
}
