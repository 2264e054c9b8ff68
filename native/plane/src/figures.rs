//! What is counted. Every figure is written by I/O threads with relaxed atomics and read whenever somebody asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::gap::{Gap, GapReason};
use crate::histogram::Histogram;
use crate::story::Story;

/// A counter or gauge.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Count more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// Count less (gauges).
    pub fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Relaxed);
    }

    /// Replace it (gauges with one writer).
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The figure.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Figures of the whole plane.
#[derive(Debug, Default)]
pub struct Figures {
    /// Connections attached since the start.
    pub opened: Count,
    /// Messages from peers.
    pub messages_in: Count,
    /// Bytes from peers.
    pub bytes_in: Count,
    /// Publishes that I/O threads took by themselves.
    pub direct_publishes: Count,
    /// Answers to them.
    pub direct_acks: Count,
    /// Answers sent.
    pub answers: Count,
    /// Events delivered, over all channels and subscribers.
    pub deliveries: Count,
    /// Bytes written.
    pub bytes_out: Count,
    /// Writes that were gathered in an `io_uring`.
    pub ring_sends: Count,
    /// Connections closed because bytes waited and none was taken (S8, S11).
    pub stalls: Count,
    /// Connections closed because they were overrun (S9).
    pub overruns: Count,
    /// Watermarks pushed (P9).
    pub watermarks: Count,
    /// Positions that opened a window, or confirmed one (M36).
    pub acks: Count,
    /// Positions that a peer acknowledged in vain (M36).
    pub acks_ignored: Count,
    /// Times that a subscription began to wait for an `ack` with entries ahead of it (S10).
    pub window_waits: Count,
    /// Messages that were no messages.
    pub unreadable: Count,
    /// Messages compressed: an event once for all of its view (B3).
    pub deflated: Count,
    /// Their bytes before.
    pub deflate_bytes_in: Count,
    /// Their bytes after.
    pub deflate_bytes_out: Count,
    /// Compressed messages from peers that were whole and within their limit.
    pub inflated: Count,
    /// Their bytes as they came.
    pub inflate_bytes_in: Count,
    /// Their bytes.
    pub inflate_bytes_out: Count,
    /// Compressed messages from peers that would have become larger than they may (L20).
    pub bombs: Count,
    /// Commands for connections or logs that were gone.
    pub late: Count,
    /// Times that reading stopped because Python did not drain.
    pub inbox_full: Count,
    /// Panics that were contained.
    pub panics: Count,
    /// Views.
    pub views: Count,
    /// Bytes of wire segments.
    pub view_bytes: Count,
    /// Turns of the I/O threads.
    pub turns: Histogram,
    /// From PING to PONG.
    pub heartbeat: Histogram,
    closed: Mutex<BTreeMap<u16, u64>>,
}

impl Figures {
    /// A connection has ended.
    pub fn count_closed(&self, code: u16) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed.entry(code).or_default() += 1;
    }

    /// Connections ended, by close code.
    pub fn closed(&self) -> BTreeMap<u16, u64> {
        self.closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Figures of one channel.
#[derive(Debug, Default)]
pub struct ChannelFigures {
    /// Entries appended.
    pub appended: Count,
    /// Events delivered, over all subscribers.
    pub deliveries: Count,
    /// From append to the first subscriber written to.
    pub first_write: Histogram,
    /// From append to the last subscriber written to.
    pub last_write: Histogram,
    gaps: [(Count, Count); GapReason::ALL.len()],
}

impl ChannelFigures {
    /// A gap was given.
    pub fn count_gap(&self, gap: &Gap) {
        if let Some((count, entries)) = self.gaps.get(gap.reason as usize) {
            count.add(1);
            entries.add(gap.missed.unwrap_or(0));
        }
    }

    /// Gaps given and entries known to be missed, by reason.
    pub fn gaps(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let named = GapReason::ALL.into_iter().zip(&self.gaps);
        named.map(|(reason, (count, entries))| (reason.name(), count.get(), entries.get()))
    }
}

/// Figures of one connection, brought up to date about once a second.
#[derive(Debug, Default)]
pub struct ConnectionFigures {
    /// Messages from the peer.
    pub messages_in: Count,
    /// Bytes from the peer.
    pub bytes_in: Count,
    /// Bytes written.
    pub bytes_out: Count,
    /// Subscriptions.
    pub subscriptions: Count,
    /// Answers not taken yet, in bytes.
    pub unread_answers: Count,
    /// 1 while the socket takes nothing.
    pub blocked: Count,
    /// What happened to it.
    pub story: Story,
}
