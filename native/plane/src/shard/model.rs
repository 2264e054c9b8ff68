//! What a subscriber may conclude from nothing but the messages it got (P3, P4–P7, M9, M48, S3, S10).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use serde_json::Value;

use crate::shard::ops::passes;

/// By log and history: key and data of every entry.
pub type History = HashMap<(u64, String), Vec<(String, Value)>>;

/// What a peer may conclude from its own bytes, and what it must have got in the end.
#[derive(Default)]
pub struct Reader {
    pub cursors: HashMap<u64, Cursor>,
    pub answers: u64,
    /// Answers to `subscribe`.
    pub subscribed: u64,
    /// Positions that Python was told, each list at a place of the stream.
    pub told: HashMap<u64, Vec<(u64, String)>>,
    /// Lists that were asked for and have not come yet.
    pub untold: u64,
    /// No gap but between histories is given to `latest` (P12, S13).
    pub keeps_keys: bool,
    /// It was told by request where it stands (E4): such a watermark may say what is known.
    pub affirmed: bool,
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "what is known of it is independent"
)]
pub struct Cursor {
    pub epoch: String,
    pub at: u64,
    pub latest: bool,
    /// Neither event nor gap has come.
    pub untouched: bool,
    /// The head when it began beyond that, in the same history (P11).
    pub top: Option<u64>,
    /// It was `all` before it became `latest`, and may get the gap it had coming.
    pub was_all: bool,
    /// Removed keys may have been left out (S5).
    pub snapshot: bool,
    /// What was passed over without an event or a gap.
    pub skipped: Vec<Skip>,
    pub filter: Option<usize>,
    pub window: Option<u64>,
    pub acked: (String, u64),
    /// Events since that.
    pub under_way: Vec<u64>,
}

/// An entry that did not come, and how the subscription was when it was passed over.
#[derive(Clone)]
pub struct Skip {
    pub epoch: String,
    pub offset: u64,
    pub filter: Option<usize>,
    pub latest: bool,
}

/// `<epoch>:<offset>`
pub fn position(text: &Value) -> (String, u64) {
    let (epoch, offset) = text.as_str().unwrap().rsplit_once(':').unwrap();
    (epoch.to_owned(), offset.parse().unwrap())
}

fn log_of(channel: &str) -> u64 {
    channel.strip_prefix('c').unwrap().parse().unwrap()
}

impl Reader {
    /// P3, M9: events rise from the position told, without a hole under `all`, or a gap stands in the hole's place.
    pub fn read(&mut self, message: &Value, history: &History) {
        match message["type"].as_str().unwrap() {
            "subscribed" => self.subscribed(message),
            "unsubscribed" => {
                self.cursors.remove(&message["log"].as_u64().unwrap());
            }
            "answer" => {
                assert_eq!(self.answers, message["n"], "answers keep their order");
                self.answers += 1;
            }
            "event" => self.event(message, history),
            "gap" => self.gap(message, history),
            "ack" => {
                for (channel, told) in message["positions"].as_object().unwrap() {
                    self.watermark(log_of(channel), &position(told));
                }
            }
            "mark" => self.mark(message["n"].as_u64().unwrap()),
            other => panic!("nobody sends {other}"),
        }
    }

    /// M26: a cursor that is kept has moved by nothing but what was conflated.
    fn subscribed(&mut self, message: &Value) {
        self.subscribed += 1;
        let log = message["log"].as_u64().unwrap();
        let (epoch, at) = position(&message["position"]);
        let former = self
            .cursors
            .remove(&log)
            .filter(|_| message["keep"] == true);
        let window = message["window"].as_u64();
        let (history, head) = position(&message["head"]);
        let mut cursor = Cursor {
            acked: (epoch.clone(), at),
            epoch: epoch.clone(),
            at,
            latest: message["latest"] == true,
            untouched: true,
            top: Some(head).filter(|head| history == epoch && at > *head),
            was_all: false,
            snapshot: message["snapshot"] == true,
            skipped: Vec::new(),
            filter: message["filter"]
                .as_u64()
                .map(|number| usize::try_from(number).unwrap()),
            window,
            under_way: Vec::new(),
        };
        if let Some(mut former) = former {
            cursor.snapshot = former.snapshot;
            (cursor.untouched, cursor.top) = (former.untouched, former.top);
            cursor.was_all = former.was_all || !former.latest;
            assert_eq!(former.epoch, cursor.epoch, "kept in its history");
            assert!(
                at == former.at || former.has_holes() && at > former.at,
                "kept at {}, told {at}",
                former.at
            );
            former.pass(at);
            cursor.skipped = former.skipped;
            if former.window.is_some() && window.is_some() {
                (cursor.acked, cursor.under_way) = (former.acked, former.under_way);
            }
        }
        self.cursors.insert(log, cursor);
    }

