//! Once a second, every connection is looked at: heartbeat, stalls, messages that never end, memory that is not needed.

use std::time::{Duration, Instant};

use crate::closing::Verdict;
use crate::connection::{Connection, KeptWaiting};
use crate::cursor::Cursor;
use crate::peer::Heartbeat;
use crate::settings::Settings;
use crate::shard::Shard;
use crate::shard::lags::is_lagging;
use crate::view::View;

/// Our own lateness from which on no silence is held against a peer (H5).
const LATE: Duration = Duration::from_secs(1);

/// When scans are due, and whether they have been on time.
#[derive(Debug)]
pub(super) struct Scans {
    next: Instant,
    interval: Duration,
    on_time_from: Instant,
}

impl Scans {
    pub(super) fn new(now: Instant, interval: Duration) -> Self {
        Self {
            next: now + interval,
            interval,
            on_time_from: now,
        }
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// H5: after being late, `patience` must pass on time before silence counts again. Whether it counts now.
    fn begin(&mut self, now: Instant, patience: Duration) -> bool {
        if now.saturating_duration_since(self.next) > LATE {
            self.on_time_from = now + patience;
        }
        self.next = now + self.interval;
        now >= self.on_time_from
    }
}

impl Shard {
    pub(super) fn scan(&mut self, now: Instant) {
        let patience = self.settings().heartbeat_timeout;
        let silence_counts = self.scans.begin(now, patience);
        let mut ended = Vec::new();
        let mut due = Vec::new();
        let mut lagging = Vec::new();
        let settings = &self.shared.settings;
        for (slot, connection) in &mut self.connections {
            if is_lagging(connection) {
                lagging.push(slot);
            }
            if connection.report(&self.shared.figures) {
                connection.shrink();
            }
            match judge(connection, settings, silence_counts, now) {
                // S9: whoever waits for an `ack` may have been overrun meanwhile.
                Judgement::Fine if connection.cursors.iter().any(Cursor::is_exhausted) => {
                    due.push(slot);
                }
                Judgement::Fine => {}
                Judgement::Ping => due.push(slot),
                Judgement::Ends(verdict) => ended.push((slot, verdict)),
            }
        }
        self.tell_lags(&lagging, now);
        for slot in due {
            self.enqueue(slot);
        }
        for (slot, verdict) in ended {
            self.begin_close(slot, verdict, now);
        }
        self.tell_standing(now);
        self.wake_passed_over();
        self.scan_views();
    }

    /// Those that wait behind a filter go on over what has not passed it since.
    fn wake_passed_over(&mut self) {
        let passed = |view: &View| {
            view.sieve.is_some() && !view.waiting.is_empty() && view.head() > view.woken
        };
        let views = self.views.all.iter().filter(|(_, view)| passed(view));
        let numbers: Vec<usize> = views.map(|(number, _)| number).collect();
        for number in numbers {
            self.wake_waiting(number);
        }
    }

    fn scan_views(&mut self) {
        for (_, view) in &mut self.views.all {
            if view.appended_at.is_none() {
                view.shrink();
            }
        }
        self.views.dirty.shrink_to(64);
        self.views.unread.shrink_to(64);
        self.shared.figures.view_bytes.set(self.views.bytes as u64);
    }
}

enum Judgement {
    Fine,
    Ping,
    Ends(Verdict),
}

fn judge(
    connection: &mut Connection,
    settings: &Settings,
    silence_counts: bool,
    now: Instant,
) -> Judgement {
    if connection.closing.is_some() {
        return Judgement::Fine;
    }
    if connection.out.stalled_for(now) >= settings.write_stall {
        return Judgement::Ends(Verdict::stalled());
    }
    // What is not read because of us is neither silence nor slowness of the peer.
    if connection.kept_waiting != KeptWaiting::No || connection.transport.is_virtual() {
        return Judgement::Fine;
    }
    if silence_counts && connection.peer.is_overdue(settings, now) {
        return Judgement::Ends(Verdict::unfinished());
    }
    match connection.peer.heartbeat(settings, now) {
        Heartbeat::Ping => {
            connection.out.ping();
            Judgement::Ping
        }
        Heartbeat::Dead if silence_counts => Judgement::Ends(Verdict::silent()),
        Heartbeat::Alive | Heartbeat::Dead => Judgement::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H5: who is late itself holds no silence against anybody until it has been on time for `timeout`.
    #[test]
    fn a_late_scan_forgives_silence() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let patience = Duration::from_secs(10);
        let mut scans = Scans::new(start, Duration::from_secs(1));
        assert!(scans.begin(at(1_000), patience));
        assert!(scans.begin(at(2_900), patience));
        assert!(!scans.begin(at(5_000), patience));
        assert!(!scans.begin(at(6_000), patience));
        assert!(!scans.begin(at(14_999 - 1_000), patience));
    }
}
