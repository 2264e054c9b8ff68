//! A subscription of one connection: where it stands, and by which of three ways its entries come.

use std::sync::Arc;
use std::time::Instant;

use crate::bucket::{Bucket, Rate};
use crate::channel::Channel;
use crate::epoch::{Epoch, Position};
use crate::feed::Feed;
use crate::filter::Sieve;
use crate::gap::Gap;
use crate::round::Round;
use crate::staging::Staging;
use crate::window::Window;

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
    /// Events under way at most (S10).
    pub ack: Option<u64>,
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

impl Way {
    fn staging(&self) -> Option<&Staging> {
        match self {
            Self::Follow(_) => None,
            Self::Feed(feed) => Some(&feed.staging),
            Self::Round(round) => Some(&round.staging),
        }
    }

    /// What was sent by it, and what needs no sending any more; who follows is known by the view.
    pub fn settled(&self) -> Option<u64> {
        match self {
            Self::Follow(_) => None,
            Self::Feed(feed) => Some(feed.settled()),
            Self::Round(round) => Some(round.settled()),
        }
    }
}

/// One subscription on an I/O thread.
#[derive(Debug)]
pub struct Cursor {
    /// The channel.
    pub channel: Arc<Channel>,
    /// Number of the view.
    pub view: usize,
    /// What it is sent; none: everything.
    pub sieve: Option<Arc<Sieve>>,
    /// How it is delivered.
    pub options: Options,
    /// How the entries come.
    pub way: Way,
    /// S7.
    pub pace: Option<Pace>,
    /// The view will wake the connection when there is something new.
    pub waiting: bool,
    /// The history that it reads.
    pub epoch: Epoch,
    /// The turn of the log in which it last looked where it stands.
    pub turn: u64,
    /// What the client was last told: the start, an event, a gap or a watermark. Not kept up while it follows, where every
    /// entry tells itself.
    pub told: Position,
    /// Since when it stands further on than that (P9).
    pub untold_since: Option<Instant>,
    /// S10.
    pub window: Option<Box<Window>>,
}

impl Cursor {
    /// A gap that it was not told of yet.
    pub fn owed_gap(&self) -> Option<&Gap> {
        self.way.staging().and_then(Staging::owed_gap)
    }

    /// P11: nothing was sent beyond the end of a gap that leads back to the head, whatever place its client has named.
    pub fn no_further(&self, position: Position) -> Position {
        let back = self.owed_gap().filter(|gap| gap.leads_back(&self.epoch));
        match back {
            Some(gap) if position.epoch == self.epoch => {
                self.epoch.position(position.offset.min(gap.to))
            }
            _ => position,
        }
    }

    /// The client is told that it stands at `offset`.
    pub fn tell(&mut self, offset: u64) {
        if self.told.epoch != self.epoch {
            self.told.epoch = self.epoch.clone();
        }
        self.told.offset = offset;
        self.untold_since = None;
    }

    /// Messages of its staging were sent, which before had been sent up to `at`.
    pub fn sent_since(&mut self, at: u64) {
        let sent = |staging: &&Staging| staging.at() != at;
        let Some(staging) = self.way.staging().filter(sent) else {
            return;
        };
        let settled = staging.settled();
        match &mut self.window {
            Some(window) if staging.is_gap() => {
                window.crossed(&self.told, &self.epoch.position(settled));
            }
            Some(window) => staging
                .sent_since(at)
                .for_each(|offset| window.sent(offset)),
            None => {}
        }
        self.tell(settled);
    }

    /// Where it stands without its client having been told so by anything (P9).
    pub fn untold(&self) -> Option<u64> {
        let settled = self.way.settled()?;
        let further = self.told.epoch == self.epoch && settled > self.told.offset;
        (further && self.owed_gap().is_none()).then_some(settled)
    }

    /// Give back what it does not need while nothing comes.
    pub fn shrink(&mut self) {
        match &mut self.way {
            Way::Follow(_) => {}
            Way::Feed(feed) => feed.staging.shrink(),
            Way::Round(round) => round.staging.shrink(),
        }
    }

    /// Whether it waits for an `ack` of its client (S10).
    pub fn is_exhausted(&self) -> bool {
        Window::left_of(self.window.as_deref()) == 0
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
