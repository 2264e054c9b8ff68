//! Writes to many followers gathered in one system call. What is observable of them is as if each were written alone.

use ring::{Ring, Send, Sent};
use slab::Slab;

use crate::connection::Connection;
use crate::settings::Settings;
use crate::view::{Follower, View};

/// Writes of one system call.
const ENTRIES: u32 = 1_024;

/// The ring of an I/O thread, to be opened on it; `None`: there is none for us, or none is wanted.
pub(super) fn open(settings: &Settings) -> Option<Ring> {
    (settings.ring_from > 0)
        .then(|| Ring::open(ENTRIES).ok())
        .flatten()
}

/// What was sent to whom, until it is accounted for.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// By place among the followers, ascending: bytes asked for, and what became of it.
    sent: Vec<(usize, usize, Sent)>,
}

impl Gathered {
    /// Send to all `followers` that may be written to at once. Of nobody else, and of nobody where the ring fails, which is
    /// then given up, anything is known afterwards: they are to be written to one by one.
    pub(super) fn send(
        ring: &mut Option<Ring>,
        followers: &[Follower],
        view: &View,
        connections: &Slab<Connection>,
        budget: usize,
    ) -> Self {
        let Some(open) = ring else {
            return Self::default();
        };
        let mut places = Vec::with_capacity(followers.len());
        let mut sends = Vec::with_capacity(followers.len());
        for (place, follower) in followers.iter().enumerate() {
            let bytes = view
                .segment_at(follower.position)
                .map(|segment| segment.within(follower.position, budget));
            let to = connections
                .get(follower.slot)
                .filter(|connection| connection.is_clear())
                .and_then(|connection| connection.transport.socket());
            if let (Some(to), Some(bytes)) = (to, bytes) {
                places.push(place);
                sends.push(Send { to, bytes });
            }
        }
        let mut results = Vec::with_capacity(sends.len());
        if open.send_all(&sends, &mut results).is_err() {
            *ring = None;
        }
        let asked = sends.iter().map(|send| send.bytes.len());
        let mut sent: Vec<_> = places
            .into_iter()
            .zip(asked)
            .zip(results)
            .map(|((place, asked), result)| (place, asked, result))
            .collect();
        sent.reverse();
        Self { sent }
    }

    /// How many were sent to.
    pub(super) fn len(&self) -> usize {
        self.sent
            .iter()
            .filter(|(_, _, sent)| sent.is_some())
            .count()
    }

    /// What became of the send to the follower at `place`: bytes asked for and taken. To be asked in ascending order.
    pub(super) fn take(&mut self, place: usize) -> Option<(usize, std::io::Result<usize>)> {
        while self.sent.last().is_some_and(|(other, ..)| *other < place) {
            self.sent.pop();
        }
        let (_, asked, sent) = self.sent.pop_if(|(other, ..)| *other == place)?;
        sent.map(|taken| (asked, taken))
    }
}
