//! What comes from the other side of a connection, judged by its limits: no I/O, time is an argument.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::allowance::Clock;
use crate::batch::{Batch, Event};
use crate::bucket::Bucket;
use crate::closing::{Cause, Verdict};
use crate::entry::Encoding;
use crate::frame::{FrameReader, Incoming, write_message};
use crate::inbound::{Direct, Grants};
use crate::inbox::Inbox;
use crate::outbound::Outbound;
use crate::settings::Settings;

/// What is done with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// They go to Python, in this encoding.
    Hub(Encoding),
    /// They are sent back (conformance suites).
    Echo,
}

impl Service {
    /// The subprotocol of its messages.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Hub(encoding) => encoding,
            Self::Echo => Encoding::Json,
        }
    }
}

/// Where what was received goes.
#[derive(Debug)]
pub struct Reception<'a> {
    /// The connection.
    pub id: u64,
    /// What is done with messages.
    pub service: Service,
    /// Rates and sizes.
    pub settings: &'a Settings,
    /// For pongs and echoes.
    pub out: &'a mut Outbound,
    /// For messages.
    pub batch: &'a mut Batch,
    /// For publishes that are taken without Python, and what allows it; none: nothing does.
    pub direct: Option<(&'a mut Direct, &'a mut Grants)>,
    /// Python's monotonic clock.
    pub clock: Clock,
    /// Whether it takes more.
    pub inbox: &'a Inbox,
    /// What is owed to a close frame of ours: the peer's messages are discarded (section 14).
    pub closing: bool,
    /// The largest message.
    pub max_message: u64,
    /// Now.
    pub now: Instant,
}

/// The incoming side of a connection.
#[derive(Debug)]
pub struct Peer {
    control: Bucket,
    messages: Bucket,
    bytes: Bucket,
    received_at: Instant,
    pinged_at: Option<Instant>,
    pong_after: Option<Duration>,
    unfinished_since: Option<Instant>,
    started: u32,
    paused_until: Option<Instant>,
    /// Messages since the beginning.
    pub message_count: u64,
    /// Bytes since the beginning.
    pub byte_count: u64,
    /// Messages that were no messages.
    pub unreadable: u64,
}

impl Peer {
    /// A peer that has just come; its buckets are full (L22).
    pub fn new(settings: &Settings, now: Instant) -> Self {
        Self {
            control: Bucket::new(settings.control_rate, now),
            messages: Bucket::new(settings.message_rate, now),
            bytes: Bucket::new(settings.byte_rate, now),
            received_at: now,
            pinged_at: None,
            pong_after: None,
            unfinished_since: None,
            started: 0,
            paused_until: None,
            message_count: 0,
            byte_count: 0,
            unreadable: 0,
        }
    }

    /// `count` bytes came: a sign of life (H1), charged to L19.
    pub fn bytes_received(&mut self, count: usize, settings: &Settings, now: Instant) {
        self.received_at = now;
        self.byte_count += count as u64;
        let cost = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let debt = self.bytes.charge(settings.byte_rate, cost, now);
        self.paused_until = (!debt.is_zero()).then(|| now + debt);
    }

    /// What came compressed counts with all of its bytes (L20).
    pub fn inflated(&mut self, before: usize, after: usize, settings: &Settings, now: Instant) {
        let more = after.saturating_sub(before);
        let cost = f64::from(u32::try_from(more).unwrap_or(u32::MAX));
        let debt = self.bytes.charge(settings.byte_rate, cost, now);
        self.paused_until = (!debt.is_zero()).then(|| now + debt);
    }

