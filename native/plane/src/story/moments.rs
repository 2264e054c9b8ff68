//! What the plane tells of a connection, in the words of the record.

use std::time::{Duration, Instant};

use crate::closing::Verdict;
use crate::connection::Connection;
use crate::cursor::{Cursor, Delivery, OnSlow};
use crate::epoch::Epoch;
use crate::gap::Gap;
use crate::story::{Kind, Story};

impl Story {
    /// It begins: a connection comes, relayed or with a socket, and may hold at most `limit` bytes.
    pub fn attached(&self, limit: usize, relayed: bool) {
        let now = Instant::now();
        self.begin(limit, now);
        let way = if relayed {
            "relayed"
        } else {
            "its socket was handed over"
        };
        self.tell(now, Kind::Attached, way);
    }

    /// A cursor stands on a channel, so far behind its head.
    pub fn subscribed(&self, now: Instant, cursor: &Cursor, behind: u64) {
        let options = &cursor.options;
        let delivery = match options.delivery {
            Delivery::All => "all",
            Delivery::Latest => "latest",
        };
        let on_slow = match options.on_slow {
            OnSlow::Gap => "gap",
            OnSlow::Close => "close",
        };
        let ack = options
            .ack
            .map_or(String::new(), |size| format!(", ack {size}"));
        let (name, position) = (&cursor.channel.name, &cursor.told);
        let text =
            format!("{name} from {position}, {behind} behind, {delivery}, on_slow {on_slow}{ack}");
        self.tell(now, Kind::Subscribed, &text);
    }

    /// Entries of a channel do not come.
    pub fn gap(&self, now: Instant, channel: &str, gap: &Gap, epoch: &Epoch) {
        let missed = gap.missed.map_or_else(
            || "an unknown number of entries".to_owned(),
            |missed| format!("{missed} entries"),
        );
        let (from, to) = (&gap.from, epoch.position(gap.to));
        let reason = gap.reason.name();
        let text = format!("{channel} {from} to {to}, {missed} missed ({reason})");
        self.tell(now, Kind::Gap, &text);
    }

    /// It answered a PING.
    pub fn pong(&self, now: Instant, after: Duration) {
        let text = format!("after {:.1} ms", after.as_secs_f64() * 1_000.0);
        self.tell(now, Kind::Pong, &text);
    }

    /// S9: the next entry was gone before it could be sent, and the subscription asked to be closed for that.
    pub fn overrun(&self, now: Instant, channel: &str) {
        let text = format!("{channel}: what comes next left the log before it could be sent");
        self.tell(now, Kind::Slow, &text);
    }

    /// The end was decided.
    pub fn closing(&self, now: Instant, verdict: &Verdict) {
        let Verdict {
            code,
            reason,
            cause,
        } = verdict;
        let space = if reason.is_empty() { "" } else { " " };
        let text = format!("{code}{space}{reason} (by {})", cause.name());
        self.tell(now, Kind::Closing, &text);
    }

    /// The end; figures as they are in the end.
    pub fn ended(&self, connection: &Connection) {
        let own = &connection.figures;
        let text = format!(
            "{} messages and {} bytes received, {} bytes sent",
            own.messages_in.get(),
            own.bytes_in.get(),
            own.bytes_out.get()
        );
        self.tell(Instant::now(), Kind::Ended, &text);
    }

    /// Whether it was told to be slow, and not yet to keep up again.
    pub fn is_slow(&self) -> bool {
        self.told().slow
    }

    /// Whether it is slow from now on; true if that is news.
    pub fn set_slow(&self, slow: bool) -> bool {
        std::mem::replace(&mut self.told().slow, slow) != slow
    }
}
