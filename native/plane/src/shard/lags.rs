//! Who does not keep up, for the stories of connections.

use std::time::Instant;

use crate::connection::Connection;
use crate::cursor::Cursor;
use crate::shard::Shard;
use crate::story::Kind;

impl Shard {
    /// Once a second: who does not take what is ready, at this look and at the one before, and who waits for an `ack`.
    pub(super) fn tell_lags(&self, slots: &[usize], now: Instant) {
        for slot in slots {
            let Some(connection) = self.connections.get(*slot) else {
                continue;
            };
            let story = &connection.figures.story;
            if connection.out.is_blocked() {
                story.set_slow(true);
                story.tell(now, Kind::Slow, &self.lag(connection));
            } else if story.set_slow(false) {
                story.tell(now, Kind::KeepsUp, &self.lag(connection));
            }
            for cursor in connection.cursors.iter().filter(|one| one.is_exhausted()) {
                let behind = self.behind(cursor);
                if behind > 0 {
                    let name = &cursor.channel.name;
                    story.tell(now, Kind::AwaitsAck, &format!("{name}, {behind} behind"));
                }
            }
        }
    }

    fn lag(&self, connection: &Connection) -> String {
        let behind = connection
            .cursors
            .iter()
            .map(|cursor| format!("{} {} behind", cursor.channel.name, self.behind(cursor)));
        behind.collect::<Vec<_>>().join(", ")
    }

    /// Entries between a cursor and the head of its channel, owed or not.
    fn behind(&self, cursor: &Cursor) -> u64 {
        let settled = self.views.settled(cursor);
        cursor.channel.log().head().saturating_sub(settled)
    }
}

/// Whether the story of a connection has something to tell at a look, which `report` will make the last one.
pub(super) fn is_lagging(connection: &Connection) -> bool {
    let (was, is) = (
        connection.figures.blocked.get() == 1,
        connection.out.is_blocked(),
    );
    connection.closing.is_none()
        && ((was && is)
            || (!was && !is && connection.figures.story.is_slow())
            || connection.cursors.iter().any(Cursor::is_exhausted))
}