    /// Until when nothing may be read (L19).
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }

    /// Judge one message or control frame. Break: the inbox is full, or there is a verdict.
    pub fn receive(
        &mut self,
        incoming: &Incoming<'_>,
        to: &mut Reception<'_>,
    ) -> ControlFlow<Option<Verdict>> {
        if let Incoming::Close { code, reason } = incoming {
            return ControlFlow::Break(Some(Verdict::new(
                code.unwrap_or(1005),
                reason,
                Cause::Peer,
            )));
        }
        if to.closing {
            return ControlFlow::Continue(());
        }
        match incoming {
            Incoming::Ping(payload) => self.pinged(payload, to),
            Incoming::Pong(_) => self.ponged(to),
            Incoming::Text(text) => self.message(text, false, to),
            Incoming::Binary(bytes) => self.message(bytes, true, to),
            Incoming::TooLarge { size } => self.too_large(*size, to),
            // It has become one of the others.
            Incoming::Compressed { .. } | Incoming::Close { .. } => ControlFlow::Continue(()),
        }
    }

    fn pinged(&mut self, payload: &[u8], to: &mut Reception<'_>) -> ControlFlow<Option<Verdict>> {
        self.control_frame(to)?;
        to.out.pong(payload);
        ControlFlow::Continue(())
    }

    fn ponged(&mut self, to: &mut Reception<'_>) -> ControlFlow<Option<Verdict>> {
        self.control_frame(to)?;
        let asked = self.pinged_at.take();
        self.pong_after = asked.map(|asked| to.now.saturating_duration_since(asked));
        ControlFlow::Continue(())
    }

    fn control_frame(&mut self, to: &Reception<'_>) -> ControlFlow<Option<Verdict>> {
        if to.service == Service::Echo || self.control.take(to.settings.control_rate, 1.0, to.now) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Some(Verdict::rate_abuse()))
        }
    }

    fn count_message(&mut self, to: &Reception<'_>) -> ControlFlow<Option<Verdict>> {
        self.message_count += 1;
        if to.service == Service::Echo || self.messages.take(to.settings.message_rate, 1.0, to.now)
        {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Some(Verdict::rate_abuse()))
        }
    }

    fn message(
        &mut self,
        payload: &[u8],
        binary: bool,
        to: &mut Reception<'_>,
    ) -> ControlFlow<Option<Verdict>> {
        self.count_message(to)?;
        match to.service {
            Service::Echo => {
                let opcode = if binary {
                    Encoding::Msgpack.opcode()
                } else {
                    Encoding::Json.opcode()
                };
                write_message(to.out.answers(), opcode, payload);
                return ControlFlow::Continue(());
            }
            // C2: text is illegal under msgpack.
            Service::Hub(Encoding::Msgpack) if !binary => {
                let verdict = Verdict::new(
                    4000,
                    "protocol_broken; text frame under msgpack",
                    Cause::Protocol,
                );
                return ControlFlow::Break(Some(verdict));
            }
            Service::Hub(_) => {}
        }
        if !binary && self.taken(payload, to) {
            return ControlFlow::Continue(());
        }
        if binary {
            to.batch.push_binary(to.id, payload);
        } else if let Err(fault) = to.batch.push_text(to.id, payload) {
            self.unreadable("bad_json", fault.to_string(), to);
        }
        if let Some((_, grants)) = &mut to.direct {
            grants.passed(to.now);
            if grants.paused_until(to.now).is_some() {
                return ControlFlow::Break(None);
            }
        }
        goes_on(to)
    }

    /// Whether it is a publish that needs no Python.
    fn taken(&self, text: &[u8], to: &mut Reception<'_>) -> bool {
        let (count, now) = (self.message_count, to.now);
        to.direct
            .as_mut()
            .is_some_and(|(direct, grants)| direct.take(grants, text, count, to.clock.seconds(now)))
    }

    fn too_large(&mut self, size: u64, to: &mut Reception<'_>) -> ControlFlow<Option<Verdict>> {
        self.count_message(to)?;
        if to.service == Service::Echo {
            return ControlFlow::Break(Some(Verdict::new(1009, "too_large", Cause::Limit)));
        }
        let text = format!(
            "a message of at most {} bytes was expected, one of {size} or more came",
            to.max_message
        );
        self.unreadable("too_large", text, to);
        goes_on(to)
    }

    fn unreadable(&mut self, slug: &'static str, text: String, to: &mut Reception<'_>) {
        self.unreadable += 1;
        to.batch.push(to.id, Event::Unreadable(slug, text));
    }

    /// After input was parsed: a message begun is timed from its first byte (L16).
    pub fn parsed(&mut self, reader: &FrameReader, now: Instant) {
        if !reader.is_mid_message() {
            self.unfinished_since = None;
        } else if self.unfinished_since.is_none() || self.started != reader.started() {
            self.unfinished_since = Some(now);
        }
        self.started = reader.started();
    }

    /// The peer was kept waiting by us: neither its silence nor its unfinished message counts for that time.
    pub fn forgive(&mut self, now: Instant) {
        self.received_at = now;
        self.pinged_at = None;
        self.unfinished_since = self.unfinished_since.map(|_| now);
    }

    /// L16: what was begun should have been finished.
    pub fn is_overdue(&self, settings: &Settings, now: Instant) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        self.unfinished_since
            .is_some_and(|then| since(then) >= settings.message_timeout)
    }

    /// H3: what its silence asks for.
    pub fn heartbeat(&mut self, settings: &Settings, now: Instant) -> Heartbeat {
        let silence = now.saturating_duration_since(self.received_at);
        if silence >= settings.heartbeat_interval + settings.heartbeat_timeout {
            return Heartbeat::Dead;
        }
        if silence < settings.heartbeat_interval {
            self.pinged_at = None;
            return Heartbeat::Alive;
        }
        if self.pinged_at.is_some() {
            return Heartbeat::Alive;
        }
        self.pinged_at = Some(now);
        Heartbeat::Ping
    }

    /// How long the last PING took to be answered, told once.
    pub fn take_pong_after(&mut self) -> Option<Duration> {
        self.pong_after.take()
    }
}

