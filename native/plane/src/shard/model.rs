//! What a subscriber may conclude from nothing but the messages it got (P3, M9, M48, S3).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use serde_json::Value;

use crate::shard::rig::offset_of;

/// By log: key and data of every entry.
pub type History = HashMap<u64, Vec<(String, Value)>>;

/// What a peer may conclude from its own bytes, and what it must have got in the end.
#[derive(Default)]
pub struct Reader {
    pub cursors: HashMap<u64, Cursor>,
    pub answers: u64,
}

pub struct Cursor {
    pub at: u64,
    pub latest: bool,
    pub skipped: Vec<u64>,
}

impl Reader {
    /// P3, M9: events rise from the position told, without a hole under `all`, or a gap stands in the hole's place.
    pub fn read(&mut self, message: &Value, history: &History) {
        match message["type"].as_str().unwrap() {
            "subscribed" => {
                let at = offset_of(&message["position"]);
                let latest = message["latest"] == true;
                self.cursors.insert(
                    message["log"].as_u64().unwrap(),
                    Cursor {
                        at,
                        latest,
                        skipped: Vec::new(),
                    },
                );
            }
            "unsubscribed" => {
                self.cursors.remove(&message["log"].as_u64().unwrap());
            }
            "answer" => {
                assert_eq!(self.answers, message["n"], "answers keep their order");
                self.answers += 1;
            }
            "event" => self.event(message, history),
            "gap" => self.gap(message),
            other => panic!("nobody sends {other}"),
        }
    }

    fn log_of(message: &Value) -> u64 {
        message["channel"]
            .as_str()
            .unwrap()
            .strip_prefix("c")
            .unwrap()
            .parse()
            .unwrap()
    }

    fn event(&mut self, message: &Value, history: &History) {
        let log = Self::log_of(message);
        let cursor = self
            .cursors
            .get_mut(&log)
            .expect("no event outside of a subscription");
        let offset = message["offset"].as_u64().unwrap();
        assert!(
            offset > cursor.at,
            "offsets rise: {offset} after {}",
            cursor.at
        );
        assert!(
            cursor.latest || offset == cursor.at + 1,
            "{offset} after {} is a hole",
            cursor.at
        );
        cursor.skipped.extend(cursor.at + 1..offset);
        cursor.at = offset;
        let (_, data) = &history[&log][usize::try_from(offset).unwrap() - 1];
        assert_eq!(data, &message["data"], "an offset names one entry for ever");
    }

    fn gap(&mut self, message: &Value) {
        let cursor = self
            .cursors
            .get_mut(&Self::log_of(message))
            .expect("no gap outside of a subscription");
        let (from, to) = (offset_of(&message["from"]), offset_of(&message["to"]));
        // What was conflated between the last event and the gap was passed over before.
        assert!(
            from == cursor.at || cursor.latest && from > cursor.at,
            "a gap begins where delivery stopped"
        );
        assert!(to > from);
        if let Some(missed) = message["missed"].as_u64() {
            assert_eq!(to - from, missed);
        }
        cursor.skipped.extend(cursor.at + 1..=from);
        cursor.at = to;
    }
}
