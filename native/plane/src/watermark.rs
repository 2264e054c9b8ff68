//! The push that says how far a cursor has come where no event said it (P9, M47).

use std::time::Duration;

use crate::entry::Encoding;
use crate::epoch::Position;
use crate::gap::in_form;
use crate::json::escape;

/// Entries that a cursor may pass before its client is told at once.
pub const FAR: u64 = 1_000;
/// How long it may stand further on than its client knows, by however little.
pub const LONG: Duration = Duration::from_secs(1);

/// The `ack` with the positions of some subscriptions, in the form of a connection.
pub fn message<'a>(
    positions: impl Iterator<Item = (&'a str, Position)>,
    encoding: Encoding,
) -> Vec<u8> {
    let mut json = br#"{"type":"ack","positions":{"#.to_vec();
    for (number, (channel, position)) in positions.enumerate() {
        if number > 0 {
            json.push(b',');
        }
        escape::write_str(&mut json, channel);
        json.push(b':');
        escape::write_str(&mut json, &position.to_string());
    }
    json.extend_from_slice(b"}}");
    in_form(json, encoding)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::epoch::Epoch;

    /// M47: the example of the protocol, to the byte.
    #[test]
    fn a_watermark_is_written_as_the_protocol_shows_it() {
        let positions = [
            ("metrics", Epoch::named("k3Fq").position(19_000)),
            ("logs", Epoch::named("m81x").position(77)),
        ];
        let expected = r#"{"type":"ack","positions":{"metrics":"k3Fq:19000","logs":"m81x:77"}}"#;
        let text = message(positions.into_iter(), Encoding::Json);
        assert_eq!(expected, String::from_utf8(text).unwrap());
    }
}
