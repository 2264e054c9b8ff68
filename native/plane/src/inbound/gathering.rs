//! Where the publishes of a batch of events are kept until Python takes them.

use std::ops::Range;

use crate::inbound::publish::{self, Publish};
use crate::inbound::run::{Item, Run};
use crate::json::{JsonFault, Member, check_members};

/// Publishes of one run.
const MAX_RUN: usize = 256;

/// Bytes after which another run begins.
const MAX_BYTES: usize = 64 << 10;

/// All publishes of a batch, run after run.
#[derive(Debug, Default)]
pub struct Gathering {
    items: Vec<Item>,
    members: Vec<Member>,
}

impl Gathering {
    /// Check the text of a message (M10-M13) and see what it says; what a publish needs more of it is written behind `bytes`.
    pub fn read(&mut self, text: &[u8], bytes: &mut Vec<u8>) -> Result<Option<Publish>, JsonFault> {
        check_members(text, &mut self.members)?;
        let len = bytes.len();
        bytes.extend_from_slice(text);
        let publish = publish::read(text, &self.members, bytes);
        if publish.is_none() {
            bytes.truncate(len + text.len());
        }
        Ok(publish)
    }

    /// One more, of which `item` says where it stands in `bytes`, if it goes on the run `former`: that with it.
    pub fn extend(&self, former: &Range<usize>, item: &Item, bytes: &[u8]) -> Option<Range<usize>> {
        let channel = |item: &Item| {
            let text = bytes.get(item.range()).unwrap_or_default();
            item.publish.channel.of(text)
        };
        let first = self.items.get(former.start)?;
        let fits = former.end == self.items.len()
            && former.len() < MAX_RUN
            && item.range().end - first.start <= MAX_BYTES
            && channel(first) == channel(item);
        fits.then(|| former.start..former.end + 1)
    }

    /// Keep it; its number.
    pub fn push(&mut self, item: Item) -> usize {
        self.items.push(item);
        self.items.len() - 1
    }

    /// A run of what stands in `bytes`.
    pub fn run<'a>(&'a self, range: Range<usize>, bytes: &'a [u8]) -> Run<'a> {
        Run::new(bytes, self.items.get(range).unwrap_or_default())
    }