    fn event(&mut self, message: &Value, history: &History) {
        let log = log_of(message["channel"].as_str().unwrap());
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
            cursor.has_holes() || offset == cursor.at + 1,
            "{offset} after {} is a hole",
            cursor.at
        );
        cursor.pass(offset - 1);
        cursor.at = offset;
        cursor.untouched = false;
        let entries = history
            .get(&(log, cursor.epoch.clone()))
            .expect("P12: no event of a history that was not told");
        let (key, data) = &entries[usize::try_from(offset).unwrap() - 1];
        assert_eq!(data, &message["data"], "an offset names one entry for ever");
        assert!(
            passes(cursor.filter, key, data),
            "F11: {offset} is not owed"
        );
        let under_way = cursor.under_way.len() as u64;
        assert!(
            cursor.window.is_none_or(|window| under_way < window),
            "S10: {under_way} of {:?} were under way",
            cursor.window
        );
        cursor.under_way.push(offset);
    }

    fn gap(&mut self, message: &Value, history: &History) {
        let log = log_of(message["channel"].as_str().unwrap());
        let cursor = self
            .cursors
            .get_mut(&log)
            .expect("no gap outside of a subscription");
        let (from, to) = (position(&message["from"]), position(&message["to"]));
        assert_eq!(
            cursor.epoch, from.0,
            "a gap begins in the history that was told"
        );
        // What was conflated between the last event and the gap was passed over before.
        assert!(
            from.1 == cursor.at || cursor.has_holes() && from.1 > cursor.at,
            "a gap begins where delivery stopped"
        );
        cursor.pass(from.1);
        let onwards = to.0 == from.0 && to.1 > from.1;
        // What was never here: all that is kept comes again (P7).
        let again = self.keeps_keys && cursor.latest && to.1 == 0;
        let again = again && message["reason"] == "retention";
        if let Some(missed) = message["missed"].as_u64() {
            let entries = &history[&(log, to.0.clone())];
            let owed = (from.1 + 1..=to.1).filter(|offset| {
                let (key, data) = &entries[usize::try_from(*offset).unwrap() - 1];
                passes(cursor.filter, key, data)
            });
            assert_eq!(owed.count() as u64, missed, "M48");
        }
        assert!(onwards || again || message["reason"] == "epoch");
        assert!(
            !self.keeps_keys
                || !cursor.latest
                || cursor.was_all
                || again
                || message["reason"] == "epoch",
            "P12: {message}"
        );
        cursor.snapshot |= self.keeps_keys && cursor.latest && to.1 == 0;
        if !onwards {
            cursor.under_way.clear();
            if to.0 == cursor.acked.0 {
                cursor.acked.1 = cursor.acked.1.min(to.1);
            }
        }
        // What is behind the end of the gap is yet to come.
        let comes = |epoch: &String, offset: u64| *epoch == to.0 && offset > to.1;
        cursor
            .skipped
            .retain(|skip| !comes(&skip.epoch, skip.offset));
        (cursor.epoch, cursor.at) = to;
        cursor.untouched = false;
    }

    /// P7, I1, I4: a watermark leads onwards, and over nothing that is owed; after a gap into a history none names a former one.
    fn watermark(&mut self, log: u64, told: &(String, u64)) {
        let cursor = self
            .cursors
            .get_mut(&log)
            .expect("no watermark outside of a subscription");
        assert_eq!(
            cursor.epoch, told.0,
            "no watermark of a history that a gap has ended"
        );
        let unchanged = told.1 == cursor.at;
        assert!(
            told.1 > cursor.at || unchanged && self.affirmed,
            "told nothing new: {} at {}",
            told.1,
            cursor.at
        );
        assert!(
            cursor.has_holes() || unchanged,
            "under all every entry tells itself"
        );
        cursor.pass(told.1);
        cursor.at = told.1;
    }

    /// R16: what Python was told covers nothing that stands behind this place of the stream.
    fn mark(&mut self, number: u64) {
        for (log, told) in self.told.remove(&number).unwrap() {
            let (epoch, offset) = position(&Value::from(told));
            let cursor = self.cursors.get_mut(&log).expect("a subscription");
            if cursor.window.is_some() {
                // What was acknowledged since then has this mark still ahead of it.
                assert!(epoch != cursor.acked.0 || offset <= cursor.acked.1);
                continue;
            }
            assert_eq!(cursor.epoch, epoch);
            if let Some(top) = cursor.top.filter(|_| cursor.untouched) {
                assert_eq!(top, offset, "a place that was made up is told to nobody");
                continue;
            }
            assert!(offset == cursor.at || cursor.has_holes() && offset > cursor.at);
            cursor.pass(offset);
        }
    }
}

impl Cursor {
    /// Nothing up to `offset` came by itself.
    fn pass(&mut self, offset: u64) {
        let skip = |offset| Skip {
            epoch: self.epoch.clone(),
            offset,
            filter: self.filter,
            latest: self.latest,
        };
        let skipped: Vec<Skip> = (self.at + 1..=offset).map(skip).collect();
        self.skipped.extend(skipped);
    }

    /// P8: not every number need come.
    fn has_holes(&self) -> bool {
        self.latest || self.filter.is_some()
    }

    /// M36, as a client knows it: whether this opens the window.
    pub fn acknowledge(&mut self, offset: u64) {
        let older = self.acked.0 == self.epoch && offset < self.acked.1;
        if !older && offset <= self.at {
            self.acked = (self.epoch.clone(), offset);
            self.under_way.retain(|event| *event > offset);
        }
    }
}
