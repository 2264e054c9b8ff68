//! What the operator may set (hardening, section 1), read once at the start.

use std::path::PathBuf;
use std::time::Duration;

use crate::bucket::Rate;
use crate::durable::Fsync;

/// Limits and sizes of a plane.
#[derive(Clone, Debug)]
pub struct Settings {
    /// I/O threads; connections are spread over them.
    pub io_threads: usize,
    /// The longest that an append waits for others to be written in the same call.
    pub flush: Duration,
    /// Followers of a view from which on their writes are gathered in one system call, where the kernel has an `io_uring` for
    /// us; 0: never.
    pub ring_from: usize,
    /// Bytes of a message, where a connection is not given a limit of its own (L7).
    pub max_message: u64,
    /// Empty fragments in a row (L16).
    pub max_empty_fragments: u32,
    /// From the first byte of a message to its last (L16).
    pub message_timeout: Duration,
    /// Silence after which a PING is sent (H1, H3).
    pub heartbeat_interval: Duration,
    /// Further silence after which the connection is closed (H3).
    pub heartbeat_timeout: Duration,
    /// How long bytes may wait while the socket takes none (S8).
    pub write_stall: Duration,
    /// From our close frame to the end of the TCP connection (X6).
    pub close_wait: Duration,
    /// Bytes of answers that may wait to be read before nothing more is read (S11).
    pub answer_buffer: usize,
    /// Messages of a connection (L18).
    pub message_rate: Rate,
    /// Control frames of a connection (L17).
    pub control_rate: Rate,
    /// Bytes of a connection (L19).
    pub byte_rate: Rate,
    /// Messages on the way to Python before sockets are no longer read.
    pub inbox_messages: usize,
    /// Bytes on the way to Python before sockets are no longer read.
    pub inbox_bytes: usize,
    /// Bytes read from a connection before others have their turn.
    pub turn_read: usize,
    /// Bytes written to a connection before others have their turn.
    pub turn_write: usize,
    /// Bytes of all logs together; beyond it the oldest entries of the largest log go.
    pub log_memory: usize,
    /// Bytes of wire segments of all views together.
    pub view_memory: usize,
    /// Distinct filters of all channels together that are looked at for whatever comes; not those that are found by a ball.
    pub max_filters: usize,
    /// The same of one channel.
    pub max_channel_filters: usize,
    /// Bytes of all distinct filters, of whatever kind.
    pub filter_memory: usize,
    /// Entries that one replay holds at most (R9), and that an overrun cursor keeps (S9).
    pub resume_events: u64,
    /// Where durable logs are kept; none: there are none.
    pub data_dir: Option<PathBuf>,
    /// When their files are synced.
    pub fsync: Fsync,
    /// Bytes after which a segment file is followed by another.
    pub log_segment: usize,
    /// Entries that may wait to be written, over all durable logs.
    pub log_queue: usize,
    /// Bytes that may wait to be written.
    pub log_queue_bytes: usize,
    /// Bytes of the story of a connection; 0: none is kept.
    pub recorder: usize,
    /// Ended connections whose stories are kept.
    pub recorder_ended: usize,
    /// How long they are kept.
    pub recorder_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            io_threads: 1,
            flush: Duration::from_millis(2),
            ring_from: 256,
            max_message: 1 << 20,
            max_empty_fragments: 64,
            message_timeout: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(10),
            write_stall: Duration::from_secs(10),
            close_wait: Duration::from_secs(2),
            answer_buffer: 1 << 20,
            message_rate: Rate::new(4_000.0, 2_000.0),
            control_rate: Rate::new(100.0, 20.0),
            byte_rate: Rate::new(16_777_216.0, 4_194_304.0),
            inbox_messages: 10_000,
            inbox_bytes: 16 << 20,
            turn_read: 256 << 10,
            turn_write: 64 << 10,
            log_memory: 512 << 20,
            view_memory: 256 << 20,
            max_filters: 1_024,
            max_channel_filters: 256,
            filter_memory: 256 << 20,
            resume_events: 1_000,
            data_dir: None,
            fsync: Fsync::Interval(Duration::from_secs(1)),
            log_segment: 16 << 20,
            log_queue: 65_536,
            log_queue_bytes: 64 << 20,
            recorder: 4_096,
            recorder_ended: 10_000,
            recorder_time: Duration::from_secs(900),
        }
    }
}

impl Settings {
    /// How often every connection is looked at: at least four times in the shortest of the time-outs, at most once a second.
    pub fn scan_interval(&self) -> Duration {
        [
            self.message_timeout,
            self.heartbeat_interval,
            self.heartbeat_timeout,
            self.write_stall,
        ]
        .into_iter()
        .min()
        .map_or(SCAN, |shortest| {
            (shortest / 4).clamp(Duration::from_millis(5), SCAN)
        })
    }
}

const SCAN: Duration = Duration::from_secs(1);
