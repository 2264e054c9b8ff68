//! A subscription of one connection: where it stands, and by which of three ways its entries come.

use std::sync::Arc;
use std::time::Instant;

use crate::bucket::{Bucket, Rate};
use crate::channel::Channel;
use crate::feed::Feed;
use crate::round::Round;

/// S2, S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Every owed entry.
    All,
    /// Conflated by key where the socket is slower than the channel.
    Latest,
}

/// S9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSlow {
    /// Go on behind a gap.
    Gap,
    /// Close with 4213.
    Close,
}

/// How a subscription is delivered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Every entry, or the latest.
    pub delivery: Delivery,
    /// What an overrun does.
    pub on_slow: OnSlow,
    /// Events per second at most (S7); with `Latest` only.
    pub max_rate: Option<f64>,
}

/// How the entries come.
#[derive(Debug)]
pub enum Way {
    /// From the segments of the view, as its follower number so and so.
    Follow(usize),
    /// From the log, until the view is reached.
    Feed(Box<Feed>),
    /// From the log, conflated.
    Round(Box<Round>),
}

/// One subscription on an I/O thread.
#[derive(Debug)]
pub struct Cursor {
    /// The channel.
    pub channel: Arc<Channel>,
    /// Number of the view.
    pub view: usize,
    /// How it is delivered.
    pub options: Options,
    /// How the entries come.
    pub way: Way,
    /// S7.
    pub pace: Option<Pace>,
    /// The view will wake the connection when there is something new.
    pub waiting: bool,
}

impl Cursor {
    /// The position before a gap that it was not told of yet.
    pub fn owed_gap(&self) -> Option<&str> {
        match &self.way {
            Way::Follow(_) => None,
            Way::Feed(feed) => feed.staging.owed_gap(),
            Way::Round(round) => round.staging.owed_gap(),
        }
    }
}

/// The pace of a subscription with `max_rate`.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rate: Rate,
    bucket: Bucket,
    wakes_at: Option<Instant>,
}

impl Pace {
    /// At most `per_second` events.
    pub fn new(per_second: f64, now: Instant) -> Self {
        let rate = Rate::paced(per_second);
        Self {
            rate,
            bucket: Bucket::new(rate, now),
            wakes_at: None,
        }
    }

    /// Events that may be sent now, at most `wanted`.
    pub fn allowed(&mut self, wanted: usize, now: Instant) -> usize {
        let mut left = self.bucket;
        let allowed = (0..wanted)
            .take_while(|_| left.take(self.rate, 1.0, now))
            .count();
        // Refilled up to now, nothing taken: that is told by `sent`.
        self.bucket.take(self.rate, 0.0, now);
        allowed
    }

    /// So many were sent.
    pub fn sent(&mut self, count: usize, now: Instant) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.bucket.charge(self.rate, f64::from(count), now);
    }

    /// When to look again, unless that was arranged already.
    pub fn wake(&mut self, now: Instant) -> Option<Instant> {
        if self.wakes_at.is_some_and(|at| at > now) {
            return None;
        }
        let at = now + self.bucket.wait_for(self.rate, 1.0);
        self.wakes_at = Some(at);
        Some(at)
    }
}
