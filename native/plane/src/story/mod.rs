//! The flight recorder: what happened to a connection, in a few kilobytes, kept for some time after it has ended (G13).
//!
//! Records are rare things: a cursor was put, a gap was given, the socket stopped taking bytes, the verdict. Nothing is
//! recorded per message, and nothing of what messages say. Whoever writes holds the lock of one connection for a push.

mod ended;
mod kind;
mod moments;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use ended::Ended;
pub use kind::Kind;

/// What a record costs beside its text.
const RECORD: usize = size_of::<Record>();

/// The longest text of a record, in bytes.
pub const MAX_TEXT: usize = 256;

/// Of the bytes of a story the first one in so many are for its beginning, which is never forgotten: who came, and how.
const BEGINNING: usize = 4;

/// What happened, once or several times in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Milliseconds after the beginning.
    pub at: u32,
    /// The last time, where it happened several times in a row.
    pub last: u32,
    /// How often in a row.
    pub count: u32,
    /// What.
    pub kind: Kind,
    /// The particulars; of several in a row those of the last.
    pub text: Box<str>,
}

/// A story as it is read.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The wall clock at the beginning, in seconds since 1970.
    pub begun: f64,
    /// In the order in which they happened.
    pub records: Vec<Record>,
    /// Records that went to make room, between the beginning and what is left.
    pub forgotten: u64,
}

/// The story of one connection; empty until it begins.
#[derive(Debug, Default)]
pub struct Story(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    begun: Option<(Instant, f64)>,
    limit: usize,
    beginning: Vec<Record>,
    recent: VecDeque<Record>,
    bytes: usize,
    forgotten: u64,
    slow: bool,
}

impl Story {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It begins now, and holds at most `limit` bytes; with 0 nothing is recorded.
    pub fn begin(&self, limit: usize, now: Instant) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = wall.map_or(0.0, |since| since.as_secs_f64());
        let mut told = self.told();
        told.limit = limit;
        told.begun = (limit > 0).then_some((now, wall));
    }

    /// Something happened.
    pub fn tell(&self, now: Instant, kind: Kind, text: &str) {
        self.told().tell(now, kind, text);
    }

    /// What is recorded.
    pub fn read(&self) -> Account {
        let told = self.told();
        let records = told.beginning.iter().chain(&told.recent);
        Account {
            begun: told.begun.map_or(0.0, |(_, wall)| wall),
            records: records.cloned().collect(),
            forgotten: told.forgotten,
        }
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        self.told().bytes
    }
}

impl Told {
    fn tell(&mut self, now: Instant, kind: Kind, text: &str) {
        let Some((begun, _)) = self.begun else {
            return;
        };
        let text = cut(text, MAX_TEXT.min(self.limit));
        let at = now.saturating_duration_since(begun).as_millis();
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        if self.repeats(at, kind, text) {
            return;
        }
        let record = Record {
            at,
            last: at,
            count: 1,
            kind,
            text: text.into(),
        };
        let bytes = cost(&record);
        if self.recent.is_empty() && self.bytes + bytes <= self.limit / BEGINNING {
            self.beginning.reserve_exact(1);
            self.beginning.push(record);
        } else {
            // By halves: of most connections few things are told.
            if self.recent.len() == self.recent.capacity() {
                let more = self.recent.len() / 2;
                self.recent.reserve_exact(more.max(1));
            }
            self.recent.push_back(record);
        }
        self.bytes += bytes;
        self.forget();
    }

    /// What happens again and again is one record.
    fn repeats(&mut self, at: u32, kind: Kind, text: &str) -> bool {
        let newest = match self.recent.back_mut() {
            Some(newest) => newest,
            None => match self.beginning.last_mut() {
                Some(newest) => newest,
                None => return false,
            },
        };
        if newest.kind != kind || !(kind.is_periodic() || *newest.text == *text) {
            return false;
        }
        newest.last = at;
        newest.count = newest.count.saturating_add(1);
        if *newest.text != *text {
            self.bytes = self.bytes + text.len() - newest.text.len();
            newest.text = text.into();
        }
        true
    }

    fn forget(&mut self) {
        while self.bytes > self.limit {
            let Some(oldest) = self.recent.pop_front() else {
                return;
            };
            self.bytes -= cost(&oldest);
            self.forgotten += 1;
        }
    }
}

fn cost(record: &Record) -> usize {
    RECORD + record.text.len()
}

/// The text, or as much of it as `most` bytes hold.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn texts(account: &Account) -> Vec<&str> {
        account.records.iter().map(|record| &*record.text).collect()
    }

    /// However much happens, a story keeps its beginning and what is newest, within its bytes, and says what went.
    #[test]
    fn a_story_keeps_its_beginning_and_its_end() {
        let story = Story::default();
        let start = Instant::now();
        story.begin(2_048, start);
        for number in 0..1_000_u64 {
            let now = start + Duration::from_millis(number);
            story.tell(now, Kind::Refused, &format!("number {number}"));
        }
        let account = story.read();
        assert!(story.bytes() <= 2_048, "{}", story.bytes());
        assert_eq!(account.records.len() as u64 + account.forgotten, 1_000);
        let told = texts(&account);
        assert_eq!("number 0", told[0]);
        assert_eq!(Some(&"number 999"), told.last());
        assert_eq!(Some(999), account.records.last().map(|one| one.at));
        assert!(account.begun > 1_000_000_000.0);
    }

    /// What happens again and again takes the place of one record: the first time, the last, and how often.
    #[test]
    fn repetitions_are_counted() {
        let story = Story::default();
        let start = Instant::now();
        story.begin(4_096, start);
        for (second, text) in [(0, "after 1 ms"), (30, "after 2 ms"), (60, "after 3 ms")] {
            story.tell(start + Duration::from_secs(second), Kind::Pong, text);
        }
        for text in ["a", "a", "b"] {
            story.tell(start, Kind::Refused, text);
        }
        let account = story.read();
        assert_eq!(vec!["after 3 ms", "a", "b"], texts(&account));
        let counted: Vec<_> = account
            .records
            .iter()
            .map(|one| (one.at, one.last, one.count))
            .collect();
        assert_eq!(vec![(0, 60_000, 3), (0, 0, 2), (0, 0, 1)], counted);
        let bytes: usize = account.records.iter().map(cost).sum();
        assert_eq!(bytes, story.bytes());
    }

    /// With no bytes nothing is recorded, and a text that is too long is cut between letters.
    #[test]
    fn a_text_is_cut_and_a_story_can_be_switched_off() {
        let off = Story::default();
        off.begin(0, Instant::now());
        off.tell(Instant::now(), Kind::Opened, "x");
        assert!(off.read().records.is_empty());
        let story = Story::default();
        story.begin(4_096, Instant::now());
        story.tell(Instant::now(), Kind::Opened, &"é".repeat(300));
        let account = story.read();
        assert_eq!(vec!["é".repeat(128)], texts(&account));
    }
}
