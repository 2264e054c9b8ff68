//! Owed entries that will not come, said in the place where they would have stood (M48, M49).

use std::io::Write as _;

use crate::entry::Encoding;
use crate::epoch::{Epoch, Position};
use crate::filter::Sifted;
use crate::json::{escape, msgpack};

/// Why entries do not come; where several reasons hold, the first of this list is named (M49).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapReason {
    /// History lost, or position unknown.
    Epoch,
    /// No longer kept.
    Retention,
    /// Over the replay cap (R9).
    Limit,
    /// Overrun (S9).
    Slow,
}

impl GapReason {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Epoch, Self::Retention, Self::Limit, Self::Slow];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Retention => "retention",
            Self::Limit => "limit",
            Self::Slow => "slow",
        }
    }
}

/// A stretch of a channel that a subscription goes without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Position before the first missing entry, perhaps of another epoch.
    pub from: Position,
    /// The missing entries end here, included; the epoch is the log's.
    pub to: u64,
    /// Owed entries in between, where it can be known.
    pub missed: Option<u64>,
    /// What to tell.
    pub reason: GapReason,
}

impl Gap {
    /// Entries after `from` up to `to` of one history; all of them are owed.
    pub fn within(epoch: &Epoch, from: u64, to: u64, reason: GapReason) -> Self {
        Self {
            from: epoch.position(from),
            to,
            missed: Some(to.saturating_sub(from)),
            reason,
        }
    }

    /// Of the entries in it, where their number is known, only those are owed that pass.
    pub fn count(&mut self, sifted: &mut Sifted<'_>) {
        if self.missed.is_some() {
            self.missed = sifted.owed(self.from.offset, self.to);
        }
    }

    /// Also go without the entries up to `to`, of which so many are owed, for `reason`.
    pub fn extend(&mut self, to: u64, owed: Option<u64>, reason: GapReason) {
        self.missed = self.missed.zip(owed).map(|(missed, owed)| missed + owed);
        self.to = to;
        self.reason = self.reason.min(reason);
    }

    /// The end of one history and the beginning of another (P12): what lies between cannot be counted.
    pub fn between(from: Position, to: u64) -> Self {
        Self {
            from,
            to,
            missed: None,
            reason: GapReason::Epoch,
        }
    }

    /// P11: it begins beyond the head of the very history it leads into, at a place that a client made up.
    pub fn leads_back(&self, epoch: &Epoch) -> bool {
        self.reason == GapReason::Epoch && self.from.epoch == *epoch && self.from.offset > self.to
    }

    /// The `gap` message in the form of a connection.
    pub fn message(&self, channel: &str, epoch: &Epoch, encoding: Encoding) -> Vec<u8> {
        let mut json = br#"{"type":"gap","channel":"#.to_vec();
        escape::write_str(&mut json, channel);
        json.extend_from_slice(br#","from":"#);
        escape::write_str(&mut json, &self.from.to_string());
        json.extend_from_slice(br#","to":"#);
        escape::write_str(&mut json, &epoch.position(self.to).to_string());
        // Writing to a Vec cannot fail.
        let _ = match self.missed {
            Some(missed) => write!(json, r#","missed":{missed}"#),
            None => write!(json, r#","missed":null"#),
        };
        let _ = write!(json, r#","reason":"{}"}}"#, self.reason.name());
        in_form(json, encoding)
    }
}

/// A message that was composed as JSON, from escaped strings and integers, in the form of a connection.
pub fn in_form(json: Vec<u8>, encoding: Encoding) -> Vec<u8> {
    if encoding == Encoding::Json {
        return json;
    }
    let mut out = Vec::with_capacity(json.len());
    // It cannot be unreadable.
    let _ = msgpack::transcode(&json, &mut out);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// M48: both examples of the protocol, to the byte.
    #[test]
    fn a_gap_is_written_as_the_protocol_shows_it() {
        let epoch = Epoch::named("k3Fq");
        let slow = Gap::within(&epoch, 100, 612, GapReason::Slow);
        let text = slow.message("logs", &epoch, Encoding::Json);
        let expected = r#"{"type":"gap","channel":"logs","from":"k3Fq:100","to":"k3Fq:612","missed":512,"reason":"slow"}"#;
        assert_eq!(expected, String::from_utf8(text).unwrap());
        let lost = Gap::between(epoch.position(612), 0);
        let text = lost.message("logs", &Epoch::named("t0aZ"), Encoding::Json);
        let expected = r#"{"type":"gap","channel":"logs","from":"k3Fq:612","to":"t0aZ:0","missed":null,"reason":"epoch"}"#;
        assert_eq!(expected, String::from_utf8(text).unwrap());
    }

    /// M49: one gap covers what several reasons take away, and names the first of the list.
    #[test]
    fn an_extended_gap_names_the_strongest_reason() {
        let epoch = Epoch::named("k3Fq");
        let mut gap = Gap::within(&epoch, 2, 5, GapReason::Retention);
        gap.extend(9, Some(4), GapReason::Limit);
        assert_eq!(
            (9, Some(7), GapReason::Retention),
            (gap.to, gap.missed, gap.reason)
        );
    }
}