/// What a peer's silence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// Nothing.
    Alive,
    /// A PING.
    Ping,
    /// The end.
    Dead,
}

fn goes_on(to: &Reception<'_>) -> ControlFlow<Option<Verdict>> {
    if to.inbox.has_room(to.batch) {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H1, H3: a PING after `interval` of silence, the end `timeout` later; any byte starts the time again.
    #[test]
    fn silence_asks_for_a_ping_and_then_for_the_end() {
        let settings = Settings::default();
        let start = Instant::now();
        let mut peer = Peer::new(&settings, start);
        let mut at = |seconds: u64| peer.heartbeat(&settings, start + Duration::from_secs(seconds));
        assert_eq!(
            [Heartbeat::Alive, Heartbeat::Ping, Heartbeat::Alive],
            [at(29), at(30), at(39)]
        );
        assert_eq!(Heartbeat::Dead, at(40));
        peer.bytes_received(1, &settings, start + Duration::from_secs(39));
        let mut at = |seconds: u64| peer.heartbeat(&settings, start + Duration::from_secs(seconds));
        assert_eq!(
            [Heartbeat::Alive, Heartbeat::Ping, Heartbeat::Dead],
            [at(68), at(69), at(79)]
        );
    }

    /// What was kept waiting by us is forgiven.
    #[test]
    fn nothing_counts_for_the_time_we_did_not_read() {
        let settings = Settings::default();
        let start = Instant::now();
        let mut peer = Peer::new(&settings, start);
        let mut reader = FrameReader::new(crate::frame::ReaderLimits {
            max_message: 100,
            skip_factor: 8,
            max_empty_fragments: 1,
            deflate: false,
        });
        assert_eq!(
            Ok(1),
            reader.read(&mut [0x81], &mut |_| ControlFlow::Continue(()))
        );
        peer.parsed(&reader, start);
        let later = start + Duration::from_secs(31);
        assert!(peer.is_overdue(&settings, later));
        peer.forgive(later);
        assert!(!peer.is_overdue(&settings, later));
        assert_eq!(Heartbeat::Alive, peer.heartbeat(&settings, later));
    }
}
