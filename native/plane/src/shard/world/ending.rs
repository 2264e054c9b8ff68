//! What must hold when everybody has taken everything.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::shard::model::Cursor;
use crate::shard::ops::{CONNS, Handled, passes};
use crate::shard::world::World;

impl World {
    /// Everybody takes everything and acknowledges it; then nobody may owe anything to anybody.
    pub fn finish(&mut self) {
        if let Some(log) = self.unrestored.take() {
            self.restore(log);
        }
        if let Some(log) = self.unheard.take() {
            self.rig.tell(log);
        }
        let mut idle = 0;
        while idle < 4 {
            idle += 1;
            for conn in 1..=CONNS {
                self.rig.take_all(conn);
                self.hear();
                if self.read(conn) {
                    idle = 0;
                }
                for log in self.logs.clone() {
                    self.acknowledge(conn, log, Handled::All);
                }
            }
            if idle > 0 {
                self.rig.wait(Duration::from_secs(1));
            }
        }
        for conn in 1..=CONNS {
            let reader = &self.readers[&conn];
            assert!(self.rig.bytes(conn).is_empty(), "whole messages");
            assert_eq!(
                self.answers.get(&conn).copied().unwrap_or(0),
                reader.answers,
                "every answer comes once"
            );
            assert!(reader.told.is_empty(), "every mark comes");
            assert_eq!(0, reader.untold, "every question is answered");
            for (log, cursor) in &reader.cursors {
                self.check_end(*log, cursor);
            }
        }
    }

    fn check_end(&self, log: u64, cursor: &Cursor) {
        // P9: under `latest` too the client knows in the end that it has got everything.
        assert_eq!(
            (self.rig.epoch(log), self.rig.head(log)),
            (cursor.epoch.clone(), cursor.at),
            "all of it came"
        );
        // S3: what was passed over has a newer entry of its key, or it took its key out of a snapshot (S6).
        for skip in &cursor.skipped {
            let (epoch, offset) = (&skip.epoch, &skip.offset);
            let history = &self.history[&(log, epoch.clone())];
            let (key, data) = &history[usize::try_from(*offset).unwrap() - 1];
            if !passes(skip.filter, key, data) {
                continue;
            }
            assert!(
                skip.latest,
                "F11: {offset} was owed under {:?}",
                skip.filter
            );
            let newer = &history[usize::try_from(*offset).unwrap()..];
            // Of what the log had let go, a snapshot knows nothing (S5).
            let former = *epoch != cursor.epoch;
            let gone = data.is_null() || former || self.rig.is_gone(log, *offset);
            // P12: who has nothing of what was never here gets a snapshot of what is.
            let snapshot = cursor.snapshot || self.began.contains(&(log, epoch.clone()));
            assert!(
                newer.iter().any(|(other, _)| other == key) || snapshot && gone,
                "{offset} was the newest of {key}"
            );
        }
    }
}