    /// Nothing is kept any more.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// Room that it holds.
    pub fn capacity(&self) -> usize {
        self.items.capacity()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use crate::batch::{Batch, Event};
    use crate::epoch::Epoch;
    use crate::inbound::{OwnRun, Part, Parts};

    fn publish(channel: &str, more: &str) -> String {
        format!(r#"{{"type":"publish","channel":"{channel}","event":"e"{more}}}"#)
    }

    /// The events of a batch: of a run its connection, its channel and how many; of any other its text.
    fn events(batch: &Batch) -> Vec<(u64, String, usize)> {
        let all = batch.events(0..batch.len()).iter();
        let shown = all.map(|(conn, event)| match event {
            Event::Publishes(range) => {
                let run = batch.run(range.clone());
                (*conn, run.channel().to_owned(), run.len())
            }
            Event::Text(range) => {
                let text = batch.payload(range.clone()).to_vec();
                (*conn, String::from_utf8(text).unwrap(), 0)
            }
            other => panic!("{other:?}"),
        });
        shown.collect()
    }

    fn batch(messages: &[(u64, String)]) -> Batch {
        let mut batch = Batch::default();
        for (conn, text) in messages {
            batch.push_text(*conn, text.as_bytes()).unwrap();
        }
        batch
    }

    /// C14: what is no plain publish keeps its place, and so does another channel, and another connection.
    #[test]
    fn runs_end_where_something_else_comes() {
        let ping = r#"{"type":"ping"}"#.to_owned();
        let messages = [
            (1, publish("a", "")),
            (1, publish("a", r#","id":1"#)),
            (1, publish("b", "")),
            (1, publish("a", "")),
            (1, ping.clone()),
            (1, publish("a", "")),
            (2, publish("a", "")),
            (2, publish("a", r#","id":-1"#)),
        ];
        let batch = batch(&messages);
        let expected = [
            (1, "a".to_owned(), 2),
            (1, "b".to_owned(), 1),
            (1, "a".to_owned(), 1),
            (1, ping, 0),
            (1, "a".to_owned(), 1),
            (2, "a".to_owned(), 1),
            (2, publish("a", r#","id":-1"#), 0),
        ];
        assert_eq!(expected.to_vec(), events(&batch));
        assert_eq!((8, 2), (batch.weight(), batch.weight_of(0..1)));
    }

    /// Text that is no JSON leaves nothing behind, and what comes next is where it is.
    #[test]
    fn what_is_no_json_leaves_nothing() {
        let mut batch = batch(&[(1, publish("a", r#","key":"\u0061""#))]);
        assert!(batch.push_text(1, b"{\"type\":").is_err());
        batch
            .push_text(1, publish("a", r#","key":"b""#).as_bytes())
            .unwrap();
        let Some((_, Event::Publishes(range))) = batch.events(0..1).first() else {
            panic!("a run")
        };
        let run = batch.run(range.clone());
        let keys: Vec<_> = run.members().map(|one| one.key).collect();
        assert_eq!(vec![Some("a"), Some("b")], keys);
        let texts: Vec<_> = run.frames().map(<[u8]>::len).collect();
        assert_eq!(run.largest(), texts[0]);
        assert_eq!(texts[0], texts[1] + 5);
    }

    /// A run is bounded, in messages and in bytes, however many come.
    #[test]
    fn runs_are_bounded() {
        let many = vec![(1, publish("a", "")); 600];
        let lens: Vec<usize> = events(&batch(&many)).iter().map(|event| event.2).collect();
        assert_eq!(vec![256, 256, 88], lens);
        let large = publish("a", &format!(r#","data":"{}""#, "x".repeat(30_000)));
        let lens: Vec<usize> = events(&batch(&vec![(1, large); 5]))
            .iter()
            .map(|event| event.2)
            .collect();
        assert_eq!(vec![2, 2, 1], lens);
    }

    /// M30: each with an id has its own place; M5: without one nothing is said; nobody who is over is told anything.
    #[test]
    fn each_id_is_answered_with_its_place() {
        let messages = [
            (1, publish("a", r#","id":7"#)),
            (1, publish("a", "")),
            (1, publish("a", r#","id":"x\"y""#)),
            (2, publish("a", r#","id":7"#)),
            (3, publish("a", r#","id":1"#)),
        ];
        let batch = batch(&messages);
        let mut parts = Parts::default();
        for (conn, event) in batch.events(0..3) {
            let Event::Publishes(range) = event else {
                panic!("{event:?}")
            };
            let run = batch.run(range.clone());
            let count = run.len();
            let run = std::sync::Arc::new(OwnRun::new(run));
            parts.parts.push(Part {
                conn: *conn,
                run,
                count,
            });
        }
        let first = Epoch::named("epoch").position(8);
        let answers = parts.answers(&first, |conn| conn == 2);
        let told: Vec<(u64, Vec<String>)> = answers
            .iter()
            .map(|one| {
                let texts = one
                    .messages()
                    .map(|text| String::from_utf8(text.to_vec()).unwrap());
                (one.conn, texts.collect())
            })
            .collect();
        let ack = |id: &str, offset: u64| {
            format!(r#"{{"type":"ack","id":{id},"positions":{{"a":"epoch:{offset}"}}}}"#)
        };
        let expected = vec![
            (1, vec![ack("7", 8), ack(r#""x\"y""#, 10)]),
            (3, vec![ack("1", 12)]),
        ];
        assert_eq!((5, expected), (parts.len(), told));
        assert_eq!(ack(r#""x\"y""#, 10).len(), answers[0].largest());
    }
}
